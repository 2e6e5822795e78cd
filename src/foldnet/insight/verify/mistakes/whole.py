"""Mistakes with a layer as a whole: left out, without a weight, with another setting, in another order.

Changes without an effect (a bias of zeros left out, a reshape of a single axis in another order) are no mistakes and
are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT, AxisOp
from foldnet.graph.tables import sample_numbers, smallest_tables
from foldnet.insight.blocks import Rounded
from foldnet.insight.copies import with_weights
from foldnet.insight.sites import Site
from foldnet.insight.verify.layer_program import LayerProgram
from foldnet.insight.verify.mistakes.base import Compute, Mistake, as_shaped
from foldnet.insight.verify.mistakes.in_operations import makes_used_mask, masks_read
from foldnet.insight.verify.recipes import Recipe, exactly, recipe_of
from foldnet.layers.base import Layer
from foldnet.operations.mistakes import wrong_results

NEUTRAL = {
    "alpha": 0.0,
    "beta": 0.0,
    "bias": 0.0,
    "gamma": 1.0,
    "kernel": 0.0,
    "mean": 0.0,
    "scale": 1.0,
    "variance": 1.0,
}
"""The value of a weight that has no effect, as in a layer that was never trained."""


def of_layer(site: Site, graph: Graph) -> Iterator[Mistake]:
    """The mistakes that can be made with a layer call of any kind."""
    if not site.operands:
        yield from _of_input(graph, site.output)
    elif all(n.op.keeps_values == "in place" for n in site.nodes):
        yield from _of_identity(site.layer)
    else:
        yield from _of_effect(site, graph)
        yield from _of_operands(site, graph)
        if recipe_of(site) is None:
            yield from _of_weights(site, graph)
        yield from _of_scaling(site, graph)
        yield from _of_result(site, graph)


def _of_input(graph: Graph, name: str) -> Iterator[Mistake]:
    numbers = sample_numbers(graph).get(name) or [0]
    constant = 0 if 0 in numbers else numbers[0]
    yield Mistake("input-ignored", lambda operands, right: np.full_like(right, constant), sight=True)
    shape = graph.types[name].shape
    for axis in range(len(shape) - 1, 0, -1):
        if shape[axis] != 1:
            yield Mistake("channels-order", _reversed(axis), f"axis {axis}", sight=axis == len(shape) - 1)


def _reversed(axis: int) -> Compute:
    return lambda operands, right: np.flip(right, axis)


def _of_identity(layer: Layer) -> Iterator[Mistake]:
    """A layer that does nothing at prediction time: the mistake is to apply it as in training."""
    rate, stddev = getattr(layer, "rate", None), getattr(layer, "stddev", None)
    if isinstance(rate, int | float) and rate > 0:
        yield Mistake("dropout-scaled", lambda operands, right: right * (1 - rate), "1 - rate", sight=True)
        if rate < 1:
            yield Mistake("dropout-scaled", lambda operands, right: right / (1 - rate), "1 / (1 - rate)")
    if isinstance(stddev, int | float) and stddev > 0:
        yield Mistake("noise-added", lambda operands, right: right + stddev, sight=True)


def _of_effect(site: Site, graph: Graph) -> Iterator[Mistake]:
    """The layer left out; a reshape that reads its values in another order."""
    if len(site.operands) > 1:
        return  # leaving out one of its operands is a separate mistake, see below
    if site.call.inputs[0].dtype == "string" or _has_own_mistakes(site, graph):
        return  # what it looks up is no index
    if not all(n.op.keeps_values in ("in place", "all") for n in site.nodes):
        # Without it, its mask is missing as well: see ``masking_left_out``.
        yield Mistake(_name_of_absence(site), _left_out, sight=not makes_used_mask(site, graph))
        return
    # Such a layer only moves values, so a mistake must move some value to another position.
    shape = tuple(n or 3 for n in graph.types[site.operands[0]].shape[1:])
    numbered = np.arange(float(np.prod(shape))).reshape(1, *shape)
    right = LayerProgram(site.layer, graph, site.operands, site.call)([numbered])
    if not np.array_equal(_left_out([numbered], right), right):
        yield Mistake("layer-left-out", _left_out, sight=True)
    for order in permutations(range(1, len(shape) + 1)):
        wrong = _in_order(order)([numbered], right)
        if order != tuple(range(1, len(shape) + 1)) and not np.array_equal(wrong, right):
            is_column_major = order == tuple(range(len(shape), 0, -1))
            yield Mistake("channels-order", _in_order(order), f"axes {order}", sight=is_column_major)


def _has_own_mistakes(site: Site, graph: Graph) -> bool:
    """Whether a layer looks numbers up, and what follows would not take them, or it has mistakes of its own."""
    searches = [n for n in site.nodes if n.op.looks_up]
    return any(any(wrong_results(graph, n)) for n in searches) or (
        bool(searches) and site.output in smallest_tables(graph)
    )


def _name_of_absence(site: Site) -> str:
    if site.layer.normalizes_by == "batch":
        return "batchnorm-left-out"
    if site.layer.scales_values:
        return "input-not-scaled"
    return "activation-missing" if all(n.op.is_activation for n in site.nodes) else "layer-left-out"


def _left_out(operands: Sequence[Array], right: Array) -> Array:
    """The operand itself; NaN if its shape does not fit."""
    return operands[0].reshape(right.shape) if operands[0].size == right.size else np.zeros_like(right)


def _in_order(axes: Sequence[int]) -> Compute:
    """The values in the order of the operand with its axes permuted."""
    return lambda operands, right: operands[0].transpose(0, *axes).reshape(right.shape)


def _of_operands(site: Site, graph: Graph) -> Iterator[Mistake]:
    """A merging layer that ignores an operand, or takes them in the wrong order."""
    if len(site.operands) < 2:
        return
    program = LayerProgram(site.layer, graph, site.operands, site.call)

    def ignoring(i: int) -> Compute:
        return lambda operands, right: program(
            [np.zeros_like(v) if i == j else v for j, v in enumerate(operands)]
        )

    for i in range(len(site.operands)):
        yield Mistake("operand-ignored", ignoring(i), f"operand {i + 1}", sight=True)
    ordered = any(n.op.is_ordered for n in site.nodes) and len(set(site.operands)) > 1
    if ordered and len({graph.types[v].shape for v in site.operands}) == 1:
        yield Mistake("operands-swapped", lambda operands, right: program(operands[::-1]), sight=True)


def _of_weights(site: Site, graph: Graph) -> Iterator[Mistake]:
    """A weight left at its initial value, a table read from its end."""
    for name, value in site.layer.named_weights.items():
        own = name.rpartition("/")[2]  # a layer inside it has names with its own
        if own in NEUTRAL and not (value == NEUTRAL[own]).all():
            neutral = {name: np.full_like(value, NEUTRAL[own])}
            for mistake in _variant(site, graph, f"{own.replace('_', '-')}-missing", neutral):
                yield replace(mistake, variant="" if own == name else name)
    if weights := site.layer.named_weights:
        for mistake in _variant(site, graph, "float16-rounding", {k: half(v) for k, v in weights.items()}):
            yield replace(mistake, variant="weights", sight=False)
    table = site.layer.named_weights.get("embeddings")
    if table is not None and not np.array_equal(table, table[::-1]):
        yield from _variant(site, graph, "table-reversed", {"embeddings": table[::-1]})


def _of_scaling(site: Site, graph: Graph) -> Iterator[Mistake]:
    """Data scaled twice, by a layer that reads the network's input."""
    if site.layer.scales_values and site.operands[0] in graph.inputs and site.shape == site.input_shapes[0]:
        program = LayerProgram(site.layer, graph, site.operands, site.call)
        yield Mistake("input-scaled-twice", lambda operands, right: program([right]))


