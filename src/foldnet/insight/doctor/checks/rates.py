"""The learning rate: what it was, whether that can work, and how far it can have moved weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import FoldnetError
from foldnet.insight.doctor.comparison import learned
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, graded, note
from foldnet.insight.doctor.registry import FILE, Check

if TYPE_CHECKING:
    from foldnet.training.optimizer import Optimizer

ADAPTIVE = ("Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Lion")
"""Optimizers whose step is about the learning rate, whatever the size of the gradient."""
LARGE = 1.0
"""At this rate a single step of these moves every weight further than initializers make it."""
HARDLY = 0.2
"""Movements below this share of a kernel's root mean square leave it as it was."""
MOST_STEPS = 100_000
"""How many steps of a schedule are looked at, where the number of steps is not known."""


@dataclass(frozen=True)
class Rate:
    """An optimizer's learning rate.

    Attributes:
        optimizer: its class.
        value: the learning rate; of a schedule the largest one up to the last step.
    """

    optimizer: str
    value: float

    @property
    def adaptive(self) -> bool:
        """Whether steps have the size of the learning rate."""
        return self.optimizer in ADAPTIVE


def rate_of(context: Context) -> Rate | None:
    """The learning rate of the optimizer, live or in the file; None if it is not known."""
    trainer = context.network._trainer
    stored: tuple[str, object]
    if trainer is not None:
        optimizer = trainer.compiled.optimizer
        if optimizer.absent:
            return None
        stored = type(optimizer).__name__, optimizer._learning_rate
    else:
        stored = _stored(context.network.compile_config or {})
    name, rate = stored
    value = _largest(rate, context.steps)
    return None if value is None or not name else Rate(name, value)


def _stored(config: Mapping[str, Any]) -> tuple[str, object]:
    """The optimizer's class and learning rate in a file: a name, or class and settings; Keras 2 has its own key."""
    from foldnet.training import optimizers

    optimizer: Optimizer | None
    entry = config.get("optimizer", config.get("optimizer_config"))
    if isinstance(entry, Mapping):
        name, settings = str(entry.get("class_name", "")), entry.get("config")
    else:
        name, settings = str(entry or ""), {}
    try:
        optimizer = optimizers.get(name)
    except (FoldnetError, TypeError):  # the user's own optimizer
        return name, _setting(settings)
    given = _setting(settings)
    default = None if optimizer is None else optimizer._learning_rate
    return type(optimizer).__name__, default if given is None else given


def _setting(settings: object) -> object:
    if not isinstance(settings, Mapping):
        return None
    return settings.get("learning_rate", settings.get("lr"))


def _largest(rate: object, steps: int | None) -> float | None:
    """The largest learning rate up to the last step."""
    from foldnet.training.schedules import schedule_from_config

    if isinstance(rate, Mapping):
        try:
            rate = schedule_from_config(rate)
        except (FoldnetError, TypeError):  # the user's own schedule
            return None
    if callable(rate):
        places = np.unique(np.geomspace(1, (steps or MOST_STEPS) + 1, 200).astype(np.int64)) - 1
        try:
            with np.errstate(all="ignore"):
                values = [_number(rate(step)) for step in places]
        except (ArithmeticError, TypeError, ValueError):  # settings of a file that are no numbers
            return None
        known = [v for v in values if v is not None]
        return max(known) if known else None
    return _number(rate)


def _number(value: object) -> float | None:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else None


def learning_rate(context: Context) -> Iterator[Finding]:
    """A learning rate with which nothing is learned."""
    rate = rate_of(context)
    if rate is None:
        return
    knows = learned(context)
    seen: dict[str, Any] = {"learning_rate": rate.value, "steps": context.steps or 0}
    if rate.value <= 0:
        # A callback may have brought it down to 0 at the end of a training.
        make = note if rate.value == 0 and (knows or context.moved) else error
        does = "moves no weight" if rate.value == 0 else "makes the loss larger with every step"
        yield make(
            "", f"The learning rate is {rate.value:g}, which {does}.",
            "Set a learning rate above 0, such as the optimizer's default, and train again.", **seen,
        )  # fmt: skip
    elif rate.adaptive and rate.value >= LARGE:
        yield graded(
            "note" if knows else "warning" if knows is None else "error", "",
            f"The learning rate is {rate.value:g}, and {rate.optimizer} moves every weight by about that in each step: "
            "further than the weights are large.",
            f"A learning rate of 0.001 to 0.01 for {rate.optimizer}; then train again, from new weights.", **seen,
        )  # fmt: skip


@dataclass(frozen=True)
class Journey:
    """How far an optimizer can have moved a kernel that is larger than that.

    Attributes:
        path: of the kernel's layer.
        optimizer: its class.
        rate: the learning rate.
        steps: how many.
        size: the kernel's root mean square.
    """

    path: str
    optimizer: str
    rate: float
    steps: int
    size: float


def hardly_moved(context: Context) -> Journey | None:
    """The kernel that has moved least for its size, if that is hardly; None otherwise, or if it is not known."""
    rate, steps = rate_of(context), context.steps
    if rate is None or not rate.adaptive or not steps:
        return None
    kernels = [
        (float(np.sqrt(np.mean(np.square(value, dtype=np.float64)))), site.path)
        for site in context.sites
        if site.layer.trainable
        for name, value in site.layer.named_weights.items()
        if name == "kernel" and value.size
    ]
    size, path = max(kernels, default=(0.0, ""))
    return (
        Journey(path, rate.optimizer, rate.value, steps, size) if rate.value * steps < HARDLY * size else None
    )


CHECKS = (Check("learning-rate", FILE, "a learning rate with which nothing is learned", learning_rate),)
