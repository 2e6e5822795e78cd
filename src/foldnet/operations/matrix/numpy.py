"""Sums of products in NumPy, added up in order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.elementwise.numpy import apply_elementwise
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.matrix.op import Dense, Dot, KernelGradient, Product, ProductGradient, TurnedDense


def in_order(x: Array, kernel: Array) -> Array:
    """``x @ kernel``, summed over the inputs in order."""
    y = np.zeros((*x.shape[:-1], kernel.shape[1]))
    for i in range(kernel.shape[0]):
        y += x[..., i : i + 1] * kernel[i]
    return y


def dense(op: Dense, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """``x @ kernel + bias``, summed over the inputs in order."""
    y = in_order(x, kernel)
    return apply_elementwise(op.activation, y if bias is None else y + bias)


def dense_by_blas(op: Dense, x: Array, kernel: Array, bias: Array | None = None) -> Array | None:
    """The same with the sums in BLAS's order; for a Dense without an activation."""
    if op.activation is not None:
        return None
    product: Array = x.astype(np.float64, copy=False).reshape(-1, x.shape[-1]) @ kernel
    product = product.reshape(*x.shape[:-1], kernel.shape[-1])
    return product if bias is None else product + bias


def dot(op: Dot, a: Array, b: Array) -> Array:
    """The sum over one axis of each, row by row."""
    left, right = np.moveaxis(a, op.axes[0], 1), np.moveaxis(b, op.axes[1], 1)
    y = np.zeros((len(a), *left.shape[2:], *right.shape[2:]))
    ones_left, ones_right = [1] * (left.ndim - 2), [1] * (right.ndim - 2)
    for k in range(left.shape[1]):
        p, q = left[:, k], right[:, k]
        y += p.reshape(*p.shape, *ones_right) * q.reshape(len(q), *ones_left, *q.shape[1:])
    return y if y.ndim > 1 else y[:, np.newaxis]


def turned_dense(op: TurnedDense, context: StepContext, x: Array, kernel: Array) -> Array:
    """``x @ kernel.T``."""
    return x @ kernel.T


def product(op: Product, a: Array, b: Array) -> Array:
    """Products, summed in the order of the letters that the result does not have."""
    letters = dict.fromkeys(op.result + op.left + op.right)
    gone = [letter for letter in letters if letter not in op.result]
    spread = [by_letters(x, own, letters) for x, own in ((a, op.left), (b, op.right))]
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


def by_letters(x: Array, own: str, letters: Iterable[str]) -> Array:
    """The array with an axis for each letter, rows first; size 1 for letters that it does not have."""
    if x.ndim == len(own):
        x = x[np.newaxis]
    order = [letter for letter in letters if letter in own]
    x = x.transpose(0, *(1 + own.index(letter) for letter in order))
    return x.reshape(len(x), *(x.shape[1 + order.index(k)] if k in order else 1 for k in letters))


def kernel_gradient(op: KernelGradient, context: StepContext, x: Array, g: Array) -> Array:
    """``x.T @ g`` over rows and positions."""
    return x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1])


def product_gradient(op: ProductGradient, context: StepContext, g: Array, other: Array) -> Array:
    """The gradient times the other operand, summed over the letters that the operand does not have."""
    # A letter that only this operand has was summed over it alone, so its gradient is the same along it: ones.
    own = op.shape[1:] if op.rows else op.shape
    alone = [letter for letter in op.own if letter not in op.other + op.result]
    ones = np.ones([int(own[op.own.index(k)] or 0) for k in alone], g.dtype)
    rows = "" if other.ndim == len(op.other) else "A"
    to = "A" + op.own if op.rows else op.own
    g = g.reshape(len(g), *g.shape[1:])
    text = f"A{op.result},{rows}{op.other},{''.join(alone)}->{to}"
    return np.asarray(np.einsum(text, g, other, ones), g.dtype)


RULES: dict[type[Op], Kernel] = {
    Dense: Kernel(dense, quick=dense_by_blas),
    TurnedDense: Kernel(None, turned_dense),
    Dot: Kernel(dot),
    Product: Kernel(product),
    KernelGradient: Kernel(None, kernel_gradient),
    ProductGradient: Kernel(None, product_gradient),
}
