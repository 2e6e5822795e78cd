"""The network computed on the caller's rows: with its own statistics, and with those of the rows.

Population statistics are computed layer by layer in order, in float64, with Dropout off. The input of a later layer
comes from the corrected earlier layers, as it would if the statistics were right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.insight.rows import read_rows
from foldnet.layers.normalization import BatchNormalization
from foldnet.lowering.lower import lower
from foldnet.lowering.masks import masked_layers
from foldnet.operations.folds import fold_of

if TYPE_CHECKING:
    from foldnet.insight.doctor.context import Context
    from foldnet.insight.sites import Site

MOST_ROWS = 8192
"""The largest number of rows used; from more, this many evenly spread ones are chosen."""
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
    """Values of the network on the caller's rows, in float64; rows with NaN or infinity are left out.

    Args:
        context: with ``x``.

    Raises:
        UnsupportedError: the network cannot be computed, or no row is finite.
        InputError: the rows do not fit the network.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._graph = lower(context.network)
        self._program = ReferenceProgram(self._graph)
        inputs = read_rows(self._graph, context.x)
        usable = np.logical_and.reduce([np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in inputs])
        self.unusable = int((~usable).sum())
        if not usable.any():
            raise UnsupportedError("every row of the data holds NaN or infinity")
        self.picked = np.flatnonzero(usable)[_picked(int(usable.sum()))]
        self._inputs = [a[self.picked] for a in inputs]
        self.rows = len(self.picked)
        self._names = {
            **dict(zip((t.name for t in context.network.inputs), self._graph.inputs, strict=True)),
            **self._graph.layer_outputs,
        }
        self._normalizations = {p.path: p for p in context.normalizations}
        self._drifts: dict[str, Drift] = {}

    @cached_property
    def stored(self) -> dict[str, Array]:
        """Every value, computed with the stored statistics."""
        return self._run(())

    @cached_property
    def correctable(self) -> list[str]:
        """Normalizations whose statistics can be corrected: not frozen, called once, without a mask.

        With a mask, the statistics are those of some positions, and a prediction does not show which.
        """
        calls: dict[Any, int] = {}
        for site in self._normalizations.values():
            calls[site.layer] = calls.get(site.layer, 0) + 1
        masked = masked_layers(self._context.network)
        return [
            p.path
            for p in self._normalizations.values()
            if calls[p.layer] == 1 and p.layer.trainable and p.layer not in masked
        ]

    @cached_property
    def corrected(self) -> dict[str, Array]:
        """Every value, computed with all statistics replaced by those of the rows."""
        return self._run(self.correctable)

    @cached_property
    def drifts(self) -> Mapping[str, Drift]:
        """How each correctable normalization's statistics differ from the rows', if there are enough rows."""
        _ = self.corrected
        return {k: v for k, v in self._drifts.items() if v.count >= FEWEST}

    def with_statistics(self, paths: Collection[str]) -> dict[str, Array]:
        """Every value, computed with the rows' statistics in these normalizations."""
        return self._run(paths)

    def value(self, path: str, values: Mapping[str, Array] | None = None) -> Array:
        """The result of a call, by default with the stored statistics."""
        return (self.stored if values is None else values)[self._names[path]]

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
        """The compiled loss on the rows and targets; None without targets or a known loss."""
        from foldnet.training import losses

        setting = self._context.losses[0] if self._context.losses else None
        targets = self._context.targets
        if setting is None or targets is None or len(targets) < self.picked[-1] + 1:
            return None
        function = losses.FUNCTIONS[setting.name]
        y_true = targets[self.picked]
        y_pred = self.outputs(values)[0]
        if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
            y_true = y_true[..., None]
        with np.errstate(all="ignore"):
            return float(np.mean(np.asarray(function(y_true, y_pred, **setting.settings))))

    # -- computing ------------------------------------------------------------------------------------------

    def _run(self, corrected: Collection[str]) -> dict[str, Array]:
        values = {
            k: v if v.dtype.kind in "iub" else v.astype(np.float64) for k, v in self._graph.constants.items()
        }
        values.update(zip(self._graph.inputs, _widened(self._graph, self._inputs), strict=True))
        with np.errstate(all="ignore"):
            for step in self._program.steps:
                node = step.node
                if node.layer in corrected and fold_of(node.op).scaling is not None:
                    values[node.output] = self._normalized(
                        self._normalizations[node.layer], values[node.inputs[0]]
                    )
                else:
                    values[node.output] = step.measure([values[v] for v in node.inputs])
        return values

    def _normalized(self, site: Site, x: Array) -> Array:
        layer = cast(BatchNormalization, site.layer)
        drift = self._drifts[site.path] = drift_of(layer, x)
        spread = spread_shape(layer, x.shape)
        weights = {k: v.astype(np.float64).reshape(spread) for k, v in layer.named_weights.items()}
        y = (x - drift.mean.reshape(spread)) / np.sqrt(drift.variance.reshape(spread) + layer.epsilon)
        return np.asarray(y * weights.get("gamma", 1.0) + weights.get("beta", 0.0))


def drift_of(layer: BatchNormalization, x: Array) -> Drift:
    """A normalization's stored statistics compared with those of its input's rows."""
    kept = layer.kept_axes(x.ndim)
    axes = tuple(a for a in range(x.ndim) if a not in kept)
    mean = x.mean(axis=axes, keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=axes)
    mean = mean.reshape(variance.shape)
    stored_mean = layer.named_weights["moving_mean"].astype(np.float64).reshape(mean.shape)
    stored_variance = layer.named_weights["moving_variance"].astype(np.float64).reshape(mean.shape)
    total = variance + layer.epsilon
    return Drift(
        mean, variance, (stored_mean - mean) / np.sqrt(total), (stored_variance + layer.epsilon) / total,
        int(x.size / max(1, mean.size)),
    )  # fmt: skip


def spread_shape(layer: BatchNormalization, shape: Sequence[int | None]) -> tuple[int, ...]:
    """The shape in which a normalization's weights broadcast against its input."""
    kept = layer.kept_axes(len(shape))
    return tuple((n or 1) if a in kept else 1 for a, n in enumerate(shape))


def _picked(count: int) -> Array:
    return np.linspace(0, count - 1, min(count, MOST_ROWS)).round().astype(np.int64)


def _widened(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    return [
        a if graph.types[name].dtype == INT else a.astype(np.float64)
        for name, a in zip(graph.inputs, inputs, strict=True)
    ]
