"""The mistakes that ``verify`` must be able to see: each layer as it would be, had one been made.

A mistake is a function from what a layer reads to what it would wrongly give. Mistakes that change nothing
(a bias of zeros left out, a reshape of a single axis in another order) are no mistakes, and are not listed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.errors import FoldnetError
from foldnet.graph import ops
from foldnet.graph.graph import Graph
from foldnet.insight.oracle import Array
from foldnet.insight.sites import LayerProgram, Site
from foldnet.layers.base import Layer

Compute = Callable[[Sequence[Array], Array], Array]
"""From the operands and the right result to the wrong result."""

NEUTRAL = {
    "alpha": 0.0,
    "beta": 0.0,
    "bias": 0.0,
    "gamma": 1.0,
    "kernel": 0.0,
    "mean": 0.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
    "variance": 1.0,
}
"""The value of a weight that does nothing, as in a layer that was never trained."""
STATISTICS = ("mean", "moving_mean", "moving_variance", "variance")
EPSILONS = (0.0, 1e-5, 1e-3)
"""Those that a wrong port uses: none, PyTorch's and ONNX's default, Keras's default."""


@dataclass(frozen=True)
class Mistake:
    """One way to get a layer wrong; ``name`` says it in a few words."""

    name: str
    compute: Compute


def mistakes_of(site: Site, graph: Graph) -> list[Mistake]:
    """The mistakes that can be made with this layer call."""
    if not site.operands:
        return list(_of_input(graph, site.output))
    if all(isinstance(n.op, ops.Identity | ops.Cast) for n in site.nodes):
        return list(_of_identity(site.layer))
    return [
        *_of_effect(site, graph),
        *_of_operands(site, graph),
        *_of_weights(site, graph),
        *_of_settings(site, graph),
    ]


def _of_input(graph: Graph, name: str) -> Iterator[Mistake]:
    yield Mistake("ignored", lambda operands, right: np.zeros_like(right))
    shape = graph.types[name].shape
    if shape[-1] != 1 and len(shape) > 1:
        yield Mistake("features in reverse order", lambda operands, right: right[..., ::-1])


def _of_identity(layer: Layer) -> Iterator[Mistake]:
    """A layer that does nothing at prediction time: the mistake is to do what training does."""
    rate, stddev = getattr(layer, "rate", None), getattr(layer, "stddev", None)
    if isinstance(rate, int | float) and rate > 0:
        yield Mistake("scaled by 1 - rate", lambda operands, right: right * (1 - rate))
    if isinstance(stddev, int | float) and stddev > 0:
        yield Mistake("noise added", lambda operands, right: right + stddev)


def _of_effect(site: Site, graph: Graph) -> Iterator[Mistake]:
    """The layer left out; a reshape that reads its values in another order."""
    if len(site.operands) > 1:
        return  # what it would be without one of its operands is asked below
    if not all(isinstance(n.op, ORDER) for n in site.nodes):
        yield Mistake("left out", _left_out)
        return
    # Such a layer only moves values about: a mistake is one that moves some value elsewhere.
    shape = tuple(n or 3 for n in graph.types[site.operands[0]].shape[1:])
    numbered = np.arange(float(np.prod(shape))).reshape(1, *shape)
    right = LayerProgram(site.layer, graph, site.operands)([numbered])
    for name, compute in (("left out", _left_out), ("column-major order", _column_major)):
        if not np.array_equal(compute([numbered], right), right):
            yield Mistake(name, compute)


ORDER = ops.Reshape | ops.Transpose | ops.Cast | ops.Identity


def _left_out(operands: Sequence[Array], right: Array) -> Array:
    """The operand itself, or nothing where it does not fit."""
    return operands[0].reshape(right.shape) if operands[0].size == right.size else np.zeros_like(right)


def _column_major(operands: Sequence[Array], right: Array) -> Array:
    x = operands[0]
    return x.transpose(0, *range(x.ndim - 1, 0, -1)).reshape(right.shape)


