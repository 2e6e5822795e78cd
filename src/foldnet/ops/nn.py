"""Activations, crossentropies and normalizations: Keras's ``ops.nn``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet import activations, backend
from foldnet.errors import ConfigError
from foldnet.graph.op import INT, Elementwise
from foldnet.operations import expression as e
from foldnet.operations.along.op import Glu, Softmax, Sparsemax
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.structure.op import Cast, OneHot
from foldnet.ops import elementwise as f
from foldnet.ops import reductions as r
from foldnet.ops.records import operation
from foldnet.ops.shaping import shape
from foldnet.promotion import as_array, floating


def _activation(name: str, keras_class: str, **defaults: Any) -> Any:
    """Make an op of an activation; ``defaults`` replace the activation's where Keras's op has others."""
    function = activations.FUNCTIONS[name]
    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    settings = [
        inspect.Parameter(p.name, place, default=defaults.get(p.name, p.default))
        for p in list(inspect.signature(function).parameters.values())[1:]
    ]
    signature = inspect.Signature([inspect.Parameter("x", place), *settings])

    def bound(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        x, *values = given.arguments.values()
        params = {
            p.name: float("inf") if v is None else float(v) for p, v in zip(settings, values, strict=True)
        }
        return _activated(name, x, params)

    bound.__name__ = bound.__qualname__ = name
    bound.__doc__ = inspect.getdoc(function)
    bound.__signature__ = signature  # type: ignore[attr-defined]
    return operation(keras_class, "nn", tuple(p.name for p in settings), name=name)(bound)


def _activated(name: str, x: Any, params: dict[str, float]) -> Any:
    if isinstance(x, e.Expression):
        function = Elementwise(name, tuple(params.items()))
        return e.emitted(Unary(function), *e.arithmetic(name, x))
    x = as_array(x).astype(floating(as_array(x)), copy=False)
    with np.errstate(all="ignore"):
        return np.asarray(activations.ELEMENTWISE[name](np.atleast_1d(x), **params)).reshape(x.shape)


celu = _activation("celu", "Celu")
elu = _activation("elu", "Elu")
gelu = _activation("gelu", "Gelu", approximate=True)
hard_shrink = _activation("hard_shrink", "HardShrink")
hard_sigmoid = _activation("hard_sigmoid", "HardSigmoid")
hard_silu = _activation("hard_silu", "HardSilu")
hard_tanh = _activation("hard_tanh", "HardTanh")
leaky_relu = _activation("leaky_relu", "LeakyRelu")
log_sigmoid = _activation("log_sigmoid", "LogSigmoid")
relu6 = _activation("relu6", "Relu6")
selu = _activation("selu", "Selu")
silu = _activation("silu", "Silu")
soft_shrink = _activation("soft_shrink", "SoftShrink")
softsign = _activation("softsign", "Softsign")
sparse_plus = _activation("sparse_plus", "SparsePlus")
sparse_sigmoid = _activation("sparse_sigmoid", "SparseSigmoid")
squareplus = _activation("squareplus", "Squareplus")
tanh_shrink = _activation("tanh_shrink", "TanhShrink")
threshold = _activation("threshold", "Threshold")
sigmoid = f._unary("sigmoid", "Sigmoid", "``1 / (1 + exp(-x))``", module="nn")
softplus = f._unary("softplus", "Softplus", "``log(1 + exp(x))``", module="nn")
swish, hard_swish = silu, hard_silu


@operation("Relu", "nn")
def relu(x: Any) -> Any:
    """``max(x, 0)``, elementwise."""
    if isinstance(x, e.Expression):
        return _activated("relu", x, {"negative_slope": 0.0, "max_value": float("inf"), "threshold": 0.0})
    x = as_array(x)
    return np.maximum(x, np.zeros((), np.int32 if x.dtype.kind == "b" else x.dtype))


def _along(name: str, op: Any, x: Any, axis: int) -> Any:
    if isinstance(x, e.Expression):
        (axis,) = r.axes_of(x, axis)
        return e.emitted(op(axis), *e.arithmetic(name, x))
    x = as_array(x)
    return activations.FUNCTIONS[name](x.astype(floating(x), copy=False), axis=axis)


@operation("Softmax", "nn", settings=("axis",))
def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along the axis, without overflow."""
    return _along("softmax", Softmax, x, axis)


@operation("LogSoftmax", "nn", settings=("axis",))
def log_softmax(x: Any, axis: int = -1) -> Any:
    """Logarithm of the softmax, without overflow."""
    return _along("log_softmax", lambda a: Softmax(a, log=True), x, axis)


@operation("Sparsemax", "nn", settings=("axis",))
def sparsemax(x: Any, axis: int = -1) -> Any:
    """Sparsemax along the axis: like softmax, but with exact zeros."""
    return _along("sparsemax", Sparsemax, x, axis)


