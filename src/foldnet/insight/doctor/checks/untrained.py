"""Biases that are still 0: no gradient ever reached them.

A bias starts at 0, and the first step with any gradient moves it. After some steps a bias that is exactly 0 in all
units has had no gradient, whatever the loss says: the layer is frozen, what follows is constant or flat, or nothing
after it has a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod

from foldnet.errors import FoldnetError
from foldnet.initializers import Zeros, get, initialize
from foldnet.insight.doctor.compile_settings import optimizer_of, outputs_with_loss
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, graded
from foldnet.insight.doctor.grouping import one_finding
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.doctor.unit_values import constant_by_zeros, last_with_weights
from foldnet.insight.doctor.unit_weights import all_zero
from foldnet.insight.doctor.works import unless_it_works
from foldnet.insight.sites import Site
from foldnet.layers.base import Layer
from foldnet.layers.weight import Weight, WeightSpec

FEWEST_STEPS = 10
"""Fewer steps are no evidence: where the last kernel starts at 0, nothing before it has a gradient in the first step,
and a learning rate that warms up is 0 there."""


def bias_still_zero(context: Context) -> Iterator[Finding]:
    """One finding for each place where the gradients end; layers before it are in it."""
    if not context.steps:
        return
    found = {site.path: site for site in context.sites if _still_zero(site) and not _excused(context, site)}
    meant = [path for path in found if _reason(context, found[path]) != LOST]
    yield from (_finding(context, found.pop(path)) for path in meant)  # gradients pass through a frozen layer
    later = {path: [p for p in _after(context, [path]) if p in found and p != path] for path in found}
    for root in found:
        if not later[root]:
            # The last of the later ones is the nearest to the output.
            before = [path for path in found if later[path][-1:] == [root]]
            one = one_finding([_finding(context, found[path]) for path in (root, *before)])
            yield replace(one, cause="units-are-copies") if _stopped_by_zeros(context, root) else one


def _stopped_by_zeros(context: Context, path: str) -> bool:
    """Whether kernels of nothing but 0 are why a layer has no gradient."""
    after = (context.site[p] for p in _after(context, [path]))
    return path in constant_by_zeros(context) or any(all_zero(site.layer) for site in after)


def _biases(layer: Layer) -> list[WeightSpec]:
    """The layer's bias; of a recurrent layer those of its cells."""
    cells = any(part.is_recurrent for part in layer.with_inner_layers)
    return [s for s in layer.specs if s.name == "bias" or (cells and s.name.endswith("/bias"))]


def _still_zero(site: Site) -> bool:
    """Whether a layer that starts with a bias of 0 has only such values; an LSTM's for its forget gate start at 1."""
    layer, specs = site.layer, _biases(site.layer)
    return bool(specs) and all(
        _starts_at_zero(getattr(layer.holder_of(spec.name)[0], "bias_initializer", None))
        and (layer.named_weights[spec.name] == initialize(spec.initializer, spec.shape)).all()
        for spec in specs
    )


def _starts_at_zero(initializer: object) -> bool:
    try:
        return isinstance(get(initializer), Zeros)
    except FoldnetError:
        return False


def _excused(context: Context, site: Site) -> bool:
    """Whether a healthy bias may be exactly 0: held there by its own settings, or without any effect.

    A constraint or an L1 penalty may hold it. A normalization after it takes it away again. The two calls of a shared
    layer may be subtracted, as in a network that compares two rows, and then their gradients cancel exactly.
    """
    layer = site.layer
    held = [Weight(layer, spec.name) for spec in _biases(layer)]
    if any(bias.constraint is not None or bias.regularizer is not None for bias in held):
        return True
    name, settings = optimizer_of(context)
    if name == "Ftrl" and settings.get("l1_regularization_strength"):
        return True
    if layer.ends_with == ("linear", {}) and sum(s.layer is layer for s in context.sites) > 1:
        return True
    readers = context.readers(site.path)
    while len(readers) == 1 and _keeps_shifts(readers[0]):
        readers = context.readers(readers[0].path)
    return bool(readers) and all(r.layer.normalizes_by is not None for r in readers)


def _keeps_shifts(site: Site) -> bool:
    layer = site.layer
    return layer.identity_in_prediction or layer.moves_values


def _after(context: Context, paths: Iterable[str]) -> list[str]:
    """The calls that read these results, directly or not, as far as gradients come back through them; in order."""
    reached = set(paths)
    for site in context.sites:
        if reached & set(site.operands) and not _stops(site):
            reached.add(site.path)
    return [site.path for site in context.sites if site.path in reached]


def _stops(site: Site) -> bool:
    return site.layer.is_operation and site.layer.record.name == "stop_gradient"


LOST, FROZEN, APART = (
    "no gradient ever reached it",
    "it is frozen",
    "no output with a loss depends on it",
)
REMEDIES = {
    LOST: "Look for a softmax over one unit, a crossentropy of values that are no probabilities, units that are dead, "
    "and a learning rate of 0; then train again.",
    FROZEN: "Set trainable=True, compile and train again.",
    APART: "Give an output that depends on it a loss, and train again.",
}


def _reason(context: Context, site: Site) -> str:
    if not any(site.layer.trains(spec.name) for spec in _biases(site.layer)):
        return FROZEN
    return LOST if _has_loss(context, site) else APART


def _finding(context: Context, site: Site) -> Finding:
    reason = _reason(context, site)
    count = sum(prod(spec.shape) for spec in _biases(site.layer))
    severity = _severity(context, site, reason)
    biases = "bias is exactly what it was" if count == 1 else f"{count} biases are exactly what they were"
    remedy = REMEDIES[reason]
    return graded(
        severity, site.path, f"Its {biases} before the first step: {reason}.",
        f"If that is not meant: {remedy[0].lower()}{remedy[1:]}" if severity == "note" else remedy,
        biases=count, steps=context.steps or 0,
    )  # fmt: skip


def _has_loss(context: Context, site: Site) -> bool:
    reached = set(_after(context, [site.path]))
    return any(
        end.path in reached and trained
        for end, trained in zip(context.outputs, outputs_with_loss(context), strict=True)
    )


def _severity(context: Context, site: Site, reason: str) -> Severity:
    """An error at an output: no layer before it had a gradient through it, or what it makes of them is as it was drawn.

    Hidden layers that are frozen may be meant, as random features of an input. An output that is frozen as it was drawn
    rarely is: the layers before it may make up for that, but not for what it costs.
    """
    ends = {last_with_weights(context, end).path for end in context.outputs}
    if reason == APART or (reason == FROZEN and site.path not in ends):
        return "note"
    if (context.steps or 0) < FEWEST_STEPS * (
        optimizer_of(context)[1].get("gradient_accumulation_steps") or 1
    ):
        return "note"
    found = unless_it_works(context, "error" if site.path in ends else "warning")
    return "warning" if found == "note" and reason == FROZEN else found


CHECKS = (Check("bias-still-zero", FILE, "biases that no gradient reached", bias_still_zero),)
