"""How an operation is computed along one more axis, right after the batch axis (``lift.py`` of each family).

``TimeDistributed`` applies a layer at every position of such an axis. Its operations are those of the layer, each
along one more axis, so that they fold, compile and export like any others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from foldnet.graph.op import AxisOp, Op, Shape


@dataclass(frozen=True)
class Lifted:
    """An operation along one more axis.

    Attributes:
        ops: what computes it: the first takes the operands, each other one the result before it.
        ahead: the constant operands, by number, that get an axis of size 1 in front.
        in_turn: whether the operation is computed for one position after the other instead, because each changes
            weights that the next one uses.
    """

    ops: tuple[Op, ...]
    ahead: frozenset[int] = frozenset()
    in_turn: bool = False


Rule = Callable[[Any, int | None, Sequence[Shape], Sequence[bool]], Lifted]
"""From an operation, the size of the new axis, the operands' shapes without it, and which operands are constants."""


@dataclass(frozen=True)
class _OnAxes(Op):
    axes: tuple[int, ...]


def same(op: Op, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """Of an operation that does the same along all axes that it does not name: itself."""
    return Lifted((op,))


def in_turn(op: Op, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """Of an operation that changes weights: itself, for one position after the other."""
    return Lifted((op,), in_turn=True)


def spread(op: Op, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """Of an operation whose constants are spread over a row."""
    pairs = zip(shapes, constant, strict=True)
    return Lifted((op,), frozenset(k for k, (shape, fixed) in enumerate(pairs) if fixed and shape))


def next_axis(op: AxisOp, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """Of an operation along one axis."""
    return Lifted((replace(op, axis=op.axis + 1),))


def next_axes(op: _OnAxes, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """Of an operation along several axes."""
    return Lifted((replace(op, axes=tuple(axis + 1 for axis in op.axes)),))
