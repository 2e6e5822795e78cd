"""Convolutions in the C of training programs: for every position products of the kernel with all rows.

At a position, the rows of neighbouring channels lie one after the other, so that what a window sees along the last
axis is one matrix. Threads share positions; for gradients of kernels, the kernel's rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import strides_of
from foldnet.codegen.tiles import split
from foldnet.graph.graph import Node
from foldnet.graph.op import Row
from foldnet.operations.windows.op import Conv, ConvGradient, ConvKernelGradient, ConvTranspose


@dataclass(frozen=True)
class _Windows:
    """How windows lie: sizes without channels and units.

    Attributes:
        x, y: positions of what windows move over, and of windows.
        window: positions in a window.
        strides, dilations: of the convolution.
    """

    x: Row
    y: Row
    window: Row
    strides: Row
    dilations: Row

    @property
    def parts(self) -> tuple[list[int], int]:
        """Where the parts of a window begin in x, in positions, and how many positions follow one another in each."""
        steps = strides_of(self.x)
        joined = self.dilations[-1] == 1
        sizes = self.window[:-1] if joined else self.window
        found = [0]
        for n, d, s in zip(sizes, self.dilations, steps, strict=False):
            found = [at + k * d * s for at in found for k in range(n)]
        return found, self.window[-1] if joined else 1

    @property
    def lines(self) -> tuple[list[int], int]:
        """Where lines of windows begin in x, in positions, and how many windows follow one another in each."""
        joined = len(self.y) > 1
        sizes = self.y[:-1] if joined else self.y
        found = [0]
        for n, d, s in zip(sizes, self.strides, strides_of(self.x), strict=False):
            found = [at + k * d * s for at in found for k in range(n)]
        return found, self.y[-1] if joined else 1

    def start(self, names: Sequence[Number]) -> str:
        """C of where a window begins in x, given its place."""
        return plus(
            *(times(n, s * t) for n, s, t in zip(names, self.strides, strides_of(self.x), strict=True))
        )


def _places(e: StepWriter, position: Number, sizes: Row) -> list[Number]:
    """The place of a position on each axis."""
    if position == 0 or len(sizes) == 1:
        return [position] * len(sizes)
    names = [f"{position}{a}" for a in range(len(sizes))]
    for at, n, step in zip(names, sizes, strides_of(sizes), strict=True):
        e.add(f"const long {at} = {position} / {step} % {n};")
    return list(names)


@contextmanager
def _shared(e: StepWriter, name: str, count: int) -> Iterator[Number]:
    """A loop whose turns are divided among threads; gives its variable, or 0 where there is but one turn."""
    head = f"for (long {name} = LOW({count}); {name} < HIGH({count}); {name}++) {{"
    with e.inside(head if count != 1 else "if (FIRST) {"):
        yield name if count != 1 else 0


def conv(e: StepWriter, node: Node[Conv]) -> None:
    """For every window the products of the kernel's parts with what they see."""
    x, kernel, *bias = node.inputs
    windows, channels, units = _windows(e.shape(x), e.shape(kernel), e.shape(node.output), node.op)
    starts, joined = windows.parts
    run = joined * channels
    with _shared(e, "o", prod(windows.y)) as o:
        start = windows.start(_places(e, o, windows.y))
        e.add(f"float *const to = {_at(e, node.output, o, units)};")
        e.add(f"const float *const from = {_at(e, x, start, channels)};")

        left, first = (e.place(kernel), 1, units), e.place(bias[0]) if bias else ""
        if len(starts) == 1:
            e.add(*e.product(units, "R", run, left, "from", "R", "to", "R", first, shared=False))
        else:
            places = [n for k, at in enumerate(starts) for n in (k * run * units, at * channels)]
            with e.numbers("places", places):
                e.add(*e.gathered(units, run, "places", len(starts), left, "from", "to", first))


def _windows(x: Row, kernel: Row, y: Row, op: Conv | ConvTranspose) -> tuple[_Windows, int, int]:
    found = _Windows(x[:-1], y[:-1], kernel[:-2], op.strides, op.dilations)
    return found, kernel[-2], kernel[-1]


def _back(e: StepWriter, windows: _Windows, kernel: str, g: str, to: str, start: str) -> None:
    """For every position of x the sum of what the windows that see it have to do with it.

    Args:
        e: to write into.
        windows: of the convolution.
        kernel: (window..., channels, units).
        g: what each window has, by units.
        to: what each position gets, by channels.
        start: C of an array of what the channels begin with; "" for zeros.
    """
    channels, units = e.shape(kernel)[-2:]
    of_g, of_window = strides_of(windows.y), strides_of(windows.window)
    with _shared(e, "i", prod(windows.x)) as i:
        at = _places(e, i, windows.x)
        e.add(f"float *const to = {_at(e, to, i, channels)};")
        e.add(f"int32_t places[{2 * prod(windows.window)}];", "long parts = 0;")
        places, parts = [], []
        with ExitStack() as loops:
            axes = zip(at, windows.window, windows.strides, windows.dilations, windows.y, strict=True)
            for a, (name, n, s, d, count) in enumerate(axes):
                k = loops.enter_context(e.loop(f"k{a}", n))
                t, o = f"t{a}", f"o{a}"
                tests = [f"{t} < 0", *([f"{t} % {s} != 0"] if s > 1 else []), f"{t} >= {count * s}"]
                e.add(f"const long {t} = {name}{f' - {times(k, d)}' if k else ''};")
                if i != 0:  # the only window sees the only position
                    e.add(f"if ({' || '.join(tests)})", "  continue;")
                e.add(f"const long {o} = {f'{t} / {s}' if s > 1 else t};")
                places.append(times(o, of_g[a]))
                parts.append(times(k, of_window[a]))
            e.add(
                f"places[2 * parts] = (int32_t)({times(plus(*parts), channels * units)});",
                f"places[2 * parts++ + 1] = (int32_t)({times(plus(*places), units)});",
            )
        left = (e.place(kernel), units, 1)
        e.add(*e.gathered(channels, units, "places", "parts", left, e.place(g), "to", start))


