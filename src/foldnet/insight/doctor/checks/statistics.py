"""Checks of moving statistics: whether they exist, have converged, and fit the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.dropout import dropout_before
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, error, graded, note, warning
from foldnet.insight.doctor.judgement import Effect, effect_of
from foldnet.insight.doctor.measure import Drift
from foldnet.insight.doctor.registry import DATA, FILE, Check
from foldnet.insight.sites import Site
from foldnet.layers.normalization import BatchNormalization

RECALIBRATE = "Re-estimate the statistics on training data with Dropout off: foldnet.recalibrate(model, x)."


def layers_of(context: Context) -> Iterator[tuple[Site, BatchNormalization, Array, Array]]:
    """Each BatchNormalization once, with its statistics in float64."""
    seen: set[Any] = set()
    for site in context.normalizations:
        if site.layer in seen:
            continue
        seen.add(site.layer)
        layer = cast(BatchNormalization, site.layer)
        weights = layer.named_weights
        yield (
            site, layer,
            weights["moving_mean"].astype(np.float64), weights["moving_variance"].astype(np.float64),
        )  # fmt: skip


def finite_layers_of(context: Context) -> Iterator[tuple[Site, BatchNormalization, Array, Array]]:
    """Those of them whose statistics are finite."""
    for site, layer, mean, variance in layers_of(context):
        if mean.size and np.isfinite(mean).all() and np.isfinite(variance).all():
            yield site, layer, mean, variance


def _untouched(layer: BatchNormalization, mean: Array, variance: Array) -> bool:
    usual = "zero" in str(layer.moving_mean_initializer).lower()
    usual = usual and "one" in str(layer.moving_variance_initializer).lower()
    return usual and bool((mean == 0).all() and (variance == 1).all())


def never_updated(context: Context) -> Iterator[Finding]:
    """Exactly 0 and 1: the values before the first training batch."""
    for site, layer, mean, variance in finite_layers_of(context):
        if not _untouched(layer, mean, variance) or not layer.trainable:
            continue
        seen: dict[str, Any] = {"channels": int(mean.size), "momentum": layer.momentum}
        if not context.trained:
            yield note(
                site.path,
                "The moving statistics are exactly 0 and 1, as before the first batch; there is no sign that this "
                "network was trained.",
                "Nothing, if it is meant to be untrained.", **seen,
            )  # fmt: skip
            continue
        yield error(
            site.path,
            "The moving statistics are exactly 0 and 1, although the network was trained: in training the layer "
            "normalized by each batch, at prediction time it does nothing.",
            "Train with model.fit, or call the layer with training=True in your own loop and run its updates; a "
            "momentum of 1 never updates. " + RECALIBRATE, **seen,
        )  # fmt: skip


def batch_of_one(context: Context) -> Iterator[Finding]:
    """Every variance pulled towards 0 by batches that have no variance."""
    for site, layer, _, variance in finite_layers_of(context):
        highest, lowest = float(variance.max()), float(variance.min())
        equal = variance.size > 1 and highest < 0.99 and highest - lowest <= 1e-4 * highest
        gone = highest < 1e-8
        if lowest < 0 or not (equal or gone):
            continue
        seen: dict[str, Any] = {"largest_variance": highest, "channels": int(variance.size)}
        if 0 < layer.momentum < 1 and highest > 0:
            seen["batches_without_variance"] = round(float(np.log(highest) / np.log(layer.momentum)))
        yield error(
            site.path,
            "Every channel's moving variance is the same and has only shrunk, as when no batch had any variance: "
            "in training the layer then gave beta for any input, and at prediction time it amplifies noise.",
            "Train with more than one row (or position) a batch; for a single one use LayerNormalization. "
            + RECALIBRATE, **seen,
        )  # fmt: skip


def not_converged(context: Context) -> Iterator[Finding]:
    """The share of the initial 0 and 1 that is left after the training steps."""
    if not context.steps:
        return
    for site, layer, mean, variance in finite_layers_of(context):
        if not layer.trainable or not 0 < layer.momentum < 1 or _untouched(layer, mean, variance):
            continue
        share = float(layer.momentum**context.steps)
        # Batch variances are not negative, so the initial 1's share cannot be larger than the moving variance.
        if share < 0.01 or float(variance.min()) < 0.99 * share:
            continue
        effect = effect_of(context, [site.path])
        severity: Severity = "error" if share > 0.5 else "warning" if share > 0.1 else "note"
        if effect is not None:
            severity = effect.severity(warning=0.1, error=0.5)
        yield graded(
            severity, site.path,
            f"{share:.0%} of the moving statistics is still their initial 0 and 1 (momentum {layer.momentum:g} to "
            f"the power of {context.steps:,} steps), so prediction does not normalize as training did.",
            "Train for more steps, or with a lower momentum (0.9 needs 44 steps where 0.99 needs 459). "
            + RECALIBRATE,
            fixable=effect is not None,
            initial_share=share, steps=context.steps, momentum=layer.momentum, **_numbers(effect),
        )  # fmt: skip


def _numbers(effect: Effect | None) -> dict[str, Any]:
    return {} if effect is None else effect.evidence()


def _typical(drift: Drift) -> tuple[float, float]:
    """Median distance of the means in standard deviations, and median ratio of the variances."""
    return float(np.median(np.abs(drift.shift))), float(
        np.exp(np.median(np.log(np.maximum(drift.ratio, 1e-12))))
    )


def differ_from_data(context: Context) -> Iterator[Finding]:
    """Moving statistics compared with those of the data, rated by how much correcting them changes the output."""
    measured = context.measured
    for path, drift in measured.drifts.items():
        site = context.site[path]
        layer = cast(BatchNormalization, site.layer)
        weights = layer.named_weights
        shift, ratio = _typical(drift)
        if shift <= 0.25 and 1 / 1.5 <= ratio <= 1.5:
            continue
        if dropout_before(context, site) or _untouched(
            layer, weights["moving_mean"], weights["moving_variance"]
        ):
            continue
        effect = effect_of(context, [path])
        if effect is None:
            continue
        yield graded(
            effect.severity(warning=0.25, error=1.0), path,
            "The moving statistics are not those of this data, so the layer does not give mean 0 and variance 1 "
            "here, as it did for the batches it was trained on.",
            "If this is the training data: " + RECALIBRATE + " If not, compare how both were prepared.",
            fixable=True,
            mean_off_in_deviations=shift, variance_ratio=ratio, values_a_channel=drift.count, **effect.evidence(),
        )  # fmt: skip


def small_batch(context: Context) -> Iterator[Finding]:
    """Variances smaller than the data's by the same factor in all channels: (b - 1) / b of batches of b rows."""
    for path, drift in context.measured.drifts.items():
        site = context.site[path]
        variance = site.layer.named_weights["moving_variance"].astype(np.float64).reshape(-1)
        true = drift.variance.reshape(-1)
        live = true > 1e-6
        if (
            len(site.shape) != 2
            or live.sum() < 3
            or (variance[live] <= 0).any()
            or dropout_before(context, site)
        ):
            continue
        ratios = np.log(variance[live] / true[live])
        ratio, scatter = float(np.exp(np.median(ratios))), float(ratios.std())
        if ratio > 0.9 or ratio < 0.3 or scatter > 0.12 or np.median(np.abs(drift.shift)) > 0.2:
            continue
        batch = 1 / (1 - ratio)
        effect = effect_of(context, [path])
        severity: Severity = (
            "warning" if ratio < 0.8 and (effect is None or effect.severity(0.1, 1.0) != "note") else "note"
        )
        yield graded(
            severity, path,
            f"Every channel's moving variance is {ratio:.0%} of the data's, as batches of about {batch:.0f} rows "
            "would leave it: in training on several devices each one normalizes its own share of the batch.",
            "Train with larger batches a device, or with synchronized=True. " + RECALIBRATE,
            fixable=True,
            variance_ratio=ratio, rows_a_batch=batch, scatter_of_log_ratio=scatter,
            values_a_channel=drift.count, **_numbers(effect),
        )  # fmt: skip


