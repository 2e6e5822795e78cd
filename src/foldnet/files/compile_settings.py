"""The arguments of ``compile`` in the form in which Keras stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.files.keras_objects import Dialect, function_record, own_name, plain_data, record
from foldnet.files.registration import get_registered_name
from foldnet.training import losses, metric_names, optimizers
from foldnet.training.absent_optimizer import AbsentOptimizer
from foldnet.training.losses import Loss
from foldnet.training.metric import Metric
from foldnet.training.metrics import Mean, MeanMetricWrapper, Sum
from foldnet.training.optimizer import Optimizer
from foldnet.training.schedules import SCHEDULES
from foldnet.training.trainer import Trainer

NEWER_SETTINGS = frozenset(
    {
        "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum",
        "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
    }
)  # fmt: skip
"""Settings that some optimizers of Keras 2 do not have."""

CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")
"""Names for which ``compile`` chooses the function by the shape of the output."""

KERAS_3_SETTINGS = ("loss_scale_factor", "gradient_accumulation_steps")
KERAS_3_OPTIMIZERS = frozenset({"Lamb", "ScheduleFreeAdamW"})
TF_KERAS_SETTINGS = {"jit_compile": False, "is_legacy_optimizer": False}

WITHOUT = "; or save the network alone: model.save(path, include_optimizer=False)"


def stored_compile(trainer: Trainer, dialect: Dialect) -> dict[str, Any]:
    """The arguments of ``compile``: ``compile_config`` of an archive, ``training_config`` of a ``.h5`` file.

    Args:
        trainer: of the network.
        dialect: of the file; from one for tf_keras alone it creates its new optimizers.

    Raises:
        UnsupportedError: a schedule or optimizer that is the user's code; a user's loss or metric
            without a name.
    """
    given = trainer.compiled.given
    optimizer = stored_optimizer(trainer.compiled.optimizer, dialect)
    stored = {
        "loss": _each(given.loss, stored_loss),
        "loss_weights": plain_data(given.loss_weights, "loss_weights"),
        "metrics": _each(given.metrics, stored_metric),
        "weighted_metrics": _each(given.weighted_metrics, stored_metric),
    }
    if dialect.is_old:
        stored["loss"] = _spelled_out(stored["loss"])
        stored |= {key: _names_alone(stored[key]) for key in ("loss", "metrics", "weighted_metrics")}
    if dialect.is_old:
        return {**stored, "optimizer_config": optimizer}
    return {
        "optimizer": optimizer, **stored, "run_eagerly": False, "steps_per_execution": 1, "jit_compile": "auto",
    }  # fmt: skip


def stored_optimizer(optimizer: Optimizer, dialect: Dialect = Dialect.KERAS_3) -> dict[str, Any] | None:
    """An optimizer's configuration as Keras stores it, without its state; None if there is no optimizer."""
    if isinstance(optimizer, AbsentOptimizer):
        return None if optimizer.stored is None else dict(optimizer.stored)
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
    if dialect is Dialect.TF_KERAS:
        unknown = [key for key in KERAS_3_SETTINGS if config.pop(key) is not None]
        if name in KERAS_3_OPTIMIZERS or unknown:
            raise UnsupportedError(
                f"tf_keras has no {name}{f' with {unknown[0]}' if unknown else ''}; "
                f"save it for Keras 3 as .keras{WITHOUT}"
            )
        return {"class_name": f"Custom>{name}", "config": {**config, **TF_KERAS_SETTINGS}}
    # tf_keras creates its optimizers of before 2.11 from this, which do not know the newer settings, unless it finds
    # is_legacy_optimizer, which Keras 3 refuses. So newer settings that have their defaults are left out.
    unused = type(optimizer)().get_config() if name != "AdamW" else {}
    changed = {k: v for k, v in config.items() if k not in NEWER_SETTINGS or v != unused.get(k)}
    return {"class_name": name, "config": changed}


def _spelled_out(loss: object) -> Any:
    """Losses by their full names: in ``.h5`` files Keras 3 does not know the short ones."""
    if isinstance(loss, str):
        return losses.ALIASES.get(loss.lower(), loss)
    if isinstance(loss, list):
        return [_spelled_out(entry) for entry in loss]
    if isinstance(loss, dict) and "class_name" not in loss:
        return {name: _spelled_out(entry) for name, entry in loss.items()}
    return loss


