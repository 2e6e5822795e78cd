"""A fixed table of TensorFlow's functions that tf.keras's files name, written with ``foldnet.ops``.

A function's name in a file is looked up only here, so a file cannot call anything else. Each
function has TensorFlow's parameter names, because files use them. Values that are known when a file is read (the sizes
that ``tf.shape`` returns) are computed immediately.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foldnet import ops
from foldnet.errors import UnsupportedError
from foldnet.files.tf import shapes
from foldnet.files.tf.shapes import axes_of, axis_of, data

Function = Callable[..., Any]

PREFIXES = ("compat.v1.", "math.", "nn.", "linalg.", "__operators__.")
"""Modules in which TensorFlow has the same functions: ``math.tanh`` is ``nn.tanh``."""

RENAMED = {
    "keep_dims": "keepdims", "reduction_indices": "axis", "dim": "axis", "dimension": "axis", "squeeze_dims": "axis",
}  # fmt: skip
"""Parameter names in TensorFlow 1 and their current names."""

WITHOUT_EFFECT = frozenset({"name", "validate_indices", "out_type", "output_type", "bad_indices_policy"})
"""Arguments that do not change the result."""


def found(name: str) -> tuple[str, Function] | None:
    """The name without its module, and its function; None if it is not in the table."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    function = FUNCTIONS.get(name)
    return None if function is None else (name, function)


def _one(name: str) -> Function:
    function = getattr(ops, name)
    return lambda x: function(data(x))


def _two(name: str) -> Function:
    function = getattr(ops, name)
    return lambda x, y: function(data(x), data(y))


