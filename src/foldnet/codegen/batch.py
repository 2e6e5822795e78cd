"""What the C of operations over a whole batch is written with: more than the layouts of rows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import laid_out, loop, strides_of
from foldnet.codegen.writer import Body, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op


class Numbers(Protocol):
    """The settings that the code is given at run time."""

    def number(self, value: float) -> str:
        """C of a number among them, a double."""


class StepWriter(Writer, Protocol):
    """Writes the step of a training program: R rows side by side, shared among threads, a number known when it runs.

    In its C, ``rows`` is how many of them count, ``ROW_0`` the first one's number in the batch, and ``ALL_ROWS`` the
    batch's number of rows: a program in which no operation mixes rows works on a block of the batch at a time.
    """

    few_rows: bool
    """Whether R is 16."""

    @property
    def layout(self) -> Numbers:
        """The settings that the code is given."""

    def place(self, value: str) -> str:
        """The C name of a value's array."""

    def space(self, hint: str, count: int, laned: bool = True, of: str = "") -> str:
        """A new array of ``count`` elements, with or without rows; the same again for the same hint and value."""

    def shares(self, a: str, b: str) -> bool:
        """Whether one value lies where another one was."""

    def laned(self, value: str) -> bool:
        """Whether a value has rows."""

    def size(self, value: str) -> int:
        """Elements of a row, or of the whole of a value without rows."""

    def wait(self) -> None:
        """Threads wait for each other, so that all see what has been written; inside a loop, only after it."""

    def barrier(self) -> None:
        """Threads wait for each other, wherever this is."""

    def product(
        self,
        m: int,
        n: int | str,
        count: int | str,
        a: tuple[str, Number, Number],
        b: str,
        ldb: Number,
        c: str,
        ldc: Number,
        start: str = "",
        add: str = "0",
        shared: bool = True,
    ) -> list[str]:
        """C of a product of matrices, divided among threads if ``shared``; else the thread that comes here does it."""

    def gathered(
        self,
        m: int,
        count: int,
        places: str,
        parts: Number,
        a: tuple[str, Number, Number],
        b: str,
        c: str,
        start: str = "",
    ) -> list[str]:
        """C of a sum of products of matrices with the rows of ``b``, which the thread that comes here does.

        ``places`` is an array with two numbers for each of ``parts``: where its left matrix begins after ``a``, and at
        how many rows after ``b`` its right one.
        """

    def add_ahead(self, line: str) -> None:
        """Append a statement that depends on no other, or put it ahead of some that a loop over elements may join."""

    def dots(self, units: int, given: str) -> str:
        """C of the sums over rows of each input's products with each of few units; ``given``: the other arguments."""

    def window_dots(self, inputs: int, units: int, given: str) -> str:
        """C of the sums over windows and rows of the products of so many inputs and units, which ``given`` names."""

    def over_positions(self, node: Node[Op]) -> bool:
        """Write the gradient of a kernel of many positions, in a network of sequences; tells whether it did."""

    def adds(self, value: str) -> str:
        """C of whether a sum over rows is to be added to what is in its place: what earlier blocks of the batch gave.

        Who asks does so; for who does not, it is done elsewhere.
        """


@dataclass(frozen=True)
class Loops:
    """Loops over the axes that stay and over those that are worked along.

    Attributes:
        outer, inner: heads of C loops.
        at: place of the outer position among all elements; ``small``: among those that stay.
        off: place within, along the inner loops.
        count: elements along.
    """

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    at: str
    small: str
    off: str
    count: int

    def element(self, array: str) -> str:
        """C of the array's element for the row ``r``, given the array from the outer position on."""
        return f"{array}[{plus(times(self.off, 'R'), 'r')}]"

    def rows(self, array: str) -> str:
        """C of all rows of an array's element, given the array from the outer position on."""
        return plus(array, times(self.off, "R"))


def along(shape: Sequence[int], axes: Sequence[int]) -> Loops:
    """Loops for working along ``axes`` (of the shape without batch axis)."""
    steps = strides_of(shape)
    kept = [a for a in range(len(shape)) if a not in axes and shape[a] != 1]
    small = strides_of([shape[a] for a in kept])
    outer = []
    for place, a in enumerate(kept):
        low, high = (f"LOW({shape[a]})", f"HIGH({shape[a]})") if place == 0 else (0, shape[a])
        outer.append(loop(f"i{a}", low, high, "long"))
    worked = [a for a in axes if shape[a] != 1]
    return Loops(
        tuple(outer or ("if (FIRST)",)),
        tuple(loop(f"k{a}", 0, shape[a], "long") for a in worked),
        plus(*(times(f"i{a}", steps[a]) for a in kept)),
        plus(*(times(f"i{a}", s) for a, s in zip(kept, small, strict=True))),
        plus(*(times(f"k{a}", steps[a]) for a in worked)),
        prod(shape[a] for a in axes),
    )


def block(e: StepWriter, loops: Loops, *body: str) -> None:
    """The body inside the outer loops; what starts with ``@`` is inside the inner ones."""
    lines = []
    for text in body:
        lines += laid_out(loops.inner, text[1:]) if text.startswith("@") else text.split("\n")
    e.add(*loops.outer[:-1], f"{loops.outer[-1]} {{", *lines, "}")
    e.wait()


def summed_rows(e: StepWriter) -> Body:
    """The statements that add a product, summed over the rows, to a number."""
    row = e.space("row of a sum", 8) + " + ME * R"

    def summed(t: str, a: str, b: str) -> str:
        return f"float *t = {row};\nROWS(r, 0, R)\n  t[r] = {a} * {b};\n{t} += sum_rows(t, rows);"

    return summed