@operation("Glu", "nn", settings=("axis",))
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of the axis times the sigmoid of the second."""
    return _along("glu", Glu, x, axis)


@operation("OneHot", "nn", settings=("num_classes", "axis", "dtype", "sparse"))
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """One-hot encoding along a new axis; an index out of range gives zeros."""
    if sparse:
        raise e.refuse("one_hot(sparse=True)", "leave sparse out; foldnet has no sparse arrays")
    if not isinstance(x, e.Expression):
        hot = (as_array(x)[..., None] == np.arange(num_classes)).astype(dtype or np.float32)
        return hot if axis == -1 else np.moveaxis(hot, -1, axis)
    indices = x if x.is_int else e.emitted(Cast(INT), x)
    hot = e.emitted(OneHot(num_classes), indices)
    if axis not in (-1, hot.ndim - 1):
        from foldnet.ops.shaping import moveaxis

        hot = moveaxis(hot, -1, axis)
    return f.cast(hot, dtype or "float32")


def multi_hot(inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Any:
    """For each row 1 at the classes that are among its indices, else 0."""
    hot = one_hot(inputs, num_classes, dtype=dtype)
    return r.max(hot, axis=1 if r.rank_of(inputs) > 1 else 0)


def _clipped(p: Any) -> Any:
    return f.clip(p, backend.epsilon(), 1 - backend.epsilon())


def _same_shape(name: str, target: Any, output: Any) -> None:
    a, b = shape(target), shape(output)
    fits = len(a) == len(b) and all(m is None or n is None or m == n for m, n in zip(a, b, strict=True))
    if not fits:
        raise ConfigError(f"ops.{name} compares values of one shape; the target has {a}, the output {b}")


@operation("BinaryCrossentropy", "nn", settings=("from_logits",))
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """``-t log p - (1 - t) log(1 - p)``, elementwise; ``p`` is the sigmoid of the output ``from_logits``."""
    _same_shape("binary_crossentropy", target, output)
    if from_logits:
        # max(z, 0) - z t + log(1 + exp(-|z|))
        linear = f.subtract(f.maximum(output, 0.0), f.multiply(output, target))
        return f.add(linear, f.log1p(f.exp(f.negative(f.absolute(output)))))
    p = _clipped(output)
    yes, no = f.multiply(target, f.log(p)), f.multiply(f.subtract(1.0, target), f.log(f.subtract(1.0, p)))
    return f.negative(f.add(yes, no))


def _log_shares(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax(output, axis)
    return f.log(_clipped(f.divide(output, r.sum(output, axis, keepdims=True))))


@operation("CategoricalCrossentropy", "nn", settings=("from_logits", "axis"))
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """``-sum(t log p)`` along the axis, with ``p`` divided by its sum."""
    _same_shape("categorical_crossentropy", target, output)
    return f.negative(r.sum(f.multiply(target, _log_shares(output, from_logits, axis)), axis))


@operation("SparseCategoricalCrossentropy", "nn", settings=("from_logits", "axis"))
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """``-log p`` of the target class."""
    if r.rank_of(target) == r.rank_of(output) and shape(target)[-1] == 1:
        from foldnet.ops.shaping import squeeze

        target = squeeze(target, -1)
    shares = _log_shares(output, from_logits, axis)
    classes = shape(output)[axis]
    if classes is None:
        raise ConfigError(
            "ops.sparse_categorical_crossentropy needs the number of classes, the size of the last axis"
        )
    return f.negative(r.sum(f.multiply(one_hot(f.cast(target, "int32"), classes, axis), shares), axis))


@operation("Moments", "nn", settings=("axes", "keepdims", "synchronized"))
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and variance over axes."""
    return r.mean(x, axes, keepdims), r.var(x, axes, keepdims)


@operation("Normalize", "nn", settings=("axis", "order", "epsilon"))
def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """``x`` divided by its norm along the axis, or by epsilon if that is larger."""
    epsilon = backend.epsilon() if epsilon is None else epsilon
    x = x if isinstance(x, e.Expression) else as_array(x)
    if order == 2:
        total = r.sum(f.square(x), axis, keepdims=True)
        return f.multiply(x, f.rsqrt(f.maximum(total, epsilon**2)))
    return f.divide(x, f.maximum(r.norm(x, order, axis, keepdims=True), epsilon))


@operation("LayerNorm", "nn", settings=("axis", "epsilon", "rms_scaling"))
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: int | Sequence[int] = -1, epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Any:  # fmt: skip
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` over axes."""
    epsilon = backend.epsilon() if epsilon is None else epsilon
    centred = x if rms_scaling else f.subtract(x, r.mean(x, axis, keepdims=True))
    y = f.multiply(centred, f.rsqrt(f.add(r.var(x, axis, keepdims=True), epsilon)))
    y = y if gamma is None else f.multiply(y, gamma)
    return y if beta is None else f.add(y, beta)


@operation("RMSNorm", "nn", settings=("axis", "epsilon"))
def rms_normalization(
    x: Any, scale: Any = 1, axis: int | Sequence[int] = -1, epsilon: float | None = None
) -> Any:
    """``x / sqrt(mean(x²) + epsilon) * scale`` over axes."""
    epsilon = backend.epsilon() if epsilon is None else epsilon
    y = f.multiply(x, f.rsqrt(f.add(r.mean(f.square(x), axis, keepdims=True), epsilon)))
    return f.multiply(y, scale)


@operation(
    "ReLU",
    "keras.src.activations.activations",
    ("negative_slope", "max_value", "threshold"),
    name="activation_relu",
)
def activation_relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """``keras.activations.relu`` with its three settings."""
    limit = float("inf") if max_value is None else float(max_value)
    settings = {"negative_slope": float(negative_slope), "max_value": limit, "threshold": float(threshold)}
    return _activated("relu", x, settings)
