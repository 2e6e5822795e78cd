"""What the C of an operation is written with: one protocol for every layout of rows.

An operation's ``c.py`` says once how its result is computed. Who implements the protocol decides how rows lie: one
alone, a block of them as lanes, or a whole batch of a training program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

from foldnet.codegen.expressions import Number
from foldnet.codegen.loops import Operand, Strides
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, Row

Body = Callable[..., str]
"""From C of one element of each operand to statements, a line each; a line that goes on is indented by two."""


@dataclass(frozen=True)
class Real:
    """The numbers in which sums along axes are kept: their type, and how C converts, writes and takes roots of them."""

    type: str
    widen: str
    narrow: str
    suffix: str
    sqrt: str


DOUBLE = Real("double", "(double)", "(float)", "", "sqrt")
SINGLE = Real("float", "", "", "f", "sqrtf")


@dataclass(frozen=True)
class Along:
    """A loop over the axes that stay, around loops over those that are worked along.

    Attributes:
        shape: of a row of the values.
        axes: that are worked along, without the batch axis.
        reads, writes: values of that shape, by the names that stages give them.
        small: values, or arrays that are kept, with an element for each position of the axes that stay.
        sums: names of sums, a number per lane, and what each starts with, as a stage writes it.
        single: whether they are floats, whatever the writer keeps sums in.
    """

    shape: Row
    axes: tuple[int, ...]
    reads: dict[str, str]
    writes: dict[str, str]
    small: dict[str, str]
    sums: dict[str, str] = field(default_factory=dict)
    single: bool = False

    @property
    def kept(self) -> list[int]:
        """The axes that stay, those of size 1 left out."""
        return [a for a, n in enumerate(self.shape) if a not in self.axes and n != 1]

    @property
    def count(self) -> int:
        """How many elements are worked along."""
        return prod(self.shape[a] for a in self.axes)


@dataclass(frozen=True)
class Each:
    """Statements for every element along the axes, in order; ``{k}`` is the position on the first of them.

    With ``reverse``, which is for one axis, from its end to its start.
    """

    text: str
    reverse: bool = False


PARTS = 8
"""Sums that a ``Total`` is divided into: each of every eighth position of the last axis. They are added up in pairs."""

IN_PARTS = 16
"""Positions of the last axis from which on a ``Total`` has parts; shorter ones are added up in order."""


@dataclass(frozen=True)
class Total:
    """A term of every element along the axes, added to a sum.

    A number waits for the one before it where all are added in order, so sums have parts in predictions. In training
    steps, whose rows lie side by side, they have none.

    Attributes:
        name: of the sum.
        term: that is added.
    """

    name: str
    term: str

    @property
    def in_order(self) -> Each:
        """The same without parts."""
        return Each(f"{{{self.name}}} += {self.term};")


@dataclass(frozen=True)
class Once:
    """Statements for every position of the axes that stay."""

    text: str


Stage = Each | Total | Once


class Writer(Protocol):
    """Collects the statements of a graph; knows each value's place and shape."""

    graph: Graph
    real: Real
    """What it keeps sums along axes in."""
    lanes: int
    """How many rows lie side by side; 0 where that is known only when the program runs."""

    def shape(self, value: str) -> Row:
        """Shape of one row of a value; of the whole for a constant."""

    def read(self, value: str, strides: Sequence[int] | None = None, offset: Number = 0) -> Operand:
        """A value that a loop reads, over its own row's shape or by other strides."""

    def write(self, value: str, strides: Sequence[int] | None = None, offset: Number = 0) -> Operand:
        """A value that a loop writes."""

    def spread(self, value: str, shape: Sequence[int]) -> Operand:
        """A value that a loop over this shape reads, spread over it."""

    def nest(self, shape: Sequence[int], operands: Sequence[Operand], body: Body, sums: bool = False) -> None:
        """Loops over a shape and the rows around a statement.

        Args:
            shape: of the loops.
            operands: whose elements the statement is of.
            body: the statements.
            sums: whether several turns of the loop add to the same element.
        """

    def add(self, *lines: str) -> None:
        """Statements as they are."""

    def inside(self, head: str) -> AbstractContextManager[None]:
        """A block around all that is written inside the ``with``."""

    def loop(self, variable: str, count: int) -> AbstractContextManager[Number]:
        """A loop around all that is written inside the ``with``; its turns touch different elements.

        Gives the variable, or 0 where there is but one turn, and no loop.
        """

    def table(self, name: str, numbers: Sequence[int]) -> AbstractContextManager[tuple[Number, Number]]:
        """A loop over a table of whole numbers; gives the position and the number there."""

    def numbers(self, name: str, numbers: Sequence[int]) -> AbstractContextManager[str]:
        """An array of whole numbers around all that is written inside the ``with``; gives its name."""

    def entry(self, constant: str, at: str) -> str:
        """C of an element of a constant."""

    def along(self, loops: Along, stages: Sequence[Stage]) -> None:
        """Stages of work along axes."""

    def outer(self, node: Node[Op], axis: int, text: str) -> None:
        """A statement for every position ahead of an axis; ``{x}`` and ``{y}`` point to operand and result.

        ``{n}`` is the axis's size, ``{inner}`` the number of neighbours, rows among them, from one element to the next.
        """

    def multiply_add(self, a: str, b: str, c: str) -> str:
        """C of ``a * b + c``: rounded once in predictions, twice in a training step."""

    def zero(self, value: str) -> None:
        """Set a value to 0."""

    def number(self, value: float) -> str:
        """A setting, as a number of the kind that sums are kept in."""

    def keep(self, node: Node[Op], what: str, count: int) -> str:
        """An array of ``count`` numbers per row that an operation keeps for its gradient; "" if none is needed."""

    def kept(self, value: str, what: str) -> str:
        """The array that the operation whose result is this value keeps for its gradient."""

    def fault(self, node: Node[Op], lane: str) -> str:
        """A statement that reports a row that the node cannot compute; what it computes there does not matter."""

    def dense(self, node: Node[Op], turned: bool = False) -> None:
        """A product with a kernel over the last axis; of one that is stored the other way round if ``turned``."""

    def products_of(self, node: Node[Op], sizes: Sequence[int], strides: Sequence[Strides]) -> bool:
        """Sums of products of two values by kernels, each sum in order; False where loops must do it.

        Args:
            node: with two operands.
            sizes: of the loops.
            strides: of the result and both operands in them; 0 in the result where a loop adds to an element.
        """

    def conv(self, node: Node[Any], low: float) -> bool:
        """A convolution, without its activation.

        Args:
            node: the convolution.
            low: what the results may be raised to that are not more.

        Returns:
            Whether they are.
        """


class RowWriter(Writer, Protocol):
    """What only the code for one row has, for operations whose rows are computed one by one."""

    def base(self, value: str) -> str:
        """The C name of a value's first element."""

    def scratch(self, node: Node[Op], at: int) -> str:
        """C of a place in an operation's scratch."""

    def vector_product(self, x: str, kernel: str, bias: str, y: str, back: str = "") -> None:
        """Statements for ``y = x @ kernel + bias`` of one row.

        Args:
            x: C of the vector.
            kernel: a constant.
            bias: a constant, or C of a vector, which may be ``y``. It is read, and ``y`` is written, up to the next
                multiple of 16.
            y: C of the result.
            back: a condition in C: where it holds, the kernel may be read from its end to its start, a group of units
                after the other. Who reads a kernel again and again goes there and back, so that what was read last,
                and is still in the cache, comes first.
        """


Rule = Callable[[Any, Node[Any]], None]
"""What a ``c.py`` holds for an operation: it is given a node of it, and a Writer; a RowWriter where rows are computed
one by one; or a StepWriter where training programs alone hold the operation."""