def _reduction(name: str) -> Function:
    function = getattr(ops, name)

    def reduced(input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
        return function(data(input_tensor), axes_of(axis), bool(keepdims))

    return reduced


# -- arithmetic -----------------------------------------------------------------------------------------------


def cast(x: Any, dtype: str) -> Any:
    """Convert to another dtype; floats are truncated towards 0."""
    return ops.cast(data(x), dtype)


def clip(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Clip values to two limits."""
    if all(isinstance(v, int | float) for v in (clip_value_min, clip_value_max)):
        return ops.clip(t, clip_value_min, clip_value_max)
    return ops.maximum(ops.minimum(data(t), data(clip_value_max)), data(clip_value_min))


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """``x`` where the condition holds, else ``y``."""
    return ops.where(data(condition), data(x), data(y))


def divide_no_nan(x: Any, y: Any) -> Any:
    """The quotient, and 0 where the divisor is 0."""
    x, y = data(x), data(y)
    zero = ops.equal(y, 0)
    return ops.where(zero, 0.0, ops.divide(x, ops.where(zero, 1.0, y)))


def multiply_no_nan(x: Any, y: Any) -> Any:
    """The product, and 0 where the second factor is 0, whatever the first is."""
    x, y = data(x), data(y)
    return ops.where(ops.equal(y, 0), 0.0, ops.multiply(x, y))


def xlogy(x: Any, y: Any) -> Any:
    """``x log y``, and 0 where x is 0."""
    x, y = data(x), data(y)
    zero = ops.equal(x, 0)
    return ops.where(zero, 0.0, ops.multiply(x, ops.log(ops.where(zero, 1.0, y))))


def add_n(inputs: Any) -> Any:
    """The sum of several values."""
    total = data(inputs[0])
    for value in inputs[1:]:
        total = ops.add(total, data(value))
    return total


def scalar_mul(scalar: Any, x: Any) -> Any:
    """A number times a value."""
    return ops.multiply(scalar, data(x))


def bias_add(value: Any, bias: Any, data_format: Any = None) -> Any:
    """Add a bias along the last axis."""
    if data_format is not None and not str(data_format).endswith("C"):
        raise UnsupportedError(
            f"it adds along the axis of data_format={data_format!r}, and foldnet along the last"
        )
    return ops.add(data(value), data(bias))


def atan2(y: Any, x: Any) -> Any:
    """Angle of the point (x, y)."""
    return ops.arctan2(data(y), data(x))


def cumsum(x: Any, axis: Any = 0, exclusive: Any = False, reverse: Any = False) -> Any:
    """Running sums along an axis, from its end if ``reverse``, without the value itself if ``exclusive``."""
    sums = ops.flip(ops.cumsum(ops.flip(x, axis), axis), axis) if reverse else ops.cumsum(x, axis)
    return ops.subtract(sums, x) if exclusive else sums


def norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = False) -> Any:
    """Length of the vectors along an axis."""
    if ord in ("euclidean", 2) and axis is not None:
        # Keras 3 on JAX cannot compute a Norm that it reads from a file.
        return ops.sqrt(ops.sum(ops.square(tensor), axes_of(axis), bool(keepdims)))
    return ops.norm(tensor, None if ord == "euclidean" else ord, axis_of(axes_of(axis)), bool(keepdims))


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    """``x / sqrt(max(sum(x²), epsilon))``."""
    total = ops.sum(ops.square(x), axes_of(axis), keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(total, epsilon)))


def matmul(
    a: Any,
    b: Any,
    transpose_a: Any = False,
    transpose_b: Any = False,
    adjoint_a: Any = False,
    adjoint_b: Any = False,
) -> Any:
    """Matrix product over the last two axes; either operand may be transposed."""
    a, b = data(a), data(b)
    a = _transposed(a) if transpose_a or adjoint_a else a
    return ops.matmul(a, _transposed(b) if transpose_b or adjoint_b else b)


def _transposed(x: Any) -> Any:
    rank = ops.ndim(x)
    return ops.swapaxes(x, rank - 2, rank - 1)


def tensordot(a: Any, b: Any, axes: Any) -> Any:
    """Sum of products over axes of both."""
    return ops.tensordot(data(a), data(b), axes)


def argmax(input: Any, axis: Any = 0) -> Any:
    """Index of the largest value along an axis."""
    return ops.argmax(input, 0 if axis is None else axis)


def argmin(input: Any, axis: Any = 0) -> Any:
    """Index of the smallest value along an axis."""
    return ops.argmin(input, 0 if axis is None else axis)


# -- activations ----------------------------------------------------------------------------------------------


def leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    """``max(x, alpha x)``."""
    return ops.leaky_relu(features, alpha)


def gelu(features: Any, approximate: Any = False) -> Any:
    """Gelu, exact by default."""
    return ops.gelu(features, approximate=bool(approximate))


def silu(features: Any, beta: float = 1.0) -> Any:
    """``x sigmoid(beta x)``."""
    return (
        ops.silu(features) if beta == 1 else ops.multiply(features, ops.sigmoid(ops.multiply(features, beta)))
    )


def crelu(features: Any, axis: int = -1) -> Any:
    """Relu of x and of -x, concatenated."""
    return ops.relu(ops.concatenate([features, ops.negative(features)], axis))


def softmax(logits: Any, axis: Any = None) -> Any:
    """Softmax along an axis."""
    return ops.softmax(logits, -1 if axis is None else axis)


def log_softmax(logits: Any, axis: Any = None) -> Any:
    """Logarithm of the softmax along an axis."""
    return ops.log_softmax(logits, -1 if axis is None else axis)


ONE = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atanh": "arctanh", "ceil": "ceil", "cos": "cos", "cosh": "cosh", "elu": "elu", "erf": "erf", "exp": "exp",
    "expm1": "expm1", "floor": "floor", "is_finite": "isfinite", "is_inf": "isinf", "is_nan": "isnan", "log": "log",
    "log1p": "log1p", "log_sigmoid": "log_sigmoid", "logical_not": "logical_not", "negative": "negative",
    "reciprocal": "reciprocal", "relu": "relu", "relu6": "relu6", "rint": "round",
    "round": "round", "rsqrt": "rsqrt", "selu": "selu", "sigmoid": "sigmoid", "sign": "sign", "sin": "sin",
    "sinh": "sinh", "softplus": "softplus", "softsign": "softsign", "sqrt": "sqrt", "square": "square",
    "stop_gradient": "stop_gradient", "tan": "tan", "tanh": "tanh",
}  # fmt: skip
TWO = {
    "add": "add", "divide": "divide", "equal": "equal", "floor_div": "floor_divide", "floordiv": "floor_divide",
    "floormod": "mod", "greater": "greater", "greater_equal": "greater_equal", "less": "less",
    "less_equal": "less_equal", "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor", "maximum": "maximum", "minimum": "minimum", "mod": "mod", "multiply": "multiply",
    "not_equal": "not_equal", "pow": "power", "squared_difference": "squared_difference", "subtract": "subtract",
    "truediv": "true_divide",
}  # fmt: skip
REDUCTIONS = {
    "reduce_all": "all", "reduce_any": "any", "reduce_logsumexp": "logsumexp", "reduce_max": "max",
    "reduce_mean": "mean", "reduce_min": "min", "reduce_prod": "prod", "reduce_std": "std", "reduce_sum": "sum",
    "reduce_variance": "var",
}  # fmt: skip

FUNCTIONS: dict[str, Function] = {
    **{name: _one(own) for name, own in ONE.items()}, **{name: _two(own) for name, own in TWO.items()},
    **{name: _reduction(own) for name, own in REDUCTIONS.items()}, "accumulate_n": add_n, "add_n": add_n,
    "argmax": argmax, "argmin": argmin, "atan2": atan2, "bias_add": bias_add, "broadcast_to": shapes.broadcast_to,
    "cast": cast, "clip_by_value": clip, "concat": shapes.concat, "convert_to_tensor": shapes.identity,
    "crelu": crelu, "cumsum": cumsum, "divide_no_nan": divide_no_nan, "ensure_shape": shapes.ensure_shape,
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis_of(axis)), "gather": shapes.gather, "gelu": gelu,
    "getitem": shapes.get_item, "identity": shapes.identity, "keras.backend.batch_flatten": shapes.batch_flatten,
    "l2_normalize": l2_normalize, "leaky_relu": leaky_relu, "log_softmax": log_softmax, "matmul": matmul,
    "multiply_no_nan": multiply_no_nan, "norm": norm,
    "ones_like": lambda input, dtype=None: ops.ones_like(input, dtype), "one_hot": shapes.one_hot, "pad": shapes.pad,
    "repeat": lambda input, repeats, axis=None: ops.repeat(input, repeats, axis), "reshape": shapes.reshape,
    "reverse": lambda tensor, axis: ops.flip(tensor, axes_of(axis)),
    "roll": lambda input, shift, axis: ops.roll(input, axis_of(shift), axis_of(axis)), "scalar_mul": scalar_mul,
    "shape": shapes.shape, "silu": silu, "slice": shapes.slice_, "softmax": softmax, "split": shapes.split,
    "squeeze": shapes.squeeze, "stack": shapes.stack, "strided_slice": shapes.strided_slice, "swish": silu,
    "tensordot": tensordot, "tile": shapes.tile, "transpose": shapes.transpose, "unstack": shapes.unstack,
    "where": where, "xlogy": xlogy, "zeros_like": lambda input, dtype=None: ops.zeros_like(input, dtype),
}  # fmt: skip
"""Every function that a file may name, by its name without the module."""

OF_SIZES = frozenset(
    {"broadcast_to", "concat", "convert_to_tensor", "gather", "getitem", "identity", "keras.backend.batch_flatten",
     "reshape", "shape", "slice", "stack", "strided_slice", "tile", "unstack"}
)  # fmt: skip
"""The functions whose size arguments may be the number of rows."""
