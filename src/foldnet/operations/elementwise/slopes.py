"""The slopes of the records, evaluated: on arrays, or traced to a graph and printed as C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.codegen.expressions import composed
from foldnet.codegen.maths import literal
from foldnet.graph.graph import Graph, GraphBuilder, Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.c import text_of
from foldnet.operations.elementwise.functions import BINARY, FUNCTIONS, WHERE, Function, parameters
from foldnet.operations.elementwise.op import Table, Where
from foldnet.operations.expression import Expression, binary, emitted, unary

Params = tuple[tuple[str, float], ...]


class _OnArrays:
    """The functions used in slopes, on arrays of one dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype

    def __getattr__(self, name: str) -> Callable[..., Array]:
        known = WHERE if name == "where" else FUNCTIONS.get(name) or BINARY[name]
        return lambda *xs: np.asarray(known.compute(*(np.asarray(x, self._dtype) for x in xs)), self._dtype)


class _OnExpressions:
    """The same functions on expressions."""

    def __getattr__(self, name: str) -> Callable[..., Expression]:
        if name == "where":
            return lambda *xs: emitted(Where(), *xs, spread=True)
        if name in FUNCTIONS:
            return lambda x: unary(name, x)
        return lambda a, b: binary(name, a, b)


def on_arrays(
    function: Function, params: Mapping[str, float], place: int, g: Array, operands: Sequence[Array], y: Array
) -> Array:
    """The gradient on one operand, before it is summed over the axes along which the operand was broadcast."""
    with np.errstate(all="ignore"):
        found = function.slopes[place](_OnArrays(g.dtype), g, *operands, y, **params)
    return np.asarray(found, g.dtype)


@dataclass(frozen=True)
class Printed:
    """A slope as C.

    Attributes:
        statements: declarations of values that are used more than once; they come first.
        text: the expression, of the operands ``{0}``, ``{1}``, the result ``{y}`` and the gradient ``{g}``.
        uses: which of these it reads, by their names in the braces.
    """

    statements: tuple[str, ...]
    text: str
    uses: tuple[str, ...]

    def filled(self, elements: Mapping[str, str]) -> list[str]:
        """The statements, and last the expression, with the names replaced by elements."""
        texts = [*self.statements, self.text]
        for name, element in elements.items():
            texts = [text.replace(f"{{{name}}}", element) for text in texts]
        return texts


@cache
def in_c(table: Table, name: str, params: Params, place: int) -> Printed:
    """The slope of a function as C.

    Args:
        table: ``"unary"``, ``"binary"`` or ``"where"``.
        name: of the function there.
        params: its parameters.
        place: of the operand.
    """
    function = {"unary": FUNCTIONS, "binary": BINARY, "where": {"where": WHERE}}[table][name]
    count = {"unary": 1, "binary": 2, "where": 3}[table]
    names = ["g", *map(str, range(count)), "y"]
    b = GraphBuilder()
    values = {n: Expression(b, b.input(n, (None,))) for n in names}
    operands = [values[str(k)] for k in range(count)]
    found = function.slopes[place](_OnExpressions(), values["g"], *operands, values["y"], **dict(params))
    graph = b.build([found.value])
    return _printed(graph)


def uses(table: Table, name: str, params: Params, place: int) -> tuple[str, ...]:
    """The values that the slope of a function uses: ``"g"``, operands by their number, ``"y"``."""
    return in_c(table, name, params, place).uses


def needs_operand(function: Elementwise) -> bool:
    """Whether the slope of a function of one value uses the value, and not the result alone."""
    known = function.function is None and bool(FUNCTIONS[function.name].slopes)
    return known and "0" in uses("unary", function.name, tuple(parameters(function).items()), 0)


def _printed(graph: Graph) -> Printed:
    texts = {name: f"{{{name}}}" for name in graph.inputs}
    texts |= {name: literal(float(array)) for name, array in graph.constants.items()}
    users: dict[str, int] = {}
    needed = {graph.outputs[0]}
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed |= set(node.inputs)
            for value in node.inputs:
                users[value] = users.get(value, 0) + 1
    statements: list[str] = []
    for node in graph.nodes:
        if node.output not in needed:
            continue
        text = _bare(text_of(node.op), node, texts)
        if users.get(node.output, 0) > 1:
            name = f"q{len(statements)}"
            statements.append(f"const float {name} = {text};")
            text = name
        texts[node.output] = text
    whole = " ".join([*statements, texts[graph.outputs[0]]])
    used = tuple(n for n in graph.inputs if f"{{{n}}}" in whole)
    return Printed(tuple(statements), texts[graph.outputs[0]], used)


def _bare(template: str, node: Node[Op], texts: Mapping[str, str]) -> str:
    """The node's C; a comparison used as an operand is written as a condition, not as 1 or 0."""
    operands = [texts[v] for v in node.inputs]
    ending = " ? 1.0f : 0.0f"
    for k, text in enumerate(operands):
        asked = f"{{{k}}} != 0.0f"
        if asked in template and text.endswith(ending):
            template = template.replace(asked, f"{{{k}}}")
            operands[k] = text.removesuffix(ending)
    return composed(template, *operands)
