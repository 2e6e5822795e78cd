"""Pooling, padding and convolution in C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from math import inf, prod
from typing import cast

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, composed, plus, times
from foldnet.codegen.loops import Operand, Strides, index, strides_of
from foldnet.codegen.writer import Rule, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op, Row, fused_activation
from foldnet.operations.elementwise.c import activate, lowest
from foldnet.operations.windows import step_c
from foldnet.operations.windows.op import (
    Conv,
    ConvGradient,
    ConvKernelGradient,
    ConvTranspose,
    Pad,
    PadSame,
    Pool,
    PoolGradient,
    Window,
)

AT_ONCE = 9
"""Positions of a window that are read in one statement; larger ones are read in loops."""


class _Loops:
    """Loops over all windows, and within each over its positions, in order.

    Attributes:
        shape: of the loops.
        of_x, of_y: strides of x and of what there is one of for each window.
        start: where the first position of the first window lies in x; it may lie before its start.
    """

    def __init__(self, windows: Sequence[Window], x: Row, y: Row) -> None:
        self._windows, self._x, self._y = windows, x, y
        steps = list(strides_of(x))
        inner = [steps[w.axis] for w in windows]
        for w in windows:
            steps[w.axis] *= w.stride
        self.shape: Row = (*y, *(w.size for w in windows))
        self.of_x: Strides = (*steps, *inner)
        self.of_y: Strides = (*strides_of(y), *(0 for _ in windows))
        self.start = -sum(w.before * s for w, s in zip(windows, inner, strict=True))
        # Windows that do not meet touch different elements of x.
        self.apart = all(w.stride >= w.size for w in windows) and any(n != 1 for n in y)
        # Every element of x is in one window: what it is given need not be added to zeros.
        self.once = (
            all(w.stride == w.size and w.size * y[w.axis] == x[w.axis] for w in windows) and not self.padded
        )

    def side_by_side(self, operands: Sequence[Operand]) -> tuple[Row, list[Operand]]:
        """The loops, and the operands in them, with the axes behind the windows' innermost.

        On those axes elements of x and y lie side by side, so that compilers make vectors of them. Of each element of y
        the positions come in the same order.
        """
        rank = len(self._y)
        inner = max((w.axis for w in self._windows), default=rank - 1) + 1
        order = [*range(inner), *range(rank, len(self.shape)), *range(inner, rank)]

        def turned(numbers: Sequence[int]) -> tuple[int, ...]:
            return tuple(numbers[a] for a in order)

        return turned(self.shape), [replace(o, strides=turned(o.strides)) for o in operands]

    @property
    def padded(self) -> list[tuple[int, Window]]:
        """The windows that reach over an end, with their place among the windows."""
        return [(k, w) for k, w in enumerate(self._windows) if w.before or w.after]

    def places(self) -> list[Operand]:
        """Operands that are the number of the window, and the position in it, on each axis with padding."""
        rank = len(self.shape)
        return [index(a, rank) for k, w in self.padded for a in (w.axis, len(self._y) + k)]

    def inside(self, places: Sequence[str]) -> str:
        """C of whether the position is one of x's; nothing where all are."""
        tests = []
        for (_, w), (o, k) in zip(self.padded, zip(places[::2], places[1::2], strict=True), strict=True):
            at, n = plus(times(o, w.stride), k), self._x[w.axis]
            tests += [f"{at} >= {w.before}"] if w.before else []
            tests += [f"{at} < {w.before + n}"] if w.after else []
        return " && ".join(tests)

    def offsets(self) -> list[int]:
        """Where the positions of a window lie in x, from its first, in order."""
        inner = self.of_x[len(self._y) :]
        found = [0]
        for w, step in zip(self._windows, inner, strict=True):
            found = [at + k * step for at in found for k in range(w.size)]
        return found

    def number(self, places: Sequence[str]) -> str:
        """C of the position's number in its window, given the positions on all axes."""
        text = "0"
        for w, k in zip(self._windows, places, strict=True):
            text = plus(times(text, w.size), k)
        return text

    def within(self) -> list[Operand]:
        """Operands that are the position in the window, on every axis."""
        return [index(len(self._y) + k, len(self.shape)) for k in range(len(self._windows))]

    def counts(self, places: Sequence[str]) -> str:
        """C of how many positions of a window are x's, given the window's number on each axis with padding."""
        if not self.padded:
            return f"{prod(w.size for w in self._windows)}.0f"
        padded = [k for k, _ in self.padded]
        count: Number = prod(w.size for k, w in enumerate(self._windows) if k not in padded)
        for (_, w), o in zip(self.padded, places, strict=True):
            first, end, n = times(o, w.stride), plus(times(o, w.stride), w.size), w.before + self._x[w.axis]
            high = f"{end} < {n} ? {end} : {n}" if w.after else end
            low = f"{first} > {w.before} ? {first} : {w.before}" if w.before else first
            count = times(count, composed("{0} - {1}", high, low))
        return composed("(float){0}", str(count))


