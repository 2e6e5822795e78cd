"""Nested loops over the elements of a row, for operands that lie in memory in different ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

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


@dataclass(frozen=True)
class Operand:
    """An array in a loop: the C expression of its start, its strides, and whether it has lanes."""

    base: str
    strides: Strides
    laned: bool = True


def collapse(shape: Sequence[int], all_strides: Sequence[Strides]) -> tuple[list[int], list[list[int]]]:
    """Join neighbouring axes that every operand steps through evenly, and drop axes of size 1."""
    kept = [a for a, n in enumerate(shape) if n != 1]
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in all_strides]
    for axis in kept:
        here = [s[axis] for s in all_strides]
        if sizes and all(s[-1] == h * shape[axis] for s, h in zip(strides, here, strict=True)):
            sizes[-1] *= shape[axis]
            for s, h in zip(strides, here, strict=True):
                s[-1] = h
        else:
            sizes.append(shape[axis])
            for s, h in zip(strides, here, strict=True):
                s.append(h)
    return sizes, strides


def nest(
    shape: Sequence[int],
    operands: Sequence[Operand],
    lanes: int,
    body: Callable[..., str],
    indent: str = "    ",
) -> list[str]:
    """Lines of C: loops over ``shape`` and lanes around the statement ``body(*element expressions)``."""
    if 0 in shape:
        return []
    # Lanes are one more axis, the innermost; an operand without lanes stands still on it.
    all_strides = [
        (*(s * (lanes if o.laned else 1) for s in o.strides), 1 if o.laned else 0) for o in operands
    ]
    sizes, strides = collapse((*shape, lanes), all_strides)
    lines = []
    for depth, size in enumerate(sizes):
        v = f"i{depth}"
        lines.append(f"{indent}{'    ' * depth}for (int {v} = 0; {v} < {size}; {v}++)")
    elements = []
    for operand, steps in zip(operands, strides, strict=True):
        terms = [f"i{d}" if s == 1 else f"i{d} * {s}" for d, s in enumerate(steps) if s]
        elements.append(f"{operand.base}[{' + '.join(terms) or '0'}]")
    lines.append(f"{indent}{'    ' * len(sizes)}{body(*elements)}")
    return lines
