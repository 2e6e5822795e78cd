"""Checks of axis settings: counted from the front, and never the batch axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from foldnet.errors import ConfigError, UnsupportedError

if TYPE_CHECKING:
    from foldnet.layers.base import Layer


def row_axes(layer: Layer, axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """The axes of a setting, counted from the front, in the order given; the batch axis is refused.

    Raises:
        ConfigError: an axis does not exist or is named twice, or no axis is named.
        UnsupportedError: the batch axis is among them.
    """
    axes = tuple(positive_axis(a, rank) for a in ([axis] if isinstance(axis, int) else axis))
    if not axes or len(set(axes)) != len(axes):
        raise ConfigError(f"axis={axis!r} must name at least one axis, each once")
    if 0 in axes:
        raise UnsupportedError(
            f"layer {layer.name!r} ({type(layer).__name__}): axis={axis!r} includes the batch axis, so that the "
            "prediction for a row would depend on the other rows. Leave axis 0 out of it."
        )
    return axes


def positive_axis(axis: int, rank: int, what: str = "axis") -> int:
    """The axis counted from the front.

    Raises:
        ConfigError: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise ConfigError(f"{what}={axis} is not an axis of an input of rank {rank}")
    return axis % rank
