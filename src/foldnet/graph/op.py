"""Operations: the base class of the ops that layers are lowered to and engines compute.

An op holds settings only; its operands (both data and weights) are named by the graph's nodes. Every shape
includes the batch axis, which comes first and is ``None`` until there is data. ``output_shape`` is the op's shape
rule: lowering uses it for the types of new nodes, and the checker verifies every pass with it.

Where an op takes an ``activation``, it is applied to the op's result. Lowering leaves it empty; the pass
``fuse_activations`` sets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from foldnet.arrays import Array
from foldnet.errors import ConfigError

Shape = tuple[int | None, ...]
Row = tuple[int, ...]
"""Shape of one row of a value, or of a whole constant, with all sizes known."""

Dtype = Literal["float", "int"]
"""What a value holds: ``"float"``, the engine's working precision, or ``"int"``, indices of 32 bits."""

FLOAT: Literal["float"] = "float"
INT: Literal["int"] = "int"

Keeps = Literal["", "some", "all", "in place"]
"""Which elements of its operands a result contains."""


@dataclass(frozen=True)
class Elementwise:
    """An elementwise activation by its Keras name, with all parameters.

    ``function`` is set only for an activation that the caller supplied as a NumPy function, which runs only on
    the reference engine.
    """

    name: str
    params: tuple[tuple[str, float], ...] = ()
    function: Callable[[Array], Array] | None = None

    def __str__(self) -> str:
        return self.name + (f"({', '.join(f'{k}={v:g}' for k, v in self.params)})" if self.params else "")


ROWS = "0"
"""The batch axis among the letters of a ``Sum``."""


@dataclass(frozen=True)
class Sum:
    """A sum of products, one term after the other, with a letter for each axis, as in ``einsum``.

    Attributes:
        operands: the letters of each factor, ``ROWS`` for the batch axis. Operands after these are added at the end.
        result: the letters of the result. The other letters are summed over, in the order of their first occurrence.
        mean: whether the sum is divided by the number of its terms.
        running: the letter along which the result has every partial sum, if there is one.
    """

    operands: tuple[Sequence[str], ...]
    result: Sequence[str]
    mean: bool = False
    running: str = ""


