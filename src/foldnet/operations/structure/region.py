"""Regions of operations that move values: where the values of a region come from."""

from __future__ import annotations

from math import prod

from foldnet.graph.graph import Node
from foldnet.graph.op import Op, Shape
from foldnet.operations.regions import ALL, Part, Region, Rule, Span, Values, Whole, between, span_of, widened
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
)


def _same(values: Values, node: Node[Identity], region: Region) -> Part:
    return Part(region, None, (region,))


def _sliced(values: Values, node: Node[Slice], region: Region) -> Part | str:
    """The positions that the slice takes; what is left of it turns an axis round, or steps along a free one."""
    shape = values.shape(node.inputs[0])[1:]
    found: list[Span] = []
    rest: list[tuple[int | None, int | None, int]] = []
    for n, entry, span in zip(shape, node.op.slices, region, strict=True):
        start, stop, step = entry
        if n is not None:
            places = range(*slice(*entry).indices(n))
            places = places[span.before : len(places) - span.after : span.step]
            if not places:
                return "nothing is left of an axis"
            found.append(span_of(places, n))
            rest.append((None, None, -1 if places.step < 0 and len(places) > 1 else 1))
        elif step == 1 and (start or 0) >= 0 and (stop is None or stop < 0):
            found.append(Span((start or 0) + span.before, span.after - (stop or 0)))
            rest.append((None, None, 1))
        elif span == ALL:
            found.append(ALL)
            rest.append(entry)
        else:
            return "it takes positions of a free axis whose number is not known"
    op = None if all(entry == (None, None, 1) for entry in rest) else Slice(tuple(rest))
    return Part(region, op, (tuple(found),))


def _picked(values: Values, node: Node[Pick], region: Region) -> Part | str:
    """The positions picked, numbered from the first that is needed."""
    op, place = node.op, node.op.axis - 1
    n = values.shape(node.inputs[0])[op.axis]
    if n is None:
        return "it picks from an axis of free size"
    span = region[place]
    places = op.places[span.before : len(op.places) - span.after : span.step]
    first, last = min(places), max(places)
    own = Pick(op.axis, tuple(p - first for p in places))
    operand = (*region[:place], Span(first, n - 1 - last), *region[place + 1 :])
    return Part(region, own, (operand,))


def _transposed(values: Values, node: Node[Transpose], region: Region) -> Part:
    order = node.op.permutation[1:]
    operand = [ALL] * len(region)
    for span, axis in zip(region, order, strict=True):
        operand[axis - 1] = span
    return Part(region, node.op, (tuple(operand),))


def _repeated(values: Values, node: Node[Repeat], region: Region) -> Part:
    return Part(region, Repeat(len(region[0].positions(node.op.count))), (region[1:],))


def _stretched(values: Values, node: Node[Stretch], region: Region) -> Part:
    """The operand's positions that a region repeats; if it begins or ends within the copies of one, all of these."""
    shape = values.shape(node.inputs[0])[1:]
    axes = [_copied(*how) for how in zip(shape, node.op.counts, region, strict=True)]
    counts = tuple(count for _, _, count in axes)
    op = Stretch(counts) if any(n != 1 for n in counts) else None
    return Part(tuple(span for _, span, _ in axes), op, (tuple(own for own, _, _ in axes),))


def _copied(n: int | None, count: int, span: Span) -> tuple[Span, Span, int]:
    """Of one axis: the operand's positions, the positions that are computed, and how many copies of each."""
    if n is not None:
        places = span.positions(n * count)
        if len(places) == 1 or span.step % count == 0:  # one copy of each
            return _from(places[0] // count, max(span.step // count, 1), len(places), n), span, 1
    whole = Span(span.before // count, span.after // count)
    return whole, Span(whole.before * count, whole.after * count), count


def _from(first: int, step: int, count: int, size: int) -> Span:
    return span_of(range(first, first + step * (count - 1) + 1, step), size)


def _joined(values: Values, node: Node[Concatenate], region: Region) -> Part:
    """Of each operand what the region takes from it: it may be nothing."""
    place = node.op.axis - 1
    sizes = [values.shape(v)[node.op.axis] for v in node.inputs]
    dtypes = {values.graph.types[v].dtype for v in node.inputs}
    if region[place] == ALL or None in sizes or len(dtypes) > 1:
        region = widened(region, (node.op.axis,))
        return Part(region, node.op, (region,) * len(node.inputs))
    known = [int(n or 0) for n in sizes]
    operands: list[Region | None] = []
    places, start = region[place].positions(sum(known)), 0
    for n in known:
        own = between(places, start, start + n)
        span = span_of(range(own.start - start, own.stop - start, own.step), n) if own else None
        operands.append((*region[:place], span, *region[place + 1 :]) if span else None)
        start += n
    alone = sum(operand is not None for operand in operands) == 1
    return Part(region, None if alone else node.op, tuple(operands))


def _hot(values: Values, node: Node[OneHot], region: Region) -> Part:
    region = widened(region, (len(region),))
    return Part(region, node.op, (region[:-1],))


def _reshaped(values: Values, node: Node[Reshape], region: Region) -> Part | str:
    """Axes that keep their size and place among the numbers: the same region; others need every position."""
    old, new = values.shape(node.inputs[0]), values.shape(node.output)
    if None in old[1:] or None in new[1:]:
        return "it gives a value with a free axis another shape"
    kept = kept_axes(old, new)
    region = widened(region, set(range(1, len(new))) - set(kept))
    operand = [ALL] * (len(old) - 1)
    target = [int(n or 0) for n in new[1:]]
    for to, axis in kept.items():
        operand[axis - 1] = region[to - 1]
        target[to - 1] = len(region[to - 1].positions(target[to - 1]))
    return Part(region, Reshape(tuple(target)), (tuple(operand),))


def kept_axes(old: Shape, new: Shape) -> dict[int, int]:
    """The axes that a reshape keeps, by their number in the new shape: as many numbers lie before and behind them.

    >>> kept_axes((None, 4, 3, 5), (None, 4, 15))
    {1: 1}
    """

    def ends(shape: Shape) -> dict[tuple[int, int], int]:
        sizes = [int(n or 0) for n in shape[1:]]
        return {(prod(sizes[:i]), n): i + 1 for i, n in enumerate(sizes) if n != 1}

    before = ends(old)
    return {axis: before[key] for key, axis in ends(new).items() if key in before}


def _looked_up(values: Values, node: Node[Gather], region: Region) -> Whole:
    return Whole(f"it reports {node.op.fault} wherever there is one", region[:-1], None)


def _cast(values: Values, node: Node[Cast], region: Region) -> Whole:
    return Whole(f"it reports {node.op.fault} wherever there is one", region)


RULES: dict[type[Op], Rule] = {
    Gather: _looked_up,
    Cast: _cast,
    Identity: _same,
    Slice: _sliced,
    Pick: _picked,
    Transpose: _transposed,
    Repeat: _repeated,
    Stretch: _stretched,
    Concatenate: _joined,
    OneHot: _hot,
    Reshape: _reshaped,
}
