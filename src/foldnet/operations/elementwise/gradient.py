"""Gradients of elementwise functions."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.functions import BINARY, WHERE, of, parameters
from foldnet.operations.elementwise.op import Binary, Slope, Table, Unary, Where
from foldnet.operations.elementwise.slopes import uses
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule


def sloped(
    b: GradientBuilder,
    table: Table,
    function: Elementwise,
    operands: Sequence[str],
    y: str,
    g: str,
    place: int,
) -> str:
    """Emit the slope for one operand of a function; no node if it is the gradient itself."""
    names = uses(table, function.name, tuple(parameters(function).items()), place)
    values = {"g": g, "y": y} | {str(k): v for k, v in enumerate(operands)}
    if names == ("g",) and is_plain(table, function, place):
        return g
    return b.emit(Slope(table, function, place), *(values[n] for n in names))


def is_plain(table: Table, function: Elementwise, place: int) -> bool:
    """Whether the gradient is passed on unchanged."""
    return (table, function.name, place) in PLAIN


PLAIN = {
    ("binary", "add", 0),
    ("binary", "add", 1),
    ("binary", "subtract", 0),
    ("binary", "mod", 0),
    ("unary", "linear", 0),
}


def unary(b: GradientBuilder, node: Node[Unary], g: str) -> Gradients:
    """By the slope of the function.

    Raises:
        UnsupportedError: the function was supplied as a plain function, so its derivative is unknown.
    """
    function = node.op.function
    if function.function is not None:
        raise UnsupportedError(
            f"the activation {function.name!r} was supplied as a function, so its derivative is not known and the "
            "network cannot be trained; use functools.partial of one of foldnet.activations, if one of them fits"
        )
    if not of(function).slopes:
        return (None,)
    return (sloped(b, "unary", function, node.inputs, node.output, g, 0),)


def _spread(
    b: GradientBuilder, node: Node[Op], table: Table, function: Elementwise, g: str, places: Sequence[int]
) -> Gradients:
    found: list[str | None] = [None] * len(node.inputs)
    for k in places:
        if b.wants(node.inputs[k]):
            gradient = sloped(b, table, function, node.inputs, node.output, g, k)
            found[k] = b.gathered(gradient, node.inputs[k])
    return found


def binary(b: GradientBuilder, node: Node[Binary], g: str) -> Gradients:
    """By the slopes of the function, summed over the axes along which the operands were broadcast."""
    return _spread(b, node, "binary", Elementwise(node.op.kind), g, range(len(BINARY[node.op.kind].slopes)))


def where(b: GradientBuilder, node: Node[Where], g: str) -> Gradients:
    """To the chosen value."""
    return _spread(b, node, "where", Elementwise("where"), g, range(1, len(WHERE.slopes)))


RULES: dict[type[Op], Rule] = {Unary: unary, Binary: binary, Where: where}
