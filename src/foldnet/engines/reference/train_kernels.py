"""What the training ops mean, forward: batch statistics, randomness, and the parts of expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np

from foldnet.engines import philox
from foldnet.engines.functions import COMBINE, UNARY
from foldnet.errors import InputError
from foldnet.operations.along.op import CumulativeSum, Reduce
from foldnet.operations.batch.op import (
    MASK_EPSILON,
    BatchNorm,
    BatchReduce,
    BatchRenorm,
    Drop,
    FixedNorm,
    Norm,
)
from foldnet.operations.elementwise.op import Combine, Unary, Where
from foldnet.operations.matrix.op import Product, TurnedDense
from foldnet.operations.structure.op import OneHot, Pick, Slice

Array = np.ndarray[Any, Any]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@dataclass(frozen=True)
class Moment:
    """When in a fit an op runs: whether it is a training step, which one, and the seed."""

    training: bool
    seed: int = 0
    step: int = 0


def reduced_axes(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes of x that BatchNorm takes statistics over, given the shape of its statistics."""
    return (0, *(i + 1 for i in range(rank - 1) if shape[i] == 1))


def counting(x: Array, mask: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Where values of x count in its statistics, and what sums over the axes are divided by."""
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
    """The mask among the operands, if there is one."""
    masked = not isinstance(op, FixedNorm) and op.masked
    return operands[-1] if masked else None


def batch_norm(op: BatchNorm, moment: Moment, x: Array, *weights: Array) -> Array:
    """Normalize by the batch in training, by the moving statistics in evaluation."""
    mean, variance = weights[0], weights[1]
    if moment.training:
        mean, variance = batch_moments(x, mean, mask_in(op, weights))
    y = (x - mean) / np.sqrt(variance + x.dtype.type(op.epsilon))
    return _scaled(op.scale, op.center, y, weights[2:])


def fixed_norm(op: FixedNorm, moment: Moment, x: Array, *weights: Array) -> Array:
    """Normalize by the moving statistics, always."""
    y = (x - weights[0]) / np.sqrt(weights[1] + x.dtype.type(op.epsilon))
    return _scaled(op.scale, op.center, y, weights[2:])


def batch_renorm(op: BatchRenorm, moment: Moment, x: Array, *weights: Array) -> Array:
    """Normalize by the batch, corrected, in training; by the moving statistics in evaluation."""
    if not moment.training:
        return fixed_norm(FixedNorm(op.epsilon, op.scale, op.center), moment, x, *weights[:2], *weights[5:])
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


STATISTICS: dict[type, int] = {BatchNorm: 2, BatchRenorm: 5}
"""How many operands after x a training step moves."""


def wrong_rows(wanted: int | None, rows: int) -> str:
    """What an error says of a batch that a mask of a fixed number of rows does not fit."""
    return (
        f"noise_shape is for batches of {wanted} rows, and was given one of {rows}. Make all batches so long, or put "
        "None in the first place of noise_shape"
    )


def drop_change(op: Drop, moment: Moment, x: Array) -> tuple[Array, Array]:
    """The factor and the addend by which a Drop changes x in a training step."""
    if op.rows not in (None, len(x)):
        raise InputError(wrong_rows(op.rows, len(x)))
    shape = tuple(1 if i < len(op.shared) and op.shared[i] else n for i, n in enumerate(x.shape))
    # Each row of the mask begins a block of four numbers of its own, so that rows can be drawn side by side.
    rows, width = shape[0], prod(shape[1:])
    padded = -(-width // 4) * 4
    count = rows * padded

    def mask(drawn: Array) -> Array:
        return drawn.reshape(rows, padded)[:, :width].reshape(shape)

    one, zero = np.ones((), x.dtype), np.zeros((), x.dtype)
    if op.kind.startswith("gaussian"):
        noise = mask(philox.normal(moment.seed, op.stream, moment.step, count))
        if op.kind == "gaussian_noise":
            return one, (noise * op.rate).astype(x.dtype)
        return (1 + noise * sqrt(op.rate / (1 - op.rate))).astype(x.dtype), zero
    gone = mask(philox.dropped(moment.seed, op.stream, moment.step, count, op.rate))
    if op.kind == "alpha_dropout":
        floor = -SELU_ALPHA * SELU_SCALE
        a = ((1 - op.rate) * (1 + op.rate * floor**2)) ** -0.5
        b = -a * floor * op.rate
        return np.where(gone, 0, a).astype(x.dtype), np.where(gone, a * floor + b, b).astype(x.dtype)
    scale = 0.0 if op.rate >= 1 else 1 / (1 - op.rate)
    return np.where(gone, 0, scale).astype(x.dtype), zero


def drop(op: Drop, moment: Moment, x: Array) -> Array:
    """Random change in training, nothing in evaluation."""
    if not moment.training or (op.rate == 0 and op.kind != "gaussian_noise"):
        return x
    factor, addend = drop_change(op, moment, x)
    return x * factor + addend


def turned_dense(op: TurnedDense, moment: Moment, x: Array, kernel: Array) -> Array:
    """``x @ kernel.T``."""
    return x @ kernel.T


def _working(a: Array, b: Array) -> np.dtype[Any]:
    floats = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
    return np.result_type(*floats) if floats else np.result_type(a, b)


def unary(op: Unary, moment: Moment, x: Array) -> Array:
    """One value, elementwise."""
    return np.asarray(UNARY[op.kind].compute(x), dtype=x.dtype)


def combine(op: Combine, moment: Moment, a: Array, b: Array) -> Array:
    """Two values, elementwise."""
    return np.asarray(COMBINE[op.kind].compute(a, b), dtype=_working(a, b))


def where(op: Where, moment: Moment, condition: Array, a: Array, b: Array) -> Array:
    """A choice, elementwise."""
    return np.where(condition != 0, a, b)


def reduce(op: Reduce, moment: Moment, x: Array) -> Array:
    """Sum, mean, max, min or the place of the largest."""
    if op.kind == "argmax":
        place = np.argmax(x, axis=op.axes[0]).astype(x.dtype)
        return np.expand_dims(place, op.axes[0]) if op.keepdims else place
    function = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}[op.kind]
    return np.asarray(function(x, axis=op.axes, keepdims=op.keepdims))  # type: ignore[operator]


def batch_reduce(op: BatchReduce, moment: Moment, x: Array) -> Array:
    """Sum or mean over the rows, at every row."""
    whole = x.sum(axis=0, keepdims=True) if op.kind == "sum" else x.mean(axis=0, keepdims=True)
    return np.repeat(whole, len(x), axis=0)


def one_hot(op: OneHot, moment: Moment, x: Array, dtype: np.dtype[Any]) -> Array:
    """Indices as rows of 0 and 1."""
    return (x[..., None] == np.arange(op.size)).astype(dtype)


def slice_(op: Slice, x: Array) -> Array:
    """Every so many-th position of each axis."""
    return x[(slice(None), *(slice(*entry) for entry in op.slices))]


def pick(op: Pick, x: Array) -> Array:
    """Positions of one axis."""
    return np.take(x, op.places, axis=op.axis)


def product(op: Product, a: Array, b: Array) -> Array:
    """Products, summed in the order of the letters that the result has not."""
    letters = dict.fromkeys(op.result + op.left + op.right)
    gone = [letter for letter in letters if letter not in op.result]
    spread = [_by_letters(x, own, letters) for x, own in ((a, op.left), (b, op.right))]
    sizes = np.broadcast_shapes(*(x.shape for x in spread))
    counts = sizes[1 + len(op.result) :]
    y = np.zeros(sizes[: 1 + len(op.result)], np.result_type(a, b))
    for place in np.ndindex(*counts):
        here = [
            x[(..., *(0 if n == 1 else p for p, n in zip(place, x.shape[1 + len(op.result) :], strict=True)))]
            for x in spread
        ]
        y += here[0] * here[1]
    return y if gone else spread[0].reshape(spread[0].shape) * spread[1]


def _by_letters(x: Array, own: str, letters: Iterable[str]) -> Array:
    """The array with an axis for each of the letters, rows first; 1 where it has none of its own."""
    if x.ndim == len(own):
        x = x[np.newaxis]
    order = [letter for letter in letters if letter in own]
    x = x.transpose(0, *(1 + own.index(letter) for letter in order))
    return x.reshape(len(x), *(x.shape[1 + order.index(k)] if k in order else 1 for k in letters))


def cumulative_sum(op: CumulativeSum, x: Array) -> Array:
    """Running sums."""
    return np.cumsum(x, axis=op.axis)


TRAIN_KERNELS: dict[type, Callable[..., Array]] = {
    BatchNorm: batch_norm,
    BatchRenorm: batch_renorm,
    FixedNorm: fixed_norm,
    Drop: drop,
    TurnedDense: turned_dense,
    Unary: unary,
    Combine: combine,
    Where: where,
    Reduce: reduce,
    BatchReduce: batch_reduce,
}
