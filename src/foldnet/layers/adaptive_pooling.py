"""Adaptive pooling: the largest value, or the mean, of as many windows as the result has positions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.layers.interpolation import mixed
from foldnet.layers.spatial import SpatialLayer, sizes
from foldnet.layers.tensors import Shape
from foldnet.operations.along.op import Reduce
from foldnet.operations.resampling.op import AdaptiveMax, Mix
from foldnet.operations.resampling.weights import windows
from foldnet.operations.windows.op import Pool, PoolKind
from foldnet.setting_types import DATA_FORMAT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


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
        """Windows of one size where the axes allow it; where they do not, or are free, one axis after the other."""
        x = b.float(inputs[0])
        axes = self.axes(b.shape(x))
        if set(self.output_size) == {1}:
            return b.emit(Reduce("max" if self.pool == "max" else "mean", axes, keepdims=True), x)
        size, step = [1] * self.dims, [1] * self.dims
        for place, (axis, count) in enumerate(zip(axes, self.output_size, strict=True)):
            n = b.shape(x)[axis]
            even = None if n is None else evenly(windows(n, count))
            if even is None:
                x = self.unevenly(b, x, axis, count)
            else:
                size[place], step[place] = even
        return (
            x if set(size) == {1} == set(step) else b.emit(Pool(self.pool, axes, tuple(size), tuple(step)), x)
        )

    def unevenly(self, b: Lowering, x: str, axis: int, count: int) -> str:
        """Emit what is pooled along an axis whose windows are not all the same, or whose length is free."""
        raise NotImplementedError  # both kinds define it


class _AdaptiveAveragePooling(_AdaptivePooling):
    """Base class of means."""

    pool = "average"

    def unevenly(self, b: Lowering, x: str, axis: int, count: int) -> str:
        """The mean of each window."""
        return mixed(b, self, x, Mix(axis, count, "mean"))


class _AdaptiveMaxPooling(_AdaptivePooling):
    """Base class of largest values."""

    pool = "max"

    def unevenly(self, b: Lowering, x: str, axis: int, count: int) -> str:
        """The largest value of each window."""
        return b.emit(AdaptiveMax(axis, count), x)


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
