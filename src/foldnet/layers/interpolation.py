"""Values between positions of an axis: each new position is a fixed mixture of old ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.layers.base import Layer
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Product
from foldnet.operations.structure.op import Pick

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


def _triangle(x: Array) -> Array:
    return np.maximum(0, 1 - x)


def _cubic(x: Array) -> Array:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -0.5."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    """``sinc(x) sinc(x / radius)``; 1 up to a distance of 0.001, as in JAX."""
    return lambda x: np.where(x <= 1e-3, 1, np.where(x > radius, 0, np.sinc(x) * np.sinc(x / radius)))


KERNELS: dict[str, Callable[[Array], Array]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}
"""By distance: how much an old position counts for a new one, before the sum of all is made 1."""


def mixture(n: int, size: int, interpolation: Interpolation, antialias: bool = False) -> Array:
    """How much each of ``n`` old positions counts for each of ``size`` new ones: an array (size, n).

    The new position ``i`` lies at ``(i + 0.5) n / size - 0.5`` among the old ones, whose distances the kernel takes. If
    there are fewer new positions, ``antialias`` makes the kernel wider by ``n / size``. This is ``jax.image.resize``.
    """
    at = (np.arange(size) + 0.5) * n / size
    if interpolation == "nearest":
        return np.eye(n)[np.floor(at).astype(int)]
    distance = np.abs(at[:, None] - 0.5 - np.arange(n))
    weights = KERNELS[interpolation](distance / max(n / size, 1) if antialias else distance)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def known_length(b: Lowering, layer: Layer, x: str, axis: int) -> int:
    """The length of an axis.

    Raises:
        UnsupportedError: it is free.
    """
    n = b.shape(x)[axis]
    if n is None:
        raise UnsupportedError(
            f"layer {layer.name!r} ({type(layer).__name__}): what each new position is made of needs axis {axis} to "
            "have a known length; give Input the size"
        )
    return n


def resized(
    b: Lowering,
    layer: Layer,
    x: str,
    axis: int,
    size: int,
    interpolation: Interpolation,
    antialias: bool = False,
) -> str:
    """Emit the value with another size along an axis."""
    n = known_length(b, layer, x, axis)
    return x if n == size else mixed(b, layer, x, axis, mixture(n, size, interpolation, antialias))


def mixed(b: Lowering, layer: Layer, x: str, axis: int, matrix: Array) -> str:
    """Emit mixtures of the positions of an axis: row ``i`` of the matrix says how much each counts for the new ``i``.

    Each row's sum is 1. Copies are picked. What lies between two positions is a sum of two, and all else a product.
    """
    count = int((matrix != 0).sum(axis=1).max())
    if count > 2:
        row = "abcd"[: len(b.shape(x)) - 1]
        letter = row[axis - 1]
        weights = b.layer_constant(layer, f"weights on axis {axis}", matrix)
        return b.emit(Product(row, f"z{letter}", row.replace(letter, "z")), x, weights)
    first = (matrix != 0).argmax(axis=1)
    if count == 1:
        return b.emit(Pick(axis, tuple(first.tolist())), x)
    last = matrix.shape[1] - 1 - (matrix[:, ::-1] != 0).argmax(axis=1)
    share = matrix[np.arange(len(matrix)), first]
    shape = [1] * (len(b.shape(x)) - 1)
    shape[axis - 1] = len(matrix)
    parts = [
        b.emit(
            Binary(kind="multiply"),
            b.emit(Pick(axis, tuple(places.tolist())), x),
            b.layer_constant(layer, f"share {k} on axis {axis}", weight.reshape(shape)),
        )
        for k, (places, weight) in enumerate(((first, share), (last, 1 - share)))
    ]
    return b.emit(Binary(kind="add"), *parts)
