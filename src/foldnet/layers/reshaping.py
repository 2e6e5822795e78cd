"""Layers that only move values: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError
from foldnet.graph import ops
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape

if TYPE_CHECKING:
    from foldnet.graph.lower import Lowering


class _Moving(Layer):
    """A layer that keeps the values and their dtype. None of them passes a mask on, as in Keras."""

    def moves(self, shape: Shape) -> list[ops.Op]:
        """The ops for an input of this shape, in order."""
        raise ConfigError(f"{type(self).__name__} moves nothing")  # every subclass states its own

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """What the ops make of the input's shape."""
        (shape,) = input_shapes
        for op in self.moves(shape):
            shape = op.output_shape(shape)
        return shape

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """The input's."""
        return input_dtypes[0]

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The ops one after the other."""
        (x,) = inputs
        for op in self.moves(b.shape(x)):
            x = b.emit(op, x)
        return x


class Flatten(_Moving):
    """All axes but the batch axis as one, in row-major order.

    Args:
        data_format: ``"channels_last"`` (by default), or ``"channels_first"``, which moves the channels of
            (batch, channels, ...) to the end first, so that both layouts give the same order.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or "channels_last"
        if self.data_format not in ("channels_last", "channels_first"):
            raise ConfigError(f"data_format is channels_last or channels_first, not {data_format!r}")

    def moves(self, shape: Shape) -> list[ops.Op]:
        """A transposition where channels come first, and a reshape."""
        to_end: list[ops.Op] = []
        if self.data_format == "channels_first" and len(shape) > 2:
            to_end = [ops.Transpose((0, *range(2, len(shape)), 1))]
        return [*to_end, ops.Reshape((-1,))]


class Reshape(_Moving):
    """The row's values in row-major order under another shape.

    Args:
        target_shape: of a row; one entry may be -1 and follows from the others.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(-1 if n is None else int(n) for n in target_shape)
        if any(n < -1 for n in self.target_shape) or self.target_shape.count(-1) > 1:
            raise ConfigError(f"target_shape {self.target_shape} may hold sizes and at most one -1")

    def moves(self, shape: Shape) -> list[ops.Op]:
        """A reshape."""
        return [ops.Reshape(self.target_shape)]


class Permute(_Moving):
    """The row's axes in another order.

    Args:
        dims: for each axis of the result the input's, counted from 1; ``(2, 1)`` swaps two.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ConfigError(f"Permute needs each of 1 to {len(self.dims)} once, got {self.dims}")

    def moves(self, shape: Shape) -> list[ops.Op]:
        """A transposition."""
        return [ops.Transpose((0, *self.dims))]


class RepeatVector(_Moving):
    """``n`` copies of a vector: (batch, size) becomes (batch, n, size).

    Args:
        n: how many.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int) or n <= 0:
            raise ConfigError(f"RepeatVector needs a positive whole number, got {n!r}")
        self.n = n

    def moves(self, shape: Shape) -> list[ops.Op]:
        """A repetition."""
        if len(shape) != 2:
            raise ConfigError(f"RepeatVector takes vectors, (batch, size), got shape {shape}")
        return [ops.Repeat(self.n)]
