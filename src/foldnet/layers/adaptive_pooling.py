"""Adaptive pooling: the largest value, or the mean, of as many windows as the result has positions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from foldnet.layers.interpolation import known_length, mixed
from foldnet.layers.spatial import SpatialLayer, sizes
from foldnet.layers.tensors import Shape
from foldnet.operations.along.op import Reduce
from foldnet.operations.structure.op import Pick
from foldnet.operations.windows.op import Pool, PoolKind
from foldnet.setting_types import DATA_FORMAT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def windows(n: int, count: int) -> list[range]:
    """Positions of ``count`` windows over ``n``: from ``floor(i n / count)`` up to ``ceil((i + 1) n / count)``.

    >>> windows(5, 3)
    [range(0, 2), range(1, 4), range(3, 5)]
    """
    return [range(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def evenly(found: list[range]) -> tuple[int, int] | None:
    """Size of the windows and the step from one to the next; None if they are not all the same."""
    lengths = {len(window) for window in found}
    steps = {b.start - a.start for a, b in pairwise(found)} or {1}
    if len(lengths) > 1 or len(steps) > 1 or 0 in steps:
        return None
    return lengths.pop(), steps.pop()


class _AdaptivePooling(SpatialLayer):
    """Base class of adaptive pooling."""

    pool: ClassVar[PoolKind]

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size: tuple[int, ...] = self.checked("output_size", output_size)
        self.data_format = self.checked("data_format", data_format)

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape with ``output_size`` on the spatial axes."""
        found = list(input_shapes[0])
        for axis, size in zip(self.axes(input_shapes[0]), self.output_size, strict=True):
            found[axis] = size
        return tuple(found)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Windows of one size where the axes allow it; where they do not, one axis after the other."""
        x = b.float(inputs[0])
        axes = self.axes(b.shape(x))
        if set(self.output_size) == {1}:
            return b.emit(Reduce("max" if self.pool == "max" else "mean", axes, keepdims=True), x)
        size, step = [1] * self.dims, [1] * self.dims
        for place, (axis, count) in enumerate(zip(axes, self.output_size, strict=True)):
            found = windows(known_length(b, self, x, axis), count)
            even = evenly(found)
            if even is None:
                x, even = self.unevenly(b, x, axis, found)
            size[place], step[place] = even
        return (
            x if set(size) == {1} == set(step) else b.emit(Pool(self.pool, axes, tuple(size), tuple(step)), x)
        )

    def unevenly(self, b: Lowering, x: str, axis: int, found: list[range]) -> tuple[str, tuple[int, int]]:
        """Emit a value, and give size and step of the windows that are to be pooled of it, for those of the input."""
        raise NotImplementedError  # both kinds define it


class _AdaptiveAveragePooling(_AdaptivePooling):
    """Base class of means."""

    pool = "average"

    def unevenly(self, b: Lowering, x: str, axis: int, found: list[range]) -> tuple[str, tuple[int, int]]:
        """The means, of which nothing is left to pool."""
        matrix = np.zeros((len(found), known_length(b, self, x, axis)))
        for row, window in zip(matrix, found, strict=True):
            row[window.start : window.stop] = 1 / len(window)
        return mixed(b, self, x, axis, matrix), (1, 1)


class _AdaptiveMaxPooling(_AdaptivePooling):
    """Base class of largest values."""

    pool = "max"

    def unevenly(self, b: Lowering, x: str, axis: int, found: list[range]) -> tuple[str, tuple[int, int]]:
        """The positions of one window after the other, the last of them again where a window is shorter."""
        size = max(len(window) for window in found)
        places = tuple(min(window.start + k, window.stop - 1) for window in found for k in range(size))
        return b.emit(Pick(axis, places), x), (size, size)


def _kinds(dims: int) -> dict[str, Kind]:
    return {"output_size": sizes(dims), "data_format": DATA_FORMAT}


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The mean of each of so many windows along steps: (batch, steps, features).

    Args:
        output_size: how many windows.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 1, _kinds(1)


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """The mean of each of so many windows of images: (batch, height, width, channels).

    Args:
        output_size: how many windows along each axis, one number or two.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 2, _kinds(2)


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """The mean of each of so many windows of volumes: (batch, depth, height, width, channels).

    Args:
        output_size: how many windows along each axis, one number or three.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 3, _kinds(3)


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The largest value of each of so many windows along steps: (batch, steps, features).

    Args:
        output_size: how many windows.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 1, _kinds(1)


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """The largest value of each of so many windows of images: (batch, height, width, channels).

    Args:
        output_size: how many windows along each axis, one number or two.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 2, _kinds(2)


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """The largest value of each of so many windows of volumes: (batch, depth, height, width, channels).

    Args:
        output_size: how many windows along each axis, one number or three.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    dims, kinds = 3, _kinds(3)
