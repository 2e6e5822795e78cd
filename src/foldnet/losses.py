"""Keras's ``losses`` module: ``from foldnet.losses import Huber``."""

from collections.abc import Mapping
from typing import Any

from foldnet.missing_names import absent
from foldnet.training.loss_functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from foldnet.training.losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    LossFunctionWrapper,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from foldnet.training.losses import get as _loss_of


def get(identifier: Any) -> Any:
    """The loss for an identifier: a function for its name, an object for its class, name or configuration; or None.

    Raises:
        ConfigError: there is no such name.

    >>> get("mse").__name__, get("Huber").name, get(None)
    ('mean_squared_error', 'huber_loss', None)
    """
    if identifier is None or (callable(identifier) and not isinstance(identifier, type)):
        return identifier
    found = _loss_of(identifier)
    return found.function if type(found) is LossFunctionWrapper else found


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss for a configuration from ``serialize``.

    Raises:
        ConfigError: there is no such name.
    """
    title = name.get("class_name") if isinstance(name, Mapping) else name
    own: Any = (custom_objects or {}).get(str(title))
    if own is None:
        return get(name)
    return own.from_config(name.get("config") or {}) if hasattr(own, "from_config") else own


def serialize(loss: Any) -> Any:
    """The configuration as Keras stores it."""
    from foldnet.files.compile_settings import serialized_loss

    return serialized_loss(loss)


__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]


def __getattr__(name: str) -> Any:
    raise absent("losses", name)
