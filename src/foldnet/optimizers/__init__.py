"""Keras's ``optimizers`` module: ``from foldnet.optimizers import Adam``."""

from typing import Any

from foldnet.missing_names import absent
from foldnet.optimizers import schedules
from foldnet.training.further_optimizers import Ftrl, Lamb, ScheduleFreeAdamW
from foldnet.training.optimizer import Optimizer
from foldnet.training.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Nadam,
    RMSprop,
    deserialize,
    get,
)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The configuration as Keras stores it."""
    from foldnet.files.compile_settings import stored_optimizer

    return stored_optimizer(optimizer) or {}


__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]


def __getattr__(name: str) -> Any:
    raise absent("optimizers", name)
