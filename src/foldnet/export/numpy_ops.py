"""Each op of a graph as a NumPy expression."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from foldnet.engines.functions import COMBINE, UNARY
from foldnet.errors import UnsupportedError
from foldnet.export.literals import plain_float
from foldnet.graph.op import INT, AxisOp, Elementwise, Op, Shape
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.elementwise.op import Binary, Combine, PRelu, Unary, Where
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Transpose,
)

INF = float("inf")


@dataclass
class Operands:
    """What an op is applied to, in the words of the file being written.

    Attributes:
        texts: the variable of each operand.
        shapes: of the operands, batch axis first; a constant's has no batch axis.
        result: shape of the result.
        neutral: for each operand, whether it is a constant that changes nothing (scale 1, offset 0).
        helpers: names of the helper functions used so far; expressions add theirs.
    """

    texts: Sequence[str]
    shapes: Sequence[Shape]
    result: Shape
    neutral: Sequence[bool]
    helpers: set[str] = field(default_factory=set)

    def call(self, helper: str, *arguments: str) -> str:
        """A call of a helper function."""
        self.helpers.add(helper)
        return f"{helper}({', '.join(arguments)})"


# -- activations --


def elementwise(function: Elementwise | None, x: str, o: Operands, layer: str) -> str:
    """The expression for an elementwise activation of the expression ``x``.

    Raises:
        UnsupportedError: the activation is the caller's own function, or one that this file cannot say.
    """
    if function is None or function.name == "linear":
        return x
    if function.function is not None:
        raise UnsupportedError(
            f"layer {layer!r}: the activation {function.name!r} is a Python function of your own, which "
            "cannot be written into a file. Supply it as functools.partial of one of foldnet.activations, or "
            "export the network without it and apply it to the result."
        )
    parameters = dict(function.params)
    if function.name == "relu":
        return _relu(x, o, **parameters)
    if function.name in NUMPY_FUNCTIONS:
        return NUMPY_FUNCTIONS[function.name].format(x)
    if function.name in HELPER_FUNCTIONS:
        values = [f"{k}={plain_float(v)}" for k, v in parameters.items()]
        return o.call(HELPER_FUNCTIONS[function.name], x, *values)
    if function.name == "gelu":
        return o.call("gelu_tanh" if parameters.get("approximate") else "gelu", x)
    raise UnsupportedError(f"layer {layer!r}: the activation {function.name!r} cannot be written as NumPy")


def _relu(
    x: str, o: Operands, negative_slope: float = 0, max_value: float = INF, threshold: float = 0
) -> str:
    if threshold == 0 and negative_slope == 0:
        return f"np.maximum({x}, 0)" if max_value == INF else f"np.clip({x}, 0, {plain_float(max_value)})"
    settings = [
        ("negative_slope", negative_slope, 0),
        ("max_value", max_value, INF),
        ("threshold", threshold, 0),
    ]
    return o.call("relu", x, *(f"{k}={plain_float(v)}" for k, v, usual in settings if v != usual))


NUMPY_FUNCTIONS = {
    "tanh": "np.tanh({})",
    "exponential": "np.exp({})",
    "relu6": "np.clip({}, 0, 6)",
    "hard_tanh": "np.clip({}, -1, 1)",
}
"""Activations that NumPy has under a name of its own."""

HELPER_FUNCTIONS = {
    name: name
    for name in (
        "leaky_relu",
        "thresholded_relu",
        "elu",
        "selu",
        "celu",
        "sigmoid",
        "hard_sigmoid",
        "hard_sigmoid_keras2",
        "sparse_sigmoid",
        "log_sigmoid",
        "silu",
        "hard_silu",
        "tanh_shrink",
        "soft_shrink",
        "hard_shrink",
        "softplus",
        "softsign",
        "sparse_plus",
        "squareplus",
        "mish",
    )
} | {"threshold": "above_threshold"}
"""Activations that the file defines itself, with all their parameters."""


# -- ops --


def _dense(op: Dense, o: Operands) -> str:
    product = f"{o.texts[0]} @ {o.texts[1]}"
    return product if len(o.texts) == 2 or o.neutral[2] else f"{product} + {o.texts[2]}"


def _affine(op: Affine, o: Operands) -> str:
    x, scale, offset, *shift = o.texts
    if shift and not o.neutral[3]:
        x = f"({x} - {shift[0]})"
    if not o.neutral[1]:
        x = f"{x} * {scale}"
    return x if o.neutral[2] else f"{x} + {offset}"


def _prelu(op: PRelu, o: Operands) -> str:
    x, alpha = o.texts
    return f"np.maximum({x}, 0) + {alpha} * np.minimum({x}, 0)"


def _softmax(op: Softmax, o: Operands) -> str:
    return o.call("log_softmax" if op.log else "softmax", o.texts[0], _axis(op.axis, o))


def _axis(axis: int, o: Operands) -> str:
    return f"axis={-1 if axis == len(o.shapes[0]) - 1 else axis}"


def _moments(op: Moments, o: Operands) -> str:
    helper = MOMENTS[op.kind]
    axes = str(op.axes) if len(op.axes) > 1 else str(op.axes[0])
    return o.call(helper, o.texts[0], f"axes={axes}", f"epsilon={plain_float(op.epsilon)}")


MOMENTS = {
    "standard": "standardize",
    "variance": "over_deviation",
    "rms": "rms_normalize",
    "l2": "l2_normalize",
}


def _group_moments(op: GroupMoments, o: Operands) -> str:
    epsilon = f"epsilon={plain_float(op.epsilon)}"
    return o.call("standardize_groups", o.texts[0], _axis(op.axis, o), f"groups={op.groups}", epsilon)


def _reshape(op: Reshape, o: Operands) -> str:
    x = o.texts[0]
    sizes = [str(t if t != -1 or n is None else n) for t, n in zip(op.target, o.result[1:], strict=True)]
    if "-1" in sizes:
        # NumPy cannot work out -1 for no rows at all, so the size is written out.
        known = " * ".join(s for s in sizes if s != "-1")
        total = f"math.prod({x}.shape[1:])"
        sizes[sizes.index("-1")] = f"{total} // ({known})" if known else total
    return f"{x}.reshape({', '.join([f'len({x})', *sizes])})"


def _transpose(op: Transpose, o: Operands) -> str:
    return f"{o.texts[0]}.transpose({', '.join(map(str, op.permutation))})"


def _repeat(op: Repeat, o: Operands) -> str:
    return f"np.repeat({o.texts[0]}[:, np.newaxis], {op.count}, axis=1)"


def _binary(op: Binary, o: Operands) -> str:
    a, b = o.texts
    signs = {"add": "+", "subtract": "-", "multiply": "*"}
    return f"{a} {signs[op.kind]} {b}" if op.kind in signs else f"np.{op.kind}({a}, {b})"


def _concatenate(op: Concatenate, o: Operands) -> str:
    return f"np.concatenate([{', '.join(o.texts)}], {_axis(op.axis, o)})"


def _dot(op: Dot, o: Operands) -> str:
    letters = iter(string.ascii_lowercase[2:])
    i, j = op.axes
    a = ["a", *(next(letters) for _ in o.shapes[0][1:])]
    b = ["a", *(next(letters) for _ in o.shapes[1][1:])]
    b[j] = a[i] = "b"
    rest = [c for c in (*a, *b[1:]) if c != "b"]
    text = f'np.einsum("{"".join(a)},{"".join(b)}->{"".join(rest)}", {", ".join(o.texts)})'
    return text if len(rest) > 1 else f"{text}[:, np.newaxis]"


def _gather(op: Gather, o: Operands) -> str:
    indices, table = o.texts
    return o.call("look_up", table, indices)


def _cast(op: Cast, o: Operands) -> str:
    x = o.texts[0]
    return o.call("as_indices", x) if op.dtype == INT else f"{x}.astype(np.float32)"


def _function(op: Unary | Combine | Where, o: Operands) -> str:
    if isinstance(op, Where):
        return f"np.where({o.texts[0]} != 0, {o.texts[1]}, {o.texts[2]}).astype(np.float32)"
    known = UNARY[op.kind] if isinstance(op, Unary) else COMBINE[op.kind]
    return known.text.format(*o.texts)


def _reduce(op: Reduce, o: Operands) -> str:
    axes = str(op.axes[0] if len(op.axes) == 1 else op.axes)
    text = f"{o.texts[0]}.{op.kind}(axis={axes}{', keepdims=True' if op.keepdims else ''})"
    return f"{text}.astype(np.float32)" if op.kind == "argmax" else text


def _one_hot(op: OneHot, o: Operands) -> str:
    return f"({o.texts[0]}[..., np.newaxis] == np.arange({op.size})).astype(np.float32)"


def _slice(op: Slice, o: Operands) -> str:
    def text(start: int | None, stop: int | None, step: int) -> str:
        ends = f"{'' if start is None else start}:{'' if stop is None else stop}"
        return ends if step == 1 else f"{ends}:{step}"

    return f"{o.texts[0]}[:, {', '.join(text(*entry) for entry in op.slices)}]"


def _pick(op: Pick, o: Operands) -> str:
    return f"np.take({o.texts[0]}, {list(op.places)}, axis={op.axis})"


def _product(op: Product, o: Operands) -> str:
    names = dict(zip(dict.fromkeys(op.left + op.right), string.ascii_letters[1:], strict=False))
    pairs = zip(o.shapes, (op.left, op.right), strict=True)
    rows = ["a" if len(shape) == len(own) + 1 else "" for shape, own in pairs]
    left, right, result = ("".join(names[k] for k in own) for own in (op.left, op.right, op.result))
    return f'np.einsum("{rows[0]}{left},{rows[1]}{right}->a{result}", {", ".join(o.texts)})'


def _cumulative_sum(op: CumulativeSum, o: Operands) -> str:
    return f"{o.texts[0]}.cumsum(axis={op.axis})"


def _axis_helper(name: str) -> Callable[[AxisOp, Operands], str]:
    return lambda op, o: o.call(name, o.texts[0], _axis(op.axis, o))


EXPRESSIONS: dict[type[Op], Callable[..., str]] = {
    Dense: _dense,
    Affine: _affine,
    PRelu: _prelu,
    Softmax: _softmax,
    Sparsemax: _axis_helper("sparsemax"),
    Glu: _axis_helper("glu"),
    Moments: _moments,
    GroupMoments: _group_moments,
    Reshape: _reshape,
    Transpose: _transpose,
    Repeat: _repeat,
    Binary: _binary,
    Concatenate: _concatenate,
    Dot: _dot,
    Gather: _gather,
    Cast: _cast,
    Unary: _function,
    Combine: _function,
    Where: _function,
    Reduce: _reduce,
    OneHot: _one_hot,
    Slice: _slice,
    Pick: _pick,
    Product: _product,
    CumulativeSum: _cumulative_sum,
}
"""The expression of each op; Activation and Identity are the writer's own business."""

CONSTANT_ROLES: dict[type[Op], tuple[str, ...]] = {
    Dense: ("x", "kernel", "bias"),
    Affine: ("x", "scale", "offset", "shift"),
    PRelu: ("x", "alpha"),
    Gather: ("x", "embeddings"),
    Combine: ("number", "other"),
    Where: ("counts", "number", "other"),
}
"""What an op calls its operands, for naming the constant ones."""
