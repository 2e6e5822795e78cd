"""Functions of single values as C expressions."""

from __future__ import annotations

from math import inf

from foldnet.codegen.expressions import composed
from foldnet.codegen.maths import literal
from foldnet.codegen.writer import Rule, Writer
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Elementwise, Op, fused_activation
from foldnet.operations.elementwise.functions import BINARY, WHERE, filled, of, parameters
from foldnet.operations.elementwise.op import Binary, Slope, Unary, Where


def unary_text(function: Elementwise) -> str:
    """A function of ``{0}``.

    Raises:
        UnsupportedError: a NumPy function of the caller's own.
    """
    if function.function is not None:
        raise UnsupportedError(
            f"activation {function.name!r} is a NumPy function, which runs on the reference engine only. Use "
            'engine="reference", or express it by functools.partial of one of foldnet.activations.'
        )
    return filled(of(function).c, parameters(function), literal)


def activated(function: Elementwise | None, x: str) -> str:
    """An activation of the expression x; None is linear."""
    return x if function is None else composed(unary_text(function), x)


def text_of(op: Op) -> str:
    """An operation of this family, fused activation included, of its operands ``{0}``, ``{1}``, ``{2}``."""
    match op:
        case Unary():
            return unary_text(op.function)
        case Binary():
            return activated(op.activation, filled(BINARY[op.kind].c, {}, literal))
        case Where():
            assert isinstance(WHERE.c, str)
            return WHERE.c
    raise UnsupportedError(f"{type(op).__name__} does not treat each value alone")


def text_at(graph: Graph, node: Node[Op]) -> str:
    """The same for a node. Whole numbers are compared as doubles, which hold all of them; floats would round some."""
    text = text_of(node.op)
    if isinstance(node.op, Binary) and any(graph.types[v].dtype == INT for v in node.inputs):
        return text.replace("{0}", "(double){0}").replace("{1}", "(double){1}")
    return text


def lowest(function: Elementwise | None) -> float | None:
    """What a function gives for all numbers that are not more, if it changes no others; None if it does.

    0 for a plain relu, and -inf for no function.
    """
    text = "{0}" if function is None else unary_text(function)
    return {"{0}": -inf, "fn_relu_plain({0})": 0.0}.get(text)


def activate(w: Writer, node: Node[Op]) -> None:
    """The fused activation, over the result in place."""
    function = fused_activation(node.op)
    if function is None or unary_text(function) == "{0}":
        return
    y = w.write(node.output)
    w.nest(w.shape(node.output), [y], lambda v: f"{v} = {activated(function, v)};")


def elementwise(w: Writer, node: Node[Unary | Binary | Where]) -> None:
    """A function of each element of the operands, spread over one another."""
    shape, text = w.shape(node.output), text_at(w.graph, node)
    operands = [w.write(node.output), *(w.spread(v, shape) for v in node.inputs)]
    w.nest(shape, operands, lambda y, *xs: f"{y} = {composed(text, *xs)};")


def slope(w: Writer, node: Node[Slope]) -> None:
    """The gradient on one operand, by the slope of the function's record."""
    from foldnet.operations.elementwise.slopes import in_c

    op, shape = node.op, w.shape(node.output)
    printed = in_c(op.table, op.function.name, tuple(parameters(op.function).items()), op.place)

    def statement(y: str, *xs: str) -> str:
        *before, text = printed.filled(dict(zip(printed.uses, xs, strict=True)))
        return "\n".join([*before, f"{y} = {text};"])

    w.nest(shape, [w.write(node.output), *(w.spread(v, shape) for v in node.inputs)], statement)


RULES: dict[type[Op], Rule] = {
    Slope: slope,
    Unary: elementwise,
    Binary: elementwise,
    Where: elementwise,
}
