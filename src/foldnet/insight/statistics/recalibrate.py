"""recalibrate: the exact statistics of the data for every BatchNormalization, with Dropout off.

The moving statistics after training lag behind the weights and still contain part of their initial values. With
Dropout before the layer, they are statistics of inputs that do not occur at prediction time (Li et al., 2018). Here
they are computed again from the data as the layers see it at prediction time. A layer is measured after the layers
before it have their new statistics.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.graph.graph import Graph, with_nodes
from foldnet.insight import arguments
from foldnet.insight.copies import with_weights
from foldnet.insight.normalizations import (
    channels_of,
    normalization_calls,
    normalization_layers,
    with_fresh_statistics,
)
from foldnet.insight.oracle import Oracle
from foldnet.insight.statistics.moments import Moments
from foldnet.insight.statistics.recalibration import Effect, LayerDrift, Recalibration, flat
from foldnet.insight.statistics.streams import Stream
from foldnet.layers.base import Layer
from foldnet.layers.normalization import BatchNormalization
from foldnet.lowering.lower import Mode, Normalized, lower, lower_and_note
from foldnet.network import Network
from foldnet.passes.drop_dead import drop_dead

if TYPE_CHECKING:
    from foldnet.insight.statistics.effect import Validation

BATCH_SIZE = 1024
FLOAT32_MAX = float(np.finfo(np.float32).max)

Call = tuple[Normalized, BatchNormalization]
"""One call of a layer to be measured."""


def recalibrate(
    model: Network,
    x: object,
    *,
    validation_data: object = None,
    metric: object = None,
    mode: str = "auto",
    keep_if_better: bool = True,
    layers: Collection[str] | None = None,
    batch_size: int = BATCH_SIZE,
) -> Recalibration:
    """Give every BatchNormalization the exact mean and variance of the data it sees at prediction time.

    The data is read once for each depth of normalization: a layer is measured when all layers before it have their
    new statistics. Sums are in float64. Only the moving statistics change, and only at the end. A frozen layer is
    measured, too, unless ``layers`` leaves it out. A layer that is called
    several times gets the statistics of all its calls together, and one inside TimeDistributed those of all steps.
    Values count once for each position (time, height and width), except those that a mask leaves out. The result does
    not depend on ``batch_size`` beyond rounding in float64.

    Args:
        model: built; compiled or not.
        x: rows of the training data: an array (memory-mapped ones are read a batch at a time), a table, a list or
            dict of arrays for several inputs, an iterable of batches (of ``x`` or ``(x, y)``) that can be
            iterated again, or a function without arguments that returns a new iterator.
        validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or an iterable of such batches, to measure the
            effect on. Use other rows than ``x``.
        metric: a name such as ``"mae"``, a loss or metric object, or a function of ``y_true``
            and ``y_pred``; by default the loss that the network was compiled with.
        mode: ``"min"`` if lower values of the metric are better, ``"max"`` if higher ones are; ``"auto"`` knows it for
            foldnet's metrics and assumes ``"min"`` for a function.
        keep_if_better: with validation data, restore the old statistics of all layers if the new ones are worse.
            Layers are not chosen one by one, because each layer's statistics are only right after the new statistics
            of the layers before it.
        layers: names (paths) of the layers to measure; all by default.
        batch_size: rows at a time, if the data is not in batches.

    Returns:
        Recalibration: the drift of each layer and the effect; ``restore()`` puts the old statistics back.

    Raises:
        ConfigError: the network has no BatchNormalization, or none of a given name, or no metric is known.
        InputError: no rows, rows of another shape, NaN or infinite values, data that can be read only once, or
            that changes from pass to pass.
        UnsupportedError: a layer that cannot be measured: it depends on itself, or its mask does not fit its input.

    >>> import numpy as np
    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((2,)), layers.BatchNormalization()])
    >>> _ = recalibrate(model, np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> model.layers[0].moving_mean.tolist(), model.layers[0].moving_variance.tolist()
    ([2.0, 20.0], [1.0, 100.0])
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
    chosen = _chosen(model, layers)
    # Old statistics could cause errors (NaN, for example), so the layers to measure start with new ones.
    measured: dict[BatchNormalization, dict[str, Array]] = {}
    replacements: dict[Layer, Layer] = {layer: with_fresh_statistics(layer) for layer in chosen}
    graph, calls = _calls(model, replacements)
    stream = Stream(graph, x, batch_size)
    validation = None
    if validation_data is not None:
        from foldnet.insight.statistics.effect import (
            Validation,  # imported here because it imports the losses, which is slow
        )

        validation = Validation(model, graph, validation_data, metric, mode, batch_size)
    moments: dict[BatchNormalization, Moments] = {}
    rows: int | None = None
    for level in _levels(graph, calls):
        graph, calls = _calls(model, replacements)
        here = [(call, layer) for call, layer in calls if layer in level]
        found, counted = _moments(graph, here, stream)
        if rows is not None and counted != rows:
            raise InputError(
                f"the data had {rows} rows in one pass and {counted} in the next; it must give the same rows "
                "every time. A function must make a new iterator at every call."
            )
        rows = counted
        moments |= found
        for layer, moment in found.items():
            path = next(call.path for call, called in here if called is layer)
            measured[layer] = _statistics(layer, path, moment)
            replacements[layer] = with_weights(layer, measured[layer])
    old = {layer: {name: layer.named_weights[name].copy() for name in new} for layer, new in measured.items()}
    drifts = tuple(
        _drift(path, layer, moments[layer].count, old[layer], measured[layer])
        for layer, path in _paths(calls).items()
    )
    effect = None
    if validation is not None:
        effect = _effect(validation, model, lower(model, Mode.PREDICT, replacements))
    result = Recalibration(drifts, rows or 0, effect, old, measured)
    if not (keep_if_better and result.effect is not None and result.effect.worse):
        result.apply()
    return result


def _chosen(model: Network, names: Collection[str] | None) -> set[BatchNormalization]:
    if not isinstance(model, Network):
        raise InputError(
            f"recalibrate takes a network, such as foldnet.load_model(path), not a {type(model).__name__}"
        )
    if not model.built:
        raise ConfigError(f"{model.name!r} is not built, so it has no statistics yet; call build first")
    layers = normalization_layers(model)
    if not layers:
        raise ConfigError(f"{model.name!r} has no BatchNormalization, so there is nothing to recalibrate")
    if names is None:
        return set(layers)
    wanted = arguments.names("layers", names)
    found: dict[str, BatchNormalization] = {}
    for call in normalization_calls(model):
        if isinstance(call.layer, BatchNormalization):
            found[call.path] = call.layer
    if unknown := set(wanted) - set(found):
        raise ConfigError(f"{model.name!r} has no BatchNormalization {sorted(unknown)}; it has {list(found)}")
    if not wanted:
        raise ConfigError("layers names no layer; leave it out to recalibrate all")
    return {found[name] for name in wanted}


def _calls(model: Network, replacements: Mapping[Layer, Layer]) -> tuple[Graph, list[Call]]:
    """The network's program, and the calls of the layers that are replaced in it."""
    graph, calls = lower_and_note(model, replacements)
    return graph, [
        (call, call.layer)
        for call in calls
        if isinstance(call.layer, BatchNormalization) and call.layer in replacements
    ]


def _paths(calls: Sequence[Call]) -> dict[BatchNormalization, str]:
    """The path of each layer's first call, in computing order."""
    paths: dict[BatchNormalization, str] = {}
    for call, layer in calls:
        paths.setdefault(layer, call.path)
    return paths


def _levels(graph: Graph, calls: Sequence[Call]) -> list[set[BatchNormalization]]:
    """The layers to measure, in groups: each group depends only on groups before it.

    Raises:
        UnsupportedError: a shared layer depends on itself.
    """
    makers = {call.output: layer for call, layer in calls}
    behind: dict[str, set[BatchNormalization]] = {}
    for node in graph.nodes:
        behind[node.output] = set().union(*(behind.get(v, set()) for v in node.inputs))
        if node.output in makers:
            behind[node.output].add(makers[node.output])
    needs: dict[BatchNormalization, set[BatchNormalization]] = {}
    for call, layer in calls:
        needs.setdefault(layer, set()).update(behind.get(call.value, set()))
    levels: list[set[BatchNormalization]] = []
    done: set[BatchNormalization] = set()
    while needs:
        ready = {layer for layer, others in needs.items() if others <= done}
        if not ready:
            stuck = [path for layer, path in _paths(calls).items() if layer in needs]
            raise UnsupportedError(
                f"layer {stuck[0]!r} is shared, and one of its calls computes the input of another, so "
                f"its statistics are not defined. Leave it out with layers=[...]; waiting for it: {stuck}"
            )
        levels.append(ready)
        done |= ready
        needs = {layer: others for layer, others in needs.items() if layer not in ready}
    return levels


def _moments(
    graph: Graph, calls: Sequence[Call], stream: Stream
) -> tuple[dict[BatchNormalization, Moments], int]:
    """One pass over the data: the moments of the calls' inputs, and the number of rows."""
    needed = [name for call, _ in calls for name in (call.value, call.mask) if name is not None]
    wanted = tuple(dict.fromkeys(needed))
    oracle = Oracle(drop_dead(with_nodes(graph, graph.nodes, outputs=wanted)))
    moments = {layer: Moments() for _, layer in calls}
    rows = 0
    for inputs, _ in stream:
        _check_finite(graph, inputs)
        values = oracle.values(inputs)
        rows += len(inputs[0])
        for call, layer in calls:
            mask = None if call.mask is None else values[call.mask]
            moments[layer].add(*channels_of(call, layer, values[call.value].astype(np.float64), mask))
    return moments, rows


def _check_finite(graph: Graph, inputs: Sequence[Array]) -> None:
    for name, array in zip(graph.inputs, inputs, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(
                f"input {name!r} holds NaN or infinite values, and so would the statistics. Remove those rows."
            )


def _statistics(layer: BatchNormalization, path: str, moments: Moments) -> dict[str, Array]:
    """The layer's weights for these moments.

    Raises:
        InputError: too few values, or statistics that float32 cannot hold.
    """
    weights = layer.named_weights
    shape, epsilon = weights["moving_mean"].shape, layer.epsilon
    if moments.count < 2:
        raise InputError(
            f"layer {path!r} sees {moments.count} value per channel; statistics need two or more"
        )
    mean, variance = moments.mean.reshape(shape), moments.variance.reshape(shape)
    if not (np.isfinite(mean) & np.isfinite(variance) & (variance <= FLOAT32_MAX)).all():
        raise InputError(
            f"layer {path!r}: what the layers before it compute from this data is NaN, infinite, or too large for "
            "float32. Look at the scale of the data and at the weights."
        )
    if not (variance.astype(np.float32) + epsilon > 0).all():
        raise InputError(
            f"layer {path!r}: some channel is the same in all rows, and epsilon is 0, so its standard "
            f"deviation cannot divide it. Give more rows, or set the layer's epsilon."
        )
    statistics = {"moving_mean": mean, "moving_variance": variance}
    if "renorm_mean" in weights:  # renormalization keeps standard deviations with epsilon under the root
        deviation = np.sqrt(variance + epsilon)
        statistics |= {"moving_stddev": deviation, "renorm_mean": mean, "renorm_stddev": deviation}
    return {name: value.astype(np.float32) for name, value in statistics.items()}


def _drift(
    path: str, layer: BatchNormalization, values: int, old: dict[str, Array], new: dict[str, Array]
) -> LayerDrift:
    arrays = flat([s[name] for s in (old, new) for name in ("moving_mean", "moving_variance")])
    return LayerDrift(path, values, layer.epsilon, *arrays)


def _effect(validation: Validation, model: Network, after: Graph) -> Effect:
    try:
        before = validation.score(lower(model))
    except UnsupportedError:
        # Lowering can only fail because of the old statistics: the network could not predict with them.
        before = float("nan")
    return Effect(validation.metric, before, validation.score(after), validation.higher_is_better)
