"""Keras's ``callbacks`` module: ``from foldnet.callbacks import EarlyStopping``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foldnet.training.callbacks import Callback, CallbackList, History, LambdaCallback
from foldnet.training.watchers import (
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

if TYPE_CHECKING:
    from foldnet.insight.monitor import NormalizationMonitor

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

INSTEAD = {
    "BackupAndRestore": "; ModelCheckpoint saves the optimizer's state with the network, and fit goes on from it",
    "ProgbarLogger": "; fit shows its progress by verbose=1",
    "RemoteMonitor": "; send the logs with a LambdaCallback",
    "SwapEMAWeights": "; with use_ema=True the averages take the weights' place at the end of fit",
    "TensorBoard": "; CSVLogger writes the same numbers, and fit(monitor='normalization') draws them",
}
"""What to use for Keras's callbacks that foldnet does not have."""


def __getattr__(name: str) -> Any:
    if name == "NormalizationMonitor":  # not Keras's, and it brings more along than they do
        from foldnet.insight.monitor import NormalizationMonitor

        return NormalizationMonitor
    instead = INSTEAD.get(name, "")
    raise AttributeError(f"module 'foldnet.callbacks' has no attribute {name!r}{instead}")
