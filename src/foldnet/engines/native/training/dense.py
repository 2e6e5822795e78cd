"""Products with kernels in a training program."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

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
    x, kernel = node.inputs[:2]
    fan_in, units = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    bias = e.place(node.inputs[2]) if len(node.inputs) > 2 else ""
    loop = f"for (long t = 0; t < {times}; t++) " if times != 1 else ""
    at_x, at_y = (f" + t * {fan_in} * R", f" + t * {units} * R") if times != 1 else ("", "")
    w, x, y = e.place(kernel), f"{e.place(x)}{at_x}", f"{e.place(node.output)}{at_y}"
    if fan_in * units >= PACKED_FROM:
        pack = e.space(f"packed columns {fan_in}", PACKED * 8 * fan_in, laned=False)
        e.any_product = True
        product = (
            f"packed_dense(job, {x}, {w}, {bias or 0}, {y}, {fan_in}, {units}, R, LOW({units}), HIGH({units}), "
            f"{pack} + ME * {PACKED * fan_in});"
        )
    else:
        product = e.product(units, "R", fan_in, (w, 1, units), x, "R", y, "R", bias)
    e.add(f"{loop}{{ {product} }}", "BARRIER")


def turned_dense(e: BatchWriter, node: Node[Op]) -> None:
    """A product with a kernel that is stored the other way round."""
    x, kernel = node.inputs
    units, fan_in = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    at_x, at_y = f" + t * {fan_in} * R", f" + t * {units} * R"
    left = (e.place(kernel), fan_in, 1)
    product = e.product(
        units, "R", fan_in, left, f"{e.place(x)}{at_x}", "R", f"{e.place(node.output)}{at_y}", "R"
    )
    e.add(f"for (long t = 0; t < {times}; t++) {{ {product} }}", "BARRIER")