@dataclass(frozen=True)
class Op:
    """Base class of all operations.

    Attributes:
        data: how many operands are data, which come first; None for any number of at least one.
        weights: the smallest and the largest number of constant operands, which come after the data.
        mixes: whether any operand may be constant, as long as one is data.
        predicts: whether prediction programs may hold it; others are for training programs only.
        trains: whether training programs may hold it.
        moves: how many operands after the first (moving statistics) a training step updates.
        is_identity: whether its result is its operand, with the same shape.
        as_found: whether it reads its operands as they were for the node that computed its first operand, before a
            later node updated them.
        in_place: whether each element is read just before it is written, so that the result may take the memory of an
            operand.
        keeps_values: whether each element of the result is an element of an operand, perhaps of another type: each at
            its position (``"in place"``), each once (``"all"``), or some of them (``"some"``); ``""`` if not.
        reorders_axes: whether its result is its operand with the axes in another order.
        mixes_rows: whether a row's result depends on the batch's other rows even in evaluation.
        standardizes: whether it computes a mean and a spread of its operand's values, so that their rounding errors
            matter relative to the spread.
        adds_up: whether its result is its operand, summed over rows and over the axes ahead of those of the result.
        walks: whether a training step goes through a sequence step by step.
        has_positions: whether a training step has values of many positions for a row, which suits few rows at a time.
        one_by_one: whether compiled predictions with it compute their rows one by one, never several side by side.
        fault: short text for what may be wrong with the data; ``""`` if nothing can be.
        tells_training: whether only training steps need its first operand.
        chooses: whether its first operand tells for each row which of the others it takes, so that a training step need
            not compute those that no row takes.
    """

    data: ClassVar[int | None] = 1
    weights: ClassVar[tuple[int, int]] = (0, 0)
    mixes: ClassVar[bool] = False
    predicts: ClassVar[bool] = True
    trains: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    is_identity: ClassVar[bool] = False
    keeps_values: ClassVar[Keeps] = ""
    reorders_axes: ClassVar[bool] = False
    mixes_rows: ClassVar[bool] = False
    standardizes: ClassVar[bool] = False
    adds_up: ClassVar[bool] = False
    walks: ClassVar[bool] = False
    has_positions: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = False
    fault: ClassVar[str] = ""
    moves: ClassVar[int] = 0
    as_found: ClassVar[bool] = False
    tells_training: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    @property
    def takes_over(self) -> Sequence[tuple[int, int]]:
        """Numbers of results and operands: a result may take the memory of an operand that nothing else reads."""
        return ()

    @property
    def label(self) -> str:
        """What its result is called in generated C: by its class, or by which of several functions it is."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def is_alias(self, dtype: str) -> bool:
        """Whether the result is the operand, of this type, under another name: no code, no memory."""
        return False

    @property
    def is_activation(self) -> bool:
        """Whether it is one of Keras's activations, with or without weights."""
        return False

    @property
    def as_activation(self) -> Elementwise | None:
        """The activation that the op before it can apply instead; None if it is not one, or has weights."""
        return None

    @property
    def weighs(self) -> bool:
        """Whether its results along an axis add up to 1, as the weights of an attention do."""
        return False

    @property
    def is_ordered(self) -> bool:
        """Whether its result depends on the order of its data operands."""
        return False

    @property
    def compares(self) -> bool:
        """Whether it compares its operands and gives 1 or 0, so that its constants may not be rounded."""
        return False

    @property
    def batch_rows(self) -> int | None:
        """How many rows a training batch must have; None for any number."""
        return None

    def table_rows(self, *shapes: Shape) -> int | None:
        """The number of rows of the table that its first operand indexes; None if it has no table."""
        return None

    @property
    def looks_up(self) -> tuple[Sequence[int], bool] | None:
        """The whole numbers that it knows, and whether it takes others, too; None if it looks nothing up."""
        return None

    def always(self, *shapes: Shape) -> float | None:
        """The value of every element of the result if it does not depend on the data; None if it does."""
        return None

    def refusal(self, layer: str, *shapes: Shape) -> str:
        """The error text for its fault in the data, given a layer and the operands' shapes."""
        return f"layer {layer!r} found {self.fault}"

    def data_operands(self, count: int) -> int:
        """How many of ``count`` operands are data."""
        return count if self.data is None else self.data

    def output_shape(self, *shapes: Shape) -> Shape:
        """Shape of the result, given the operands' shapes; raises ConfigError if they do not fit."""
        raise TypeError(f"{type(self).__name__} has no shape rule")  # every subclass defines it

    def other_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Shapes of the further results, if there are several; they are floats."""
        return ()

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """Of the result, given the operands' dtypes."""
        return FLOAT

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """Products per row, used to divide work among threads; 0 if the work is proportional to the elements."""
        return 0

    def scratch(self, result: Row, *operands: Row) -> int:
        """How many floats per row its compiled form works in, besides its result."""
        return 0

    def summed(self, *shapes: Shape) -> Sum | None:
        """The sum that it computes for operands of these shapes, used to measure float32 rounding; None if none."""
        return None


@dataclass(frozen=True)
class Fusable(Op):
    """An op into which a following elementwise activation can be fused."""

    activation: Elementwise | None = None


def fused_activation(op: Op) -> Elementwise | None:
    """The activation fused into an op, or None."""
    return op.activation if isinstance(op, Fusable) else None


@dataclass(frozen=True)
class AxisOp(Op):
    """An op that works along one axis other than the batch axis; ``axis`` is positive."""

    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if not 0 < self.axis < len(shapes[0]):
            raise ConfigError(f"axis {self.axis} is not an axis of {shapes[0]} other than the batch axis")
        return shapes[0]


def spread_over(name: str, x: Shape, *weights: Shape) -> Shape:
    """The shape of x, if weights of its rank minus 1 can be broadcast over it.

    Raises:
        ConfigError: they do not fit; the message names the operation.
    """
    for shape in weights:
        if len(shape) != len(x) - 1 or any(
            s != 1 and n is not None and s != n for s, n in zip(shape, x[1:], strict=True)
        ):
            raise ConfigError(f"{name} cannot spread weights of shape {shape} over {x}")
    return x
