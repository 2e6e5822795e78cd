"""Products with kernels in a training program."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from foldnet.codegen.expressions import plus, times
from foldnet.graph.graph import Node
from foldnet.graph.op import Op

if TYPE_CHECKING:
    from foldnet.engines.native.training.writer import BatchWriter

PACKED = 24
"""Columns of a large kernel that `packed_dense` in kernels.h brings together at a time."""

PACKED_FROM = 40_000
"""Elements of a kernel from which that is done."""


def dense(e: BatchWriter, node: Node[Op]) -> None:
    """A product with the kernel, its columns shared among threads."""
    value, kernel = node.inputs[:2]
    fan_in, units = e.shape(kernel)
    bias = e.place(node.inputs[2]) if len(node.inputs) > 2 else ""
    x, y = _places(e, node, fan_in, units)
    w = e.place(kernel)
    if fan_in * units >= PACKED_FROM:
        # Each of at most 8 threads begins with a group of its own.
        pack = e.space("packed columns", (units + PACKED * 8) * fan_in, laned=False, of=node.output)
        e.any_product = True
        share = times(plus(f"LOW({units})", times("ME", PACKED)), fan_in)
        packed = "t != 0 || MORE" if _positions(e, value) != 1 else "MORE"
        product = [
            f"packed_dense(job, {x}, {w}, {bias or 'NULL'}, {y}, {fan_in}, {units}, R, LOW({units}), HIGH({units}), "
            f"{plus(pack, share)}, {packed});"
        ]
    else:
        product = e.product(units, "R", fan_in, (w, 1, units), x, "R", y, "R", bias)
    _for_positions(e, value, product)


def turned_dense(e: BatchWriter, node: Node[Op]) -> None:
    """A product with a kernel that is stored the other way round."""
    value, kernel = node.inputs
    units, fan_in = e.shape(kernel)
    x, y = _places(e, node, fan_in, units)
    _for_positions(e, value, e.product(units, "R", fan_in, (e.place(kernel), fan_in, 1), x, "R", y, "R"))


def _positions(e: BatchWriter, value: str) -> int:
    return prod(e.shape(value)[:-1])


def _places(e: BatchWriter, node: Node[Op], fan_in: int, units: int) -> tuple[str, str]:
    """Where operand and result of a position lie."""
    t = "t" if _positions(e, node.inputs[0]) != 1 else 0
    return (
        plus(e.place(node.inputs[0]), times(times(t, fan_in), "R")),
        plus(e.place(node.output), times(times(t, units), "R")),
    )


def _for_positions(e: BatchWriter, value: str, product: list[str]) -> None:
    times = _positions(e, value)
    e.add(*([f"for (long t = 0; t < {times}; t++) {{", *product, "}"] if times != 1 else product))
    e.wait()
