"""Keras's ``callbacks`` module: ``from foldnet.callbacks import EarlyStopping``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foldnet.missing_names import absent
from foldnet.training.callbacks import Callback, CallbackList, History, LambdaCallback
from foldnet.training.standard_callbacks import (
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

if TYPE_CHECKING:
    from foldnet.insight.watch.monitor import NormalizationMonitor

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "NormalizationMonitor",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]


def __getattr__(name: str) -> Any:
    if name == "NormalizationMonitor":  # imported on first use: it is not Keras's, and imports more modules
        from foldnet.insight.watch.monitor import NormalizationMonitor

        return NormalizationMonitor
    raise absent("callbacks", name)
