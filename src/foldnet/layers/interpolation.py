"""Values between positions of an axis: each new position is a mixture of old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from foldnet.arrays import Array
from foldnet.layers.base import Layer
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Product
from foldnet.operations.resampling.op import Mix, Nearest
from foldnet.operations.resampling.weights import as_matrix
from foldnet.operations.structure.op import Pick

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


WRITTEN_OUT = 2048
"""Largest number of weights of an axis that are constants of a network."""


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
    """Emit the value with another size along an axis; with so many times as many positions if ``relative``."""
    n = b.shape(x)[axis]
    if interpolation != "nearest":
        mix = Mix(axis, size, interpolation, antialias, relative)
        return x if n is not None and n == mix.size(n) else mixed(b, layer, x, mix)
    assert not relative, "repeated positions are a Stretch"
    op = Nearest(axis, size)
    if n is None:
        return b.emit(op, x)
    return x if n == size else b.emit(Pick(axis, op.places(n)), x)


def mixed(b: Lowering, layer: Layer, x: str, op: Mix) -> str:
    """Emit mixtures of the positions of an axis, with constants where its length is known and short.

    A Mix computes its weights at every call, which for a short axis takes longer than to use them. Of long ones most
    weights are 0, and a Mix leaves these out.
    """
    n = b.shape(x)[op.axis]
    if n is None or n * op.size(n) > WRITTEN_OUT:
        return b.emit(op, x)
    return _written_out(b, layer, x, op.axis, as_matrix(op, n))


def _written_out(b: Lowering, layer: Layer, x: str, axis: int, matrix: Array) -> str:
    """Emit mixtures of positions: row ``i`` of the matrix says how much each counts for the new ``i``.

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
            b.layer_constant(layer, f"share {k} on axis {axis}", part.reshape(shape)),
        )
        for k, (places, part) in enumerate(((first, share), (last, 1 - share)))
    ]
    return b.emit(Binary(kind="add"), *parts)