def _of_result(site: Site, graph: Graph) -> Iterator[Mistake]:
    """The result's channels in reverse; the softmax along another axis, or over a single unit; float16."""
    shape = graph.types[site.output].shape
    if shape[-1] != 1:
        yield Mistake("channels-order", _reversed(len(shape) - 1), "result")
    if graph.types[site.output].dtype == INT:
        return
    yield Mistake("float16-rounding", lambda operands, right: half(right), "results", jumps=True)
    if recipe_of(site) is None:
        yield Mistake("float16-rounding", lambda operands, right: half(right), "all", jumps=True)
    last = next(n for n in site.nodes[::-1] if n.output == site.output)
    if last is not site.nodes[0] and last.op.is_activation and recipe_of(site) is None:
        yield from _of_activation(last.inputs, shape, graph)
    if isinstance(last.op, AxisOp) and last.op.weighs:
        yield from _of_softmax(last.inputs[0], last.op.axis, len(shape))
    elif shape[-1] == 1 and site.output in graph.outputs:
        yield Mistake("softmax-one-unit", lambda operands, right: np.ones_like(right))


def _of_activation(inputs: Sequence[str], shape: Sequence[int | None], graph: Graph) -> Iterator[Mistake]:
    """The result without the activation at its end."""
    if len(inputs) == 1 and graph.types[inputs[0]].shape == shape:
        yield Mistake(
            "activation-missing", lambda operands, right: operands[0], sight=True, reads=(inputs[0],)
        )


def _of_softmax(logits: str, axis: int, rank: int) -> Iterator[Mistake]:
    def along(axes: tuple[int, ...]) -> Compute:
        def compute(operands: Sequence[Array], right: Array) -> Array:
            (x,) = operands
            e = np.exp(x - x.max(axis=axes, keepdims=True))
            return e / e.sum(axis=axes, keepdims=True)

        return compute

    wrong = {(a,) for a in range(rank)} | {tuple(range(rank)), tuple(range(1, rank))}
    for axes in sorted(wrong - {(axis,)}):
        yield Mistake("softmax-axis", along(axes), f"axes {axes}", reads=(logits,), of_batch=0 in axes)


def half(array: Array) -> Array:
    """Rounded to float16."""
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float64)


@dataclass(frozen=True, eq=False)
class HalfPrecision:
    """A recipe with every weight and every step in float16."""

    recipe: Recipe

    def __call__(self, operands: Sequence[Array], rounded: Rounded = exactly) -> Array:
        """The result for a batch."""
        return half(self.recipe([half(operands[0])], half))


def _variant(site: Site, graph: Graph, name: str, weights: Mapping[str, Array]) -> Iterator[Mistake]:
    """The same layer with other weights; nothing if the layer refuses them."""
    mask = (*masks_read(site, graph), None)[0]
    try:
        program = LayerProgram(with_weights(site.layer, weights), graph, site.operands, site.call, mask)
    except FoldnetError:
        return
    reads = None if mask is None else (*site.operands, mask)
    yield Mistake(name, lambda operands, right: as_shaped(program(operands), right), sight=True, reads=reads)
