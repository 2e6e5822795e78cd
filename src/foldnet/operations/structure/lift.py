"""What moves values, along one more axis."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.graph.op import Op, Shape
from foldnet.operations.lifts import Lifted, Rule, next_axis, same
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Stretch,
    Transpose,
    like,
    reshape_to,
)


def _reshape(op: Reshape, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """The new axis first; sizes that are known are written out."""
    sizes = zip(op.target, op.output_shape(shapes[0])[1:], strict=True)
    own = (n if n is not None else t if t == -1 else t - 1 for t, n in sizes)
    return Lifted((Reshape((like(1) if size is None else size, *own)),))


def _transpose(op: Transpose, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    return Lifted((Transpose((0, 1, *(axis + 1 for axis in op.permutation[1:]))),))


def _repeat(op: Repeat, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """An axis of size 1 that is stretched."""
    row = shapes[0][1:]
    apart = reshape_to((None, size, *row), (size, 1, *row))
    return Lifted((apart, Stretch((1, op.count, *(1 for _ in row)))))


def _stretch(op: Stretch, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    return Lifted((Stretch((1, *op.counts)),))


def _slice(op: Slice, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    return Lifted((Slice(((None, None, 1), *op.slices)),))


RULES: dict[type[Op], Rule] = {
    Reshape: _reshape,
    Transpose: _transpose,
    Repeat: _repeat,
    Stretch: _stretch,
    Slice: _slice,
    Concatenate: next_axis,
    Pick: next_axis,
    Gather: same,
    Cast: same,
    Identity: same,
    OneHot: same,
}
