"""NaN, infinity, or a negative variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from foldnet.insight.doctor.checks.statistics import RECALIBRATE, finite_layers_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.divergence import Cause, causes
from foldnet.insight.doctor.finding import Finding, error, graded, warning
from foldnet.insight.doctor.grouping import one_finding
from foldnet.insight.doctor.measure import NO_ROW, NO_ROW_COUNTS
from foldnet.insight.doctor.registry import FILE, Check


def not_finite(context: Context) -> Iterator[Finding]:
    """Weights that are NaN or infinite, rows that are, and negative variances."""
    if broken := list(_weights(context)):
        yield _with_causes(one_finding(broken), list(causes(context)))
    else:
        yield from _rows(context)
    yield from _variances(context)


def _weights(context: Context) -> Iterator[Finding]:
    seen: set[Any] = set()
    for site in context.sites:
        if site.layer in seen:
            continue
        seen.add(site.layer)
        weights = site.layer.named_weights
        bad = {name: int((~np.isfinite(value)).sum()) for name, value in weights.items()}
        if names := [name for name, count in bad.items() if count]:
            yield error(
                site.path,
                f"{' and '.join(names)} hold{'s' * (len(names) == 1)} NaN or infinity, so every prediction that uses "
                f"{'it' if len(names) == 1 else 'them'} does, too: the training diverged, or saw NaN in the data.",
                "Go back to an earlier checkpoint; look for NaN in the data; train with a smaller learning rate "
                "or clipnorm, and with the TerminateOnNaN callback.",
                bad=sum(bad.values()), of=sum(int(v.size) for v in weights.values()),
            )  # fmt: skip


def _with_causes(found: Finding, likely: list[Cause]) -> Finding:
    """The finding, with the most certain cause in words, and the numbers of all."""
    if not likely:
        return found
    numbers: dict[str, object] = {}
    for cause in reversed(likely):
        numbers |= cause.evidence
    return replace(
        found,
        message=f"{found.message} Most likely {likely[0].words}.",
        remedy=f"{likely[0].remedy} {found.remedy}",
        evidence={**found.evidence, **numbers},
    )


def _rows(context: Context) -> Iterator[Finding]:
    if context.measurement is None and context.unmeasured in (NO_ROW, NO_ROW_COUNTS):
        yield error(
            "",
            f"{context.unmeasured[0].upper()}{context.unmeasured[1:]}, so no row can be used: nothing was measured, "
            "and Keras would pass it on to every prediction.",
            "Look at how the data were made; fill what is missing, or leave out the column that holds it.",
            rows_left_out=context.row_count, rows_used=0,
        )  # fmt: skip
    elif context.measurement is not None and context.measurement.unusable:
        yield warning(
            "",
            "The data hold NaN or infinity; Keras would pass it on to every prediction of these rows, "
            "and one such row in training ruins the statistics and weights for good.",
            "Drop these rows, or fill what is missing, before both training and prediction.",
            rows_left_out=context.measurement.unusable, rows_used=context.measurement.rows,
        )  # fmt: skip


def _variances(context: Context) -> Iterator[Finding]:
    for site, layer, _, variance in finite_layers_of(context):
        lowest = float(variance.min())
        if lowest < 0:
            impossible = lowest + layer.epsilon <= 0
            consequence = (
                "has no real square root"
                if impossible
                else "makes the layer's gain larger than the data justify"
            )
            yield graded(
                "error" if impossible else "warning", site.path,
                f"A moving variance is negative, which no variance can be; with epsilon it {consequence}. Keras's "
                "torch and numpy backends compute E[x²] − E[x]², which cancels where the mean is large.",
                RECALIBRATE, lowest=lowest, epsilon=layer.epsilon, negative=int((variance < 0).sum()),
                of=int(variance.size),
            )  # fmt: skip


CHECKS = (Check("not-finite", FILE, "NaN, infinite or negative statistics", not_finite),)
