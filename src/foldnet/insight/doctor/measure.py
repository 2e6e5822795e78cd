"""The network computed on the caller's rows: with its own statistics, and with those of the rows.

Population statistics are computed layer by layer in order, in float64, with Dropout off. The input of a later layer
comes from the corrected earlier layers, as it would if the statistics were right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference.program import Step
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.insight.doctor.weights import mean_one
from foldnet.insight.normalizations import channels_of
from foldnet.insight.rows import read_rows
from foldnet.insight.statistics.moments import Moments
from foldnet.layers.normalization import BatchNormalization
from foldnet.lowering.lower import Normalized
from foldnet.operations import catalogue
from foldnet.operations.kernels import Inside
from foldnet.passes.costs import bound_to

if TYPE_CHECKING:
    from foldnet.insight.doctor.context import Context, LossSetting

NO_ROW = "every row of the data holds NaN or infinity"
NO_ROW_COUNTS = "every row of the data with a weight above 0 holds NaN or infinity"
"""Why no row can be used."""
MOST_ROWS = 8192
"""The largest number of rows used; from more, this many evenly spread ones are chosen."""
MOST_VALUES = 2**25
"""About so many numbers are kept in all: 256 MB. Of networks with large values fewer rows are used."""
MOST_WORK = 2e10
"""About so many multiply-adds are made, a few seconds' work."""
IN_ORDER = 10
"""By so much a sum in a fixed order takes longer than a product by BLAS."""
ENOUGH_ROWS, FEW_ROWS = 32, 8
"""So many rows are used if they take no more than ``LONGER`` times that, since many checks need 30; else as many as
fit, and so few in any case: then each has many positions."""
LONGER = 4
FEWEST = 30
"""The number of values per channel that population statistics need for a comparison."""


@dataclass(frozen=True)
class Drift:
    """Stored statistics of a normalization compared with those of the rows; one number per channel.

    Attributes:
        mean: of the rows.
        variance: of the rows.
        shift: how far the stored mean is off, in the rows' standard deviations.
        ratio: stored variance divided by the rows', with epsilon added to both.
        count: how many values of each channel were used.
    """

    mean: Array
    variance: Array
    shift: Array
    ratio: Array
    count: int


