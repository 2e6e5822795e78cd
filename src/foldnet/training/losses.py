"""Keras's loss classes: a function of ``loss_functions`` with its settings and its reduction over rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from foldnet.errors import ConfigError
from foldnet.literals import member
from foldnet.naming import snake_case
from foldnet.ops import Expression
from foldnet.structure import is_nested, map_structure
from foldnet.training import loss_functions as f
from foldnet.training.lookup import Kind, look_up
from foldnet.training.loss_functions import ALIASES as ALIASES
from foldnet.training.loss_functions import FUNCTIONS as FUNCTIONS
from foldnet.training.loss_functions import same_rank
from foldnet.training.metric import dtype_name, float_type
from foldnet.training.user_code import traced
from foldnet.training.weighting import REDUCTIONS, Reduction, fitted, product, spread, weighted


class Loss:
    """Base class of losses; your own losses define ``call``.

    Args:
        name: in the logs.
        reduction: how the rows' values become the loss of a batch: ``"sum_over_batch_size"`` (or ``"mean"``),
            ``"sum"``, or ``"mean_with_sample_weight"``. None returns the rows' values, for calls on arrays only.
        dtype: for computing on arrays, float32 by default. Training always computes in float32.

    >>> from foldnet import ops
    >>> class Cubed(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)
    >>> float(Cubed()(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])))
    4.0
    """

    function: Callable[..., Any] | None = None
    """The loss function; None if a subclass defines ``call``."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """Further arguments of the function."""

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        asked = "sum_over_batch_size" if reduction == "auto" else reduction  # Keras 2's name
        found: Reduction | None = member(asked, (*REDUCTIONS, "none"))
        if found is None and reduction is not None:
            raise ConfigError(f"reduction is one of {(*REDUCTIONS, None)}, not {reduction!r}")
        self.name = name or snake_case(type(self).__name__)
        self.reduction = found
        self._dtype = dtype_name(dtype)

    @property
    def dtype(self) -> str:
        """The dtype for computing on arrays."""
        return self._dtype

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number per row, or one per position of further axes; your own losses define it."""
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred)")

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row.

        Raises:
            ConfigError: the user's own function fails on expressions.
            InputError: targets that do not fit the outputs.
        """
        values = traced("loss", self.name, self.call, y_true, y_pred)
        if isinstance(y_pred, Expression) and not isinstance(values, Expression):
            raise ConfigError(
                f"the loss {self.name!r} gives the number {values!r} for all outputs, so the network cannot learn "
                "from it; compute it from y_pred"
            )
        return values

    def weighted_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> Any:
        """One number per row, whose mean over the batch is the loss with sample weights and mask.

        Raises:
            ConfigError: weights or mask have a wrong shape.
        """
        mask = product(mask, self._class_mask(y_true, y_pred))
        return weighted(self.rows(y_true, y_pred), weight, mask, self.reduction)

    def _class_mask(self, y_true: Any, y_pred: Any) -> Any:
        ignored = self.settings.get("ignore_class")
        if ignored is None or is_nested(y_pred) or self.function is not f.sparse_categorical_crossentropy:
            return None
        return f.class_mask(*same_rank(y_true, y_pred), ignored, self.settings.get("axis", -1))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of arrays; each row (or timestep) is multiplied by its weight, if given.

        Raises:
            ConfigError: weights have a wrong shape.
            InputError: targets that do not fit the outputs.
        """
        dtype = float_type(self.dtype)
        y_true, y_pred = (_arrays(y, dtype) for y in (y_true, y_pred))
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype)
        values = np.asarray(self.rows(y_true, y_pred), dtype)
        mask = self._class_mask(y_true, y_pred)
        while weight is not None and weight.ndim > max(values.ndim, 1) and len(weight) == 1:
            weight = weight[0]  # (1, rows) for values of (rows,), which Keras broadcasts
        if values.ndim == 0:
            return values if weight is None else values * fitted(weight, values)
        if weight is not None and weight.ndim == 0:
            weight = np.full(len(values), weight, dtype)
        if self.reduction in (None, "none"):
            factor = product(weight, mask)
            return values if factor is None else values * spread(fitted(factor, values), values.ndim)
        rows = np.asarray(weighted(values, weight, mask, self.reduction))
        return rows.mean() if rows.size else np.zeros((), dtype)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name, "reduction": self.reduction}

    def omitted_settings(self) -> dict[str, Any]:
        """Settings that Keras's ``get_config`` leaves out but ``from_config`` accepts."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create one from the settings that ``get_config`` returns."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _arrays(value: Any, dtype: Any) -> Any:
    """Convert to arrays; a dict or tuple holds several outputs, a list is one array."""
    if isinstance(value, dict | tuple):
        return map_structure(lambda leaf: np.asarray(leaf, dtype), value)
    return np.asarray(value, dtype)


class LossFunctionWrapper(Loss):
    """A function of ``y_true`` and ``y_pred`` as a loss.

    Args:
        fn: written with ``foldnet.ops``; it returns one number per row, or one per position of further axes.
        reduction: as for every loss.
        name: as for every loss.
        dtype: as for every loss.
        settings: further arguments of the function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.function = fn
        self.settings = settings
        for key, value in settings.items():
            setattr(self, key, value)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Call the function; targets of shape (rows,) and outputs of (rows, 1) first get the same rank."""
        if not is_nested(y_pred):  # a loss of several outputs gets their arrays as they are
            y_true, y_pred = same_rank(y_true, y_pred)
        return traced("loss", self.name, self.fn, y_true, y_pred, **self.settings)

    @property
    def fn(self) -> Callable[..., Any]:
        """The function."""
        assert self.function is not None
        return self.function

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "fn": getattr(self.fn, "__name__", repr(self.fn)), **self.settings}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create one from the settings that ``get_config`` returns; one of Keras's functions may be given by name."""
        fn = config.get("fn")
        fn = fn.get("config") if isinstance(fn, Mapping) else fn
        return cls(**{**config, "fn": FUNCTIONS.get(fn, fn)} if isinstance(fn, str) else config)


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The default settings of a loss function: its arguments after ``y_true`` and ``y_pred``."""
    return {p.name: p.default for p in list(inspect.signature(function).parameters.values())[2:]}


def bound(title: str, order: Sequence[str], args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Bind positional and keyword arguments to names.

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
    omitted_settings: Sequence[str] = (),
    check: Callable[[dict[str, Any]], None] = lambda settings: None,
) -> type[Loss]:
    """Make a class for a loss function: its arguments are the function's settings, then those of every loss.

    ``omitted_settings`` are left out of ``get_config``, as in Keras.
    """
    defaults = defaults_of(function)
    names = order or [*defaults, "reduction", "name", "dtype"]

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        given = bound(title, names, args, kwargs)
        own = {name: given.pop(name, default) for name, default in defaults.items()}
        check(own)
        given["name"] = given.get("name") or default_name or function.__name__
        LossFunctionWrapper.__init__(self, function, **given, **own)

    def get_config(self: Any) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {
            **Loss.get_config(self),
            **{k: v for k, v in self.settings.items() if k not in omitted_settings},
        }

    def kept(self: Any) -> dict[str, Any]:
        """Settings that Keras's ``get_config`` leaves out but ``from_config`` accepts."""
        return {k: self.settings[k] for k in omitted_settings}

    doc = f"{function.__doc__}\n\n    Arguments: {', '.join(names)}."
    # The public module, so that pickle finds the class.
    members = {
        "__init__": initialize, "get_config": get_config, "omitted_settings": kept, "from_config": classmethod(_made),
        "__doc__": doc, "__module__": "foldnet.losses", "__qualname__": title,
    }  # fmt: skip
    return type(title, (LossFunctionWrapper,), members)


