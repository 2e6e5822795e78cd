"""C of images that take something from the others of their batch."""

from __future__ import annotations

from math import prod

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.writer import Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.mixing.op import Equalize, EqualizeGradient, Shuffle, ShuffleGradient

ORDER = "order of the rows"
"""The array that a Shuffle keeps for its gradient: for each row which one it was, and a random number."""


def shuffle(e: StepWriter, node: Node[Shuffle]) -> None:
    """One thread draws the order; threads share the elements."""
    order = e.keep(node, ORDER, 2)
    key = f"(Key){{(uint32_t)seed, {node.op.stream & 0xFFFFFFFF}u}}"
    e.add("if (FIRST)", f"order_of_rows((int32_t *){order}, rows, R, TRAINING, step, {key});")
    e.wait()
    _in_order(e, order, node.inputs[0], node.output, back=False)


def shuffle_gradient(e: StepWriter, node: Node[ShuffleGradient]) -> None:
    """By the same order."""
    result, g = node.inputs
    _in_order(e, e.kept(result, ORDER), g, node.output, back=True)


def _in_order(e: StepWriter, order: str, x: str, y: str, back: bool) -> None:
    size = e.size(y)
    given = f"(const int32_t *){order}, {e.place(x)}, {e.place(y)}, {int(back)}, R"
    e.add(f"shuffle_rows({given}, LOW({size}), HIGH({size}));")
    e.wait()


def _call(e: StepWriter, axis: int, x: str, g: str, y: str) -> None:
    shape = e.shape(x)
    outer, count, inner = prod(shape[: axis - 1]), shape[axis - 1], prod(shape[axis:])
    given = f"{e.place(x)}, {g}, {e.place(y)}, {outer}, {count}, {inner}"
    e.add(f"equalize({given}, R, rows, LOW({count}), HIGH({count}));")
    e.wait()


def equalize(e: StepWriter, node: Node[Equalize]) -> None:
    """By a function, whose threads share the positions of the axis."""
    _call(e, node.op.axis, node.inputs[0], "NULL", node.output)


def equalize_gradient(e: StepWriter, node: Node[EqualizeGradient]) -> None:
    """By the same function."""
    g, x = node.inputs
    _call(e, node.op.axis, x, e.place(g), node.output)


RULES: dict[type[Op], Rule] = {
    Equalize: equalize,
    EqualizeGradient: equalize_gradient,
    Shuffle: shuffle,
    ShuffleGradient: shuffle_gradient,
}
