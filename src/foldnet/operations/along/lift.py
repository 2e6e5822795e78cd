"""What works along axes, with one more axis."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.errors import UnsupportedError
from foldnet.graph.op import Op, Shape
from foldnet.operations.along.op import (
    CumulativeSum,
    Glu,
    GroupMoments,
    Moments,
    Reduce,
    Softmax,
    Sparsemax,
)
from foldnet.operations.lifts import Lifted, Rule, next_axes, next_axis
from foldnet.operations.structure.op import reshape_to


def _group_moments(
    op: GroupMoments, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]
) -> Lifted:
    """Moments over all axes but the new one and that of the groups, which the channels are divided into."""
    row, at = shapes[0][1:], op.axis - 1
    if None in row:
        raise UnsupportedError(
            f"groups of rows of shape {row} cannot be normalized at every position of an axis"
        )
    whole = (size, *row)
    split = (*whole[: at + 1], op.groups, (row[at] or 0) // op.groups, *whole[at + 2 :])
    axes = tuple(axis for axis in range(2, len(split) + 1) if axis != at + 2)
    moments = Moments(axes, op.epsilon, "standard")
    apart, together = reshape_to((None, *whole), split), reshape_to((None, *split), whole)
    return Lifted((apart, moments, together))


RULES: dict[type[Op], Rule] = {
    Softmax: next_axis,
    Sparsemax: next_axis,
    Glu: next_axis,
    CumulativeSum: next_axis,
    GroupMoments: _group_moments,
    Moments: next_axes,
    Reduce: next_axes,
}
