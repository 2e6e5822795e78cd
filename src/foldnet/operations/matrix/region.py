"""Regions of sums of products: every position of the axes that are summed over, and of the others what is computed."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.regions import ALL, Part, Region, Rule, Span, Values, widened


def _dense(values: Values, node: Node[Dense], region: Region) -> Part:
    region = widened(region, (len(region),))
    return Part(region, node.op, (region, *(None for _ in node.inputs[1:])))


def _dot(values: Values, node: Node[Dot], region: Region) -> Part:
    """The result has the axes of the first operand but one, then those of the second but one."""
    ranks = [len(values.shape(v)) for v in node.inputs]
    left, operands = iter(region), []
    for rank, summed in zip(ranks, node.op.axes, strict=True):
        operands.append(tuple(ALL if axis == summed else next(left) for axis in range(1, rank)))
    return Part(region, node.op, tuple(operands))


def _product(values: Values, node: Node[Product], region: Region) -> Part:
    op = node.op
    spans = dict(zip(op.result, region, strict=True))

    def of(letters: Sequence[str]) -> tuple[Span, ...]:
        return tuple(spans.get(letter, ALL) for letter in letters)

    return Part(region, op, (of(op.left), of(op.right)))


RULES: dict[type[Op], Rule] = {Dense: _dense, Dot: _dot, Product: _product}
