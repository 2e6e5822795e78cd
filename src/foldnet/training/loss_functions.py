"""Keras's loss functions, written once with ``foldnet.ops``: they compute on arrays and compile on expressions.

A loss function takes ``y_true`` and ``y_pred`` with the batch axis first and returns one number per row (or one for
each position of further axes, which are then averaged). Formulas and defaults are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.backend import epsilon
from foldnet.errors import ConfigError, InputError
from foldnet.ops import Expression
from foldnet.training.targets import check_classes, check_same_shape, shown


def rank(x: Any) -> int:
    """Number of axes of an array or an expression, including the batch axis."""
    return x.ndim if isinstance(x, Expression) else int(np.ndim(x))


def last_size(x: Any) -> int:
    """Size of the last axis, 1 if there is none."""
    shape = x.shape if isinstance(x, Expression) else np.shape(x)
    return int((shape[-1] if shape else 1) or 1)


def numbers(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Convert arrays to floats, targets to the outputs' dtype; expressions are returned as they are."""
    if not isinstance(y_pred, Expression):
        y_pred = np.asarray(y_pred)
        y_pred = y_pred if y_pred.dtype.kind == "f" else y_pred.astype(np.float32)
    if not isinstance(y_true, Expression):
        y_true = np.asarray(y_true, np.float32 if isinstance(y_pred, Expression) else y_pred.dtype)
    return y_true, y_pred


