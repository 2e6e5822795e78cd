"""Known mistakes with windows: the kernel's order, the padding's sides, what a mean counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, Row
from foldnet.operations.mistakes import (
    Rule,
    Wrong,
    computed,
    other_layouts,
    read_as,
    taken_for,
    with_operand,
)
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool

Compute = Callable[[Sequence[Array]], Array]


def _kernels(op: Op, kernel: Array, dims: int) -> Iterator[Wrong]:
    """The kernel in another order: each order of values once."""
    met = [kernel]

    def is_new(found: Array) -> bool:
        new = not any(np.array_equal(found, other) for other in met)
        met.append(found)
        return new

    for count in range(dims, 0, -1):
        for axes in combinations(range(dims), count):
            flip = partial(np.flip, axis=axes)
            if is_new(flip(kernel)):
                yield Wrong("kernel-flipped", with_operand(op, 1, flip), f"axes {axes}", count == dims)
    for letters, order in other_layouts(dims):
        for change, how in ((read_as, "read as"), (taken_for, "taken for")):
            if is_new(change(order, kernel)):
                yield Wrong("kernel-axes", with_operand(op, 1, partial(change, order)), f"{how} {letters}")
    if is_new(kernel[..., ::-1, :]):
        last_first = with_operand(op, 1, lambda k: k[..., ::-1, :])
        yield Wrong("channels-order", last_first, "kernel")


def _conv(graph: Graph, node: Node[Conv]) -> Iterator[Wrong]:
    op, kernel = node.op, graph.constants.get(node.inputs[1])
    if kernel is None:
        return
    dims = len(op.strides)
    yield from _kernels(op, kernel, dims)
    if op.groups > 1:
        yield from _groups(op, kernel)
    plain = (1,) * dims
    if op.strides != plain:
        yield Wrong("strides-ignored", _first_windows(op, replace(op, strides=plain)))
    if op.dilations != plain:
        yield Wrong("dilation-ignored", _first_windows(op, replace(op, dilations=plain)))


def _groups(op: Conv, kernel: Array) -> Iterator[Wrong]:
    """The units of all groups in turn instead of one group's after the other's, and the reverse."""
    each = kernel.shape[-1] // op.groups
    for parts, variant in (((op.groups, each), "multiplier first"), ((each, op.groups), "multiplier last")):

        def change(k: Array, parts: tuple[int, int] = parts) -> Array:
            return k.reshape(*k.shape[:-1], *parts).swapaxes(-1, -2).reshape(k.shape)

        if not np.array_equal(change(kernel), kernel):
            yield Wrong("kernel-axes", with_operand(op, 1, change), variant)


def _first_windows(right: Op, wrong: Op) -> Compute:
    """What a loop over the right number of windows computes that moves by other steps."""

    def compute(operands: Sequence[Array]) -> Array:
        shape = right.output_shape(*(x.shape for x in operands))
        y = computed(wrong, *operands)
        return y[tuple(slice(0, n) for n in shape)]

    return compute


def _conv_transpose(graph: Graph, node: Node[ConvTranspose]) -> Iterator[Wrong]:
    kernel = graph.constants.get(node.inputs[1])
    if kernel is not None:
        yield from _kernels(node.op, kernel, len(node.op.strides))


Widths = tuple[tuple[int, int], ...]


def _sides(widths: Widths) -> Iterator[tuple[str, Widths]]:
    """Other ways to divide the positions of a padding between both ends."""
    found = {
        "other end": tuple((after, before) for before, after in widths),
        "before": tuple((a + b, 0) for a, b in widths),
        "after": tuple((0, a + b) for a, b in widths),
        "both ends": tuple(((a + b + 1) // 2, (a + b) // 2) for a, b in widths),
        "both ends, rounded down": tuple(((a + b) // 2, (a + b + 1) // 2) for a, b in widths),
        "one earlier": tuple((a + 1, b - 1) if a + b else (a, b) for a, b in widths),
        "one later": tuple((a - 1, b + 1) if a + b else (a, b) for a, b in widths),
    }
    met = {widths}
    for name, other in found.items():
        if other not in met:
            met.add(other)
            yield name, other


def _shifted(x: Array, widths: Sequence[tuple[int, int]], beyond: float) -> Array:
    """x with values beyond its ends; positions are cut off where a width is below 0."""
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, x.shape, strict=True))
    around = [(max(a, 0), max(b, 0)) for a, b in widths]
    return np.pad(x[cut], around, constant_values=beyond)


def _pad(graph: Graph, node: Node[Pad | PadSame]) -> Iterator[Wrong]:
    names = (
        "other end",
        "before",
        "after",
        "both ends",
        "both ends, rounded down",
        "one earlier",
        "one later",
    )
    shape = graph.types[node.inputs[0]].shape[1:]
    known = None if None in shape else dict(_sides(node.op.widths_for(_row(shape))))
    for name in names if known is None else known:

        def compute(operands: Sequence[Array], name: str = name) -> Array:
            (x,) = operands
            widths = node.op.widths_for(x.shape[1:])
            return _shifted(x, ((0, 0), *dict(_sides(widths)).get(name, widths)), 0.0)

        yield Wrong("padding-sides", compute, name)


def _row(shape: Sequence[int | None]) -> Row:
    return tuple(int(n or 0) for n in shape)


def _pool(graph: Graph, node: Node[Pool]) -> Iterator[Wrong]:
    op = node.op
    other = replace(op, kind="average" if op.kind == "max" else "max")
    if max(op.sizes) > 1:
        yield Wrong("pooling-kind", lambda operands: computed(other, *operands))
    plain = replace(op, strides=(1,) * len(op.axes), padding="valid")
    if op.padding == "valid":
        if op.strides != plain.strides:
            yield Wrong("strides-ignored", _first_windows(op, plain))
        return
    around = partial(_pooled, op)
    if _extends(graph, node):
        zeros = partial(around, change=None, beyond=0.0)
        yield Wrong("padding-counted", zeros, sight=op.kind == "average")
    for name in ("other end", "before", "after"):
        beyond = np.nan if op.kind == "average" else -np.inf
        yield Wrong("padding-sides", partial(around, change=name, beyond=beyond), name)


def _extends(graph: Graph, node: Node[Pool]) -> bool:
    shape = graph.types[node.inputs[0]].shape[1:]
    return None in shape or any(w.before + w.after for w in node.op.windows(_row(shape)))


def _pooled(op: Pool, operands: Sequence[Array], change: str | None, beyond: float) -> Array:
    """Pooling of values with others put around; with NaN there, means do not count them."""
    (x,) = operands
    windows = op.windows(x.shape[1:])
    own = tuple((w.before, w.after) for w in windows)
    widths: list[tuple[int, int]] = [(0, 0)] * x.ndim
    for w, pair in zip(windows, dict(_sides(own)).get(change or "", own), strict=True):
        widths[w.axis + 1] = pair
    valid = replace(op, padding="valid")
    if not np.isnan(beyond):
        return computed(valid, _shifted(x, widths, beyond))
    counts = computed(valid, _shifted(np.ones_like(x), widths, 0.0))
    return computed(valid, _shifted(x, widths, 0.0)) / counts


RULES: dict[type[Op], Rule] = {
    Conv: _conv, ConvTranspose: _conv_transpose, Pad: _pad, PadSame: _pad, Pool: _pool,
}  # fmt: skip
"""The mistakes of each operation."""
