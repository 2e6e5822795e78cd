"""Checks of a normalization's settings and weights: frozen, shared, ported or folded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.statistics import RECALIBRATE, layers_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, graded, note, warning
from foldnet.insight.doctor.measure import Drift
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
from foldnet.layers.base import Layer
from foldnet.layers.core import Dense
from foldnet.layers.normalization import BatchNormalization

UNIT = 2.0**-23


def frozen(context: Context) -> Iterator[Finding]:
    """trainable=False: inference mode also in training."""
    version = context.network.keras_version or ""
    old = version.startswith(("0.", "1.", "2.0", "2.1", "2.2")) and "tf" not in version
    for site, layer, mean, variance in layers_of(context):
        if layer.trainable:
            continue
        fresh = bool((mean == 0).all() and (variance == 1).all())
        if fresh and context.trained:
            message = (
                "It is frozen with statistics of exactly 0 and 1, so it has never normalized anything, in training "
                "or at prediction time."
            )
        elif old:
            message = (
                f"It is frozen, and Keras {version} still normalized a frozen layer by each batch in training, so "
                "prediction uses statistics that the other layers were not trained with."
            )
        else:
            message = "It is frozen: since TensorFlow 2 it then uses its moving statistics in training, too."
        make = warning if (fresh and context.trained) or old else note
        yield make(
            site.path, message,
            "Set trainable=True, compile again and train on; or leave it, if it came from a trained network.",
            channels=int(mean.size), largest_mean=float(np.abs(mean).max(initial=0)),
            smallest_variance=float(variance.min(initial=np.inf)),
        )  # fmt: skip


def epsilon_on_port(context: Context) -> Iterator[Finding]:
    """The change in results with another framework's default epsilon."""
    for site, layer, _, variance in layers_of(context):
        other = 1e-5 if layer.epsilon >= 1e-4 else 1e-3
        lowest = float(variance[variance > 1e-12].min(initial=np.inf))  # constant channels do not change
        if not (np.isfinite(lowest) and lowest + min(other, layer.epsilon) > 0):
            continue
        change = float(np.abs(np.sqrt((lowest + layer.epsilon) / (lowest + other)) - 1))
        if change > 0.05:
            yield note(
                site.path,
                f"The result depends on epsilon={layer.epsilon:g}: with {other:g}, another framework's "
                f"default, a "
                "channel "
                f"would change by {change:.0%}.",
                "Write epsilon out wherever the weights are used. Keras has 1e-3, PyTorch and ONNX have 1e-5.",
                epsilon=layer.epsilon, other=other, change=change, smallest_variance=lowest,
            )  # fmt: skip


def momentum_reversed(context: Context) -> Iterator[Finding]:
    """A momentum in PyTorch's sense: the share of the new batch."""
    measured = context.measurement
    for site, layer, _, _ in layers_of(context):
        if layer.momentum > 0.2 or not layer.trainable:
            continue
        seen: dict[str, Any] = {"momentum": layer.momentum, "share_of_last_batch": 1 - layer.momentum}
        drift = measured.drifts.get(site.path) if measured is not None else None
        fits = False
        if drift is not None:
            seen |= {
                "mean_off_in_deviations": float(np.median(np.abs(drift.shift))),
                "variance_ratio": float(np.median(drift.ratio)),
            }
            fits = seen["mean_off_in_deviations"] < 0.15 and 0.85 < seen["variance_ratio"] < 1.18
        make = note if layer.momentum == 0 or fits else warning
        yield make(
            site.path,
            f"momentum={layer.momentum:g} takes {1 - layer.momentum:.0%} of the statistics from the very last "
            "batch. Keras's momentum is the share that is kept; PyTorch's is the share that is new.",
            f"If {layer.momentum:g} came from PyTorch, use {1 - layer.momentum:g}. " + RECALIBRATE,
            fixable=drift is not None, **seen,
        )  # fmt: skip


