"""Regions of operations with windows: the positions that the windows of a region touch."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.regions import ALL, Part, Region, Rule, Span, Values, Whole, between, span_of, widened
from foldnet.operations.structure.op import Slice
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool, reach, same_padding


def _touched(
    n: int | None, m: int | None, span: Span, size: int, stride: int, dilation: int = 1
) -> tuple[Span, int, int]:
    """The positions that windows touch on an axis, and the stride and dilation of the windows among these.

    Args:
        n: size of the axis.
        m: number of windows.
        span: of the windows.
        size, stride, dilation: of the windows.
    """
    if n is None or m is None:
        return Span(span.before * stride, span.after * stride), stride, dilation
    windows = span.positions(m)
    steps = [span.step * stride] if len(windows) > 1 else []
    steps += [dilation] if size > 1 else []
    step = gcd(*steps) or 1
    first, last = windows[0] * stride, windows[-1] * stride + (size - 1) * dilation
    found = span_of(range(first, last + 1, step), n)
    return found, span.step * stride // step if len(windows) > 1 else 1, dilation // step if size > 1 else 1


def _conv(values: Values, node: Node[Conv], region: Region) -> Part:
    op, (x, kernel, *bias) = node.op, node.inputs
    region = widened(region, (len(region),))
    sizes = [int(n or 0) for n in values.shape(kernel)[:-2]]
    axes = zip(
        values.shape(x)[1:-1], values.shape(node.output)[1:-1], region, sizes, op.strides, op.dilations,
        strict=False,
    )  # fmt: skip
    spans, strides, dilations = zip(*(_touched(*axis) for axis in axes), strict=True)
    own = replace(op, strides=strides, dilations=dilations)
    return Part(region, own, ((*spans, ALL), *(None for _ in (kernel, *bias))), spare=True)


def _conv_transpose(values: Values, node: Node[ConvTranspose], region: Region) -> Part | str:
    """The positions that reach into the region; what they add outside of it is not all, and is cut off."""
    op, (x, kernel, *others) = node.op, node.inputs
    region = widened(region, (len(region),))
    spans, computed, cuts = [], [], []
    shapes = zip(values.shape(x)[1:-1], values.shape(kernel), op.strides, op.dilations, region, strict=False)
    for n, k, stride, dilation, span in shapes:
        if n is None:
            return "along a free axis, what a position adds up is not known"
        cover = reach(int(k or 0), dilation)
        size = (n - 1) * stride + cover
        first, last = span.before, size - 1 - span.after
        low, high = max(-((cover - 1 - first) // stride), 0), min(last // stride, n - 1)
        spans.append(Span(low, n - 1 - high))
        computed.append(Span(span.before, span.after))
        own = (high - low) * stride + cover
        start, stop = first - low * stride, last - low * stride + 1 - own
        if start < 0 or stop > 0:
            return "a position between windows is needed"
        cuts.append((start or None, stop or None, 1))
    if all(span == ALL for span in spans):
        return "every position of its operand reaches into the region"
    operand = ((*spans, ALL), *(None for _ in (kernel, *others)))
    return Part((*computed, ALL), op, operand, then=Slice((*cuts, (None, None, 1))))


def _pool(values: Values, node: Node[Pool], region: Region) -> Part | str:
    """Windows among the positions that they touch, if these have no padding, or as much as ``"same"`` gives them."""
    op, x, y = node.op, values.shape(node.inputs[0]), values.shape(node.output)
    operand, strides, as_same, padded = list(region), [], True, False
    for axis, size, stride in zip(op.axes, op.sizes, op.strides, strict=True):
        n, m, span = x[axis], y[axis], region[axis - 1]
        if n is None and stride > 1 and op.padding == "same":
            return "the padding at the ends of a free axis is not known"
        before, after = same_padding(n or 1, size, stride) if op.padding == "same" else (0, 0)
        found, step, _ = _touched(None if n is None else n + before + after, m, span, size, stride)
        own = Span(max(found.before - before, 0), max(found.after - after, 0), found.step)
        pads = max(before - found.before, 0), max(after - found.after, 0)
        left, count = own.size(n), span.size(m)
        if left is None or count is None:
            as_same &= span == ALL
        else:
            as_same &= pads == same_padding(left, size, step) and count == -(-left // step)
        padded |= any(pads)
        operand[axis - 1] = own
        strides.append(step)
    if padded and not as_same:
        return Whole("windows at one end have padding, and those at the other have not", tuple(operand))
    own_op = replace(op, strides=tuple(strides), padding="same" if padded else "valid")
    return Part(region, own_op, (tuple(operand),), spare=not padded)


def _padded(values: Values, node: Node[Pad | PadSame], region: Region) -> Part | str:
    """Fewer zeros, or none, around the region that is not zeros."""
    shape = values.shape(node.inputs[0])[1:]
    if isinstance(node.op, PadSame) and any(shape[axis - 1] is None for axis in node.op.axes):
        return "the zeros around a free axis depend on its size"
    known = tuple(1 if n is None else n for n in shape)
    axes = [_around(*how) for how in zip(shape, node.op.widths_for(known), region, strict=True)]
    widths = tuple(width for _, _, width in axes)
    op = Pad(widths) if any(map(any, widths)) else None
    return Part(tuple(span for _, span, _ in axes), op, (tuple(own for own, _, _ in axes),))


def _around(n: int | None, widths: tuple[int, int], span: Span) -> tuple[Span, Span, tuple[int, int]]:
    """Of one axis: the operand's positions, the positions that are computed, and how many zeros around the former."""
    before, after = widths
    if n is None:
        own = Span(max(span.before - before, 0), max(span.after - after, 0))
        zeros = max(before - span.before, 0), max(after - span.after, 0)
        # How many positions a short axis has left is the same only if both ends lose zeros alone, or all of them.
        return (ALL, ALL, widths) if any(zeros) and own != ALL else (own, span, zeros)
    places = span.positions(n + before + after)
    inner = between(places, before, before + n)
    if not inner:
        return ALL, ALL, widths
    own = span_of(range(inner.start - before, inner.stop - before, inner.step), n)
    first = len(between(places, 0, before))
    return own, span, (first, len(places) - first - len(inner))


RULES: dict[type[Op], Rule] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    Pool: _pool,
    Pad: _padded,
    PadSame: _padded,
}
