"""A graph as plain text, by default 80 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, Shape, fused_activation
from foldnet.operations.catalogue import rules
from foldnet.operations.texts import applied

WIDTH = 80


def steps(graph: Graph, width: int = WIDTH) -> list[str]:
    """One entry per step, in order: number, formula, shape, number of weights, layer.

    Lines fit the width, in columns; the rest of a longer entry is on separate lines.
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


def formula(graph: Graph, node: Node[Op], names: dict[str, str]) -> str:
    """A node's formula in short form: ``relu(#1 @ kernel + bias)``."""
    operands = [names.get(v) or _number(graph, v) or v for v in node.inputs]
    own = rules("text", type(node.op))
    text = own.formula(node.op, operands) if own and own.formula else _in_general(node.op, operands)
    return applied(fused_activation(node.op), text)


def _in_general(op: Op, operands: Sequence[str]) -> str:
    """The op's name, its data operands, and the settings that differ from their defaults."""
    data = operands[: op.data_operands(len(operands))]
    own = [(f, getattr(op, f.name)) for f in fields(op) if f.name != "activation"]
    settings = [f"{f.name}={v}".replace(" ", "") for f, v in own if v is not f.default]
    return f"{type(op).__name__.lower()}({', '.join([*data, *settings])})"


def _number(graph: Graph, value: str) -> str | None:
    """A constant that is one number, as that number."""
    array = graph.constants.get(value)
    return f"{float(array.item()):g}" if array is not None and array.ndim == 0 else None


def _step(graph: Graph, node: Node[Op], names: dict[str, str], width: int) -> str:
    arrays = [graph.constants[v] for v in node.inputs if v in graph.constants]
    weights = sum(a.size for a in arrays if a.ndim)  # a number is part of the formula
    what = _cut(formula(graph, node, names), WIDTH - 6)  # longer text is wrapped
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
    if len(lines[0]) > width:  # too narrow for columns
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
