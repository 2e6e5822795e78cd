"""Keras's learning-rate schedules: functions from the step (counted from 0) to the learning rate, in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from foldnet.errors import ConfigError
from foldnet.training.suggestions import suggestion

F = np.float32


class LearningRateSchedule:
    """Base class of schedules; your own schedule defines ``__call__(step)``."""

    name: str | None = None

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        raise TypeError(f"{type(self).__name__} must define __call__(step), which gives the learning rate")

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create one from the settings that ``get_config`` returns.

        Raises:
            ConfigError: unknown settings.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__} cannot be made from {dict(config)}: {error}") from None

    def serialize(self) -> dict[str, Any]:
        """The configuration as Keras stores it."""
        return {
            "module": "keras.optimizers.schedules",
            "class_name": type(self).__name__,
            "config": self.get_config(),
            "registered_name": None,
        }


class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``; ``staircase`` rounds the exponent down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase, self.name = decay_rate, staircase, name

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        p = F(step) / F(self.decay_steps)
        return F(self.initial_learning_rate) * F(self.decay_rate) ** (np.floor(p) if self.staircase else p)


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to and including step ``boundaries[i]``, then the next; one value more than boundaries."""

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str | None = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ConfigError(
                f"{len(boundaries)} boundaries need {len(boundaries) + 1} values, got {len(values)}"
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        return F(self.values[sum(step > b for b in self.boundaries)])


class PolynomialDecay(LearningRateSchedule):
    """From the initial to the end learning rate along ``(1 - step / decay_steps) ** power``."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle, self.name = end_learning_rate, power, cycle, name

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        step, length = F(step), F(self.decay_steps)
        if self.cycle:
            length *= F(1) if step == 0 else np.ceil(step / length)
        else:
            step = min(step, length)
        span = F(self.initial_learning_rate) - F(self.end_learning_rate)
        return span * (F(1) - step / length) ** F(self.power) + F(self.end_learning_rate)


class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``; ``staircase`` rounds the fraction down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase, self.name = decay_rate, staircase, name

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        p = F(step) / F(self.decay_steps)
        return F(self.initial_learning_rate) / (
            F(1) + F(self.decay_rate) * (np.floor(p) if self.staircase else p)
        )


class CosineDecay(LearningRateSchedule):
    """Half a cosine down to ``alpha`` times the start, after a linear warm-up if ``warmup_target`` is given."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.alpha, self.name = alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        step, top = F(step), F(self.initial_learning_rate)
        if self.warmup_target is not None:
            target = F(self.warmup_target)
            if step < self.warmup_steps:
                return (target - top) * (step / F(self.warmup_steps)) + top
            step, top = step - F(self.warmup_steps), target
        along = min(step, F(self.decay_steps)) / F(self.decay_steps)
        cosine = F(0.5) * (F(1) + np.cos(F(math.pi) * along))
        return top * ((F(1) - F(self.alpha)) * cosine + F(self.alpha))


class CosineDecayRestarts(LearningRateSchedule):
    """Repeated half cosines, each ``t_mul`` times as long and ``m_mul`` times as high as the last."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: Any) -> Any:
        """Learning rate at a step."""
        done, ratio = F(step) / F(self.first_decay_steps), F(self.t_mul)
        if ratio == 1:
            restarts = np.floor(done)
            done = done - restarts
        else:
            restarts = np.floor(np.log(F(1) - done * (F(1) - ratio)) / np.log(ratio))
            done = (done - (F(1) - ratio**restarts) / (F(1) - ratio)) / ratio**restarts
        cosine = F(0.5) * F(self.m_mul) ** restarts * (F(1) + np.cos(F(math.pi) * done))
        return F(self.initial_learning_rate) * ((F(1) - F(self.alpha)) * cosine + F(self.alpha))


SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (
        ExponentialDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
        InverseTimeDecay,
        CosineDecay,
        CosineDecayRestarts,
    )
}
"""Every schedule by its Keras name."""


def schedule_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> LearningRateSchedule:
    """Create a schedule from Keras's stored configuration.

    Args:
        config: ``{"class_name": ..., "config": {...}}``.
        custom_objects: your own classes, by name.

    Raises:
        ConfigError: the name is unknown, or the settings are wrong.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"a schedule's configuration is a dict with class_name and config, not {config!r}")
    name, settings = config.get("class_name"), config.get("config") or {}
    own = (custom_objects or {}).get(name) if isinstance(name, str) else None
    cls = own or (SCHEDULES.get(name) if isinstance(name, str) else None)
    if cls is None:
        raise ConfigError(f"there is no learning-rate schedule {name!r}{suggestion(name, SCHEDULES)}")
    if not isinstance(settings, Mapping):
        raise ConfigError(f"the settings of the schedule {name!r} must be a dict, got {settings!r}")
    found: LearningRateSchedule = cls.from_config(settings)
    return found