def bessel(context: Context) -> Iterator[Finding]:
    """The fused kernels of Keras 2 stored n / (n - 1) times the variance."""
    version = context.network.keras_version or ""
    if not version.startswith("2."):
        return
    for site, layer, _, variance in layers_of(context):
        rank = len(site.shape)
        kept = site.kept_axes
        if rank not in (4, 5) or len(kept) != 1 or layer.renorm:
            continue
        spread = [n or 1 for a, n in enumerate(site.shape) if a and a not in kept]
        count = 32 * int(np.prod(spread, dtype=np.int64))
        factor = count / (count - 1)
        if factor > 1.001:
            yield note(
                site.path,
                f"Keras {version} kept the unbiased variance for inputs of rank {rank}, which Keras 3 does not: "
                "at batch "
                f"32 this is {factor:.4f} times the batches' own.",
                "Nothing for prediction. In a comparison with Keras 3 expect this factor after training on.",
                factor_at_batch_32=factor, values_a_batch=count, channels=int(variance.size),
            )  # fmt: skip


def weight_order(context: Context) -> Iterator[Finding]:
    """Weights that code reading by position would confuse, and weights that were confused."""
    measured = context.measurement
    for site, layer, mean, variance in layers_of(context):
        names = list(layer.named_weights)
        if not (layer.scale and layer.center) or layer.renorm:
            yield note(
                site.path,
                f"It has {len(names)} weights ({', '.join(names)}) and not the usual four, so code that "
                f"reads them by position confuses them.",
                "Read them by name: layer.named_weights.",
                weights=len(names), place_of_moving_mean=names.index("moving_mean"),
            )  # fmt: skip
        if layer.scale and layer.center and mean.size >= 3:
            gamma, beta = layer.named_weights["gamma"], layer.named_weights["beta"]
            far = float(np.median(np.abs(gamma))), float(np.median(np.abs(beta - 1)))
            if far[0] < 0.25 and far[1] < 0.25 and float(np.median(beta)) > 0.7 and (gamma < 0).any():
                yield warning(
                    site.path,
                    "gamma is around 0 and beta around 1, but gamma starts at 1 and beta at 0: they "
                    "have probably been exchanged.",
                    "Exchange them back; Keras's order is gamma, beta, moving_mean, moving_variance.",
                    median_gamma=float(np.median(gamma)), median_beta=float(np.median(beta)),
                )  # fmt: skip
        drift = measured.drifts.get(site.path) if measured is not None else None
        if drift is not None and mean.size >= 3 and (mean >= 0).all():
            as_stored, exchanged = (
                _distance(layer, drift, mean, variance),
                _distance(layer, drift, variance, mean),
            )
            if exchanged < 0.25 and as_stored > 4 * exchanged and as_stored > 0.5:
                yield error(
                    site.path,
                    "moving_variance holds the data's mean, and moving_mean its variance: they have "
                    "been exchanged.",
                    "Exchange them back; Keras's order is gamma, beta, moving_mean, moving_variance.",
                    distance=as_stored, distance_if_exchanged=exchanged, values_a_channel=drift.count,
                )  # fmt: skip


def _distance(layer: BatchNormalization, drift: Drift, mean: Array, variance: Array) -> float:
    total = drift.variance + layer.epsilon
    shift = np.abs(mean.reshape(total.shape) - drift.mean) / np.sqrt(total)
    with np.errstate(all="ignore"):
        ratio = np.abs(np.log(np.maximum(variance.reshape(total.shape) + layer.epsilon, 1e-12) / total))
    return float(np.median(shift + ratio))


