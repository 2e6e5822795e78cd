"""Keras's ``optimizers.schedules`` module: learning rates that change with the step."""

from typing import Any

from foldnet.training.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
    schedule_from_config,
)

deserialize = schedule_from_config


def serialize(schedule: LearningRateSchedule) -> dict[str, Any]:
    """The configuration as Keras stores it."""
    return schedule.serialize()


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]