def where(test: str, statement: str) -> str:
    """The statement, if there is a test, only where that holds."""
    return f"if ({test})\n  {statement}" if test else statement


def pool(w: Writer, node: Node[Pool]) -> None:
    """The largest value or the mean of each window."""
    op, (x,) = node.op, node.inputs
    shape, out = w.shape(x), w.shape(node.output)
    if 0 in shape:
        return
    loops = _Loops(op.windows(shape), shape, out)
    if not loops.padded and prod(op.sizes) <= AT_ONCE:
        pool_at_once(w, node, loops)
        return
    first = "-(float)INFINITY" if op.kind == "max" else "0.0f"
    w.nest(out, [w.write(node.output)], lambda y: f"{y} = {first};")

    def add(y: str, x: str, *places: str) -> str:
        inside = loops.inside(places)
        step = f"{y} = fn_maximum({y}, {x});" if op.kind == "max" else f"{y} += {x};"
        return where(inside, step)

    operands = [w.write(node.output, loops.of_y), w.read(x, loops.of_x, loops.start), *loops.places()]
    w.nest(*loops.side_by_side(operands), add, sums=all(n == 1 for n in out))
    if op.kind == "average":
        at = [index(window.axis, len(out)) for _, window in loops.padded]
        w.nest(out, [w.write(node.output), *at], lambda y, *places: f"{y} /= {loops.counts(places)};")


def pool_at_once(w: Writer, node: Node[Pool], loops: _Loops) -> None:
    """All positions of a small window in one statement, in the same order."""
    (x,), out, offsets = node.inputs, w.shape(node.output), loops.offsets()

    def body(y: str, *xs: str) -> str:
        if node.op.kind == "average":
            return f"{y} = ({' + '.join(['0.0f', *xs])}) / {len(xs)}.0f;"
        return f"{y} = {reduce(lambda a, b: f'fn_maximum({a}, {b})', xs)};"

    w.nest(out, [w.write(node.output), *(w.read(x, loops.of_x[: len(out)], at) for at in offsets)], body)


def pool_gradient(w: Writer, node: Node[PoolGradient]) -> None:
    """To the first of the largest values, or shared equally."""
    op, (x, y, g) = node.op, node.inputs
    shape, out = w.shape(x), w.shape(g)
    loops = _Loops(op.of.windows(shape), shape, out)
    if not loops.once:
        w.zero(node.output)
    if 0 in shape:
        return
    target = w.write(node.output, loops.of_x, loops.start)
    given = w.read(g, loops.of_y)
    places = loops.places()
    if op.of.kind == "average":

        def share(t: str, g: str, *places: str) -> str:
            inside = loops.inside(places)
            return where(inside, f"{t} {'=' if loops.once else '+='} {g} / {loops.counts(places[::2])};")

        w.nest(loops.shape, [target, given, *places], share, sums=not loops.apart)
        return
    kept = w.keep(node, "place of the largest", prod(out))
    found = Operand(kept, strides_of(out), written=True)
    w.nest(out, [found], lambda f: f"{f} = -1.0f;")
    found = Operand(kept, loops.of_y, written=True)
    within, count = loops.within(), len(op.of.axes)

    def look(f: str, x: str, y: str, *at: str) -> str:
        inside = loops.inside(at[count:])
        # Of NaN nothing is smaller: the first position passes it on.
        test = " && ".join(t for t in (f"{f} < 0.0f", inside, f"!({x} < {y})") if t)
        return where(test, f"{f} = {composed('(float){0}', loops.number(at[:count]))};")

    values = [found, w.read(x, loops.of_x, loops.start), w.read(y, loops.of_y)]
    w.nest(loops.shape, [*values, *within, *places], look, sums=all(n == 1 for n in out))

    def push(t: str, g: str, f: str, *at: str) -> str:
        inside = loops.inside(at[count:])
        test = f"{f} == {composed('(float){0}', loops.number(at[:count]))}"
        if loops.once:
            return f"{t} = {test} ? {g} : 0.0f;"
        return where(f"{inside} && {test}" if inside else test, f"{t} += {g};")

    w.nest(loops.shape, [target, given, found, *within, *places], push, sums=not loops.apart)


