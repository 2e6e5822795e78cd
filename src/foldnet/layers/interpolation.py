"""Values between positions of an axis: each new position is a mixture of old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from foldnet.arrays import Array
from foldnet.layers.base import Layer
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Product
from foldnet.operations.resampling.op import Mix, Nearest
from foldnet.operations.resampling.weights import mixture
from foldnet.operations.structure.op import Pick

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


def resized(
    b: Lowering,
    layer: Layer,
    x: str,
    axis: int,
    size: int,
    interpolation: Interpolation,
    antialias: bool = False,
    relative: bool = False,
) -> str:
    """Emit the value with another size along an axis; with so many times as many positions if ``relative``.

    Of a known length the positions and weights are constants, which is faster: two thirds of the time of an operation
    that computes them. Of a free one they depend on what is known at the call only.
    """
    n = b.shape(x)[axis]
    if n is None:
        if interpolation == "nearest" and not relative:
            return b.emit(Nearest(axis, size), x)
        assert interpolation != "nearest", "repeated positions are a Stretch"
        return b.emit(Mix(axis, size, interpolation, antialias, relative), x)
    size = n * size if relative else size
    if n == size:
        return x
    if interpolation == "nearest":
        return b.emit(Pick(axis, Nearest(axis, size).places(n)), x)
    return mixed(b, layer, x, axis, mixture(n, size, interpolation, antialias))


def mixed(b: Lowering, layer: Layer, x: str, axis: int, matrix: Array) -> str:
    """Emit mixtures of the positions of an axis: row ``i`` of the matrix says how much each counts for the new ``i``.

    Each row's sum is 1. What lies between two positions is a sum of two, and all else a product.
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
