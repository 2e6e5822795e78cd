"""Dropout before BatchNormalization: the variance shift (Li et al., 2018, arXiv 1801.05134), and rates too high.

Dropout multiplies kept values by ``1 / (1 - p)``. That keeps the mean ``μ`` and turns the variance ``σ²`` into
``(σ² + μ²) / (1 - p) - μ²``. A normalization after it learns this variance, but at prediction time its input has
variance ``σ²``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, error, graded, note, warning
from foldnet.insight.doctor.judgement import Effect, effect_of
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
from foldnet.layers.normalization import BatchNormalization


def dropout_before(context: Context, site: Site) -> Site | None:
    """The Dropout whose variance a normalization has learned: directly before it, or with only elementwise layers
    and layers that move values in between."""
    while len(site.operands) == 1 and site.operands[0] in context.site:
        site = context.site[site.operands[0]]
        layer = site.layer
        if layer.scales_at_random and layer.amount() > 0:
            return None if site.call.kwargs.get("training") is False else site
        bends = layer.ends_with is not None and not layer.specs
        if not (bends or site.layer.identity_in_prediction or layer.moves_values):
            return None
    return None


def expected_ratio(layer: BatchNormalization, rate: float) -> float:
    """Stored variance divided by that at prediction time, computed from the stored statistics; the median."""
    mean = layer.named_weights["moving_mean"].astype(np.float64)
    variance = layer.named_weights["moving_variance"].astype(np.float64)
    true = (1 - rate) * (variance + mean**2) - mean**2
    sound = true > 0.05 * variance  # a smaller difference is only noise of the moving averages
    if rate >= 1 or not sound.any():
        return 1 / (1 - min(rate, 0.99))
    return float(np.median((variance[sound] + layer.epsilon) / (true[sound] + layer.epsilon)))


def before_normalization(context: Context) -> Iterator[Finding]:
    """Dropout, then BatchNormalization."""
    for site in context.normalizations:
        layer = cast(BatchNormalization, site.layer)
        dropout = dropout_before(context, site)
        if dropout is None or not layer.trainable:
            continue
        rate = float(dropout.layer.amount())
        expected = expected_ratio(layer, rate)
        seen: dict[str, Any] = {"rate": rate, "expected_variance_ratio": expected}
        effect = effect_of(context, [site.path])
        severity: Severity = "warning" if expected > 1.2 else "note"
        if effect is not None:
            ratios = context.measured.drifts[site.path].ratio
            seen |= {
                "measured_variance_ratio": float(np.median(ratios)),
                "largest_variance_ratio": float(ratios.max()), **effect.evidence(),
            }  # fmt: skip
            shifted = max(expected, seen["measured_variance_ratio"]) > 1.2
            severity = "warning" if shifted and (effect.blind or effect.output > 0.05) else "note"
        yield graded(
            severity, site.path,
            f"{dropout.path!r} drops {rate:.0%} before this normalization, which therefore learned a "
            f"variance that is "
            f"{expected:.3g} times the one it meets at prediction time, when nothing is dropped.",
            f"Move the Dropout behind the last normalization and train again. {_about_estimating(effect)}",
            fixable=effect is not None and not effect.worse, **seen,
        )  # fmt: skip


def _about_estimating(effect: Effect | None) -> str:
    """Whether re-estimating the statistics helps depends on what the later weights have adapted to."""
    if effect is not None and effect.worse:
        does = "raise" if (effect.corrected_loss or 0) > (effect.loss or 0) else "hardly lower"
        return (
            f"Re-estimating this layer's statistics alone would {does} the loss here, from {effect.loss:.4g} to "
            f"{effect.corrected_loss:.4g}: keep them until then."
        )
    return (
        "Or re-estimate the statistics with Dropout off, foldnet.recalibrate(model, x), and compare on validation "
        "data; re-estimating with Dropout on does not help."
    )


def high_rate(context: Context) -> Iterator[Finding]:
    """Dropout that keeps little or nothing, or that drops the network's results."""
    ends = {p.path for p in context.outputs}
    for site in context.sites:
        if not site.layer.amount_is_rate:
            continue
        rate = float(site.layer.amount())
        if rate >= 1:
            yield error(
                site.path, "It drops everything, so nothing before it can learn.",
                "Lower the rate; 0.1 to 0.5 is usual.", rate=rate,
            )  # fmt: skip
        elif site.path in ends and rate > 0:
            yield warning(
                site.path, "It drops the network's own results in training, so the loss is computed from zeros.",
                "Put it before the last layer, or leave it out.", rate=rate,
            )  # fmt: skip
        elif rate > 0.5:
            make = warning if rate >= 0.8 else note
            yield make(
                site.path,
                f"It drops {rate:.0%} of the values: of {site.shape[-1]} only about "
                f"{(1 - rate) * (site.shape[-1] or 1):.1f} are left at a time.",
                "A rate above 0.5 seldom helps; lower it, or make the layer smaller.",
                rate=rate, width=int(site.shape[-1] or 0),
            )  # fmt: skip


CHECKS = (
    Check("dropout-before-normalization", FILE, "variance shift of Dropout", before_normalization),
    Check("high-dropout", FILE, "Dropout that leaves little", high_rate, excuse="learned"),
)