def same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both with the same rank: a last axis of size 1 is added or removed, as Keras does."""
    y_true, y_pred = numbers(y_true, y_pred)
    difference = rank(y_true) - rank(y_pred)
    if difference == 1 and last_size(y_true) == 1:
        return (y_true, _expanded(y_pred)) if rank(y_pred) == 1 else (ops.squeeze_last(y_true), y_pred)
    if difference == -1 and last_size(y_pred) == 1:
        return (_expanded(y_true), y_pred) if rank(y_true) == 1 else (y_true, ops.squeeze_last(y_pred))
    return y_true, y_pred


def _expanded(x: Any) -> Any:
    return ops.rows_of(x, (1,)) if isinstance(x, Expression) else np.asarray(x)[..., None]


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """``mean((y_true - y_pred)²)`` over the last axis."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return ops.mean(ops.square(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """``mean(|y_true - y_pred|)`` over the last axis."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return ops.mean(ops.abs(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """``100 mean(|(y_true - y_pred) / y_true|)`` over the last axis."""
    y_true, y_pred = same_rank(y_true, y_pred)
    size = ops.maximum(ops.abs(y_true), epsilon())
    return ops.multiply(100.0, ops.mean(ops.abs(ops.divide(ops.subtract(y_true, y_pred), size)), axis=-1))


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """``mean((log(1 + y_true) - log(1 + y_pred))²)`` over the last axis; negative values count as 0."""
    y_true, y_pred = same_rank(y_true, y_pred)

    def log(y: Any) -> Any:
        return ops.log(ops.add(ops.maximum(y, epsilon()), 1.0))

    return ops.mean(ops.square(ops.subtract(log(y_pred), log(y_true))), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``-sum(y_true * y_pred)``, both normalized to length 1 along the axis."""
    y_true, y_pred = same_rank(y_true, y_pred)

    def unit(y: Any) -> Any:
        length = ops.sum(ops.square(y), axis=axis, keepdims=True)
        return ops.multiply(y, ops.rsqrt(ops.maximum(length, epsilon() ** 2)))

    return ops.negative(ops.sum(ops.multiply(unit(y_true), unit(y_pred)), axis=axis))


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Squared for errors up to ``delta``, linear beyond (Huber, 1964)."""
    y_true, y_pred = same_rank(y_true, y_pred)
    error = ops.subtract(y_pred, y_true)
    size = ops.abs(error)
    inside = ops.multiply(0.5, ops.square(error))
    outside = ops.subtract(ops.multiply(delta, size), 0.5 * delta**2)
    return ops.mean(ops.where(ops.less_equal(size, delta), inside, outside), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """``mean(log(cosh(y_pred - y_true)))`` over the last axis."""
    y_true, y_pred = same_rank(y_true, y_pred)
    error = ops.subtract(y_pred, y_true)
    return ops.mean(
        ops.add(error, ops.subtract(ops.softplus(ops.multiply(error, -2.0)), np.log(2.0))), axis=-1
    )


def _signs(y_true: Any) -> Any:
    # Keras turns 0/1 labels into -1/1 if all labels of the batch are 0 or 1; here each label is converted alone.
    return ops.where(ops.equal(y_true, 0.0), -1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0))``; labels are -1 or 1, or 0 or 1."""
    y_true, y_pred = numbers(y_true, y_pred)
    return ops.mean(ops.maximum(ops.subtract(1.0, ops.multiply(_signs(y_true), y_pred)), 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0)²)``; labels are -1 or 1, or 0 or 1."""
    y_true, y_pred = numbers(y_true, y_pred)
    margin = ops.maximum(ops.subtract(1.0, ops.multiply(_signs(y_true), y_pred)), 0.0)
    return ops.mean(ops.square(margin), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """``max(neg - pos + 1, 0)``; pos is the true class's output, neg the largest of the others."""
    y_true, y_pred = numbers(y_true, y_pred)
    pos = ops.sum(ops.multiply(y_true, y_pred), axis=-1)
    neg = ops.max(ops.multiply(ops.subtract(1.0, y_true), y_pred), axis=-1)
    return ops.maximum(ops.add(ops.subtract(neg, pos), 1.0), 0.0)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """``sum(y_true * log(y_true / y_pred))``, both clipped to [1e-7, 1]."""
    y_true, y_pred = numbers(y_true, y_pred)
    y_true, y_pred = ops.clip(y_true, epsilon(), 1.0), ops.clip(y_pred, epsilon(), 1.0)
    return ops.sum(ops.multiply(y_true, ops.log(ops.divide(y_true, y_pred))), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """``mean(y_pred - y_true * log(y_pred))``."""
    y_true, y_pred = numbers(y_true, y_pred)
    return ops.mean(ops.subtract(y_pred, ops.multiply(y_true, ops.log(ops.add(y_pred, epsilon())))), axis=-1)


def _same_shapes(y_true: Any, y_pred: Any, name: str, axis: int = -1) -> tuple[Any, Any]:
    if isinstance(axis, bool):
        raise ConfigError(f"{name}: axis is a whole number, got {axis}")
    y_true, y_pred = numbers(y_true, y_pred)
    check_same_shape(y_true, y_pred, name)
    return y_true, y_pred


def _probabilities(y_pred: Any, axis: int) -> Any:
    total = ops.sum(y_pred, axis=axis, keepdims=True)
    return ops.clip(ops.divide(y_pred, total), epsilon(), 1.0 - epsilon())


def _smoothed(y_true: Any, label_smoothing: float, share: float) -> Any:
    if not label_smoothing:
        return y_true
    return ops.add(ops.multiply(y_true, 1.0 - label_smoothing), label_smoothing * share)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """``-sum(y_true * log(y_pred))`` for one-hot labels; outputs are first divided by their sum.

    Raises:
        InputError: targets and outputs differ in shape.
    """
    y_true, y_pred = _same_shapes(y_true, y_pred, "categorical_crossentropy", axis)
    return _crossentropy(
        _smoothed(y_true, label_smoothing, 1.0 / last_size(y_pred)), y_pred, from_logits, axis
    )


def _crossentropy(y_true: Any, y_pred: Any, from_logits: bool, axis: int = -1) -> Any:
    log = ops.log_softmax(y_pred, axis) if from_logits else ops.log(_probabilities(y_pred, axis))
    return ops.negative(ops.sum(ops.multiply(y_true, log), axis=axis))


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """``-log(y_pred[class])`` for labels that are class numbers.

    Raises:
        InputError: labels that are not class numbers, or whose shape is not that of the outputs without the class axis.
    """
    y_true, y_pred = classes_last(y_true, y_pred, axis)
    check_classes(y_true, last_size(y_pred), "sparse_categorical_crossentropy", ignore_class)
    if ignore_class is not None:
        counted = ops.not_equal(y_true, float(ignore_class))
        y_true = ops.where(counted, y_true, 0.0)
        # Ignored rows get equal outputs, whose gradients are finite; they are dropped below.
        y_pred = ops.where(ops.rows_of(counted, row_shape(counted, 1)), y_pred, 1.0)
    values = _crossentropy(ops.one_hot(y_true, last_size(y_pred)), y_pred, from_logits)
    return values if ignore_class is None else ops.where(counted, values, 0.0)


def classes_last(y_true: Any, y_pred: Any, axis: int = -1) -> tuple[Any, Any]:
    """Labels without a class axis, and outputs with the class axis moved to the end.

    Raises:
        ConfigError: the class axis is the batch axis.
        InputError: labels whose shape is not that of the outputs without the class axis.
    """
    y_true, y_pred = numbers(y_true, y_pred)
    axes = rank(y_pred)
    place = axis % axes if axes else 0
    if place == 0 and axes > 1:
        raise ConfigError(
            f"axis={axis} of outputs of shape {shown(_shape(y_pred))} is the axis of the rows; "
            "the classes need another axis"
        )
    if rank(y_true) == axes and _shape(y_true)[place] == 1:
        rest = [n for i, n in enumerate(_shape(y_true)) if i != place]
        y_true = ops.rows_of(y_true, [int(n or 1) for n in rest[1:]]) if rest else np.reshape(y_true, ())
    if place != axes - 1:
        order = (*(i for i in range(axes) if i != place), place)
        y_pred = ops.transpose(y_pred, order)
    own, given = _shape(y_true), _shape(y_pred)[:-1]
    if len(own) != len(given) or any(None not in (n, m) and n != m for n, m in zip(own, given, strict=True)):
        raise InputError(
            f"the labels have shape {shown(own)}, expected {shown(given)}, one class number for each of the outputs' "
            'positions; one-hot rows go with "categorical_crossentropy"'
        )
    return y_true, y_pred


def class_mask(y_true: Any, y_pred: Any, ignore_class: int, axis: int = -1) -> Any:
    """1 where a label is not ``ignore_class``, in the shape of the loss."""
    return ops.not_equal(classes_last(y_true, y_pred, axis)[0], float(ignore_class))


def _shape(x: Any) -> tuple[int | None, ...]:
    return x.shape if isinstance(x, Expression) else np.shape(x)


def row_shape(x: Any, *more: int) -> tuple[int, ...]:
    """The shape of a row, followed by ``more`` axes."""
    return (*(int(n or 1) for n in _shape(x)[1:]), *more)


def _binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool) -> Any:
    rest = ops.subtract(1.0, y_true)
    if from_logits:
        # -log(sigmoid(x)) is softplus(-x), and -log(1 - sigmoid(x)) is softplus(x).
        return ops.add(
            ops.multiply(y_true, ops.softplus(ops.negative(y_pred))), ops.multiply(rest, ops.softplus(y_pred))
        )
    p = ops.clip(y_pred, epsilon(), 1.0 - epsilon())
    likelihood = ops.add(ops.multiply(y_true, ops.log(p)), ops.multiply(rest, ops.log(ops.subtract(1.0, p))))
    return ops.negative(likelihood)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """``mean(-y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred))``.

    Raises:
        InputError: targets and outputs differ in shape.
    """
    y_true, y_pred = _same_shapes(y_true, y_pred, "binary_crossentropy")
    y_true = _smoothed(y_true, label_smoothing, 0.5)
    return ops.mean(_binary_crossentropy(y_true, y_pred, from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary crossentropy times ``(1 - p_t) ** gamma`` (Lin et al., 2018).

    Raises:
        InputError: targets and outputs differ in shape.
    """
    y_true, y_pred = _same_shapes(y_true, y_pred, "binary_focal_crossentropy")
    y_true = _smoothed(y_true, label_smoothing, 0.5)
    y_pred = ops.sigmoid(y_pred) if from_logits else y_pred
    rest = ops.subtract(1.0, y_true)
    right = ops.add(ops.multiply(y_true, y_pred), ops.multiply(rest, ops.subtract(1.0, y_pred)))
    factor = ops.power(ops.subtract(1.0, right), gamma)
    loss = ops.multiply(factor, _binary_crossentropy(y_true, y_pred, False))
    if apply_class_balancing:
        loss = ops.multiply(loss, ops.add(ops.multiply(y_true, alpha), ops.multiply(rest, 1.0 - alpha)))
    return ops.mean(loss, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Categorical crossentropy times ``alpha * (1 - p) ** gamma`` (Lin et al., 2018).

    Raises:
        InputError: targets and outputs differ in shape.
    """
    y_true, y_pred = _same_shapes(y_true, y_pred, "categorical_focal_crossentropy", axis)
    y_true = _smoothed(y_true, label_smoothing, 1.0 / last_size(y_pred))
    p = _probabilities(ops.softmax(y_pred, axis) if from_logits else y_pred, axis)
    factor = ops.multiply(ops.power(ops.subtract(1.0, p), gamma), alpha)
    return ops.negative(ops.sum(ops.multiply(factor, ops.multiply(y_true, ops.log(p))), axis=axis))


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Any:
    """``(1 - p ** q) / q`` with p the true class's output, for noisy labels (Zhang and Sabuncu, 2018).

    Raises:
        InputError: labels that are not class numbers.
    """
    y_true, y_pred = classes_last(y_true, y_pred)
    check_classes(y_true, last_size(y_pred), "categorical_generalized_cross_entropy")
    p = ops.sum(ops.multiply(ops.one_hot(y_true, last_size(y_pred)), y_pred), axis=-1)
    return ops.divide(ops.subtract(1.0, ops.power(p, q)), q)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        mean_squared_error,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_logarithmic_error,
        cosine_similarity,
        huber,
        log_cosh,
        hinge,
        squared_hinge,
        categorical_hinge,
        kl_divergence,
        poisson,
        categorical_crossentropy,
        sparse_categorical_crossentropy,
        binary_crossentropy,
        binary_focal_crossentropy,
        categorical_focal_crossentropy,
        categorical_generalized_cross_entropy,
    )
}
"""Every loss function by its Keras name."""

ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
    "huber_loss": "huber",
}
"""Keras's short names."""
