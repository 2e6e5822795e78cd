"""Statistics of a batch, randomness and sums over rows, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.op import Op
from foldnet.operations.batch import philox
from foldnet.operations.batch.op import (
    MASK_EPSILON,
    BatchNorm,
    BatchReduce,
    BatchRenorm,
    Drop,
    DropGradient,
    FixedNorm,
    Norm,
    NormGradient,
    RowShare,
    SumTo,
)
from foldnet.operations.kernels import Kernel, StepContext

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def reduced_axes(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes of x that BatchNorm takes statistics over, given the shape of its statistics."""
    return (0, *(i + 1 for i in range(rank - 1) if shape[i] == 1))


def counting(x: Array, mask: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Which values of x count in its statistics, and the number to divide sums over the axes by."""
    if mask is None:
        return np.ones((), bool), np.asarray(prod(x.shape[a] for a in axes), x.dtype)
    where = np.broadcast_to(mask[..., None] != 0, x.shape)
    return where, where.sum(axis=axes, keepdims=True, dtype=x.dtype) + x.dtype.type(MASK_EPSILON)


def batch_moments(x: Array, like: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Mean and biased variance over all axes but the kept ones, in the shape of ``like``."""
    axes = reduced_axes(like.shape, x.ndim)
    if mask is None:
        mean = x.mean(axis=axes, keepdims=True)
        variance = np.square(x - mean).mean(axis=axes, keepdims=True)
    else:
        where, count = counting(x, mask, axes)
        mean = np.where(where, x, 0).sum(axis=axes, keepdims=True) / count
        variance = np.square(np.where(where, x - mean, 0)).sum(axis=axes, keepdims=True) / count
    return mean.reshape(like.shape), variance.reshape(like.shape)


def mask_in(op: Norm, operands: Sequence[Array]) -> Array | None:
    """The mask operand, or None."""
    masked = not isinstance(op, FixedNorm) and op.masked
    return operands[-1] if masked else None


def batch_norm(op: BatchNorm, context: StepContext, x: Array, *weights: Array) -> Array:
    """Normalize by the batch in training, by the moving statistics in evaluation."""
    mean, variance = weights[0], weights[1]
    if context.training:
        mean, variance = batch_moments(x, mean, mask_in(op, weights))
    y = (x - mean) / np.sqrt(variance + x.dtype.type(op.epsilon))
    return _scaled(op.scale, op.center, y, weights[2:])


def fixed_norm(op: FixedNorm, context: StepContext, x: Array, *weights: Array) -> Array:
    """Normalize by the moving statistics, always."""
    y = (x - weights[0]) / np.sqrt(weights[1] + x.dtype.type(op.epsilon))
    return _scaled(op.scale, op.center, y, weights[2:])


def batch_renorm(op: BatchRenorm, context: StepContext, x: Array, *weights: Array) -> Array:
    """Normalize by the batch, corrected, in training; by the moving statistics in evaluation."""
    if not context.training:
        return fixed_norm(FixedNorm(op.epsilon, op.scale, op.center), context, x, *weights[:2], *weights[5:])
    mean, variance = batch_moments(x, weights[0], mask_in(op, weights))
    y = (x - mean) / np.sqrt(variance + x.dtype.type(op.epsilon))
    r, d = corrections(op, x, *weights)
    return _scaled(op.scale, op.center, y * r + d, weights[5:])


def corrections(op: BatchRenorm, x: Array, *weights: Array) -> tuple[Array, Array]:
    """Renorm's factor r and addend d for a batch."""
    mean, variance = batch_moments(x, weights[0], mask_in(op, weights))
    stddev = np.sqrt(variance + x.dtype.type(op.epsilon))
    known = np.maximum(weights[4], np.sqrt(x.dtype.type(op.epsilon)))
    r, d = stddev / known, (mean - weights[3]) / known
    r = r if op.r_min is None else np.maximum(r, x.dtype.type(op.r_min))
    r = r if op.r_max is None else np.minimum(r, x.dtype.type(op.r_max))
    limit = None if op.d_max is None else x.dtype.type(op.d_max)
    return r, d if limit is None else np.clip(d, -limit, limit)


def _scaled(scale: bool, center: bool, y: Array, weights: Sequence[Array]) -> Array:
    rest = list(weights)
    if scale:
        y = y * rest.pop(0)
    return y + rest.pop(0) if center else y


def moved(op: BatchNorm | BatchRenorm, x: Array, *operands: Array) -> tuple[Array, ...]:
    """The moving statistics after a step on x, in the order of the operands."""
    kind, mean = x.dtype.type, operands[0]
    batch_mean, batch_variance = batch_moments(x, mean, mask_in(op, operands))

    def towards(old: Array, new: Array, momentum: float) -> Array:
        return old * kind(momentum) + new * (kind(1) - kind(momentum))

    if isinstance(op, BatchNorm):
        return towards(mean, batch_mean, op.momentum), towards(operands[1], batch_variance, op.momentum)
    moving_stddev, renorm_mean, renorm_stddev = operands[2:5]
    stddev = np.sqrt(batch_variance + kind(op.epsilon))
    moving = towards(moving_stddev, stddev, op.momentum)
    return (
        towards(mean, batch_mean, op.momentum),
        np.maximum(moving * moving - kind(op.epsilon), 0),
        moving,
        towards(renorm_mean, batch_mean, op.renorm_momentum),
        towards(renorm_stddev, stddev, op.renorm_momentum),
    )


def wrong_rows(wanted: int | None, rows: int) -> str:
    """Error text for a batch whose number of rows is not that of ``noise_shape``."""
    return (
        f"noise_shape is for batches of {wanted} rows, and was given one of {rows}. Make all batches so long, or put "
        "None in the first place of noise_shape"
    )


def drop_change(op: Drop, context: StepContext, x: Array) -> tuple[Array, Array]:
    """The factor and the addend by which a Drop changes x in a training step."""
    if op.rows not in (None, len(x)):
        raise InputError(wrong_rows(op.rows, len(x)))
    shape = tuple(1 if i < len(op.shared) and op.shared[i] else n for i, n in enumerate(x.shape))
    rows, width = shape[0], prod(shape[1:])

    def mask(draw: Callable[..., Array], *settings: float, block: int = 4) -> Array:
        def numbers(count: int) -> Array:
            return draw(context.seed, op.stream, context.step, count, *settings)

        return philox.of_rows(numbers, rows, width, block).reshape(shape)

    one, zero = np.ones((), x.dtype), np.zeros((), x.dtype)
    if op.kind == "gaussian_noise" or op.kind == "gaussian_dropout":
        noise = mask(philox.normal)
        if op.kind == "gaussian_noise":
            return one, (noise * op.rate).astype(x.dtype)
        return (1 + noise * sqrt(op.rate / (1 - op.rate))).astype(x.dtype), zero
    gone = mask(philox.dropped, op.rate, block=4 * philox.threshold(op.rate)[1])
    match op.kind:
        case "dropout":
            scale = 0.0 if op.rate >= 1 else 1 / (1 - op.rate)
            return np.where(gone, 0, scale).astype(x.dtype), zero
        case "alpha_dropout":
            floor = -SELU_ALPHA * SELU_SCALE
            a = ((1 - op.rate) * (1 + op.rate * floor**2)) ** -0.5
            b = -a * floor * op.rate
            return np.where(gone, 0, a).astype(x.dtype), np.where(gone, a * floor + b, b).astype(x.dtype)
        case _:
            assert_never(op.kind)


def drop(op: Drop, context: StepContext, x: Array) -> Array:
    """Random change in training, nothing in evaluation."""
    if not context.training or (op.rate == 0 and op.kind != "gaussian_noise"):
        return x
    factor, addend = drop_change(op, context, x)
    return x * factor + addend


def batch_reduce(op: BatchReduce, context: StepContext, x: Array) -> Array:
    """Sum or mean over the rows, repeated for every row."""
    match op.kind:
        case "sum":
            whole = x.sum(axis=0, keepdims=True)
        case "mean":
            whole = x.mean(axis=0, keepdims=True)
        case _:
            assert_never(op.kind)
    return np.repeat(whole, len(x), axis=0)


def row_share(op: RowShare, context: StepContext, losses: Array) -> Array:
    """``1 / rows`` for each row."""
    return np.full(losses.shape, 1 / len(losses), losses.dtype)


def sum_to(op: SumTo, context: StepContext, x: Array) -> Array:
    """Sum over the rows if the shape has no batch axis, and over axes of size 1."""
    while x.ndim > len(op.shape):
        x = x.sum(axis=0)
    for axis, size in enumerate(op.shape):
        if size == 1 and x.shape[axis] != 1:
            x = x.sum(axis=axis, keepdims=True)
    return np.asarray(x)


def drop_gradient(op: DropGradient, context: StepContext, y: Array, g: Array) -> Array:
    """Times the random factors of this step."""
    if not context.training or op.of.rate == 0:
        return g
    return g * drop_change(op.of, context, g)[0]


def norm_gradient(
    op: NormGradient, context: StepContext, y: Array, g: Array, *operands: Array
) -> tuple[Array, ...]:
    """For x, gamma and beta: Ioffe and Szegedy (2015), section 3, in closed form."""
    of, x, mean, variance = op.of, *operands[:3]
    training = context.training and not isinstance(of, FixedNorm)
    gamma = operands[1 + of.statistics] if of.scale else np.ones_like(mean)
    r, d = np.ones_like(mean), np.zeros_like(mean)
    if (
        isinstance(of, BatchRenorm) and training
    ):  # a BatchNorm whose gamma is r * gamma, because r and d are constant
        r, d = corrections(of, *operands)
    axes, mask = reduced_axes(mean.shape, x.ndim), mask_in(of, operands)
    if training:
        mean, variance = (np.expand_dims(s, 0) for s in batch_moments(x, mean, mask))
    inverse = 1 / np.sqrt(variance + x.dtype.type(of.epsilon))
    normal = (x - mean) * inverse
    on_normal = g * (r * gamma)
    on_x = on_normal * inverse
    if training:
        where, count = counting(x, mask, axes)
        average = on_normal.sum(axis=axes, keepdims=True) / count
        along = (on_normal * normal).sum(axis=axes, keepdims=True) / count
        # With a mask, sums are divided by a little more than their number, so deviations do not sum to 0.
        rest = 0 if mask is None else x.dtype.type(MASK_EPSILON) * mean / count * inverse
        on_x = (on_normal - np.where(where, average + (normal - rest) * along, 0)) * inverse
    target = SumTo(gamma.shape)
    total = sum_to(target, context, g)
    found = [on_x] if op.on_x else []
    if op.on_gamma:
        found.append(sum_to(target, context, g * normal) * r + total * d)
    return (*found, *([total] if op.on_beta else []))


RULES: dict[type[Op], Kernel] = {
    BatchNorm: Kernel(None, batch_norm, moved),
    BatchRenorm: Kernel(None, batch_renorm, moved),
    FixedNorm: Kernel(None, fixed_norm),
    Drop: Kernel(None, drop),
    BatchReduce: Kernel(None, batch_reduce),
    DropGradient: Kernel(None, drop_gradient),
    NormGradient: Kernel(None, norm_gradient),
    RowShare: Kernel(None, row_share),
    SumTo: Kernel(None, sum_to),
}
