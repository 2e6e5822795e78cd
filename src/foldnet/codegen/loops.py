"""Nested loops over the elements of a row, for operands that lie in memory in different ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from foldnet.codegen.expressions import Number, plus, times
from foldnet.graph.op import FLOAT, INT, Dtype
from foldnet.graph.sizes import free

Strides = tuple[int, ...]


def strides_of(shape: Sequence[int]) -> Strides:
    """Row-major strides in elements.

    >>> strides_of((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(accumulate(reversed((*shape[1:], 1)), lambda a, b: a * b))[::-1] if shape else ()


def broadcast_strides(shape: Sequence[int]) -> Strides:
    """Row-major strides with 0 on every axis of size 1, so that one element serves the whole axis.

    >>> broadcast_strides((1, 1, 3))
    (0, 0, 1)
    """
    return tuple(0 if n == 1 else s for n, s in zip(shape, strides_of(shape), strict=True))


CType = Literal["float", "int32_t"]
C_TYPES: dict[Dtype, CType] = {FLOAT: "float", INT: "int32_t"}
"""The type of an element in C, by what the value holds."""


@dataclass(frozen=True)
class Operand:
    """An array in a loop, or a place in the loop itself.

    Attributes:
        base: C of its start; nothing for a place in the loop, whose element is the number that its strides give.
        strides: in elements, one per axis.
        start: how many elements from there the loop begins.
        laned: whether each element has lanes, the rows side by side.
        kind: type of an element.
        written: whether the loop writes to it.
        rows: whether an element is a pointer to all its rows, for functions that take them all at once.
        frozen: whether it lies among the weights, which some machines read by a function of their own.
    """

    base: str
    strides: Strides
    laned: bool = True
    kind: CType = "float"
    written: bool = False
    frozen: bool = False
    rows: bool = False
    start: Number = 0


def index(axis: int, rank: int) -> Operand:
    """The position on an axis, as an operand of a loop over so many axes."""
    return Operand("", tuple(int(a == axis) for a in range(rank)), laned=False)


def lane(rank: int) -> Operand:
    """The number of the row among those side by side, as an operand of a loop over so many axes."""
    return Operand("", (0,) * rank, laned=True)


def _same(a: int, b: int) -> bool:
    """Whether two strides are equal; one that is known and one that depends on lengths count as different ones."""
    return (free(a) is None) == (free(b) is None) and a == b


def collapse(shape: Sequence[int], all_strides: Sequence[Strides]) -> tuple[list[int], list[list[int]]]:
    """Join neighbouring axes that every operand steps through evenly, and drop axes of size 1."""
    kept = [a for a, n in enumerate(shape) if n != 1]
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in all_strides]
    for axis in kept:
        here = [s[axis] for s in all_strides]
        if sizes and all(_same(s[-1], h * shape[axis]) for s, h in zip(strides, here, strict=True)):
            sizes[-1] *= shape[axis]
            for s, h in zip(strides, here, strict=True):
                s[-1] = h
        else:
            sizes.append(shape[axis])
            for s, h in zip(strides, here, strict=True):
                s.append(h)
    return sizes, strides


def place(steps: Sequence[int], start: Number = 0) -> str:
    """C of the place that loops over ``i0``, ``i1``, ... reach by these strides from a start.

    >>> place((4, 0, 1)), place((), 3)
    ('i0 * 4 + i2', '3')
    """
    return plus(*(times(f"i{d}", s) for d, s in enumerate(steps)), start)


def loop(variable: str, low: Number, high: Number, kind: str = "int") -> str:
    """The head of a loop."""
    return f"for ({kind} {variable} = {low}; {variable} < {high}; {variable}++)"


def whole_numbers(name: str, numbers: Sequence[int]) -> str:
    """C of an array of whole numbers.

    >>> whole_numbers("places", [0, 4])
    'static const int32_t places[] = {0, 4};'
    """
    return f"static const int32_t {name}[] = {{{', '.join(map(str, numbers))}}};"


def laid_out(heads: Sequence[str], statements: str, indent: str = "") -> list[str]:
    """Statements, a line each, inside loops, with the braces that they need; a line that goes on is indented.

    >>> print(chr(10).join(laid_out(["for (;;)"], "a = 1;\\nb = 2;")))
    for (;;) {
      a = 1;
      b = 2;
    }
    """
    lines = statements.split("\n")
    several = sum(not line.startswith(" ") for line in lines) > 1
    # What is declared must not meet what others declare by the same name.
    braces = several and (bool(heads) or any(line.startswith("const ") for line in lines))
    heads = list(heads) or [""] * braces
    text = [f"{indent}{'  ' * d}{head}" for d, head in enumerate(heads)]
    if braces:
        text[-1] += "{" if not heads[-1] else " {"
    text += [f"{indent}{'  ' * len(heads)}{line}" for line in lines]
    return [*text, f"{indent}{'  ' * (len(heads) - 1)}}}"] if braces else text
