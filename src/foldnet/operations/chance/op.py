"""Operations of training programs that draw random numbers, and that tell training from evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import Op, Row, Shape

Distribution = Literal["uniform", "normal"]


@dataclass(frozen=True)
class Draw(Op):
    """Random numbers for each row of a training step; zeros in evaluation. Operand: any value with the batch's rows.

    ``kind``: ``"uniform"`` from 0 on and below 1, ``"normal"`` with mean 0 and standard deviation 1. ``shape`` is that
    of a row's numbers; with ``shared``, all rows have the same.

    The numbers come from Philox4x32-10 as those of a ``Drop``: with key ``(seed, stream)`` and counter
    ``(step, index // 4)``, lane ``index % 4``, where each row's numbers begin at a multiple of 4.
    """

    predicts: ClassVar[bool] = False

    kind: Distribution
    shape: Row
    stream: int = 0
    shared: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The batch axis and ``shape``."""
        return (shapes[0][0], *self.shape)


@dataclass(frozen=True)
class InTraining(Op):
    """What training steps compute with, and what evaluation does. Operands: the two, of one shape.

    Gradients belong to training steps, so that they go to the first.
    """

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False
    tells_training: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of both."""
        first, second = shapes
        if first != second:
            raise ConfigError(f"training has a value of shape {first}, and evaluation one of shape {second}")
        return first


@dataclass(frozen=True)
class Choose(Op):
    """For each row one of several values of a training step. Operands: which one, and the values, of one shape.

    Which one is a number for each row, from 0 on, of which what comes after the point does not count; what lies beyond
    the values stands for the first or the last. Values that no row takes need not be computed.
    """

    data: ClassVar[int | None] = None
    predicts: ClassVar[bool] = False
    chooses: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the values."""
        which, first, *others = shapes
        if any(n != 1 for n in which[1:]) or any(shape != first for shape in others):
            raise ConfigError(
                f"Choose takes a number and values of one shape, and was given {', '.join(map(str, shapes))}"
            )
        return first


@dataclass(frozen=True)
class ChosenGradient(Op):
    """The gradient on one of the values of a Choose: zeros for rows that take another one.

    Operands: which one each row takes, and the gradient on the result.
    """

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    number: int
    count: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the gradient."""
        return shapes[1]
