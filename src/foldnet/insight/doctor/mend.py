"""Fixes that do not change predictions (or, for statistics, correct them), made on a copy."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import cast

import numpy as np

from foldnet.errors import FoldnetError
from foldnet.insight.doctor.checks.normalization import changes_nothing, removable_bias
from foldnet.insight.doctor.checks.structure import calls_with_training, matters
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Report
from foldnet.layers.core import Dense
from foldnet.network import Network

STATISTICS = frozenset({
    "averaged-weights", "dropout-before-normalization", "momentum-reversed", "small-batch-variance",
    "statistics-differ-from-data", "statistics-not-converged", "statistics-never-updated",
    "not-finite", "batch-of-one",
})  # fmt: skip
"""Checks that are fixed by re-estimating the statistics."""


def mend(
    network: Network, report: Report, x: object = None, y: object = None, sample_weight: object = None
) -> tuple[Network, list[str]]:
    """A fixed copy of a network, and a list of the changes.

    ``training=`` is removed from the calls, useless biases move into the normalization after them, and with data
    wrong statistics are estimated again with Dropout off. Everything else needs new training and is not changed.

    Args:
        network: the examined network; it is not changed.
        report: the doctor's report on it.
        x: training data, for the statistics.
        y: their targets; with them, new statistics that raise the compiled loss are not used.
        sample_weight: how much each row counts in that loss.

    >>> from foldnet import Sequential, layers
    >>> from foldnet.insight.doctor import doctor
    >>> model = Sequential([layers.Input((2,)), layers.Dense(3, name="d"), layers.BatchNormalization(name="bn")])
    >>> mended, done = mend(model, doctor(model))
    >>> done
    ['d: bias moved into the moving mean of bn']
    """
    healthy = copied(network)
    done = _remove_training(healthy)
    done += _remove_biases(healthy)
    wrong = sorted({f.check for f in report.findings if f.check in STATISTICS and f.severity != "note"})
    if wrong and x is not None:
        judged = (x, y) if sample_weight is None else (x, y, sample_weight)
        done += _recalibrate(healthy, x, None if y is None else judged, wrong)
    return healthy, done


def copied(network: Network) -> Network:
    """A copy of the network with its own weights and the same compile settings; the optimizer's state is new."""
    kept = network._trainer, network.saved_training, network._predictor
    network._trainer, network.saved_training, network._predictor = None, None, None
    try:
        twin = copy.deepcopy(network)
    finally:
        network._trainer, network.saved_training, network._predictor = kept
    trainer, saved, _ = kept
    if trainer is not None:
        twin.compile(**copy.deepcopy(vars(trainer.compiled.given)))
    elif saved is not None:
        twin.saved_training = replace(saved, state=None)
    return twin


def _remove_training(network: Network) -> list[str]:
    done = []
    for path, call in list(calls_with_training(network)):
        said = call.kwargs["training"]
        if matters(call.layer) and (said or call.layer.is_random):
            call.kwargs = {k: v for k, v in call.kwargs.items() if k != "training"}
            done.append(f"{path}: training={said} removed from the call")
    return done


def _remove_biases(network: Network) -> list[str]:
    context, done = Context(network), []
    for site in context.normalizations:
        dense = context.back(site, changes_nothing)
        if dense is None or not removable_bias(context, dense.path, site.path):
            continue
        bias = dense.layer.named_weights["bias"].astype(np.float64)
        mean = site.layer.named_weights["moving_mean"].astype(np.float64)
        drop_bias(cast(Dense, dense.layer))
        site.layer.set_weight("moving_mean", mean - bias)
        done.append(f"{dense.path}: bias moved into the moving mean of {site.path}")
    return done


def drop_bias(layer: Dense) -> None:
    """Remove a Dense's bias; its kernel stays."""
    kernel = layer.named_weights["kernel"]
    layer.use_bias = False
    layer._specs, layer._values = None, {}
    layer.build(*(t.shape for t in layer.calls[0].inputs))
    layer.set_weight("kernel", kernel)


def _recalibrate(
    healthy: Network, x: object, judged: tuple[object, ...] | None, wrong: list[str]
) -> list[str]:
    from foldnet.insight.statistics.recalibrate import recalibrate

    context = Context(healthy)
    paths = [p.path for p in context.normalizations if p.layer.trainable]
    if not paths:
        return []
    judged = judged if any(context.losses) else None
    try:
        result = recalibrate(healthy, x, validation_data=judged, layers=paths)
    except FoldnetError as error:
        return [f"statistics not changed: {error}"]
    if not result.applied and result.effect is not None:
        effect = result.effect
        return [
            f"statistics not changed: new ones would take the {effect.metric} from {effect.before:.4g} to "
            f"{effect.after:.4g}"
        ]
    reasons = ", ".join(wrong)
    return [
        f"{d.layer}: statistics estimated again on {result.rows:,} rows ({reasons})" for d in result.layers
    ]
