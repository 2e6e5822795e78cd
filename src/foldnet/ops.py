"""Keras's ``ops`` for losses, metrics and update rules: on arrays they compute, on expressions they build a graph.

A loss written with these functions compiles: it is called once with expressions in place of ``y_true`` and
``y_pred``, and what it returns becomes part of the training program on every engine. The first axis of an
expression is the batch; it cannot be reduced, for each row has a loss of its own.

>>> import numpy as np
>>> mean(square(np.array([[1.0, 3.0]])), axis=-1).tolist()
[5.0]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foldnet.engines.reference.kernels import KERNELS
from foldnet.engines.reference.train_kernels import TRAIN_KERNELS, Moment
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph import ops as graph_ops
from foldnet.graph import train_ops
from foldnet.graph.graph import GraphBuilder

Array = np.ndarray[Any, Any]


class Expression:
    """A value that a graph will compute; made by the functions of this module, joined by ``+ - * / **``.

    Attributes:
        shape: batch axis (None) first; an expression without a batch axis is a number the same for all rows.
    """

    __array_priority__ = 1000  # so that array + expression comes here, not to NumPy's broadcasting
    __array_ufunc__ = None

    def __init__(self, builder: GraphBuilder, value: str) -> None:
        self.builder = builder
        self.value = value

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape, batch axis first."""
        return self.builder.shape(self.value)

    @property
    def ndim(self) -> int:
        """Rank, batch axis counted."""
        return len(self.shape)

    def __add__(self, other: Any) -> Expression:
        return add(self, other)

    def __radd__(self, other: Any) -> Expression:
        return add(other, self)

    def __sub__(self, other: Any) -> Expression:
        return subtract(self, other)

    def __rsub__(self, other: Any) -> Expression:
        return subtract(other, self)

    def __mul__(self, other: Any) -> Expression:
        return multiply(self, other)

    def __rmul__(self, other: Any) -> Expression:
        return multiply(other, self)

    def __truediv__(self, other: Any) -> Expression:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return divide(other, self)

    def __pow__(self, other: Any) -> Expression:
        return power(self, other)

    def __rpow__(self, other: Any) -> Expression:
        return power(other, self)

    def __neg__(self) -> Expression:
        return negative(self)

    def __lt__(self, other: Any) -> Expression:
        return less(self, other)

    def __le__(self, other: Any) -> Expression:
        return less_equal(self, other)

    def __gt__(self, other: Any) -> Expression:
        return greater(self, other)

    def __ge__(self, other: Any) -> Expression:
        return greater_equal(self, other)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise UnsupportedError(
            "an expression has no value yet, so NumPy and other libraries cannot compute with it; use foldnet.ops"
        )

    def __bool__(self) -> bool:
        raise UnsupportedError(
            "an expression has no value yet, so Python's if cannot ask for it; use foldnet.ops.where"
        )


def _builder(operands: Sequence[Any]) -> GraphBuilder | None:
    return next((o.builder for o in operands if isinstance(o, Expression)), None)


def _named(builder: GraphBuilder, operand: Any) -> str:
    if isinstance(operand, Expression):
        if operand.builder is not builder:
            raise ConfigError("expressions of different programs cannot be combined")
        return operand.value
    array = np.asarray(operand, dtype=np.float64)
    return builder.constant(f"number {float(array):g}" if array.ndim == 0 else "numbers", array)


def apply(op: graph_ops.Op, *operands: Any) -> Any:
    """An op of the graph on arrays (computed now) or expressions (computed when the program runs)."""
    builder = _builder(operands)
    if builder is not None:
        return Expression(builder, builder.emit(op, *(_named(builder, o) for o in operands)))
    arrays = _alike(operands)
    if type(op) in TRAIN_KERNELS:
        return TRAIN_KERNELS[type(op)](op, Moment(training=True), *arrays)
    return KERNELS[type(op)](op, *arrays)


def _alike(operands: Sequence[Any]) -> list[Array]:
    """Arrays of one float dtype: that of the arrays, which plain numbers beside them do not widen."""
    arrays = [np.asarray(o) for o in operands]
    floats = [a.dtype for a in arrays if a.ndim and a.dtype.kind == "f"]
    dtype = np.result_type(np.float32, *(floats or [a.dtype for a in arrays]))
    return [a.astype(dtype, copy=False) for a in arrays]