def _made(cls: Any, config: Mapping[str, Any]) -> Any:
    """Create one from the settings that ``get_config`` returns."""
    return cls(**config)


def _check_q(settings: dict[str, Any]) -> None:
    if not 0 < settings["q"] < 1:
        raise ConfigError(f"q must lie between 0 and 1, got {settings['q']}")


MeanSquaredError = _loss_class("MeanSquaredError", f.mean_squared_error)
MeanAbsoluteError = _loss_class("MeanAbsoluteError", f.mean_absolute_error)
MeanAbsolutePercentageError = _loss_class("MeanAbsolutePercentageError", f.mean_absolute_percentage_error)
MeanSquaredLogarithmicError = _loss_class("MeanSquaredLogarithmicError", f.mean_squared_logarithmic_error)
CosineSimilarity = _loss_class("CosineSimilarity", f.cosine_similarity, omitted_settings=("axis",))
Huber = _loss_class("Huber", f.huber, "huber_loss", omitted_settings=("delta",))
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
    omitted_settings=("axis",),
)
CategoricalGeneralizedCrossEntropy = _loss_class(
    "CategoricalGeneralizedCrossEntropy", f.categorical_generalized_cross_entropy, check=_check_q
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
    "loss",
    Loss,
    CLASSES,
    FUNCTIONS,
    lambda function, name: LossFunctionWrapper(function, name=ALIASES.get(name.lower(), name)),
)


def get(identifier: Any) -> Loss:
    """Get a loss from a loss object, class, function, name, or Keras's stored configuration.

    Raises:
        ConfigError: the name is unknown.

    >>> get("mse").name
    'mean_squared_error'
    """
    found: Loss = look_up(identifier, _KIND)
    return found