class Measurement:
    """Values of the network on the caller's rows, in float64.

    Rows with NaN or infinity are left out. So are those of weight 0, but for the statistics of normalizations: these
    see them in training as they see all others.

    Args:
        context: with ``x``.

    Raises:
        UnsupportedError: the network cannot be computed, or no row is finite.
        InputError: the rows do not fit the network.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._graph, calls = context.lowered
        self._steps = [Step(self._graph, node) for node in self._graph.nodes]  # those of masks, too
        inputs = read_rows(self._graph, context.x)
        finite = np.logical_and.reduce([np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in inputs])
        self.not_finite = int((~finite).sum())
        if not finite.any():
            raise UnsupportedError(NO_ROW)
        weights = context.weights
        usable = finite if weights is None else finite & weights.counts
        self.unusable = self.not_finite if weights is None else int((weights.counts & ~finite).sum())
        if not usable.any():
            raise UnsupportedError(NO_ROW_COUNTS)
        apart = bool(calls) and bool((usable != finite).any())
        most = _most_rows(self._graph, inputs, (2 if calls else 1) * (2 if apart else 1))
        self.picked = _picked(usable, most)
        self._inputs = [a[self.picked] for a in inputs]
        self._seen = [a[_picked(finite, most)] for a in inputs] if apart else self._inputs
        self.rows = len(self.picked)
        self._names = context.value_names
        self._calls = {call.path: call for call in calls}
        self._drifts: dict[str, Drift] = {}

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """The shape of a batch for each input, with the sizes of the data."""
        return [(None, *a.shape[1:]) for a in self._inputs]

    @property
    def inputs(self) -> dict[str, Array]:
        """The rows of each input, by its name in the program."""
        return dict(zip(self._graph.inputs, self._inputs, strict=True))

    @property
    def rows_differ(self) -> bool:
        """Whether there are two different rows."""
        return any(bool((a != a[:1]).any()) for a in self._inputs)

    @cached_property
    def distinct(self) -> int:
        """How many of the rows are different from each other."""
        rows = np.concatenate([np.asarray(a).reshape(self.rows, -1) + 0.0 for a in self._inputs], axis=1)
        return len({row.tobytes() for row in rows})

    @cached_property
    def stored(self) -> dict[str, Array]:
        """Every value, computed with the stored statistics."""
        return self._run(())

    @cached_property
    def correctable(self) -> list[str]:
        """Normalizations whose statistics can be corrected: not frozen, and called once."""
        times = Counter(call.layer for call in self._calls.values())
        return [p for p, call in self._calls.items() if times[call.layer] == 1 and call.layer.trainable]

    @cached_property
    def corrected(self) -> dict[str, Array]:
        """Every value, computed with all statistics replaced by those of the rows."""
        return self._run(self.correctable) if self.correctable else self.stored

    @cached_property
    def _stored_of_all(self) -> dict[str, Array]:
        """The values of rows of any weight, computed with the stored statistics."""
        return self.stored if self._seen is self._inputs else computed(self._graph, self._steps, self._seen)

    @cached_property
    def weights(self) -> Array:
        """How much each row counts; the mean is 1."""
        given = self._context.weights
        return np.ones(self.rows) if given is None else mean_one(given.by_row[self.picked])

    @cached_property
    def drifts(self) -> Mapping[str, Drift]:
        """How each correctable normalization's statistics differ from the rows', if there are enough rows."""
        _ = self.corrected
        return {k: v for k, v in self._drifts.items() if v.count >= FEWEST}

    def with_statistics(self, paths: Collection[str]) -> dict[str, Array]:
        """Every value, computed with the rows' statistics in these normalizations."""
        return self.corrected if set(paths) == set(self.correctable) else self._run(paths)

    def value(self, path: str, values: Mapping[str, Array] | None = None) -> Array:
        """The result of a call, by default with the stored statistics."""
        return (self.stored if values is None else values)[self._names[path]]

    def is_code(self, path: str) -> bool:
        """Whether an input's values are codes: those of an Embedding, or of texts."""
        return self._graph.types[self._names[path]].dtype == INT

    def outputs(self, values: Mapping[str, Array] | None = None) -> list[Array]:
        """The network's outputs."""
        values = self.stored if values is None else values
        return [values[name] for name in self._graph.outputs]

    def effect(self, other: Mapping[str, Array]) -> float:
        """The root mean square change of the outputs, relative to their spread over the rows."""
        worst = 0.0
        for before, after in zip(self.outputs(), self.outputs(other), strict=True):
            spread = max(float(before.std(axis=0).max(initial=0)), float(after.std(axis=0).max(initial=0)))
            moved = float(np.sqrt(np.mean((before - after) ** 2))) if before.size else 0.0
            worst = max(worst, moved / spread if spread > 0 else (np.inf if moved > 0 else 0.0))
        return worst

    def loss(self, values: Mapping[str, Array] | None = None) -> float | None:
        """The compiled loss on the rows and targets, as much as rows count; None without targets or a known loss that
        takes them."""
        rows = self.row_losses(values)
        return None if rows is None else float(rows.mean())

    def row_losses(self, values: Mapping[str, Array] | None = None) -> Array | None:
        """The same for each row, times its weight among the rows, whose mean is 1."""
        setting = self._context.losses[0] if self._context.losses else None
        targets = self._context.targets
        if setting is None or targets is None or not targets.ndim or len(targets) < self.picked[-1] + 1:
            return None
        return self.weighted_losses(setting, targets[self.picked], self.outputs(values)[0])

    def weighted_losses(
        self, setting: LossSetting, y_true: Array, y_pred: Array, every: int = 1
    ) -> Array | None:
        """A loss of every so many of the rows, times their weights; None if the loss refuses these targets.

        Args:
            setting: of the loss.
            y_true: targets of these rows.
            y_pred: predictions.
            every: 1 for all rows, 2 for every second one.
        """
        given = self._context.weights
        if given is None:
            return row_losses(setting, y_true, y_pred)
        weights = given.values[self.picked][::every]
        return row_losses(setting, y_true, y_pred, weights / weights.mean())

    def beside(self, times: float) -> list[Array]:
        """The network's outputs for rows so many times as far on the other side of the mean; codes stay as they are."""
        moved = [
            (mean := a.mean(axis=0)) - np.float32(times) * (a - mean) if a.dtype.kind == "f" else a
            for a in self._inputs
        ]
        values = computed(self._graph, self._steps, moved)
        return [values[name] for name in self._graph.outputs]

    def insides(self, rows: Array) -> Iterator[tuple[str, Inside]]:
        """By the path of its call, what each operation with hidden values computes of some rows."""
        for step in self._steps:
            if not step.shows_all:
                graph = self._graph
                operands = [
                    self.stored[v] if v in graph.constants else self.stored[v][rows] for v in step.node.inputs
                ]
                yield step.node.layer, step.inside(operands)

    # -- computing ------------------------------------------------------------------------------------------

    def _run(self, corrected: Collection[str]) -> dict[str, Array]:
        chosen = {call.output: call for path, call in self._calls.items() if path in corrected}
        drifts: dict[str, Drift] = {}

        def instead(name: str, values: Mapping[str, Array]) -> Array | None:
            if name not in chosen:
                return None
            call = chosen[name]
            if call.path not in drifts:
                drifts[call.path] = _drift(call, values)
            return _normalized(call, values, drifts[call.path])

        if chosen and self._seen is not self._inputs:
            computed(self._graph, self._steps, self._seen, instead)  # for the statistics alone
        found = computed(self._graph, self._steps, self._inputs, instead)
        self._drifts |= drifts
        return found

    def drift(self, path: str) -> Drift:
        """How a normalization's statistics differ from those of the rows, as the stored statistics before it are."""
        return _drift(self._calls[path], self._stored_of_all)


