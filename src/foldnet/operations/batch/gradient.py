"""Gradients of operations of training programs only."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.batch.op import (
    BatchNorm,
    BatchReduce,
    BatchRenorm,
    Drop,
    DropGradient,
    FixedNorm,
    NormGradient,
    weights_of,
)
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule


def drop(b: GradientBuilder, node: Node[Drop], g: str) -> Gradients:
    """Times the same random factors as in this step's forward pass."""
    return (b.emit(DropGradient(node.op), node.output, g),)


def batch_reduce(b: GradientBuilder, node: Node[BatchReduce], g: str) -> Gradients:
    """Every row's result depends on all rows, so the gradient is reduced over the rows in the same way."""
    return (b.emit(node.op, g),)


def norm(b: GradientBuilder, node: Node[BatchNorm | BatchRenorm | FixedNorm], g: str) -> Gradients:
    """For x, gamma and beta at once, because they need the same sums."""
    op = node.op
    gamma, beta, _ = weights_of(op, node.inputs)
    places = [0, *(node.inputs.index(v) for v in (gamma, beta) if v is not None)]
    wanted = {"on_x": node.inputs[0], "on_gamma": gamma, "on_beta": beta}
    flags = {name: value is not None and b.wants(value) for name, value in wanted.items()}
    found: list[str | None] = [None] * len(node.inputs)
    if not any(flags.values()):
        return found
    results = iter(b.emit_all(NormGradient(op, **flags), node.output, g, *node.inputs))
    for place, value in zip(places, (v for v in wanted.values() if v is not None), strict=True):
        if b.wants(value):
            found[place] = next(results)
    return found


RULES: dict[type[Op], Rule] = {
    BatchNorm: norm,
    BatchReduce: batch_reduce,
    BatchRenorm: norm,
    Drop: drop,
    FixedNorm: norm,
}
