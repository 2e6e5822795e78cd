"""Keras's loss classes: a function of ``loss_functions`` with its settings and the way rows become one number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.layers.naming import snake_case
from foldnet.structure import is_nested
from foldnet.training import loss_functions as f
from foldnet.training.lookup import Kind, look_up
from foldnet.training.loss_functions import ALIASES as ALIASES
from foldnet.training.loss_functions import FUNCTIONS as FUNCTIONS
from foldnet.training.loss_functions import same_rank
from foldnet.training.weighting import REDUCTIONS, fitted, product, spread, weighed


class Loss:
    """A loss with its settings.

    Args:
        function: of ``y_true`` and ``y_pred``, written with ``foldnet.ops``; one number a row, or one for each of
            further axes.
        name: under which it is reported.
        reduction: how these become the loss of a batch: ``"sum_over_batch_size"`` (or ``"mean"``), ``"sum"``, or
            ``"mean_with_sample_weight"``. None, which leaves them as they are, is for calls on arrays.
        settings: further arguments of the function.

    >>> import numpy as np
    >>> float(MeanSquaredError()(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])))
    2.0
    """

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
        **settings: Any,
    ) -> None:
        if reduction not in (*REDUCTIONS, None, "none", "auto"):
            raise ConfigError(f"reduction is one of {(*REDUCTIONS, None)}, not {reduction!r}")
        self.function = function or self.call
        self.name = name or snake_case(type(self).__name__)
        self.reduction = "sum_over_batch_size" if reduction == "auto" else reduction  # Keras 2's word
        self.settings = settings

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number a row; a subclass of a user's own states it."""
        raise ConfigError(f"{type(self).__name__} states no call(y_true, y_pred)")

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row; targets of shape (rows,) and predictions of (rows, 1) are first made alike."""
        # A subclass with a call of its own gets both as they are, as in Keras, and so does one of several outputs.
        if self.function != self.call and not is_nested(y_pred):
            y_true, y_pred = same_rank(y_true, y_pred)
        return self.function(y_true, y_pred, **self.settings)

    def weighed_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> Any:
        """One number a row, whose mean over the batch is the loss under weights and a mask of the output.

        Raises:
            ConfigError: weights or mask do not fit.
        """
        mask = product(mask, self._class_mask(y_true, y_pred))
        return weighed(self.rows(y_true, y_pred), weight, mask, self.reduction)

    def _class_mask(self, y_true: Any, y_pred: Any) -> Any:
        ignored = self.settings.get("ignore_class")
        if ignored is None or is_nested(y_pred) or self.function is not f.sparse_categorical_crossentropy:
            return None
        return f.class_mask(*same_rank(y_true, y_pred), ignored)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of arrays, each row (or timestep) times its weight if given."""
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float32)
        if weight is not None and weight.ndim == 0:
            weight = np.full(len(y_pred), weight)
        if self.reduction in (None, "none"):
            values = np.asarray(self.rows(y_true, y_pred))
            factor = product(weight, self._class_mask(y_true, y_pred))
            return values if factor is None else values * spread(fitted(factor, values), values.ndim)
        rows = np.asarray(self.weighed_rows(y_true, y_pred, weight))
        return rows.mean() if rows.size else np.zeros(())

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name, "reduction": self.reduction, **self.settings}


def settings_names(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments of a loss function beside ``y_true`` and ``y_pred``."""
    return list(inspect.signature(function).parameters)[2:]


def bound(title: str, order: Sequence[str], args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, those given in order among them.

    Raises:
        TypeError: too many, unknown, or given twice, as for any function.
    """
    twice = [name for name in order[: len(args)] if name in given]
    unknown = [name for name in given if name not in order]
    if len(args) > len(order) or twice or unknown:
        raise TypeError(
            f"{title}({', '.join(order)}) does not take {[*args[len(order) :], *twice, *unknown]}"
        )
    return {**dict(zip(order, args, strict=False)), **given}


def _loss_class(
    title: str,
    function: Callable[..., Any],
    default_name: str | None = None,
    order: Sequence[str] = (),
) -> type[Loss]:
    """A class for a loss function, with the function's settings and then Keras's arguments of every loss."""
    settings = list(inspect.signature(function).parameters.values())[2:]
    names = order or [*settings_names(function), "reduction", "name", "dtype"]

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        given = bound(title, names, args, kwargs)
        own = {p.name: given.pop(p.name, p.default) for p in settings}
        Loss.__init__(self, function, given.pop("name", default_name or function.__name__), **given, **own)

    doc = f"{function.__doc__}\n\n    Arguments: {', '.join(names)}."
    return type(title, (Loss,), {"__init__": initialize, "__doc__": doc, "__module__": __name__})


MeanSquaredError = _loss_class("MeanSquaredError", f.mean_squared_error)
MeanAbsoluteError = _loss_class("MeanAbsoluteError", f.mean_absolute_error)
MeanAbsolutePercentageError = _loss_class("MeanAbsolutePercentageError", f.mean_absolute_percentage_error)
MeanSquaredLogarithmicError = _loss_class("MeanSquaredLogarithmicError", f.mean_squared_logarithmic_error)
CosineSimilarity = _loss_class("CosineSimilarity", f.cosine_similarity)
Huber = _loss_class("Huber", f.huber, "huber_loss")
LogCosh = _loss_class("LogCosh", f.log_cosh)
Hinge = _loss_class("Hinge", f.hinge)
SquaredHinge = _loss_class("SquaredHinge", f.squared_hinge)
CategoricalHinge = _loss_class("CategoricalHinge", f.categorical_hinge)
KLDivergence = _loss_class("KLDivergence", f.kl_divergence)
Poisson = _loss_class("Poisson", f.poisson)
BinaryCrossentropy = _loss_class("BinaryCrossentropy", f.binary_crossentropy)
BinaryFocalCrossentropy = _loss_class("BinaryFocalCrossentropy", f.binary_focal_crossentropy)
CategoricalCrossentropy = _loss_class("CategoricalCrossentropy", f.categorical_crossentropy)
CategoricalFocalCrossentropy = _loss_class("CategoricalFocalCrossentropy", f.categorical_focal_crossentropy)
SparseCategoricalCrossentropy = _loss_class(
    "SparseCategoricalCrossentropy",
    f.sparse_categorical_crossentropy,
    order=("from_logits", "ignore_class", "reduction", "axis", "name", "dtype"),
)
CategoricalGeneralizedCrossEntropy = _loss_class(
    "CategoricalGeneralizedCrossEntropy", f.categorical_generalized_cross_entropy
)

CLASSES: dict[str, type[Loss]] = {
    cls.__name__: cls
    for cls in (
        MeanSquaredError,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError,
        CosineSimilarity,
        Huber,
        LogCosh,
        Hinge,
        SquaredHinge,
        CategoricalHinge,
        KLDivergence,
        Poisson,
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        SparseCategoricalCrossentropy,
        CategoricalGeneralizedCrossEntropy,
    )
}
"""Every loss class by its Keras name."""


_KIND = Kind(
    "loss", Loss, CLASSES, FUNCTIONS, lambda function, name: Loss(function, ALIASES.get(name.lower(), name))
)


def get(identifier: Any) -> Loss:
    """The loss that is meant: one itself, a function, a name, or Keras's stored configuration.

    Raises:
        ConfigError: there is none of this name.

    >>> get("mse").name
    'mean_squared_error'
    """
    found: Loss = look_up(identifier, _KIND)
    return found
