"""A scaling and an offset: what BatchNormalization is at prediction time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from foldnet.graph.op import Fusable, Shape, spread_over


@dataclass(frozen=True)
class Affine(Fusable):
    """``(x - shift) * scale + offset``. Operands: x, scale, offset, and optionally shift.

    The last three have the rank of x without its batch axis; each axis has x's size or size 1. The form with ``shift``
    is kept where folding it into the offset would cancel (``|mean|`` far above the standard deviation).
    """

    weights: ClassVar[tuple[int, int]] = (2, 3)
    in_place: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        return spread_over("Affine", *shapes)