def _normalized(call: Normalized, values: Mapping[str, Array], drift: Drift) -> Array:
    """A normalization's result with other statistics than its own."""
    x, layer = values[call.value], cast(BatchNormalization, call.layer)
    along = len(call.along)
    spread = spread_shape([along + a for a in layer.kept_axes(x.ndim - along)], x.shape)
    weights = {k: v.astype(np.float64).reshape(spread) for k, v in layer.named_weights.items()}
    y = (x - drift.mean.reshape(spread)) / np.sqrt(drift.variance.reshape(spread) + layer.epsilon)
    return np.asarray(y * weights.get("gamma", 1.0) + weights.get("beta", 0.0))


def row_losses(
    setting: LossSetting, y_true: Array, y_pred: Array, weights: Array | None = None
) -> Array | None:
    """A loss of each row, the mean over its further axes; None if the loss refuses these targets.

    Args:
        setting: of the loss.
        y_true: targets.
        y_pred: predictions.
        weights: of rows, or of rows and positions.
    """
    from foldnet.training import losses
    from foldnet.training.weighting import weighted

    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(losses.FUNCTIONS[setting.name](y_true, y_pred, **setting.settings))
            if values.ndim and weights is not None:
                values = np.asarray(weighted(values, weights))
    except (FoldnetError, TypeError, ValueError):
        return None
    if values.ndim == 0 or len(values) != len(y_pred):
        return None
    return np.asarray(values.reshape(len(values), -1).mean(axis=1))


def computed(
    graph: Graph,
    steps: Sequence[Step],
    inputs: Sequence[Array],
    instead: Callable[[str, Mapping[str, Array]], Array | None] = lambda name, values: None,
) -> dict[str, Array]:
    """Every value of a graph in float64, with sums in the fastest order.

    Args:
        graph: to compute.
        steps: of its nodes.
        inputs: a batch for each of its inputs.
        instead: of a value's name and the values so far, what to take in its place; None for itself.
    """
    values = {k: v if v.dtype.kind in "iub" else v.astype(np.float64) for k, v in graph.constants.items()}
    values.update(zip(graph.inputs, _widened(graph, inputs), strict=True))
    with np.errstate(all="ignore"):
        for step in steps:
            node = step.node
            values[node.output] = step.measure([values[v] for v in node.inputs])
            other = instead(node.output, values)
            if other is not None:
                values[node.output] = other
    return values


def _drift(call: Normalized, values: Mapping[str, Array]) -> Drift:
    """A normalization's stored statistics compared with those of its input's rows, without what a mask leaves out."""
    layer, moments = cast(BatchNormalization, call.layer), Moments()
    mask = None if call.mask is None else values[call.mask]
    moments.add(*channels_of(call, layer, values[call.value], mask))
    stored = [layer.named_weights[name].astype(np.float64) for name in ("moving_mean", "moving_variance")]
    mean, variance = (a.reshape(stored[0].shape) for a in (moments.mean, moments.variance))
    total = variance + layer.epsilon
    return Drift(
        mean,
        variance,
        (stored[0] - mean) / np.sqrt(total),
        (stored[1] + layer.epsilon) / total,
        moments.count,
    )


def spread_shape(kept: Collection[int], shape: Sequence[int | None]) -> tuple[int, ...]:
    """The shape in which a normalization's weights broadcast against its input."""
    return tuple((n or 1) if a in kept else 1 for a, n in enumerate(shape))


def _picked(usable: Array, most: int) -> Array:
    """The places of usable rows; of too many the places of evenly spread ones."""
    places = np.flatnonzero(usable)
    return places[np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(np.int64)]


def _most_rows(graph: Graph, inputs: Sequence[Array], runs: int) -> int:
    """How many rows can be computed in reasonable time and memory, up to so many times."""
    try:
        bound = bound_to(
            graph,
            tuple((graph.types[n].shape[0], *a.shape[1:]) for n, a in zip(graph.inputs, inputs, strict=True)),
        )
    except ConfigError:
        return MOST_ROWS  # it cannot be computed for these lengths, and says so itself
    values = work = 1
    for node in bound.nodes:
        row, *operands = (
            bound.types[v].shape[v not in bound.constants :] for v in (node.output, *node.inputs)
        )
        quick = catalogue.find("numpy", node.op).quick is not None
        values += prod(_sizes(row))
        work += node.op.multiply_adds(_sizes(row), *map(_sizes, operands)) * (1 if quick else IN_ORDER)
    fitting = min(MOST_VALUES / values, MOST_WORK / (work * runs))
    if fitting < ENOUGH_ROWS <= fitting * LONGER:
        return ENOUGH_ROWS
    return max(FEW_ROWS, min(MOST_ROWS, int(fitting)))


def _sizes(shape: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(int(n or 0) for n in shape)


def _widened(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    return [
        a if graph.types[name].dtype == INT else a.astype(np.float64)
        for name, a in zip(graph.inputs, inputs, strict=True)
    ]
