"""Checks of the output: activation, loss and targets that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, assert_never

from foldnet.insight.doctor.context import Context, LossSetting
from foldnet.insight.doctor.finding import Finding, Severity, error, graded, note, warning
from foldnet.insight.doctor.registry import FILE, LOSS, Check
from foldnet.insight.sites import Site
from foldnet.layers.axes import positive_axis

CATEGORICAL = (
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "categorical_focal_crossentropy",
)
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax")
SIGNED = ("tanh", "softsign", "hard_tanh")
HIDDEN = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "celu",
    "prelu",
    "tanh",
    "softsign",
)


Units = Literal["one", "many", "any"]


@dataclass(frozen=True)
class Rule:
    """A loss and an activation that do not go together.

    ``units`` is "one", "many" or "any"; ``message`` may name {loss}, {activation} and {units}.
    """

    losses: tuple[str, ...]
    activations: tuple[str, ...]
    units: Units
    severity: Severity
    message: str
    remedy: str


ONE = "For one unit use sigmoid and binary_crossentropy; for classes use one unit each."
RULES = (
    Rule(CATEGORICAL, ("*",), "one", "error",
         "{loss} over one unit is 0 for every prediction (or log of a single class), so nothing is learned.", ONE),
    Rule(CATEGORICAL, ("sigmoid", "hard_sigmoid"), "many", "warning",
         "{loss} needs probabilities that add up to 1; {units} outputs through {activation} do not, and "
         "what is "
         "reported as probability was never trained to be one.", 'Use activation="softmax", or binary_crossentropy.'),
    Rule(CATEGORICAL, (*SIGNED, "relu", "elu", "selu", "leaky_relu"), "many", "error",
         "{loss} takes the log of probabilities, and {activation} gives none.", 'Use activation="softmax".'),
    Rule(BINARY, ("softmax",), "many", "warning",
         "{loss} looks at each of {units} outputs separately, but softmax makes them depend on each other.",
         "For classes that exclude each other use categorical_crossentropy; for labels that do not use "
         "sigmoid."),
    Rule(BINARY, (*SIGNED, "relu", "elu", "selu", "leaky_relu"), "any", "error",
         "{loss} takes the log of probabilities, and {activation} gives none.", 'Use activation="sigmoid".'),
    Rule(("hinge", "squared_hinge"), PROBABILITIES, "any", "warning",
         "{loss} needs results on both sides of 0, and {activation} gives none below 0.",
         "Use tanh or a linear output, or a crossentropy."),
    Rule(("kl_divergence",), ("linear", *SIGNED), "any", "error",
         "{loss} compares distributions, and {activation} gives none.", 'Use activation="softmax".'),
    Rule(("cosine_similarity",), ("*",), "one", "error",
         "{loss} of one unit is the sign of target times output, so nothing but signs is learned.",
         "Use mse or mae for a number."),
    Rule(("poisson",), ("linear", *SIGNED), "any", "warning",
         "{loss} takes the log of the prediction, which {activation} lets become negative.",
         'Use activation="exponential" or "softplus".'),
)  # fmt: skip


def output_activation(context: Context, site: Site) -> tuple[Site, str]:
    """The layer with the last activation before an output, and its name; ``linear`` if there is none."""
    while True:
        activation = site.layer.ends_with
        if activation is not None and not site.layer.identity_in_prediction:
            return site, activation[0]
        quiet = site.layer.identity_in_prediction or site.layer.moves_values
        if not quiet or len(site.operands) != 1 or site.operands[0] not in context.site:
            return site, "linear" if activation is not None else type(site.layer).__name__
        site = context.site[site.operands[0]]


def _compiled(context: Context) -> Iterator[tuple[Site, str, int, LossSetting]]:
    for end, loss in zip(context.outputs, context.losses, strict=False):
        if loss is not None:
            site, activation = output_activation(context, end)
            yield site, activation, int(end.shape[-1] or 0), loss


def softmax_one_unit(context: Context) -> Iterator[Finding]:
    """Softmax over an axis of size 1."""
    for site in context.sites:
        activation = site.layer.ends_with
        if activation is None or activation[0] not in ("softmax", "log_softmax"):
            continue
        axis: Any = activation[1].get("axis", -1)
        axes = [
            positive_axis(a, len(site.shape)) for a in (axis if isinstance(axis, list | tuple) else [axis])
        ]
        size = prod(site.shape[a] or 0 for a in axes)
        if size != 1:
            continue
        seen: dict[str, Any] = {"units": 1}
        if context.measurement is not None:
            value = context.measurement.value(site.path)
            seen |= {"smallest_output": float(value.min()), "largest_output": float(value.max())}
        constant = 1 if activation[0] == "softmax" else 0
        yield error(
            site.path,
            f"{activation[0]} over one unit is {constant} for any input, so the network predicts "
            f"nothing and learns nothing.",
            "Use sigmoid for one probability, and a linear output for a number. Then train again: the "
            "weights have "
            "learned "
            "nothing.", **seen,
        )  # fmt: skip


def _fits(rule: Units, units: int) -> bool:
    match rule:
        case "one":
            return units == 1
        case "many":
            return units != 1
        case "any":
            return True
        case _:
            assert_never(rule)


def _other_axis(site: Site, loss: LossSetting) -> tuple[int, int] | None:
    """The axes of the softmax and of the classes of a categorical loss, if they differ."""
    name, settings = site.layer.ends_with or ("", {})
    axes = settings.get("axis", -1), loss.settings.get("axis", -1)
    rank = len(site.shape)
    whole = all(isinstance(a, int) and -rank <= a < rank for a in axes)
    if name != "softmax" or loss.name not in CATEGORICAL or not whole:
        return None
    softmax, classes = (positive_axis(a, rank) for a in axes)
    return None if softmax == classes else (softmax, classes)


def loss_and_activation(context: Context) -> Iterator[Finding]:
    """The table of losses and activations."""
    for site, activation, units, loss in _compiled(context):
        along = _other_axis(site, loss)
        if along is not None:
            yield error(
                site.path,
                f"softmax adds up to 1 along axis {along[0]}, but {loss.name} takes the classes along axis {along[1]}.",
                f"Use softmax along axis {along[1]}, where the classes are. Train again.",
                softmax_axis=along[0], axis_of_classes=along[1],
            )  # fmt: skip
            continue
        for rule in RULES:
            named = "*" in rule.activations or activation in rule.activations
            # With from_logits the check logits-and-activation looks at the activation.
            if (
                loss.name in rule.losses
                and named
                and _fits(rule.units, units)
                and (not loss.from_logits or "*" in rule.activations)
            ):
                words = {"loss": loss.name, "activation": activation, "units": units}
                yield graded(
                    rule.severity, site.path, rule.message.format(**words), rule.remedy + " Train again.",
                    units=units, outputs=len(context.outputs),
                )  # fmt: skip
                break


def logits(context: Context) -> Iterator[Finding]:
    """A softmax or sigmoid applied twice, or not at all."""
    for site, activation, units, loss in _compiled(context):
        if loss.name not in CATEGORICAL + BINARY or (loss.name in CATEGORICAL and units == 1):
            continue
        wanted = "softmax" if loss.name in CATEGORICAL else "sigmoid"
        seen: dict[str, Any] = {"from_logits": int(loss.from_logits), "units": units}
        if loss.from_logits and activation in PROBABILITIES:
            yield error(
                site.path,
                f"{loss.name}(from_logits=True) applies {wanted} to what {activation} has already made a "
                "probability: the "
                "gradients almost vanish, and the loss cannot come near 0.",
                f"Leave from_logits out, or make the output linear. Train again; the predictions' {activation} "
                "itself is "
                "right.", **seen,
            )  # fmt: skip
        elif not loss.from_logits and activation == "linear":
            yield error(
                site.path,
                f"{loss.name} takes the log of probabilities, but the output is linear: everything outside 0 to 1 "
                "is cut "
                "off, and with it the gradient.",
                f'Use {loss.name}(from_logits=True), or activation="{wanted}". Train again.', **seen,
            )  # fmt: skip


def hidden_at_output(context: Context) -> Iterator[Finding]:
    """An activation made for hidden layers at the output."""
    ends = zip(context.outputs, context.losses, strict=False)
    for end, loss in ends:
        site, activation = output_activation(context, end)
        if activation not in HIDDEN or (loss is not None and loss.name in CATEGORICAL + BINARY):
            continue
        seen: dict[str, Any] = {"units": int(end.shape[-1] or 0)}
        make = note
        if activation in ("relu", "relu6") and context.measurement is not None:
            zeros = float((context.measurement.value(end.path) == 0).mean())
            seen["share_of_zeros"] = zeros
            targets = context.counted_targets
            wanted = 0.0 if targets is None else float((targets == 0).mean())
            make = error if zeros == 1 and wanted < 1 else warning if zeros > wanted + 0.5 else note
        yield make(
            site.path,
            f"{activation} is applied to the network's output: values that it cannot give cannot be "
            f"predicted, and where it is flat nothing is learned.",
            "A linear output for numbers of any sign; softplus or exponential for numbers above 0.", **seen,
        )  # fmt: skip


CHECKS = (
    Check("softmax-one-unit", FILE, "softmax over one unit", softmax_one_unit),
    Check("loss-and-activation", LOSS, "loss and activation", loss_and_activation, excuse="all"),
    Check("logits-and-activation", LOSS, "from_logits and activation", logits, excuse="all"),
    Check("output-activation", FILE, "a hidden activation at the output", hidden_at_output, excuse="learned"),
)
