"""A graph as plain text, of 80 columns unless it is to be narrower."""

from __future__ import annotations

from dataclasses import fields

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Elementwise, Shape
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Reduce
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.matrix.op import Dense

WIDTH = 80


def steps(graph: Graph, width: int = WIDTH) -> list[str]:
    """One entry a computing step, in order: number, what it computes, its shape, its weights, its layer.

    Lines fit the width, in columns; where not all does, what is left stands on lines of its own.
    """
    names = {name: _cut(name, 20) for name in graph.inputs}
    names |= {node.output: f"#{place}" for place, node in enumerate(graph.nodes, 1)}
    return [_step(graph, node, names, width) for node in graph.nodes]


def graph_text(graph: Graph, width: int = WIDTH) -> str:
    """The whole graph: inputs, steps, outputs and notes, in lines that fit the width."""
    names = {node.output: f"#{place}" for place, node in enumerate(graph.nodes, 1)}
    lines = [
        _row("", _cut(name, width - 6), graph.types[name].shape, "", "input", width) for name in graph.inputs
    ]
    lines += steps(graph, width)
    lines += _wrapped("returns " + ", ".join(names.get(v, v) for v in graph.outputs), "      ", width)
    for note in graph.notes:
        lines += _wrapped(f"note: {note}", "      ", width)
    return "\n".join(lines)


def formula(graph: Graph, node: Node, names: dict[str, str]) -> str:
    """What a node computes, in short: ``relu(#1 @ kernel + bias)``."""
    operands = [names.get(v) or _number(graph, v) or v for v in node.inputs]
    x = operands[0]
    match node.op:
        case Dense():
            text = f"{x} @ kernel" + (" + bias" if len(operands) > 2 else "")
        case Affine():
            text = (f"({x} - mean)" if len(operands) > 3 else x) + " * scale + offset"
        case Binary(kind=kind):
            signs = {"add": "+", "subtract": "-", "multiply": "*"}
            text = f" {signs[kind]} ".join(operands) if kind in signs else f"{kind}({', '.join(operands)})"
        case Binary(kind=kind) if kind in SIGNS:
            return f" {SIGNS[kind]} ".join(operands)
        case Reduce(kind=kind, axes=axes):
            text = f"{kind}({x}, axes={axes})".replace(" ", "").replace(",axes", ", axes")
        case Unary(function=function):
            return f"{function}({x})" if not function.params else f"{function.name}({x}){_settings(function)}"
        case _:
            data = operands[: node.op.data_operands(len(operands))]
            own = [(f, getattr(node.op, f.name)) for f in fields(node.op) if f.name != "activation"]
            settings = [f"{f.name}={v}".replace(" ", "") for f, v in own if v is not f.default]
            text = f"{type(node.op).__name__.lower()}({', '.join(data + settings)})"
    activation = getattr(node.op, "activation", None)
    return text if activation is None else f"{activation.name}({text}){_settings(activation)}"


SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "equal": "==", "not_equal": "!=",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "logical_and": "and", "logical_or": "or",
}  # fmt: skip
"""How two values are combined, in Python's words."""


def _number(graph: Graph, value: str) -> str | None:
    """A constant that is one number, as that number."""
    array = graph.constants.get(value)
    return f"{float(array.item()):g}" if array is not None and array.ndim == 0 else None


def _settings(function: Elementwise) -> str:
    """Parameters that differ from those of the plain activation."""
    plain = {"negative_slope": 0.0, "max_value": float("inf"), "threshold": 0.0}
    changed = [f"{k}={v:g}" for k, v in function.params if plain.get(k) != v]
    return f" {' '.join(changed)}" if changed else ""


def _step(graph: Graph, node: Node, names: dict[str, str], width: int) -> str:
    arrays = [graph.constants[v] for v in node.inputs if v in graph.constants]
    weights = sum(a.size for a in arrays if a.ndim)  # a number is part of the formula
    what = _cut(formula(graph, node, names), WIDTH - 6)  # what does not fit is wrapped
    return _row(
        names[node.output],
        what,
        graph.types[node.output].shape,
        f"{weights:,}" if weights else "",
        node.layer,
        width,
    )


def _row(number: str, what: str, shape: Shape, weights: str, layer: str, width: int) -> str:
    sizes = f"({', '.join('n' if n is None else str(n) for n in shape)})"
    line = f"{number:>4}  {what:<32} {sizes:<12} {weights:>7}  "
    if len(line) + len(layer) <= width:
        return line + layer
    lines = [line.rstrip(), f"      {layer}"]
    if len(lines[0]) > width:  # columns make no table there
        rest = " ".join(part for part in (sizes, weights, layer) if part)
        lines = [f"{number:>4}  {what}", f"      {rest}"]
    return "\n".join(part for text in lines for part in _wrapped(text, "      ", width))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    import textwrap

    if len(text) <= width:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=True, replace_whitespace=False
    )