def _of_operands(site: Site, graph: Graph) -> Iterator[Mistake]:
    """A merging layer that ignores an operand, or takes them in the wrong order."""
    if len(site.operands) < 2:
        return
    program = LayerProgram(site.layer, graph, site.operands)

    def ignoring(i: int) -> Compute:
        return lambda operands, right: program(
            [np.zeros_like(v) if i == j else v for j, v in enumerate(operands)]
        )

    for i in range(len(site.operands)):
        yield Mistake(f"ignores operand {i + 1}", ignoring(i))
    ordered = any(
        isinstance(n.op, ops.Concatenate | ops.Dot)
        or (isinstance(n.op, ops.Binary) and n.op.kind == "subtract")
        for n in site.nodes
    )
    if ordered and len({graph.types[v].shape for v in site.operands}) == 1:
        yield Mistake("operands in reverse order", lambda operands, right: program(operands[::-1]))


def _of_weights(site: Site, graph: Graph) -> Iterator[Mistake]:
    """A weight left at the value it starts from, all statistics fresh, a square kernel transposed."""
    weights = site.layer.named_weights
    fresh: dict[str, Array] = {}
    for name, value in weights.items():
        if name not in NEUTRAL or (value == NEUTRAL[name]).all():
            continue
        neutral = np.full_like(value, NEUTRAL[name])
        yield from _variant(site, graph, f"{name} left out", {name: neutral})
        if name in STATISTICS:
            fresh[name] = neutral
    if len(fresh) > 1:
        yield from _variant(site, graph, "statistics fresh", fresh)
    kernel = weights.get("kernel")
    if (
        kernel is not None
        and kernel.ndim == 2
        and kernel.shape[0] == kernel.shape[1]
        and not np.array_equal(kernel, kernel.T)
    ):
        yield from _variant(site, graph, "kernel transposed", {"kernel": kernel.T})
    table = weights.get("embeddings")
    if table is not None and not np.array_equal(table, table[::-1]):
        yield from _variant(site, graph, "table upside down", {"embeddings": table[::-1]})


def _of_settings(site: Site, graph: Graph) -> Iterator[Mistake]:
    """Another epsilon; no activation."""
    layer = site.layer
    epsilon = getattr(layer, "epsilon", None)
    if isinstance(epsilon, float):
        for other in EPSILONS:
            if other != epsilon and _epsilon_matters(layer, other):
                yield from _variant(site, graph, f"epsilon {other:g}", {}, {"epsilon": other})
    activation = getattr(layer, "activation", None)
    if site.layer.specs and activation is not None and activation is not activations.linear:
        yield from _variant(site, graph, "activation left out", {}, {"activation": activations.linear})


def _epsilon_matters(layer: Layer, other: float) -> bool:
    """Whether another epsilon changes any factor by more than float32 can hold; if not, it is no mistake."""
    variance = layer.named_weights.get("moving_variance")
    if variance is None:
        return True
    variance = variance.astype(np.float64)
    with np.errstate(all="ignore"):
        ratio = np.sqrt((variance + layer.epsilon) / (variance + other))
    return not bool((np.abs(ratio - 1) <= 2.0**-24).all())


def _variant(
    site: Site,
    graph: Graph,
    name: str,
    weights: Mapping[str, Array],
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Mistake]:
    """The same layer with other weights or settings; none where the layer itself refuses them."""
    layer = with_weights(site.layer, weights, settings or {})
    try:
        program = LayerProgram(layer, graph, site.operands)
    except FoldnetError:
        return
    yield Mistake(name, lambda operands, right: _as_shaped(program(operands), right))


def _as_shaped(wrong: Array, right: Array) -> Array:
    """A result of another shape cannot go on; it counts as nothing at all."""
    return wrong if wrong.shape == right.shape else np.zeros_like(right)


def with_weights(layer: Layer, weights: Mapping[str, Array], settings: Mapping[str, Any]) -> Layer:
    """A copy of a layer with some weights and settings replaced; the layer itself is untouched."""
    changed = copy.copy(layer)
    changed._values = {**layer.named_weights}
    for name, value in weights.items():
        changed.set_weight(name, value)
    for name, setting in settings.items():
        setattr(changed, name, setting)
    return changed
