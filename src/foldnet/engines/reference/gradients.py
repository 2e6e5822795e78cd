"""For each op, what a gradient on its result means for its operands (reverse-mode differentiation).

A rule is given the op, the moment, its operands, its result, and the gradient on the result; it returns one
gradient an operand, in the operand's shape, or None where there is none to follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.batch.numpy import (
    batch_moments,
    batch_reduce,
    corrections,
    counting,
    drop_change,
    mask_in,
    reduced_axes,
)
from foldnet.operations.batch.op import MASK_EPSILON, BatchNorm, BatchReduce, BatchRenorm, Drop, FixedNorm
from foldnet.operations.elementwise.functions import BINARY, of, parameters
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.elementwise.slopes import on_arrays
from foldnet.operations.kernels import Moment
from foldnet.operations.matrix.op import Dense, Dot, Product, TurnedDense
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Transpose,
)

Gradients = Sequence[Array | None]


def gather_to(g: Array, operand: Array) -> Array:
    """Sum a gradient over the axes along which the operand was spread."""
    g = np.asarray(g)
    while g.ndim > operand.ndim:
        g = g.sum(axis=0)
    for axis, size in enumerate(operand.shape):
        if size == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return np.broadcast_to(g, operand.shape)


def _through(function: Elementwise | None, before: Array, g: Array) -> Array:
    return g if function is None else unary_slope(function, before, g)


def unary_slope(function: Elementwise, x: Array, g: Array, y: Array | None = None) -> Array:
    """The gradient on the operand of a function of one value.

    Raises:
        UnsupportedError: the function was supplied as a plain function, whose derivative nobody knows.
    """
    if function.function is not None:
        raise UnsupportedError(
            f"the activation {function.name!r} was supplied as a function, so its derivative is not known and the "
            "network cannot be trained; use functools.partial of one of foldnet.activations, if one of them fits"
        )
    record, params = of(function), parameters(function)
    if y is None:
        y = np.asarray(record.compute(x, **params), x.dtype)
    return on_arrays(record, params, 0, g, [x], y)


def _dense(op: Dense, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    x, kernel = xs[:2]
    before = x @ kernel + (xs[2] if len(xs) > 2 else 0)
    g = _through(op.activation, before, g)
    rows_x, rows_g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return (g @ kernel.T, rows_x.T @ rows_g, rows_g.sum(axis=0))[: len(xs)]


def _turned_dense(op: TurnedDense, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    x, kernel = xs
    rows_x, rows_g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return (g @ kernel, rows_g.T @ rows_x)


def _affine(op: Affine, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    x, scale, offset = xs[:3]
    centred = x - xs[3] if len(xs) > 3 else x
    g = _through(op.activation, centred * scale + offset, g)
    shift = (gather_to(-g * scale, xs[3]),) if len(xs) > 3 else ()
    return (g * scale, gather_to(g * centred, scale), gather_to(g, offset), *shift)


def _batch_norm(op: BatchNorm, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    # Ioffe and Szegedy (2015), section 3, in closed form.
    x, mean, variance = xs[:3]
    gamma = xs[3] if op.scale else np.ones_like(mean)
    axes, mask = reduced_axes(mean.shape, x.ndim), mask_in(op, xs)
    if m.training:
        mean, variance = (np.expand_dims(s, 0) for s in batch_moments(x, mean, mask))
    inverse = 1 / np.sqrt(variance + x.dtype.type(op.epsilon))
    normal = (x - mean) * inverse
    on_normal = g * gamma
    on_x = on_normal * inverse
    if m.training:
        where, count = counting(x, mask, axes)
        average = on_normal.sum(axis=axes, keepdims=True) / count
        along = (on_normal * normal).sum(axis=axes, keepdims=True) / count
        # With a mask, sums are divided by a little more than their number, so deviations do not sum to 0.
        rest = 0 if mask is None else x.dtype.type(MASK_EPSILON) * mean / count * inverse
        on_x = (on_normal - np.where(where, average + (normal - rest) * along, 0)) * inverse
    weights: list[Array | None] = [gather_to(g * normal, gamma)] if op.scale else []
    weights += [gather_to(g, xs[3 + op.scale])] if op.center else []
    return (on_x, None, None, *weights, *([] if mask is None else [None]))


def _fixed_norm(op: FixedNorm, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    evaluation = Moment(training=False)
    return _batch_norm(BatchNorm(0.0, op.epsilon, op.scale, op.center), evaluation, xs, y, g)


def _batch_renorm(op: BatchRenorm, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    # y = (normal * r + d) * gamma + beta with r and d constant: a BatchNorm whose gamma is r * gamma.
    x, mean = xs[:2]
    r, d = corrections(op, *xs) if m.training else (np.ones_like(mean), np.zeros_like(mean))
    gamma = xs[6] if op.scale else np.ones_like(mean)
    plain = BatchNorm(op.momentum, op.epsilon, True, op.center, op.masked)
    found = _batch_norm(plain, m, [x, mean, xs[2], r * gamma, *xs[6 + op.scale :]], y, g)
    on_x, _, _, on_product, *others = found
    assert on_product is not None  # plain has a scale
    on_gamma = [on_product * r + gather_to(g, d) * d] if op.scale else []
    return (on_x, None, None, None, None, None, *on_gamma, *others)


def _drop(op: Drop, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    if not m.training or op.rate == 0:
        return (g,)
    return (g * drop_change(op, m, xs[0])[0],)


def _softmax(op: Softmax, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    if op.log:
        return (g - np.exp(y) * g.sum(axis=op.axis, keepdims=True),)
    return (y * (g - (g * y).sum(axis=op.axis, keepdims=True)),)


def _sparsemax(op: Sparsemax, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    # Keras's tau is (the sum of the support's k running sums - 1) / k: the j-th largest x is in k - j of them.
    x, y, g = (np.moveaxis(v, op.axis, -1) for v in (xs[0], y, g))
    order = np.argsort(-x, axis=-1, kind="stable")
    place = np.argsort(order, axis=-1, kind="stable")
    down = np.take_along_axis(x, order, axis=-1)
    numbers = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    k = (down - (np.cumsum(down, axis=-1) - 1) / numbers > 0).sum(axis=-1, keepdims=True)
    share = np.where(place < k, (k - place) / np.maximum(k, 1), 0)
    through = np.where(y > 0, g, 0)
    on_x = through - share * through.sum(axis=-1, keepdims=True)
    return (np.moveaxis(on_x, -1, op.axis).astype(g.dtype),)


def _glu(op: Glu, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    value, gate = np.split(xs[0], 2, axis=op.axis)
    s = activations.sigmoid(gate)
    return (np.concatenate([g * s, g * value * s * (1 - s)], axis=op.axis),)


def _moments(op: Moments, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    x = xs[0]
    epsilon = x.dtype.type(op.epsilon)

    def mean(v: Array) -> Array:
        return v.mean(axis=op.axes, keepdims=True)

    if op.kind == "standard":
        centre = x - mean(x)
        inverse = 1 / np.sqrt(mean(centre * centre) + epsilon)
        return ((g - mean(g) - y * mean(g * y)) * inverse,)
    if op.kind == "rms":
        inverse = 1 / np.sqrt(mean(x * x) + epsilon)
        return ((g - y * mean(g * y)) * inverse,)
    if op.kind == "variance":  # the deviations of x move the variance; x itself is not centred
        centre = x - mean(x)
        inverse = 1 / np.sqrt(mean(centre * centre) + epsilon)
        return ((g - centre * inverse * mean(g * y)) * inverse,)
    total = (x * x).sum(axis=op.axes, keepdims=True)
    inverse = 1 / np.sqrt(np.maximum(total, epsilon))
    pull = np.where(total > epsilon, (g * y).sum(axis=op.axes, keepdims=True), 0)
    return ((g - y * pull) * inverse,)


def _group_moments(op: GroupMoments, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    shape, at = xs[0].shape, op.axis
    split = (*shape[:at], op.groups, shape[at] // op.groups, *shape[at + 1 :])
    axes = tuple(a for a in range(1, len(split)) if a != at)
    inner = Moments(axes, op.epsilon)
    found = _moments(inner, m, [xs[0].reshape(split)], y.reshape(split), g.reshape(split))[0]
    return (None if found is None else found.reshape(shape),)


def _reshape(op: Op, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    return (g.reshape(xs[0].shape),)


def _transpose(op: Transpose, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    return (g.transpose(np.argsort(op.permutation)),)


def _repeat(op: Repeat, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    return (g.sum(axis=1),)


def _concatenate(op: Concatenate, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    ends = np.cumsum([x.shape[op.axis] for x in xs])[:-1]
    return tuple(np.split(g, ends, axis=op.axis))


def _dot(op: Dot, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    a, b = (np.moveaxis(x, axis, -1) for x, axis in zip(xs, op.axes, strict=True))
    n, k = len(a), a.shape[-1]
    flat_g = g.reshape(n, prod(a.shape[1:-1]), prod(b.shape[1:-1]))
    flat_a, flat_b = a.reshape(n, -1, k), b.reshape(n, -1, k)
    on_a = np.einsum("nij,njk->nik", flat_g, flat_b).reshape(a.shape)
    on_b = np.einsum("nij,nik->njk", flat_g, flat_a).reshape(b.shape)
    return (np.moveaxis(on_a, -1, op.axes[0]), np.moveaxis(on_b, -1, op.axes[1]))


def _gather(op: Gather, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    indices, table = xs
    on_table = np.zeros_like(table)
    np.add.at(on_table, indices, g)
    return (None, on_table)


def _pass(op: Op, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    return (g if xs[0].dtype.kind == "f" else None,)


def _nothing(op: Op, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    return (None,) * len(xs)


def _unary(op: Unary, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    if op.function.function is None and not of(op.function).slopes:
        return (None,)
    return (unary_slope(op.function, xs[0], g, y),)


def _combine(op: Binary, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    record = BINARY[op.kind]
    if not record.slopes:
        return (None, None)
    return tuple(gather_to(on_arrays(record, {}, k, g, xs, y), x) for k, x in enumerate(xs))


def _binary(op: Binary, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    if op.activation is None:
        return _combine(op, m, xs, y, g)
    before = BINARY[op.kind].compute(*xs)
    return _combine(op, m, xs, before, _through(op.activation, before, g))


def _where(op: Where, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    condition, a, b = xs
    zero = g.dtype.type(0)
    return (
        None,
        gather_to(np.where(condition != 0, g, zero), a),
        gather_to(np.where(condition != 0, zero, g), b),
    )


def _reduce(op: Reduce, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    x = xs[0]
    if op.kind == "argmax":
        return (None,)
    if not op.keepdims:
        g, y = np.expand_dims(g, op.axes), np.expand_dims(y, op.axes)
    if op.kind == "sum":
        return (np.broadcast_to(g, x.shape),)
    if op.kind == "mean":
        return (np.broadcast_to(g / prod(x.shape[a] for a in op.axes), x.shape),)
    ties = x == y
    return (np.where(ties, g / ties.sum(axis=op.axes, keepdims=True), 0).astype(g.dtype),)


def _batch_reduce(op: BatchReduce, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    # What every row got from all rows goes back to all rows, summed up or as a mean in the same way.
    return (batch_reduce(op, m, g),)


def _slice(op: Slice, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    on_x = np.zeros_like(xs[0])
    on_x[(slice(None), *(slice(*entry) for entry in op.slices))] = g
    return (on_x if xs[0].dtype.kind == "f" else None,)


def _pick(op: Pick, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    on_x = np.zeros_like(xs[0])
    np.add.at(np.moveaxis(on_x, op.axis, 0), list(op.places), np.moveaxis(g, op.axis, 0))
    return (on_x if xs[0].dtype.kind == "f" else None,)


def _product(op: Product, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    found = []
    for place, own in enumerate((op.left, op.right)):
        other, of_other = xs[1 - place], op.right if place == 0 else op.left
        # A letter of its own that neither the other nor the result has was summed alone: ones stand for it.
        alone = [letter for letter in own if letter not in of_other + op.result]
        ones = np.ones([xs[place].shape[own.index(k) + xs[place].ndim - len(own)] for k in alone], g.dtype)
        rows = "" if other.ndim == len(of_other) else "A"
        to = own if xs[place].ndim == len(own) else "A" + own
        found.append(
            np.einsum(f"A{op.result},{rows}{of_other},{''.join(alone)}->{to}", g, other, ones).astype(g.dtype)
        )
    return tuple(found)


def _cumulative_sum(op: CumulativeSum, m: Moment, xs: Sequence[Array], y: Array, g: Array) -> Gradients:
    return (np.flip(np.cumsum(np.flip(g, op.axis), axis=op.axis), op.axis),)


RULES: dict[type, Callable[..., Gradients]] = {
    Affine: _affine,
    Binary: _binary,
    Cast: _pass,
    Concatenate: _concatenate,
    Dense: _dense,
    Dot: _dot,
    Gather: _gather,
    Glu: _glu,
    GroupMoments: _group_moments,
    Identity: _pass,
    Moments: _moments,
    Repeat: _repeat,
    Reshape: _reshape,
    Softmax: _softmax,
    Sparsemax: _sparsemax,
    Transpose: _transpose,
    BatchNorm: _batch_norm,
    BatchReduce: _batch_reduce,
    BatchRenorm: _batch_renorm,
    FixedNorm: _fixed_norm,
    CumulativeSum: _cumulative_sum,
    Drop: _drop,
    OneHot: _nothing,
    Pick: _pick,
    Product: _product,
    Reduce: _reduce,
    TurnedDense: _turned_dense,
    Slice: _slice,
    Unary: _unary,
    Where: _where,
}
"""The rule of every op."""
