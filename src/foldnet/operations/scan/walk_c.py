"""The walk through the steps of a recurrence in the C of training programs, sixteen rows side by side.

Threads share the rows, sixteen at a time, so that none waits for another between steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, plus, times
from foldnet.operations.scan.op import Scan


class Steps:
    """What both directions have in common.

    Attributes:
        e: to write into.
        scan: the steps; ``n`` units.
        places: sequences of a row.
        steps: in a sequence.
        lane: C of the first of sixteen rows.
    """

    def __init__(self, e: StepWriter, scan: Scan, z: str, of: str) -> None:
        self.e, self.scan, self.n, self._of = e, scan, scan.units, of
        *ahead, self.steps, _ = e.shape(z)
        self.places = prod(ahead)
        self.lane: Number = 0 if e.few_rows else "lane"
        self.p: Number = "p" if self.places != 1 else 0
        self.s: Number = "s" if self.steps != 1 else 0
        self.t: Number = f"{self.steps - 1} - s" if scan.reverse and self.s else self.s

    @contextmanager
    def sequences(self) -> Iterator[None]:
        """Loops over sixteen rows and over their sequences."""
        rows = "for (long lane = LOW(R / 16) * 16; lane < HIGH(R / 16) * 16; lane += 16) {"
        with self.e.inside(rows if self.lane else "{"), self.e.loop("p", self.places):
            yield

    def space(self, hint: str, count: int) -> str:
        """C of a new array."""
        return plus(self.e.space(hint, count, of=self._of), self.lane)

    def units(self, arrays: dict[str, str], *lines: str, before: Sequence[str] = ()) -> None:
        """Statements for each unit and row.

        Args:
            arrays: for each name, C of the first unit's rows.
            lines: the statements, of ``name[r]``.
            before: statements ahead of the loops.
        """
        text = "\n".join(lines)
        with self.e.inside("{"):
            self.e.add(*before)
            with self.e.loop("u", self.n) as u:
                at = times(u, "R")
                self.e.add(
                    *(f"float *const {k} = {plus(v, at)};" for k, v in arrays.items() if f"{k}[" in text)
                )
                self.e.add("ROWS(r, 0, 16) {", *lines, "}")

    def at(self, value: str, count: int, position: Number, k: Number = 0) -> str:
        """C of the rows of a value's vector of units: of so many at a position, number ``k``."""
        place = times(times(plus(times(position, count), k), self.n), "R")
        return plus(self.e.place(value), place, self.lane)

    def position(self, of_sequence: int, within: Number) -> Number:
        """The number of a position, of so many that a sequence has."""
        return plus(times(self.p, of_sequence), within)

    def product(
        self, m: int, k: int, a: tuple[str, Number, Number], b: str, c: str, start: str = "", add: str = "0"
    ) -> None:
        """``c (m, 16) = a (m, k) @ b (k, 16)``."""
        self.e.add(*self.e.product(m, 16, k, a, b, "R", c, "R", start, add, shared=False))

    def counts(self, mask: str | None) -> tuple[list[str], list[str]]:
        """Statements for the mask of the step: ahead of the loops, and in them."""
        if mask is None:
            return [], []
        at = plus(self.e.place(mask), times(plus(times(self.p, self.steps), self.t), "R"), self.lane)
        return [f"const float *const mask = {at};"], ["const int counts = mask[r] != 0.0f;"]
