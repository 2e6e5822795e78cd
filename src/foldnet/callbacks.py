"""Keras's ``callbacks`` module: ``from foldnet.callbacks import EarlyStopping``."""

from foldnet.training.callbacks import Callback, CallbackList, History, LambdaCallback
from foldnet.training.watchers import (
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