def shared(context: Context) -> Iterator[Finding]:
    """One set of statistics for several inputs."""
    calls: dict[Any, list[str]] = {}
    for site in context.normalizations:
        calls.setdefault(site.layer, []).append(site.path)
    measured = context.measurement
    for layer, paths in calls.items():
        if len(paths) < 2:
            continue
        seen: dict[str, Any] = {"calls": len(paths)}
        make = note
        if measured is not None:
            drifts = [measured.drift(p) for p in paths]
            first = drifts[0]
            total = np.sqrt(first.variance + layer.epsilon)
            apart = max(float(np.median(np.abs(d.mean - first.mean) / total)) for d in drifts[1:])
            ratios = [float(np.median((d.variance + layer.epsilon) / total**2)) for d in drifts[1:]]
            ratio = max((max(r, 1 / max(r, 1e-12)) for r in ratios), default=1.0)
            seen |= {"means_apart_in_deviations": apart, "variance_ratio": ratio}
            make = warning if apart > 0.5 or ratio > 2 else note
        yield make(
            paths[0],
            f"It is called {len(paths)} times with one set of moving statistics, updated by each call in turn; "
            "where "
            "its inputs differ, the statistics fit none of them.",
            "Give each input its own BatchNormalization and share the other layers.", **seen,
        )  # fmt: skip


def fold_across(context: Context) -> Iterator[Finding]:
    """A normalization that seems foldable into the layer before it but is not."""
    for site, layer, mean, variance in layers_of(context):
        before = context.site.get(site.operands[0]) if site.operands else None
        while before is not None and before.layer.identity_in_prediction and before.operands:
            before = context.site.get(before.operands[0])
        activation = None if before is None else before.layer.ends_with
        if before is None or activation is None or activation[0] == "linear":
            continue
        with np.errstate(all="ignore"):
            gain = layer.named_weights.get("gamma", np.ones_like(mean)) / np.sqrt(variance + layer.epsilon)
            offset = layer.named_weights.get("beta", np.zeros_like(mean)) - mean * gain
        # relu(a x) = a relu(x) for a > 0: folding would be right only there, and without an offset.
        wrong = (offset != 0) | (gain <= 0) if activation[0] == "relu" else (offset != 0) | (gain != 1)
        if wrong.any():
            yield note(
                site.path,
                f"The activation {activation[0]} of {before.path!r} stands between the weights and this "
                "normalization, so "
                "it must not be folded backward into them; it folds forward into the next weights where that is exact.",
                "Nothing: foldnet does it right. Hand-written code and some converters do not.",
                channels_that_would_be_wrong=int(wrong.sum()), of=int(wrong.size),
                largest_offset=float(np.abs(offset).max()),
            )  # fmt: skip


def gamma_signs(context: Context) -> Iterator[Finding]:
    """gamma that is exactly 0, or negative."""
    for site, layer, _, _ in layers_of(context):
        if not layer.scale:
            continue
        gamma = layer.named_weights["gamma"]
        zero, negative = int((gamma == 0).sum()), int((gamma < 0).sum())
        if zero:
            every = zero == gamma.size
            make = error if every and context.trained else warning if context.trained else note
            yield make(
                site.path,
                f"gamma is exactly 0 in {zero} of {gamma.size} channels, which therefore give beta for "
                f"any input"
                + (": nothing passes this layer." if every else "."),
                "If they were pruned on purpose, remove the channels; else look at gamma's initializer, "
                "regularizer and "
                "constraint. Folding must multiply by gamma, never divide.",
                zero=zero, of=int(gamma.size),
            )  # fmt: skip
        if negative:
            yield note(
                site.path,
                f"gamma is negative in {negative} of {gamma.size} channels, which is valid, but swaps "
                f"minimum and maximum: code that expects a positive gamma is wrong here.",
                "Nothing: foldnet multiplies.", negative=negative, of=int(gamma.size), lowest=float(gamma.min()),
            )  # fmt: skip


def changes_nothing(layer: Layer) -> bool:
    """Whether a layer returns its input (also in training) and adds nothing to the loss."""
    same = layer.identity_in_prediction and not (layer.is_random or layer.differs_in_training())
    return same and layer.activity_regularizer is None


