"""``doctor``: examine a network, and use data, targets and script if given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from os import PathLike, fspath

import numpy as np

from foldnet.errors import ConfigError, InputError
from foldnet.insight.arguments import names
from foldnet.insight.doctor.checks import (
    axes,
    channel_shapes,
    data,
    dead,
    dropout,
    equal_units,
    formats,
    labels,
    learning,
    losses,
    masks,
    normalization,
    not_finite,
    overfit,
    padding,
    rates,
    recurrent,
    statistics,
    structure,
    targets,
    units,
    untrained,
    windows,
)
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import SEVERITIES, Finding, Report
from foldnet.insight.doctor.grouping import grouped
from foldnet.insight.doctor.registry import Check, lacking
from foldnet.insight.doctor.works import EXCUSES
from foldnet.network import Network
from foldnet.training.suggestions import suggestion

CHECKS: tuple[Check, ...] = (
    *not_finite.CHECKS, *statistics.CHECKS, *dropout.CHECKS, *normalization.CHECKS,
    *axes.CHECKS, *formats.CHECKS, *channel_shapes.CHECKS, *masks.CHECKS, *padding.CHECKS, *windows.CHECKS,
    *losses.CHECKS, *labels.CHECKS, *targets.CHECKS, *structure.CHECKS,
    *dead.CHECKS, *equal_units.CHECKS, *units.CHECKS, *recurrent.CHECKS, *data.CHECKS,
    *rates.CHECKS, *untrained.CHECKS, *learning.CHECKS, *overfit.CHECKS,
)  # fmt: skip
"""All checks, in the order in which they run."""


def doctor(
    model: object,
    x: object = None,
    y: object = None,
    *,
    checks: Iterable[str] | None = None,
    script: object = None,
    candidate: object = None,
    history: object = None,
    validation_data: object = None,
    sample_weight: object = None,
    class_weight: object = None,
) -> Report:
    """Find what is wrong with a trained network, with numbers from that network.

    Args:
        model: a network, or the path of its file. A file with NaN among its weights can be examined, too.
        x: rows of data, preferably training data: with data, much is measured instead of guessed.
        y: their targets.
        checks: ids of the checks to run; by default all.
        script: path (or text) of the training script; it is read, never executed.
        candidate: your own prediction function, to test whether its result for a row depends on other rows.
        history: what ``fit`` returned, here or in Keras; its dict of lists; or the path of a CSVLogger's file or of
            that dict as JSON. By default the one that the network kept from its last ``fit``.
        validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, rows that were not trained on.
        sample_weight: how much each row counts, as in ``fit``: one number a row, or one for each step. Rows of weight
            0 count for nothing but the statistics of normalizations, which saw them in training, too.
        class_weight: instead of it the weight of each class, as in ``fit``.

    Returns:
        A Report; ``print`` it, or read its findings.

    Raises:
        ConfigError: a check does not exist, or the network is not built.
        InputError: the data do not fit the network, the weights do not fit the data, or the history or validation
            data have another form.

    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((4,)), layers.Dense(1, activation="softmax", name="out")])
    >>> [finding.check for finding in doctor(model).findings]
    ['softmax-one-unit']
    """
    if candidate is not None and not callable(candidate):
        raise ConfigError(
            f"candidate is a function from rows to predictions, not a {type(candidate).__name__}"
        )
    context = Context(
        _network(model), x, y, script=script, candidate=candidate, history=history, validation_data=validation_data,
        sample_weight=sample_weight, class_weight=class_weight,
    )  # fmt: skip
    return examine(context, checks)


def examine(context: Context, checks: Iterable[str] | None = None) -> Report:
    """Run the checks; see ``doctor``."""
    chosen = _chosen(checks)
    findings: list[Finding] = []
    made: list[str] = []
    skipped: dict[str, str] = {}
    for check in chosen:
        missing = lacking(check.needs, context)
        if missing is not None:
            skipped[check.id] = missing
        elif check.measures and context.measurement is None:
            skipped[check.id] = f"the network cannot be computed: {context.unmeasured}"
        else:
            made.append(check.id)
            with np.errstate(
                all="ignore"
            ):  # faulty networks may overflow, which is a finding and needs no warning
                findings += [_judged(context, check, found) for found in check.look(context)]
    sites = {p.path: i for i, p in enumerate(context.sites)}
    findings = grouped(findings)
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), sites.get(f.layer, -1)))
    return Report(context.network.name, tuple(findings), tuple(made), skipped)


def _judged(context: Context, check: Check, found: Finding) -> Finding:
    """A finding, and those that it stands for, with the id of their check; a note where the network refutes it."""
    severity = found.severity if found.severity == "note" else EXCUSES[check.excuse](context, found.severity)
    others = (replace(f, check=check.id) for f in found.others)
    return replace(found, check=check.id, severity=severity, others=tuple(others))


def _chosen(checks: Iterable[str] | None) -> list[Check]:
    if checks is None:
        return list(CHECKS)
    wanted = names("checks", checks)
    known = {c.id: c for c in CHECKS}
    if unknown := [c for c in wanted if c not in known]:
        raise ConfigError(f"there is no check {unknown[0]}{suggestion(unknown[0], known)}")
    return [known[c] for c in wanted]


def read_network(path: str, weights: str | None = None) -> Network:
    """The network of a file, or of an architecture and its weights, even if it has NaN among its weights."""
    from foldnet.files import load_model
    from foldnet.files.fill_weights import any_numbers

    with any_numbers():
        return load_model(path) if weights is None else load_model(architecture=path, weights=weights)


def _network(model: object) -> Network:
    if isinstance(model, str | PathLike):
        model = read_network(fspath(model))
    if any(c.__module__.split(".")[0] in ("keras", "tf_keras") for c in type(model).__mro__):
        raise InputError(
            f"doctor takes a network of foldnet or the path of its file, not a {type(model).__name__} of Keras: "
            "give it foldnet.from_keras(model)"
        )
    if not isinstance(model, Network):
        raise InputError(f"doctor takes a network or the path of its file, not a {type(model).__name__}")
    if not model.built:
        raise ConfigError(
            f"{model.name!r} has no shapes yet: give its first layer an input_shape, or call build"
        )
    return model
