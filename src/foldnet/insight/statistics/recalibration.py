"""The result of ``recalibrate``: the drift of each layer, the effect on validation data, and how to undo it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.escaping import escaped
from foldnet.insight.arguments import whole
from foldnet.insight.layout import WIDTH, name_width, shortened, stacked, wrapped
from foldnet.layers.normalization import BatchNormalization

Statistics = Mapping[BatchNormalization, Mapping[str, Array]]


@dataclass(frozen=True)
class LayerDrift:
    """How far the statistics of one BatchNormalization were from those of the data.

    Attributes:
        layer: its path, such as ``"norm_1"`` or ``"encoder/norm"``.
        values: how many values of each channel the data had; calls of a shared layer count together.
        epsilon: of the layer.
        old_mean, old_variance: the network's, one number per channel.
        new_mean, new_variance: of the data.
    """

    layer: str
    values: int
    epsilon: float
    old_mean: Array
    old_variance: Array
    new_mean: Array
    new_variance: Array

    @property
    def mean_shift(self) -> Array:
        """How far each mean was off, in standard deviations (the root that the layer divides by)."""
        return np.abs(self.new_mean - self.old_mean) / np.sqrt(self.new_variance + self.epsilon)

    @property
    def variance_ratio(self) -> Array:
        """Old variance divided by new, with epsilon added to both: above 1, the layer's output was too small."""
        return (self.old_variance + self.epsilon) / (self.new_variance + self.epsilon)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "layer": self.layer,
            "channels": len(self.new_mean),
            "values": self.values,
            "largest_mean_shift": float(self.mean_shift.max()),
            "smallest_variance_ratio": float(self.variance_ratio.min()),
            "largest_variance_ratio": float(self.variance_ratio.max()),
            "old_mean": self.old_mean.tolist(),
            "new_mean": self.new_mean.tolist(),
            "old_variance": self.old_variance.tolist(),
            "new_variance": self.new_variance.tolist(),
        }


@dataclass(frozen=True)
class Effect:
    """The change of a metric on validation data.

    Attributes:
        metric: its name.
        before: with the old statistics; NaN if the network could not predict with them.
        after: with the new ones.
        higher_is_better: the metric's direction.
    """

    metric: str
    before: float
    after: float
    higher_is_better: bool

    @property
    def worse(self) -> bool:
        """Whether the new statistics make the metric worse, or NaN."""
        if math.isnan(self.after):
            return not math.isnan(self.before)
        return self.after < self.before if self.higher_is_better else self.after > self.before


@dataclass(frozen=True)
class Recalibration:
    """The result of ``foldnet.recalibrate``; printed, it is a table.

    Attributes:
        layers: the drift of each BatchNormalization, in computing order.
        rows: how many rows of data the statistics are of.
        effect: on the validation metric; None without validation data.
        applied: whether the network has the new statistics.
    """

    layers: tuple[LayerDrift, ...]
    rows: int
    effect: Effect | None
    old: Statistics = field(repr=False)
    new: Statistics = field(repr=False)
    _state: list[bool] = field(default_factory=lambda: [False], repr=False)

    @property
    def applied(self) -> bool:
        """Whether the network has the new statistics now."""
        return self._state[0]

    def apply(self) -> None:
        """Give the network the new statistics, even if validation was worse with them."""
        set_statistics(self.new)
        self._state[0] = True

    def restore(self) -> None:
        """Give the network its old statistics back."""
        set_statistics(self.old)
        self._state[0] = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        effect = self.effect
        return {
            "applied": self.applied,
            "rows": self.rows,
            "validation": None
            if effect is None
            else {"metric": effect.metric, "before": effect.before, "after": effect.after},
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """The result for a terminal of this width."""
        width = whole("width", width, 20)
        room = name_width(width, 51)
        lines = []
        if room is not None:
            lines.append(f"{'':{room}} {'':>8}   mean off by (std)   old / new variance")
            lines.append(f"{'layer':{room}} {'channels':>8}     median   largest   smallest   largest")
        for layer in self.layers:
            lines += _lines(layer, room, width)
        verdict = [line for text in self._verdict() for line in wrapped(text, width)]
        return escaped("\n".join([*lines, "", *verdict]))

    def _verdict(self) -> list[str]:
        lines = [f"Statistics of {self.rows:,} rows, Dropout off, layer by layer."]
        if self.effect is not None:
            e = self.effect
            lines.append(f"Validation {e.metric}: {_short(e.before)} before, {_short(e.after)} after.")
        if self.applied:
            return [*lines, "The network has the new statistics."]
        because = " because the new ones are worse" if self.effect is not None and self.effect.worse else ""
        return [*lines, f"The network has its old statistics{because}."]


def set_statistics(statistics: Statistics) -> None:
    """Write statistics into their layers."""
    for layer, arrays in statistics.items():
        for name, array in arrays.items():
            layer.set_weight(name, array)


def _lines(layer: LayerDrift, room: int | None, width: int) -> list[str]:
    shift, ratio = layer.mean_shift, layer.variance_ratio
    cells = (float(np.median(shift)), float(shift.max()), float(ratio.min()), float(ratio.max()))
    a, b, c, d = (_short(cell) for cell in cells)
    if room is None:
        told = [
            ("channels", f"{len(shift):,}"), ("mean off by (std): median", a), ("largest", b),
            ("old / new variance: smallest", c), ("largest", d),
        ]  # fmt: skip
        return stacked(layer.layer, told, width)
    return [f"{shortened(layer.layer, room):{room}} {len(shift):>8} {a:>10} {b:>9} {c:>10} {d:>9}"]


def _short(number: float) -> str:
    if not math.isfinite(number) or number == 0 or 1e-3 <= abs(number) < 1e5:
        return f"{number:.4g}" if math.isfinite(number) else str(number)
    return f"{number:.2e}"


def flat(arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Each array as float64, one number per channel."""
    return tuple(np.asarray(a, np.float64).reshape(-1) for a in arrays)