def averaged_weights(context: Context) -> Iterator[Finding]:
    """Weights averaged over training, but statistics that are not."""
    if not context.optimizer_settings.get("use_ema") or not context.normalizations:
        return
    paths = [p.path for p in context.normalizations if p.layer.trainable]
    if not paths:
        return
    effect = effect_of(context, None)
    severity = "note" if effect is None else effect.severity(warning=0.25, error=1.0)
    yield graded(
        severity, "",
        "The optimizer averages the weights (use_ema), but the moving statistics belong to the weights that were "
        "not averaged.",
        RECALIBRATE, fixable=effect is not None,
        ema_momentum=float(context.optimizer_settings.get("ema_momentum") or 0.99), normalizations=len(paths),
        **_numbers(effect),
    )  # fmt: skip


def epsilon_dominates(context: Context) -> Iterator[Finding]:
    """Channels whose variance is smaller than epsilon."""
    for site, layer, mean, variance in finite_layers_of(context):
        variance, mean = variance.reshape(-1), mean.reshape(-1)
        if (variance < 0).any() or variance.max() < 1e-8 or not layer.epsilon > 0:
            continue
        # A constant channel has no variance except rounding errors of its mean.
        noise = (1e-6 * np.abs(mean)) ** 2 + 1e-12
        small = (variance < layer.epsilon) & (variance > noise)
        if not small.any():
            continue
        kept = np.sqrt(variance / (variance + layer.epsilon))
        worst = int(np.argmin(np.where(small, kept, np.inf)))
        given = bool(site.operands) and not context.site[site.operands[0]].operands
        crowd = variance.size > 1 and small.mean() > 0.5
        make = warning if (given and kept[worst] < 0.5) or crowd else note
        yield make(
            site.path,
            f"epsilon is larger than the variance of {int(small.sum())} of {variance.size} channels, so they come "
            f"out smaller than the others: channel {worst} with a standard deviation of {kept[worst]:.2g} "
            "instead of 1.",
            "Scale the inputs first (Normalization, StandardScaler), or choose an epsilon well below the smallest "
            "variance and train again.",
            channel=worst, variance=float(variance[worst]), epsilon=layer.epsilon,
            deviation_left=float(kept[worst]), channels=int(small.sum()), of=int(variance.size),
        )  # fmt: skip


CHECKS = (
    Check("statistics-never-updated", FILE, "moving statistics still 0 and 1", never_updated),
    Check("batch-of-one", FILE, "trained on batches without variance", batch_of_one),
    Check("statistics-not-converged", FILE, "initial values left in the statistics", not_converged),
    Check(
        "statistics-differ-from-data", DATA, "statistics against the data", differ_from_data, measures=True
    ),
    Check("small-batch-variance", DATA, "variance of small batches or replicas", small_batch, measures=True),
    Check("averaged-weights", FILE, "averaged weights, other statistics", averaged_weights),
    Check("epsilon-dominates", FILE, "epsilon larger than a variance", epsilon_dominates, excuse="learned"),
)
