"""How severe wrong statistics are, measured by the change of output and loss when they are corrected."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Severity
from foldnet.insight.doctor.measure import Measurement


@dataclass(frozen=True)
class Effect:
    """How the network's output changes when statistics are replaced by those of the data.

    Attributes:
        output: root mean square change, relative to the output's spread over the rows.
        loss: before; None without targets.
        corrected_loss: after.
        rows: on how many rows.
        blind: whether the output is the same for every row, so that no effect can be seen.
    """

    output: float
    loss: float | None
    corrected_loss: float | None
    rows: int
    blind: bool = False

    def grade(self, warning: float, error: float) -> Severity:
        """The severity from the change of the output alone; if the output is blind, the highest one."""
        if self.blind:
            return "warning"
        return "error" if self.output > error else "warning" if self.output > warning else "note"

    def severity(self, warning: float, error: float) -> Severity:
        """The severity; a change that does not lower the loss is only a note."""
        return "note" if self.worse else self.grade(warning, error)

    @property
    def worse(self) -> bool:
        """Whether the loss is known and corrected statistics do not lower it."""
        if self.blind or self.loss is None or self.corrected_loss is None or not isfinite(self.loss):
            return False
        return not self.corrected_loss <= 0.98 * self.loss

    def evidence(self) -> dict[str, Any]:
        """The numbers as evidence of a finding."""
        seen: dict[str, Any] = {"output_change": self.output, "rows": self.rows}
        if self.loss is not None:
            seen |= {"loss": self.loss, "loss_with_right_statistics": self.corrected_loss}
        return seen


TOGETHER = 8
"""More normalizations than this are corrected together: each alone would mean to compute a deep network as often."""


def effect_of(context: Context, paths: Collection[str] | None) -> Effect | None:
    """The effect of correcting these normalizations (by default all); None if it cannot be measured."""
    measured = context.measurement
    if measured is None or not measured.drifts:
        return None
    chosen = measured.drifts if paths is None else [p for p in paths if p in measured.drifts]
    if not chosen:
        return None
    together = len(measured.drifts) > TOGETHER
    key = frozenset(measured.drifts if together else chosen)
    if key not in context.effects:
        context.effects[key] = _effect(measured, key)
    return context.effects[key]


def _effect(measured: Measurement, paths: Collection[str]) -> Effect:
    values = measured.with_statistics(paths)
    constant = all(
        float(np.ptp(y, axis=0).max(initial=0)) == 0 for v in (None, values) for y in measured.outputs(v)
    )
    return Effect(measured.effect(values), measured.loss(), measured.loss(values), measured.rows, constant)