def conv_gradient(e: StepWriter, node: Node[ConvGradient]) -> None:
    """Each position gets, for every window that sees it, the kernel times the window's gradient."""
    x, kernel, g = node.inputs
    windows, _, _ = _windows(e.shape(x), e.shape(kernel), e.shape(g), node.op.of)
    _back(e, windows, kernel, g, node.output, "")


def conv_transpose(e: StepWriter, node: Node[ConvTranspose]) -> None:
    """The same with x in the gradient's place; positions begin with the bias."""
    x, kernel, *bias = node.inputs
    windows, _, _ = _windows(e.shape(node.output), e.shape(kernel), e.shape(x), node.op)
    _back(e, windows, kernel, x, node.output, e.place(bias[0]) if bias else "")


FEW = 32
"""Below so many units, products would leave lanes idle or have but one vector."""

IN_CACHE = 100_000
"""So many numbers of x and the gradient are worked on before others, as the second-level cache holds them."""


def conv_kernel_gradient(e: StepWriter, node: Node[ConvKernelGradient]) -> None:
    """What every part of a window sees, times the window's gradient, summed over rows and windows."""
    x, g = node.inputs
    windows, channels, units = _windows(e.shape(x), node.op.shape, e.shape(g), node.op.of)
    if units < FEW:
        _by_dots(e, node, windows, channels, units)
    else:
        _by_products(e, node, windows, channels, units)


def _by_products(e: StepWriter, node: Node[Any], windows: _Windows, channels: int, units: int) -> None:
    """For every window the product of what it sees, and its gradient turned round."""
    x, g = node.inputs
    starts, joined = windows.parts
    run, panels, blocks = joined * channels, -(-units // 64), -(-units // 16)
    e.zero(node.output)
    turned = e.space(f"turned gradient of a window {panels}", panels * 64 * 8)
    with e.inside("{"):
        e.add(f"float *const turned = {turned} + ME * {panels * 64} * R;")
        with e.loop("o", prod(windows.y)) as o:
            names = _places(e, o, windows.y)
            e.add(f"to_panels({_at(e, g, o, units)}, {units}, R, turned, 0, {blocks});")
            e.add(f"const float *const from = {_at(e, x, windows.start(names), channels)};")
            with e.table("starts", starts) as (k, start):
                left = plus("from", times(times(start, channels), "R"))
                to = plus(e.place(node.output), times(k, run * units))
                e.add(*e.product(run, units, "rows", (left, "R", 1), "turned", 64, to, units, add="1"))


def _by_dots(e: StepWriter, node: Node[Any], windows: _Windows, channels: int, units: int) -> None:
    """Some inputs and units at a time, over all windows of as many lines as the cache holds."""
    x, g = node.inputs
    starts, joined = windows.parts
    run, more = joined * channels, e.adds(node.output)
    add = "l > 0" if more == "0" else f"l > 0 || {more}"
    lines, along = windows.lines
    line = (prod(windows.x) * channels + prod(windows.y) * units) // len(lines) + 1
    steps = f"{along}, {windows.strides[-1] * channels}, {units}, R, rows"
    with e.inside("{"):
        for name, places in (("lines", lines), ("starts", starts)):
            numbers = ", ".join(str(at * channels) for at in places)
            e.add(f"static const int32_t {name}[] = {{{numbers}}};")
        e.add(f"const long most = 1 + {IN_CACHE} / ({line} * R);")
        with e.inside(f"for (long l = 0, count; l < {len(lines)}; l += count) {{"):
            e.add(f"count = {len(lines)} - l < most ? {len(lines)} - l : most;")
            for i0, inputs, turns in _blocks(run, 6):
                for j0, n, over in _blocks(units, 4):
                    with _shared(e, "t", len(starts) * turns * over) as t:
                        if t:
                            e.add("if (HALTED)", "  break;")
                        p, i, j = _mixed(e, t, (len(starts), turns, over))
                        i, j = plus(i0, times(i, inputs)), plus(j0, times(j, n))
                        from_x = plus(e.place(x), times(plus(f"starts[{p}]", i), "R"))
                        from_g = plus(e.place(g), times(plus(times("l", along * units), j), "R"))
                        to = plus(e.place(node.output), times(plus(times(p, run), i), units), j)
                        given = f"{from_x}, {from_g}, lines + l, count, {steps}, {to}, {units}, {add}"
                        e.add(e.window_dots(inputs, n, given))


def _blocks(count: int, most: int) -> list[tuple[int, int, int]]:
    """The first element of blocks of one size, the size, at most so many, and the number of blocks; for each size."""
    found, first = [], 0
    for size, turns in split(count, most):
        found.append((first, size, turns))
        first += size * turns
    return found


def _mixed(e: StepWriter, number: Number, sizes: Row) -> list[Number]:
    """The digits of a number, of which each has so many values."""
    if number == 0:
        return [0] * len(sizes)
    names = iter(_places(e, number, tuple(n for n in sizes if n > 1)))
    return [next(names) if n > 1 else 0 for n in sizes]


def _at(e: StepWriter, value: str, position: Number, count: int) -> str:
    """C of the rows at a position, of so many numbers a row."""
    return plus(e.place(value), times(times(position, count), "R"))
