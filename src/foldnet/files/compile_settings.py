"""What ``compile`` was told, as Keras stores it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.files.keras_objects import Dialect, plain_data, record
from foldnet.training import losses, metric_names, optimizers
from foldnet.training.losses import Loss
from foldnet.training.metrics import MeanMetricWrapper, Metric
from foldnet.training.optimizers import Optimizer
from foldnet.training.schedules import SCHEDULES
from foldnet.training.trainer import Trainer

NEWER_SETTINGS = frozenset({"loss_scale_factor", "gradient_accumulation_steps"})
"""Settings of optimizers that tf_keras does not take."""

WITHOUT = "; or save the network alone: model.save(path, include_optimizer=False)"


def stored_compile(trainer: Trainer, dialect: Dialect) -> dict[str, Any]:
    """The arguments of ``compile``: ``compile_config`` of an archive, ``training_config`` of a ``.h5`` file.

    Raises:
        UnsupportedError: a loss, metric or schedule of the user's own, which is code and not data.
    """
    given = trainer.compiled.given
    optimizer = _optimizer(trainer.compiled.optimizer, dialect)
    stored = {
        "loss": _each(given.get("loss"), _loss),
        "loss_weights": plain_data(given.get("loss_weights"), "loss_weights"),
        "metrics": _each(given.get("metrics"), _metric),
        "weighted_metrics": _each(given.get("weighted_metrics"), _metric),
    }
    if dialect is Dialect.KERAS_2:
        return {**stored, "optimizer_config": optimizer}
    return {
        "optimizer": optimizer, **stored, "run_eagerly": False, "steps_per_execution": 1, "jit_compile": "auto",
    }  # fmt: skip


def _optimizer(optimizer: Optimizer, dialect: Dialect) -> dict[str, Any]:
    name = type(optimizer).__name__
    if optimizers.OPTIMIZERS.get(name.lower()) is not type(optimizer):
        raise UnsupportedError(
            f"the optimizer {name} is a class of your own, which a file cannot hold{WITHOUT}"
        )
    rate = optimizer._learning_rate
    if not isinstance(rate, float) and SCHEDULES.get(type(rate).__name__) is not type(rate):
        raise UnsupportedError(
            f"the learning rate is a function of your own, which a file cannot hold{WITHOUT}"
        )
    config = plain_data(optimizer.get_config(), f"the optimizer {name}")
    if dialect is Dialect.KERAS_3:
        return record("keras.optimizers", name, config)
    return {"class_name": name, "config": {k: v for k, v in config.items() if k not in NEWER_SETTINGS}}


def _each(value: Any, function: Any) -> Any:
    """Apply a function to everything in nested lists and dicts; what is a record already stays."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if "class_name" in value:
            return plain_data(value, "compile")
        return {str(k): _each(v, function) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_each(v, function) for v in value]
    return function(value)


def _loss(loss: Any) -> Any:
    name = type(loss).__name__
    if isinstance(loss, Loss) and losses.CLASSES.get(name) is type(loss):
        return record("keras.losses", name, plain_data(loss.get_config(), f"the loss {name}"))
    return _function(loss, losses.FUNCTIONS, "loss")


def _metric(metric: Any) -> Any:
    name = type(metric).__name__
    if isinstance(metric, Metric) and metric_names.CLASSES.get(name) is type(metric):
        config = {**metric.get_config(), "dtype": "float32"}
        return record("keras.metrics", name, plain_data(config, f"the metric {name}"))
    if isinstance(metric, MeanMetricWrapper):
        metric = metric.fn
    return _function(metric, metric_names.FUNCTIONS, "metric")


def _function(function: Any, known: Mapping[str, Any], what: str) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    if known.get(name) is not function:
        raise UnsupportedError(f"the {what} {name} is code of your own, which a file cannot hold{WITHOUT}")
    return str(name)