def useless_bias(context: Context) -> Iterator[Finding]:
    """A bias that is subtracted again with the mean."""
    for site in context.normalizations:
        dense = context.back(site, changes_nothing)
        if dense is None or not removable_bias(context, dense.path, site.path):
            continue
        bias = dense.layer.named_weights["bias"]
        yield note(
            dense.path,
            f"Its {bias.size} biases do nothing: {site.path!r} subtracts the mean, and the bias with "
            f"it; beta does what a bias would.",
            "Dense(..., use_bias=False) before BatchNormalization.", fixable=True,
            biases=int(bias.size), largest=float(np.abs(bias).max(initial=0)),
        )  # fmt: skip


def removable_bias(context: Context, dense: str, normalization: str) -> bool:
    """Whether a Dense's bias can move into the normalization's mean without changing any result."""
    first, norm = context.site[dense], context.site[normalization]
    layer = first.layer
    if not isinstance(layer, Dense) or not layer.use_bias or layer.ends_with != ("linear", {}):
        return False
    if len(layer.calls) != 1 or len(norm.layer.calls) != 1:
        return False
    rank = len(norm.shape)
    alone = norm.kept_axes == (rank - 1,)
    path = dense
    while path != normalization:
        readers = context.readers(path)
        if len(readers) != 1 or context.site[path] in context.outputs:
            return False
        path = readers[0].path
    return alone


def cancellation(context: Context) -> Iterator[Finding]:
    """A mean so far above the deviation that float32 loses precision."""
    measured = context.measurement
    for site, layer, mean, variance in layers_of(context):
        if not (mean.size and np.isfinite(mean).all() and (variance + layer.epsilon > 0).all()):
            continue
        far = np.abs(mean) / np.sqrt(variance + layer.epsilon)
        channel = int(np.argmax(far))
        worst = float(far.reshape(-1)[channel])
        if worst < 1e3:
            continue
        seen: dict[str, Any] = {
            "channel": channel, "mean": float(mean.reshape(-1)[channel]), "mean_in_deviations": worst,
            "error_in_deviations": UNIT * worst,
        }  # fmt: skip
        if measured is not None and site.path in measured.drifts:
            seen["measured_error"] = _forms_apart(site, measured.value(site.operands[0]))
        yield graded(
            "warning" if worst > 1e4 else "note", site.path,
            f"The mean is {worst:.3g} standard deviations from 0: Keras 3 (and any folding) computes x·a + (beta − "
            "mean·a), which cancels there in float32, where Keras 2 subtracted the mean first.",
            "Subtract a constant from the inputs first (Normalization), and train again.", **seen,
        )  # fmt: skip


def _forms_apart(site: Site, x: Array) -> float:
    """The largest difference between two ways to compute the same normalization, in float32."""
    from foldnet.insight.doctor.measure import spread_shape

    layer, spread = cast(BatchNormalization, site.layer), spread_shape(site.kept_axes, x.shape)
    weights = {k: v.reshape(spread) for k, v in layer.named_weights.items()}
    single = x.astype(np.float32)
    gain = np.float32(1) / np.sqrt(weights["moving_variance"] + np.float32(layer.epsilon))
    apart = single * gain + (-weights["moving_mean"] * gain) - (single - weights["moving_mean"]) * gain
    return float(np.abs(apart).max(initial=0))


CHECKS = (
    Check("frozen-normalization", FILE, "frozen BatchNormalization", frozen),
    Check("epsilon-on-port", FILE, "results that depend on epsilon", epsilon_on_port),
    Check("momentum-reversed", FILE, "momentum in PyTorch's sense", momentum_reversed, excuse="learned"),
    Check("variance-bessel", FILE, "unbiased variances of Keras 2", bessel),
    Check("weight-order", FILE, "weights confused by their position", weight_order, excuse="learned"),
    Check("shared-normalization", FILE, "one normalization for several inputs", shared, excuse="learned"),
    Check("fold-across-nonlinearity", FILE, "normalization after an activation", fold_across),
    Check("gamma-zero-or-negative", FILE, "gamma of 0 or below", gamma_signs, excuse="learned"),
    Check("useless-bias", FILE, "bias before a normalization", useless_bias),
    Check("cancellation", FILE, "a mean far above the deviation", cancellation),
)
