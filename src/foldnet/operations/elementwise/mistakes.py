"""Known mistakes with functions of each value: another version's hard sigmoid, masks and weights of an attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.attending import (
    CONCAT,
    DOT,
    attends,
    maker,
    makes_scores,
    multiplies_two,
    positions,
    readers,
)
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.mistakes import Rule, Wrong, computed

HARD = ("hard_sigmoid", "hard_sigmoid_keras2")
"""What the name ``hard_sigmoid`` stands for in Keras 3 and in Keras 2."""

Compute = Callable[[Sequence[Array]], Array]


def _unary(graph: Graph, node: Node[Unary]) -> Iterator[Wrong]:
    if node.op.function.name in HARD:
        (other,) = (Unary(Elementwise(name)) for name in HARD if name != node.op.function.name)
        yield Wrong("hard-sigmoid-version", lambda operands: computed(other, *operands))
    if node.op.function.name == "tanh" and makes_scores(graph, node):
        for variant in DOT:
            yield Wrong("score-mode", _first, variant, together=True)


# -- how scores are made ----------------------------------------------------------------------------------------


def _binary(graph: Graph, node: Node[Binary]) -> Iterator[Wrong]:
    if not makes_scores(graph, node):
        return
    weight = node.inputs[1]
    match node.op.kind:
        case "add" if weight not in graph.constants:
            for variant in DOT:
                yield Wrong("score-mode", lambda operands: operands[0] * operands[1], variant, together=True)
        case "multiply" if weight in graph.constants and (graph.constants[weight] != 1).any():
            yield Wrong(f"{weight.rpartition('/')[2].replace('_', '-')}-missing", _first, "scores")
            made = maker(graph, node.inputs[0], node.layer)
            for variant in CONCAT if made and multiplies_two(graph, made) else DOT[1:]:
                yield Wrong("score-mode", _first, variant, together=True)
        case "logical_and":
            yield from _of_both(graph, node)
        case "greater_equal":  # of positions whose number is free
            yield from _causal(_replaced)


def _first(operands: Sequence[Array]) -> Array:
    return operands[0]


# -- masks ------------------------------------------------------------------------------------------------------

Masking = Callable[[Callable[[Array], Array]], Compute]
"""From a change of a mask to what its reader then computes."""


def _where(graph: Graph, node: Node[Where]) -> Iterator[Wrong]:
    """The mask of an attention on its scores."""
    if not any(attends(graph, n) for n in readers(graph, node)):
        return
    op, mask = node.op, node.inputs[0]

    def with_mask(change: Callable[[Array], Array]) -> Compute:
        def compute(operands: Sequence[Array]) -> Array:
            mask, scores, masked = operands
            # A mask without an axis for the rows is a constant.
            spread = np.broadcast_to(mask, np.broadcast_shapes(mask.shape, scores.shape[-mask.ndim :]))
            return computed(op, change(spread), scores, masked)

        return compute

    yield Wrong("mask-inverted", with_mask(lambda m: (m == 0).astype(np.float64)))
    yield from _without(graph, mask, node.layer, with_mask, "scores")


def _of_both(graph: Graph, node: Node[Binary]) -> Iterator[Wrong]:
    """Two masks, of which one is ignored or another one."""
    for place, value in enumerate(node.inputs):

        def with_mask(change: Callable[[Array], Array], place: int = place) -> Compute:
            def compute(operands: Sequence[Array]) -> Array:
                shape = np.broadcast_shapes(*(m.shape for m in operands))
                masks = [np.broadcast_to(m, shape) for m in operands]
                masks[place] = change(masks[place])
                return np.logical_and(*masks).astype(np.float64)

            return compute

        yield from _without(graph, value, node.layer, with_mask, f"mask {place + 1} of two")


def _without(graph: Graph, mask: str, layer: str, with_mask: Masking, variant: str) -> Iterator[Wrong]:
    """The mistakes with one mask, by what it leaves out."""
    constant, made = graph.constants.get(mask), maker(graph, mask, layer)
    everything = with_mask(np.ones_like)
    if constant is None:
        if made is None or not (
            isinstance(made.op, Binary) and made.op.kind in ("logical_and", "greater_equal")
        ):
            yield Wrong("mask-ignored", everything, variant)
        return
    if np.array_equal(constant, constant * positions(constant.shape, earliest=0)):
        yield from _causal(with_mask)
    else:
        yield Wrong("sliding-window-ignored", everything, sight=True)


def _causal(with_mask: Masking) -> Iterator[Wrong]:
    yield Wrong("causal-mask-missing", with_mask(np.ones_like), sight=True)
    yield Wrong("causal-mask-reversed", with_mask(lambda m: positions(m.shape, latest=0)))
    for earliest in (1, -1):
        shifted = with_mask(lambda m, first=earliest: positions(m.shape, earliest=first))  # type: ignore[misc]
        yield Wrong("causal-mask-shifted", shifted, f"from {earliest}")


def _replaced(change: Callable[[Array], Array]) -> Compute:
    """The mask itself, made from the positions of query and value."""
    return lambda operands: change(np.greater_equal(*operands).astype(np.float64))


RULES: dict[type[Op], Rule] = {Binary: _binary, Unary: _unary, Where: _where}
