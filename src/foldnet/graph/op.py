"""Operations: the base of what layers lower to and engines compute.

An op holds settings only; its operands (data and weights alike) are named by the graph's nodes. Every shape
includes the batch axis, which comes first and is ``None`` until data arrives. ``output_shape`` is the op's
rule about shapes: lowering uses it to type what it emits, and the checker to hold every pass to it.

Where an op takes an ``activation``, it is applied to the op's result. Lowering leaves it empty; the pass that
fuses activations fills it in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from foldnet.arrays import Array
from foldnet.errors import ConfigError

Shape = tuple[int | None, ...]
Row = tuple[int, ...]
"""Shape of one row of a value, or of the whole of a constant, with all sizes known."""


FLOAT, INT = "float", "int"
Keeps = Literal["", "some", "all", "in place"]
"""Which elements of its operands a result has."""


@dataclass(frozen=True)
class Elementwise:
    """An elementwise activation by its Keras name, with every parameter spelled out.

    ``function`` is set only for an activation that the caller supplied as a NumPy function; such a one runs
    on the reference engine alone.
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
        result: the letters of the result. All others are summed over, in the order in which they first appear.
        mean: whether the sum is divided by the number of its terms.
        running: the letter along which the result has every partial sum, if there is one.
    """

    operands: tuple[Sequence[str], ...]
    result: Sequence[str]
    mean: bool = False
    running: str = ""


@dataclass(frozen=True)
class Op:
    """Base of all operations.

    Attributes:
        data: how many operands are data, which come first; None for any number from one on.
        weights: the least and the largest number of constant operands, which come after the data.
        mixes: whether constants may stand at any place, as long as one operand is data.
        predicts: whether prediction programs may hold it; others are for training programs only.
        aliases: whether the result is the operand itself, under another name: no code, no memory.
        moves: how many operands after the first a training step moves: the moving statistics.
        is_identity: whether it is nothing: its result is its operand, shape and all.
        as_found: whether it reads its operands as the node whose result is its first operand found them, before a later
            node moved them.
        in_place: whether each element is read just before it is written, so that the result may take the memory of an
            operand.
        keeps_values: whether each element of the result is an element of an operand, perhaps of another type: each at
            its place (``"in place"``), each of them once (``"all"``), or some of them (``"some"``); ``""`` if not.
        mixes_rows: whether a row's result depends on the batch's other rows, in evaluation, too.
        standardizes: whether it takes a mean and a spread of its operand's values, so that the rounding of those counts
            beside the spread.
        fault: what it may find wrong with the data, in short; ``""`` for nothing.
    """

    data: ClassVar[int | None] = 1
    weights: ClassVar[tuple[int, int]] = (0, 0)
    mixes: ClassVar[bool] = False
    predicts: ClassVar[bool] = True
    aliases: ClassVar[bool] = False
    in_place: ClassVar[bool] = False
    is_identity: ClassVar[bool] = False
    keeps_values: ClassVar[Keeps] = ""
    mixes_rows: ClassVar[bool] = False
    standardizes: ClassVar[bool] = False
    fault: ClassVar[str] = ""
    moves: ClassVar[int] = 0
    as_found: ClassVar[bool] = False

    @property
    def is_activation(self) -> bool:
        """Whether it is one of Keras's activations, with or without weights."""
        return False

    @property
    def as_activation(self) -> Elementwise | None:
        """The activation that the op before it can apply in its place; None where it is none, or has weights."""
        return None

    @property
    def is_ordered(self) -> bool:
        """Whether its result changes if its data operands change places."""
        return False

    @property
    def batch_rows(self) -> int | None:
        """How many rows a training batch must have; None for any number."""
        return None

    def table_rows(self, *shapes: Shape) -> int | None:
        """How many rows the table has of which its first operand holds indices; None where it looks nothing up."""
        return None

    def always(self, *shapes: Shape) -> float | None:
        """The number that every element of the result is, whatever the data; None where it depends on them."""
        return None

    def refusal(self, layer: str, *shapes: Shape) -> str:
        """Why a row has no result, where it found its fault with the data; for a layer and operands of these shapes."""
        return f"layer {layer!r} found {self.fault}"

    def data_operands(self, count: int) -> int:
        """How many of ``count`` operands are data."""
        return count if self.data is None else self.data

    def output_shape(self, *shapes: Shape) -> Shape:
        """Shape of the result, given the operands' shapes; raises ConfigError where they do not fit."""
        raise TypeError(f"{type(self).__name__} has no shape rule")  # every op below states its own

    def other_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Shapes of the further results of an operation that has several; they are floats."""
        return ()

    def output_dtype(self, *dtypes: str) -> str:
        """``"float"`` (the engine's working precision) or ``"int"`` (32-bit indices)."""
        return FLOAT

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """How many products a row takes, by which work is divided among threads; 0 where it goes by elements."""
        return 0

    def summed(self, *shapes: Shape) -> Sum | None:
        """What it sums for operands of these shapes, by which float32 rounding is measured; None if nothing."""
        return None


@dataclass(frozen=True)
class Fusable(Op):
    """An op into which a following elementwise activation can be fused."""

    activation: Elementwise | None = None


def fused_activation(op: Op) -> Elementwise | None:
    """The activation that is fused into an op, if there is one."""
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
    """The shape of x, over which weights of its rank less one spread, each axis full or 1.

    Raises:
        ConfigError: they do not fit; the message names the operation.
    """
    for shape in weights:
        if len(shape) != len(x) - 1 or any(
            s != 1 and n is not None and s != n for s, n in zip(shape, x[1:], strict=True)
        ):
            raise ConfigError(f"{name} cannot spread weights of shape {shape} over {x}")
    return x