def _names_alone(value: object) -> Any:
    """Functions by name only, as in ``.h5`` files."""
    if isinstance(value, list):
        return [_names_alone(entry) for entry in value]
    if isinstance(value, dict):
        if value.get("class_name") == "function":
            return value["config"]
        return (
            value if "class_name" in value else {name: _names_alone(entry) for name, entry in value.items()}
        )
    return value


def _each(value: Any, function: Any) -> Any:
    """Apply a function to every leaf of nested lists and dicts; a record of an object is a leaf."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if "class_name" in value:
            return function(value)
        return {str(k): _each(v, function) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_each(v, function) for v in value]
    return function(value)


def stored_loss(loss: object) -> Any:
    """A loss as Keras stores it: class and settings, or the name of a function."""
    if isinstance(loss, Mapping):  # a configuration from another file
        loss = losses.get(loss)
    name = type(loss).__name__
    if isinstance(loss, Loss) and losses.CLASSES.get(name) is type(loss):
        config = {**loss.get_config(), **loss.omitted_settings()}
        return record("keras.losses", name, plain_data(config, f"the loss {name}"))
    if isinstance(loss, Loss) and name not in losses.CLASSES:
        return _of_own_class(loss)
    return _function(loss, losses.FUNCTIONS, "loss")


def serialized_loss(loss: object) -> Any:
    """What ``losses.serialize`` returns: a record of class and settings, or of a function's name."""
    return _serialized(loss, "keras.losses", losses.CLASSES)


def serialized_metric(metric: object) -> Any:
    """What ``metrics.serialize`` returns: a record of class and settings, or of a function's name."""
    known = {**metric_names.CLASSES, "MeanMetricWrapper": MeanMetricWrapper, "Mean": Mean, "Sum": Sum}
    return _serialized(metric, "keras.metrics", known)


def _serialized(thing: object, module: str, known: Mapping[str, Any]) -> Any:
    if thing is None or isinstance(thing, str):
        return thing
    if not isinstance(thing, Loss | Metric):
        return function_record(get_registered_name(thing))
    name = type(thing).__name__
    config = plain_data({**thing.get_config(), **thing.omitted_settings()}, name)
    if known.get(name) is type(thing):
        return record(module, name, config)
    return _of_own_class(thing)


def stored_metric(metric: object) -> Any:
    """A metric as Keras stores it: class and settings, or a name."""
    if isinstance(metric, Mapping):
        metric = metric_names.get(metric)
    if not isinstance(metric, Metric):
        return _function(metric, metric_names.FUNCTIONS, "metric")
    name, plain = type(metric).__name__, _plain_mean(metric)
    if plain is not None:
        return plain
    known: Any = metric_names.CLASSES.get(name)
    if known is None and type(metric) is not MeanMetricWrapper:
        return _of_own_class(metric)
    if known is not type(metric):
        return _function(metric, {}, "metric")
    config = {**metric.get_config(), **metric.omitted_settings()}
    return record("keras.metrics", name, plain_data(config, f"the metric {name}"))


def _plain_mean(metric: Metric) -> str | None:
    """The name of a metric that is just the mean of one of Keras's functions; else None."""
    if type(metric) is not MeanMetricWrapper or metric.settings:
        return None
    name = metric.fn.__name__
    own = {name, *(alias for alias, full in losses.ALIASES.items() if full == name)}
    return metric.name if metric.name in own and metric_names.FUNCTIONS.get(name) is metric.fn else None


def _of_own_class(thing: Loss | Metric) -> dict[str, Any]:
    """A loss or metric of a user's class, which the program that opens the file must supply."""
    name = type(thing).__name__
    config = plain_data({**thing.get_config(), **thing.omitted_settings()}, name)
    return {
        **record(type(thing).__module__, name, config),
        "registered_name": get_registered_name(type(thing)),
    }


def _function(function: object, known: Mapping[str, Any], what: str) -> str | dict[str, Any]:
    name = getattr(function, "__name__", type(function).__name__)
    if known.get(name) is function:
        return str(name)
    own = own_name(function, {*losses.FUNCTIONS, *losses.ALIASES, *metric_names.FUNCTIONS, *CHOSEN_BY_SHAPE})
    if own is None:
        raise UnsupportedError(
            f"the {what} {name} is your own code without a unique name, and a file holds no code, only names; "
            f"define it with def, under a name that Keras has no {what} of{WITHOUT}"
        )
    return function_record(own)
