"""Masking, and helpers with which layers compute masks.

A mask is 1 where a position counts and 0 where it does not, in the data's shape without its last axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.operations.along.op import Reduce
from foldnet.operations.elementwise.op import Binary, Where
from foldnet.operations.structure.op import reshape_to
from foldnet.setting_types import ANY_NUMBERS

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def not_zero(b: Lowering, layer: Layer, value: str) -> str:
    """1 where a value is not 0."""
    return b.emit(Binary(kind="not_equal"), value, b.number(layer, "zero", 0))


def any_mask(b: Lowering, masks: Sequence[str]) -> str:
    """A mask of the positions that count in any of the masks."""
    result, *others = masks
    for other in others:
        result = b.emit(Binary(kind="logical_or"), result, other)
    return result


def over_values(b: Lowering, layer: Layer, mask: str, x: str) -> str:
    """A mask with a last axis of size 1, so that it broadcasts to the values of each position of ``x``.

    Raises:
        ConfigError: the mask does not fit.
        UnsupportedError: several of its sizes are free.
    """
    own, shape = b.shape(mask), b.shape(x)
    fits = len(own) == len(shape) - 1 and all(
        m is None or n is None or m in (1, n) for m, n in zip(own[1:], shape[1:], strict=False)
    )
    if not fits:
        raise ConfigError(
            f"layer {layer.name!r}: a mask of shape {own} does not fit values of shape {shape}; it must have their "
            "shape without the last axis"
        )
    return b.emit(reshape_to(own, (*own[1:], 1)), mask)


class Masking(Layer):
    """Set positions whose values all equal ``mask_value`` to zero, and mask them for later layers.

    Args:
        mask_value: a number, or an array that broadcasts to each position's values.

    >>> from foldnet.layers import Masking
    >>> layer = Masking(mask_value=9.0)
    >>> layer([[[1.0, 9.0], [9.0, 9.0]]]).tolist(), layer.compute_mask([[[1.0, 9.0], [9.0, 9.0]]]).tolist()
    ([[[1.0, 9.0], [0.0, 0.0]]], [[True, False]])
    """

    kinds = {"mask_value": ANY_NUMBERS}  # noqa: RUF012 - typed in the base
    supports_masking = True

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.build()

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape."""
        (shape,) = input_shapes
        if len(shape) < 2:
            raise ConfigError(
                f"Masking looks along the last axis, which may not be the batch axis; got {shape}"
            )
        try:
            value = np.shape(self.mask_value)
            sizes = [1 if n is None else n for n in shape[1:]]
            if len(value) > len(sizes) or np.broadcast_shapes(value, tuple(sizes)) != tuple(sizes):
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"a mask_value of shape {np.shape(self.mask_value)} cannot be spread over rows of shape {shape[1:]}"
            ) from None
        return shape

    @property
    def masked_value(self) -> float | None:
        """The masked value; None if each feature has its own."""
        return None if isinstance(self.mask_value, list) else float(self.mask_value)

    def output_mask(self, *masked: bool) -> bool:
        """True: it makes a mask."""
        return True

    def lower_mask(self, b: Lowering, inputs: Sequence[str], masks: Sequence[str | None]) -> str:
        """1 where any value of the position differs from ``mask_value``."""
        return self._counts(b, b.float(inputs[0]), keepdims=False)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """1 where any value of the position differs from ``mask_value``."""
        from foldnet.use import compute_mask

        return compute_mask(self, inputs, mask)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The values, with 0 at masked positions."""
        x = b.float(inputs[0])
        return b.emit(Where(), self._counts(b, x, keepdims=True), x, b.number(self, "zero", 0))

    def _counts(self, b: Lowering, x: str, keepdims: bool) -> str:
        rank = len(b.shape(x))
        value = np.asarray(self.mask_value, np.float32).astype(np.float64)
        if value.ndim:
            value = value.reshape((1,) * (rank - 1 - value.ndim) + value.shape)
        differs = b.emit(Binary(kind="not_equal"), x, b.layer_constant(self, "mask_value", value))
        return b.emit(Reduce("max", (rank - 1,), keepdims), differs)
