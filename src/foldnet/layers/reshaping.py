"""Layers that only move values: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError
from foldnet.graph.op import Op
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.literals import DataFormat
from foldnet.operations.structure.op import Repeat, Transpose
from foldnet.operations.structure.op import Reshape as ReshapeOp
from foldnet.setting_types import COUNT, DATA_FORMAT, Kind, sizes

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class _Moving(Layer):
    """Base class of layers that keep values and dtype. They do not pass masks on, as in Keras."""

    moves_values = True

    def moves(self, shape: Shape) -> list[Op]:
        """The ops for an input of this shape, in order."""
        raise ConfigError(
            f"{type(self).__name__} must define how it moves values"
        )  # every subclass defines it

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape after all ops."""
        (shape,) = input_shapes
        for op in self.moves(shape):
            shape = op.output_shape(shape)
        return shape

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """The input's."""
        return input_dtypes[0]

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The ops in order."""
        (x,) = inputs
        for op in self.moves(b.shape(x)):
            x = b.emit(op, x)
        return x


class Flatten(_Moving):
    """Flatten all axes but the batch axis into one, in row-major order.

    Args:
        data_format: ``"channels_last"`` (by default), or ``"channels_first"``, which moves the channels of
            (batch, channels, ...) to the end first, so that both layouts have the same order.
    """

    kinds = {"data_format": DATA_FORMAT}  # noqa: RUF012 - typed in the base

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format: DataFormat = self.checked("data_format", data_format)

    def moves(self, shape: Shape) -> list[Op]:
        """A reshape, after a transposition if channels come first."""
        to_end: list[Op] = []
        if self.data_format == "channels_first" and len(shape) > 2:
            to_end = [Transpose((0, *range(2, len(shape)), 1))]
        return [*to_end, ReshapeOp((-1,))]


def _target(value: Any) -> tuple[int, ...]:
    found = tuple(-1 if n is None else n for n in sizes(-1).read(value))
    if found.count(-1) > 1:
        raise ValueError
    return found


def _order(value: Any) -> tuple[int, ...]:
    found: tuple[int, ...] = sizes(1, free=False).read(value)
    if sorted(found) != list(range(1, len(found) + 1)):
        raise ValueError
    return found


class Reshape(_Moving):
    """Reshape each row, in row-major order.

    Args:
        target_shape: of a row; one entry may be -1, which follows from the others.
    """

    kinds = {"target_shape": Kind("a tuple or list of sizes, one of which may be -1", _target)}  # noqa: RUF012 - typed in the base

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape: Any = target_shape

    def moves(self, shape: Shape) -> list[Op]:
        """A reshape."""
        return [ReshapeOp(self.target_shape)]


class Permute(_Moving):
    """Reorder the axes of each row.

    Args:
        dims: for each axis of the result the axis of the input, counted from 1; ``(2, 1)`` swaps two.
    """

    kinds = {"dims": Kind("a tuple or list of the axes from 1 on, each of them once", _order)}  # noqa: RUF012 - typed in the base

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims: Any = dims

    def moves(self, shape: Shape) -> list[Op]:
        """A transposition."""
        return [Transpose((0, *self.dims))]


class RepeatVector(_Moving):
    """``n`` copies of a vector: (batch, size) becomes (batch, n, size).

    Args:
        n: number of copies.
    """

    kinds = {"n": COUNT}  # noqa: RUF012 - typed in the base

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n

    def moves(self, shape: Shape) -> list[Op]:
        """A repetition."""
        if len(shape) != 2:
            raise ConfigError(f"RepeatVector takes vectors, (batch, size), got shape {shape}")
        return [Repeat(self.n)]
