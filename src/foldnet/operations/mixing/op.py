"""Operations of training programs in which an image takes something from the others of its batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from foldnet.graph.op import AxisOp, Op, Shape

LEVELS = 256
"""How many different values an equalized channel can have."""


@dataclass(frozen=True)
class Shuffle(Op):
    """The rows of a training step in random order; in evaluation the operand.

    The order is that of a shuffled epoch: Fisher-Yates with the numbers of Philox4x32-10 with key ``(seed, stream)``, a
    step in the place of the epoch. Row r of the result is row ``order[r]`` of the operand.
    """

    mixes_rows: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    stream: int = 0

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        return shapes[0]


@dataclass(frozen=True)
class ShuffleGradient(Op):
    """The gradient through a Shuffle. Operands: its result, and the gradient on that."""

    data: ClassVar[int | None] = 2
    mixes_rows: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    of: Shuffle

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        return shapes[1]


@dataclass(frozen=True)
class Equalize(AxisOp):
    """Values of 0 to 255 spread evenly over this range, each position of an axis by itself, a whole batch at once.

    Values are sorted into 256 levels. With n(v) the number of values up to the level of v, and n0 the number of those
    on the lowest level that has any, the result is ``round(255 (n(v) - n0) / (n - n0))``, a half to the even number.
    Values that all have one level stay as they are.
    """

    mixes_rows: ClassVar[bool] = True
    predicts: ClassVar[bool] = False


@dataclass(frozen=True)
class EqualizeGradient(Op):
    """The gradient on the operand of an Equalize, only where it changed nothing. Operands: gradient, operand."""

    data: ClassVar[int | None] = 2
    mixes_rows: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        return shapes[1]