def _unary(kind: str, doc: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return apply(train_ops.Unary(kind), x)

    function.__name__, function.__doc__ = kind, f"{doc}, elementwise."
    return function


def _binary(kind: str, doc: str) -> Callable[[Any, Any], Any]:
    def function(x1: Any, x2: Any) -> Any:
        return apply(train_ops.Combine(kind), x1, x2)

    function.__name__, function.__doc__ = kind, f"{doc}, elementwise; axes of size 1 are spread."
    return function


abs = _unary("abs", "Absolute value")
cos = _unary("cos", "Cosine")
exp = _unary("exp", "Exponential")
expm1 = _unary("expm1", "``exp(x) - 1``")
floor = _unary("floor", "Largest whole number not above")
log = _unary("log", "Natural logarithm")
log1p = _unary("log1p", "``log(1 + x)``")
logical_not = _unary("logical_not", "1 where x is 0")
negative = _unary("negative", "``-x``")
reciprocal = _unary("reciprocal", "``1 / x``")
rsqrt = _unary("rsqrt", "``1 / sqrt(x)``")
sigmoid = _unary("sigmoid", "``1 / (1 + exp(-x))``")
sign = _unary("sign", "-1, 0 or 1")
sin = _unary("sin", "Sine")
softplus = _unary("softplus", "``log(1 + exp(x))``")
sqrt = _unary("sqrt", "Square root")
square = _unary("square", "``x * x``")
stop_gradient = _unary("stop_gradient", "x itself, with no gradient")
tanh = _unary("tanh", "Hyperbolic tangent")

add = _binary("add", "Sum")
divide = _binary("divide", "Quotient")
equal = _binary("equal", "1 where equal")
greater = _binary("greater", "1 where greater")
greater_equal = _binary("greater_equal", "1 where greater or equal")
less = _binary("less", "1 where less")
less_equal = _binary("less_equal", "1 where less or equal")
logical_and = _binary("logical_and", "1 where both are not 0")
logical_or = _binary("logical_or", "1 where either is not 0")
maximum = _binary("maximum", "The larger")
minimum = _binary("minimum", "The smaller")
multiply = _binary("multiply", "Product")
not_equal = _binary("not_equal", "1 where not equal")
power = _binary("power", "``x1`` to the power ``x2``")
subtract = _binary("subtract", "Difference")


def where(condition: Any, x1: Any, x2: Any) -> Any:
    """``x1`` where the condition is not 0, else ``x2``, elementwise."""
    return apply(train_ops.Where(), condition, x1, x2)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """``x`` held between two limits, elementwise."""
    return minimum(maximum(x, x_min), x_max)


def _axes(x: Any, axis: int | Sequence[int] | None) -> tuple[int, ...]:
    rank = x.ndim if isinstance(x, Expression) else np.ndim(x)
    if axis is None:
        axes = tuple(range(1 if isinstance(x, Expression) else 0, rank))
    else:
        axes = tuple(a % rank if rank else a for a in ((axis,) if isinstance(axis, int) else axis))
    if isinstance(x, Expression) and 0 in axes:
        raise UnsupportedError(
            "an expression's first axis is the batch, and a loss or metric keeps it: one number a row. "
            "Reduce the other axes only; the mean over the batch is taken for you."
        )
    return axes


def _reduction(kind: str, doc: str) -> Callable[..., Any]:
    def function(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
        axes = _axes(x, axis)
        if not isinstance(x, Expression):
            return getattr(np, kind)(
                np.asarray(x), axis=axes if kind != "argmax" else axis, keepdims=keepdims
            )
        return apply(train_ops.Reduce(kind, axes, keepdims), x) if axes else x

    function.__name__, function.__doc__ = kind, f"{doc} over the given axes (all but the batch axis if None)."
    return function


sum = _reduction("sum", "Sum")
mean = _reduction("mean", "Mean")
max = _reduction("max", "Largest value")
min = _reduction("min", "Smallest value")
argmax = _reduction("argmax", "Place of the largest value")


def _over_batch(kind: str, doc: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return apply(train_ops.BatchReduce(kind), x)

    function.__name__, function.__doc__ = (
        f"batch_{kind}",
        f"{doc} over the batch (the first axis), at every row.",
    )
    return function


batch_sum = _over_batch("sum", "Sum")
batch_mean = _over_batch("mean", "Mean")


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along the axis, without overflow."""
    return apply(graph_ops.Softmax(axis % np.ndim(x) if not isinstance(x, Expression) else axis % x.ndim), x)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Logarithm of the softmax, without overflow."""
    rank = x.ndim if isinstance(x, Expression) else np.ndim(x)
    return apply(graph_ops.Softmax(axis % rank, log=True), x)


def one_hot(x: Any, num_classes: int) -> Any:
    """Indices as rows of 0 and 1 along a new last axis."""
    if isinstance(x, Expression):
        return apply(train_ops.OneHot(num_classes), x)
    return (np.asarray(x)[..., None] == np.arange(num_classes)).astype(np.float32)


def reshape(x: Any, newshape: Sequence[int]) -> Any:
    """The same values under another shape; for an expression the shape of a row, without the batch axis."""
    if isinstance(x, Expression):
        return apply(graph_ops.Reshape(tuple(newshape)), x)
    return np.reshape(x, newshape)


def squeeze_last(x: Any) -> Any:
    """Without a last axis of size 1."""
    if isinstance(x, Expression):
        return reshape(x, [n for n in x.shape[1:-1] if n is not None])
    return np.squeeze(np.asarray(x), -1)


def concatenate(xs: Sequence[Any], axis: int = -1) -> Any:
    """Values joined along an axis other than the batch axis."""
    rank = xs[0].ndim if isinstance(xs[0], Expression) else np.ndim(xs[0])
    return apply(graph_ops.Concatenate(axis % rank), *xs)


def rows_of(x: Any, shape: Sequence[int]) -> Any:
    """The same values with rows of another shape; the batch axis stays, for arrays as for expressions."""
    if isinstance(x, Expression):
        return apply(graph_ops.Reshape(tuple(shape)), x)
    array = np.asarray(x)
    return array.reshape(len(array), *shape)


def convert_to_numpy(x: Any) -> Array:
    """An array of anything like one."""
    return np.asarray(x)


def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """Arrays are foldnet's tensors; an expression stays as it is."""
    return x if isinstance(x, Expression) else np.asarray(x, dtype)
