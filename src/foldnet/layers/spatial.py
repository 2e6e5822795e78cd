"""Layers with spatial axes, in either data format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.op import Op
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.literals import DataFormat
from foldnet.operations.structure.op import Transpose
from foldnet.setting_types import DATA_FORMAT, Kind, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def sizes(dims: int, least: int = 1) -> Kind:
    """A size of ``least`` or more along each of so many axes, or one for all."""
    number = whole(least)

    def per_axis(value: Any) -> tuple[int, ...]:
        if isinstance(value, tuple | list):
            if len(value) != dims:
                raise ValueError
            return tuple(number.read(n) for n in value)
        return (number.read(value),) * dims

    return Kind(
        f"{number.words}, or a tuple of {dims if dims > 1 else 'one'}{' of them' if dims > 1 else ''}",
        per_axis,
    )


def moved(data_format: DataFormat, shape: Shape, back: bool = False) -> Shape:
    """A shape with its channels moved last, or back to where they belong; as it is where they are last anyway."""
    if data_format == "channels_last":
        return shape
    return (shape[0], shape[-1], *shape[1:-1]) if back else (shape[0], *shape[2:], shape[1])


class SpatialLayer(Layer):
    """A layer over the spatial axes of (batch, space..., channels) or (batch, channels, space...)."""

    kinds: ClassVar[dict[str, Kind]] = {"data_format": DATA_FORMAT}
    dims: ClassVar[int]
    data_format: DataFormat

    def axes(self, shape: Shape) -> tuple[int, ...]:
        """The spatial axes.

        Raises:
            ConfigError: the shape has another number of axes.
        """
        if len(shape) != self.dims + 2:
            raise ConfigError(
                f"{type(self).__name__} takes inputs of rank {self.dims + 2}, batch axis included, and was given "
                f"shape {shape}"
            )
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.dims))

    def channels_last(self, b: Lowering, x: str) -> str:
        """The value with its channels as the last axis."""
        return self._transposed(b, x, back=False)

    def channels_back(self, b: Lowering, x: str) -> str:
        """The value with its channels, which are the last axis, where they belong."""
        return self._transposed(b, x, back=True)

    def _transposed(self, b: Lowering, x: str, back: bool) -> str:
        order = moved(self.data_format, tuple(range(self.dims + 2)), back)
        axes = tuple(int(a or 0) for a in order)
        return x if self.data_format == "channels_last" else b.emit(Transpose(axes), x)

    def op(self, shape: Shape) -> Op:
        """The operation for an input of this shape."""
        raise NotImplementedError  # every subclass defines it

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape with the number of windows along the spatial axes."""
        (shape,) = input_shapes
        return self.op(shape).output_shape(shape)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The operation, on floats."""
        x = b.float(inputs[0])
        return b.emit(self.op(b.shape(x)), x)
