"""A trainer made from what a file says of a network's training; of any Keras."""

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
    """A trainer that goes on where the file's training stopped.

    An optimizer state of another format gives a warning and a new optimizer, as in Keras.

    Raises:
        FoldnetError: the settings name a loss or metric that foldnet does not have. An optimizer that it does not
            have is only missed by who trains.
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
    """Give a compiled network's optimizer the state that a file has; one that does not fit warns, as in Keras."""
    problem = _restored(trainer, saved)
    if problem is not None:
        warn(f"the optimizer of {trainer.network.name!r} stays as it is, because {problem}", UserWarning)


def _restored(trainer: Trainer, saved: SavedTraining) -> str | None:
    """Why the state that a file has could not be taken over; None if it could, or if there is none."""
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
    """The optimizer of a record; a placeholder if foldnet does not have it."""
    try:
        return optimizers.get(_modern_optimizer(stored))
    except FoldnetError as error:
        reason = f"the file's optimizer cannot be converted: {error}. Call compile with another to train."
        return AbsentOptimizer(reason, stored if isinstance(stored, Mapping) else None)


def _modern_optimizer(stored: object) -> Any:
    """An optimizer's record without what other releases keep in it and what changes nothing."""
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
    """Losses or metrics with the record of a function taken as its name, or as the caller's function of that name."""
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
    """The caller's class that a record means; None if it means one of Keras's."""
    name, module = stored["class_name"], str(stored.get("module") or "")
    if module.startswith("keras") or name in losses.CLASSES or name in metric_names.CLASSES:
        return None
    found = known.get(str(stored.get("registered_name"))) or known.get(str(name))
    return found if isinstance(found, type) and issubclass(found, Loss | Metric) else None


def _meant(name: str, known: Mapping[str, Any]) -> Any:
    """The caller's function of a name that is none of Keras's, else the name."""
    own = name in losses.FUNCTIONS or name.lower() in losses.ALIASES or name in metric_names.FUNCTIONS
    return name if own or name in CHOSEN_BY_SHAPE else known.get(name, name)


def _wrapped(config: object) -> Any:
    """A metric that ``compile`` was given by name, of which tf_keras stores the wrapper in a ``.h5``.

    "accuracy" and its like are meant again as such; the function that they became is the same one.
    """
    if isinstance(config, Mapping) and set(config) <= {"name", "dtype", "fn"}:
        name, function = config.get("name"), config.get("fn")
        if name in CHOSEN_BY_SHAPE or losses.ALIASES.get(str(name), name) == function:
            return name
    raise FileFormatError(f"it has a metric that wraps {config!r}")
