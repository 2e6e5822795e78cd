"""Windows along axes, with one more axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foldnet.graph.op import Op, Shape
from foldnet.operations.lifts import Lifted, Rule, next_axes
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool


def _pad(op: Pad, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    return Lifted((Pad(((0, 0), *op.widths)),))


def _conv(
    op: Conv | ConvTranspose, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]
) -> Lifted:
    """A window of one position along the new axis."""
    own = replace(op, strides=(1, *op.strides), dilations=(1, *op.dilations))
    return Lifted((own,), frozenset({1}))


RULES: dict[type[Op], Rule] = {
    Pool: next_axes,
    PadSame: next_axes,
    Pad: _pad,
    Conv: _conv,
    ConvTranspose: _conv,
}
