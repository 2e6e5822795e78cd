"""Continue the training of a network from a file of any Keras version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import FileFormatError, FoldnetError
from foldnet.files.compile_settings import CHOSEN_BY_SHAPE
from foldnet.files.registration import known_objects
from foldnet.files.saved_training import SavedTraining
from foldnet.network import Network
from foldnet.training import losses, metric_names, optimizers
from foldnet.training.absent_optimizer import AbsentOptimizer
from foldnet.training.compiled import Compiled, compile_network
from foldnet.training.losses import Loss
from foldnet.training.metric import Metric
from foldnet.training.optimizer_state import restore
from foldnet.training.trainer import Trainer
from foldnet.use_compile import CompileArguments
from foldnet.warn import warn


def resume(saved: SavedTraining, network: Network) -> Trainer:
    """A trainer that continues where the file's training stopped.

    An optimizer state of another format gives a warning and a new optimizer, as in Keras.

    Raises:
        FoldnetError: the settings name an unknown loss or metric. An unknown optimizer is
            an error only when training starts.
    """
    try:
        trainer = Trainer(_compiled(network, saved.config, saved.supplied))
    except FoldnetError as error:
        raise type(error)(
            f"the file's compile settings cannot be converted: {str(error).rstrip('.')}. Supply classes and functions "
            "of your own by load_model(path, custom_objects={name: thing}), or call compile with other settings."
        ) from None
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise FileFormatError(
            f"the file's compile settings are not valid: {error}. Call compile with other settings."
        ) from None
    problem = _restored(trainer, saved)
    if problem is not None:
        warn(f"{network.name!r} continues with a new optimizer, because {problem}", UserWarning)
    return trainer


def take_up(saved: SavedTraining, trainer: Trainer) -> None:
    """Set a compiled network's optimizer state from a file; warn if it does not fit, as Keras does."""
    problem = _restored(trainer, saved)
    if problem is not None:
        warn(f"the optimizer of {trainer.network.name!r} stays as it is, because {problem}", UserWarning)


def _restored(trainer: Trainer, saved: SavedTraining) -> str | None:
    """Why the file's optimizer state could not be used; None if it was, or if there is none."""
    if saved.problem is not None or saved.state is None or trainer.compiled.optimizer.absent:
        return saved.problem
    try:
        restore(trainer, saved.state, saved.layout)
    except FileFormatError as error:
        return str(error)
    return None


def _compiled(network: Network, config: Mapping[str, Any], supplied: Mapping[str, Any]) -> Compiled:
    stored, known = config.get("optimizer", config.get("optimizer_config")), known_objects(supplied)
    given = CompileArguments(
        optimizer=_optimizer(stored),
        loss=_named(config.get("loss"), known),
        loss_weights=config.get("loss_weights"),
        metrics=_named(config.get("metrics"), known),
        weighted_metrics=_named(config.get("weighted_metrics"), known),
    )
    return compile_network(network, given)


def _optimizer(stored: object) -> Any:
    """The optimizer of a record; a stand-in if foldnet does not have it."""
    try:
        return optimizers.get(_modern_optimizer(stored))
    except FoldnetError as error:
        reason = f"the file's optimizer cannot be converted: {error}. Call compile with another to train."
        return AbsentOptimizer(reason, stored if isinstance(stored, Mapping) else None)


def _modern_optimizer(stored: object) -> Any:
    """An optimizer's record with Keras 3's names, without settings that have no effect here."""
    if not isinstance(stored, Mapping):
        return stored
    name = str(stored.get("class_name", "")).rsplit(">", 1)[-1]  # tf_keras writes "Custom>Adam"
    config = dict(stored.get("config") or {})
    for key in ("jit_compile", "is_legacy_optimizer"):
        config.pop(key, None)
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    return {"class_name": name, "config": config}


def _named(value: object, known: Mapping[str, Any]) -> Any:
    """Losses or metrics, with records of functions replaced by names, or by the caller's functions."""
    if isinstance(value, str):
        return _meant(value, known)
    if isinstance(value, Mapping):
        if isinstance(value.get("config"), str):
            return _meant(value["config"], known)
        if value.get("class_name") == "MeanMetricWrapper":
            return _wrapped(value.get("config"))
        if "class_name" in value:
            settings = dict(value.get("config") or {})
            own = _own_class(value, known)
            return (
                {"class_name": value["class_name"], "config": settings}
                if own is None
                else own.from_config(settings)
            )
        return {k: _named(v, known) for k, v in value.items()}
    if isinstance(value, list):
        return [_named(v, known) for v in value]
    return value


def _own_class(stored: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """The caller's class of a record; None if it is one of Keras's."""
    name, module = stored["class_name"], str(stored.get("module") or "")
    if module.startswith("keras") or name in losses.CLASSES or name in metric_names.CLASSES:
        return None
    found = known.get(str(stored.get("registered_name"))) or known.get(str(name))
    return found if isinstance(found, type) and issubclass(found, Loss | Metric) else None


def _meant(name: str, known: Mapping[str, Any]) -> Any:
    """The caller's function for a name, or the name itself if it is one of Keras's."""
    own = name in losses.FUNCTIONS or name.lower() in losses.ALIASES or name in metric_names.FUNCTIONS
    return name if own or name in CHOSEN_BY_SHAPE else known.get(name, name)


def _wrapped(config: object) -> Any:
    """The name of a metric that ``compile`` was given by name; tf_keras stores a MeanMetricWrapper in ``.h5``.

    Names such as "accuracy" are resolved again by the output's shape, with the same result.
    """
    if isinstance(config, Mapping) and set(config) <= {"name", "dtype", "fn"}:
        name, function = config.get("name"), config.get("fn")
        if name in CHOSEN_BY_SHAPE or losses.ALIASES.get(str(name), name) == function:
            return name
    raise FileFormatError(f"it has a metric that wraps {config!r}")