def pad(w: Writer, node: Node[Pad | PadSame]) -> None:
    """Zeros, then the operand among them."""
    shape, steps = w.shape(node.inputs[0]), strides_of(w.shape(node.output))
    widths = node.op.widths_for(shape)
    w.zero(node.output)
    start = sum(before * s for (before, _), s in zip(widths, steps, strict=True))
    operands = [w.write(node.output, steps, start), w.read(node.inputs[0])]
    w.nest(shape, operands, lambda y, x: f"{y} = {x};")


def conv(w: Writer, node: Node[Conv]) -> None:
    """A product with a kernel, in the way that suits how rows lie; then the activation."""
    if 0 in w.shape(node.output):
        return
    low = lowest(fused_activation(node.op))
    is_raised = w.conv(node, -inf if low is None else low)
    if low is None or not is_raised:
        activate(w, node)


def summed_in_loops(
    w: Writer, node: Node[Conv | ConvTranspose], loops: Sequence[Strides], shape: Row
) -> None:
    """The bias, and products added to it one by one; strides of y, x and the kernel."""
    out, y = w.shape(node.output), node.output
    x, kernel, *bias = node.inputs
    if bias:
        start = [w.write(y), w.spread(bias[0], out)]
        w.nest(out, start, lambda y, b: f"{y} = {b};")
    else:
        w.zero(y)
    of_y, of_x, of_kernel = loops
    operands = [w.write(y, of_y), w.read(x, of_x), w.read(kernel, of_kernel)]
    w.nest(shape, operands, lambda y, x, k: f"{y} = {w.multiply_add(x, k, y)};", sums=True)


def conv_transpose(w: Writer, node: Node[ConvTranspose]) -> None:
    """Each position's products, added where its window lies; then the activation."""
    op, out = node.op, w.shape(node.output)
    if 0 in out:
        return
    if w.lanes == 0:
        step_c.conv_transpose(cast(StepWriter, w), node)
        activate(w, node)
        return
    x, kernel = map(w.shape, node.inputs[:2])
    n, steps = len(op.strides), strides_of(out)
    shape = (*x[:-1], *kernel[:-2], x[-1], out[-1])
    of_y = (
        *(a * s for a, s in zip(op.strides, steps, strict=False)),
        *(a * s for a, s in zip(op.dilations, steps, strict=False)),
        0, 1,
    )  # fmt: skip
    of_x = (*strides_of(x)[:-1], *(0,) * n, 1, 0)
    of_kernel = (*(0,) * n, *strides_of(kernel)[:-2], 1, x[-1])
    summed_in_loops(w, node, (of_y, of_x, of_kernel), shape)
    activate(w, node)


def conv_gradient(e: StepWriter, node: Node[ConvGradient]) -> None:
    """Each window's gradient times the kernel, added where the window lies."""
    if 0 in e.shape(node.inputs[2]):
        e.zero(node.output)
    else:
        step_c.conv_gradient(e, node)


def conv_kernel_gradient(e: StepWriter, node: Node[ConvKernelGradient]) -> None:
    """Each channel times each unit's gradient, summed over rows and windows."""
    if 0 in e.shape(node.inputs[1]):
        e.zero(node.output)
    else:
        step_c.conv_kernel_gradient(e, node)


RULES: dict[type[Op], Rule] = {
    Pool: pool,
    PoolGradient: pool_gradient,
    Pad: pad,
    PadSame: pad,
    Conv: conv,
    ConvTranspose: conv_transpose,
    ConvGradient: conv_gradient,
    ConvKernelGradient: conv_kernel_gradient,
}
