"""The statements of one row as steps, which several threads take together.

A step is a loop whose turns touch different elements, or statements that one thread does alone. Threads take parts of a
step until none is left, and begin the next one when all parts are done; so a thread that comes late, or is held up,
takes fewer. A turn does the same in every thread, so that results do not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foldnet.codegen.expressions import Number
from foldnet.graph.sizes import usual

PART_COST = 32_000
"""Multiply-adds of a part, at least: a microsecond or two, where taking it costs a tenth of one."""

MOST_PARTS = 32
"""As many bits as ``steps.h`` has for them."""


@dataclass(frozen=True)
class Step:
    """A loop whose turns touch different elements.

    Attributes:
        count: how many turns there are; it may be known only when the code runs.
        cost: multiply-adds of all of them, roughly.
        lines: C of some turns, given C of the first and of the one after the last.
        usually: how many turns there are as a rule, where ``count`` is C.
    """

    count: Number
    cost: int
    lines: Callable[[Number, Number], list[str]]
    usually: int = 1

    @property
    def parts(self) -> int:
        """How many parts it is divided into."""
        count = self.usually if isinstance(self.count, str) else usual(self.count)
        return max(1, min(count, usual(self.cost) // PART_COST, MOST_PARTS))


Lines = Sequence[str | Step]
"""Statements in order, some of which have parts."""


def in_order(lines: Lines) -> list[str]:
    """The statements for one thread."""
    return [s for line in lines for s in ([line] if isinstance(line, str) else line.lines(0, line.count))]


def divided_cost(lines: Lines) -> int:
    """Multiply-adds of what has parts."""
    return sum(usual(s.cost) for s in lines if isinstance(s, Step) and s.parts > 1)


def in_steps(lines: Lines) -> tuple[list[str], int]:
    """The statements for several threads, and how many steps they have; see ``TURNS`` in ``steps.h``."""
    text: list[str] = []
    alone: list[str] = []
    count = 0

    def close() -> None:
        nonlocal count
        if any(not line.lstrip().startswith("/*") for line in alone):
            text.append(f"  TURNS({count}, 1, 1) {{")
            text.extend(f"  {line}" for line in alone)
            text.append("  }")
            count += 1
        else:
            text.extend(alone)
        alone.clear()

    for line in lines:
        if isinstance(line, str):
            alone.append(line)
        elif line.parts == 1:
            alone.extend(line.lines(0, line.count))
        else:
            # The comment in front of a step is its own.
            comment = [alone.pop()] if alone and alone[-1].lstrip().startswith("/*") else []
            close()
            text.extend(comment)
            text.append(f"  TURNS({count}, {line.count}, {line.parts}) {{")
            text.extend(f"  {s}" for s in line.lines("t.low", "t.high"))
            text.append("  }")
            count += 1
    close()
    return text, count
