"""Images whose positions are mapped, in NumPy.

It reads between positions as ``map_coordinates`` of ``scipy.ndimage`` and of JAX with orders 0 and 1 do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.warping.op import FillMode, MapImage, MapImageGradient

FAR = 2.0**30
"""Beyond all images."""


def folded(places: Array, size: int, mode: FillMode) -> tuple[Array, Array]:
    """The places within an axis that stand for places anywhere, and which of these are within the image."""
    inside = np.ones(places.shape, bool)
    match mode:
        case "constant":
            inside = (places >= 0) & (places < size)
            places = np.clip(places, 0, size - 1)
        case "nearest":
            places = np.clip(places, 0, size - 1)
        case "wrap":
            places = places % size
        case "reflect":
            places = places % (2 * size)
            places = np.minimum(places, 2 * size - 1 - places)
        case _:
            assert_never(mode)
    return places, inside


def _read(op: MapImage, coordinates: Array) -> list[tuple[Array, Array]]:
    """The places that are read for coordinates along an axis, and the weight of each."""
    if op.interpolation == "nearest":
        whole = np.trunc(coordinates)
        away = np.sign(coordinates) * (np.abs(coordinates - whole) >= 0.5)
        return [((whole + away).astype(np.int64), np.ones_like(coordinates))]
    low = np.floor(coordinates)
    share = coordinates - low
    place = low.astype(np.int64)
    return [(place, 1 - share), (place + 1, share)]


def _within(coordinates: Array) -> Array:
    """Where a perspective has its horizon, coordinates are infinite, or none; they are far beyond the borders then."""
    return np.where(np.abs(coordinates) < FAR, coordinates, -FAR).astype(coordinates.dtype)


def _coordinates(op: MapImage, height: int, width: int, maps: Array) -> tuple[Array, Array]:
    """Where each position reads, down and to the right."""
    kind = maps.dtype.type
    center = op.origin == "center" and not op.by_position
    cy, cx = (kind((n - 1) / 2 if center else 0) for n in (height, width))
    y, x = np.arange(height, dtype=kind)[:, None] - cy, np.arange(width, dtype=kind) - cx
    if op.by_position:
        return y + maps[..., 0], x + maps[..., 1]
    m = maps[:, :, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = 1 + m[:, 6] * y + m[:, 7] * x
        ys = (m[:, 0] * y + m[:, 1] * x + m[:, 4] * kind(height)) / distance + cy
        xs = (m[:, 2] * y + m[:, 3] * x + m[:, 5] * kind(width)) / distance + cx
    return ys, xs


def corners(
    op: MapImage, height: int, width: int, maps: Array
) -> Iterator[tuple[Array, Array, Array, Array]]:
    """What each position reads, up to four places: rows, columns, whether within the image, and weights.

    Each is (batch, height, width).
    """
    ys, xs = (_within(found) for found in _coordinates(op, height, width, maps))
    for row, row_weight in _read(op, ys):
        for column, column_weight in _read(op, xs):
            (rows, first), (columns, second) = (
                folded(row, height, op.fill_mode),
                folded(column, width, op.fill_mode),
            )
            yield rows, columns, first & second, row_weight * column_weight


def _channels_last(op: MapImage, x: Array) -> Array:
    return np.moveaxis(x, 1, 3) if op.channels_first else x


def _as_given(op: MapImage, x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, 3, 1)) if op.channels_first else x


def map_image(op: MapImage, context: StepContext, images: Array, maps: Array) -> Array:
    """The weighted sum of what each position reads."""
    x = _channels_last(op, images)
    batch = np.arange(len(x))[:, None, None]
    found = np.zeros_like(x)
    for rows, columns, inside, weights in corners(op, x.shape[1], x.shape[2], maps):
        values = np.where(inside[..., None], x[batch, rows, columns], x.dtype.type(op.fill_value))
        found = found + weights[..., None] * values
    return _as_given(op, found)


def map_image_gradient(op: MapImageGradient, context: StepContext, g: Array, maps: Array) -> Array:
    """The gradient of each position, added up at the places that it reads."""
    g = _channels_last(op.of, g)
    batch = np.broadcast_to(np.arange(len(g))[:, None, None], g.shape[:3])
    found = np.zeros_like(g)
    for rows, columns, inside, weights in corners(op.of, g.shape[1], g.shape[2], maps):
        np.add.at(found, (batch, rows, columns), (weights * inside)[..., None] * g)
    return _as_given(op.of, found)


RULES: dict[type[Op], Kernel] = {
    MapImage: Kernel(None, map_image),
    MapImageGradient: Kernel(None, map_image_gradient),
}
