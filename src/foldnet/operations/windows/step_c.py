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
from foldnet.codegen.loops import strides_of, whole_numbers
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
        groups: of channels and units.
        channels, units: of a group.
    """

    x: Row
    y: Row
    window: Row
    strides: Row
    dilations: Row
    groups: int
    channels: int
    units: int

    @property
    def all_channels(self) -> int:
        """Of x."""
        return self.groups * self.channels

    @property
    def all_units(self) -> int:
        """Of y."""
        return self.groups * self.units

    def parts(self, joined: bool) -> list[int]:
        """Where the parts of a window begin in x, in positions; ``joined`` along the last axis or single positions."""
        found = [0]
        sizes = self.window[:-1] if joined else self.window
        for n, d, s in zip(sizes, self.dilations, strides_of(self.x), strict=False):
            found = [at + k * d * s for at in found for k in range(n)]
        return found

    @property
    def runs(self) -> tuple[list[int], int]:
        """The parts of a window that are one piece of memory, and how many numbers each has."""
        joined = self.dilations[-1] == 1 and self.groups == 1
        return self.parts(joined), self.channels * (self.window[-1] if joined else 1)

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


def _windows(x: Row, kernel: Row, y: Row, op: Conv | ConvTranspose) -> _Windows:
    groups = op.groups if isinstance(op, Conv) else 1
    return _Windows(
        x[:-1], y[:-1], kernel[:-2], op.strides, op.dilations, groups, kernel[-2], kernel[-1] // groups
    )


def conv(e: StepWriter, node: Node[Conv]) -> None:
    """For every window and group the products of the kernel's parts with what they see."""
    x, kernel, *bias = node.inputs
    w = _windows(e.shape(x), e.shape(kernel), e.shape(node.output), node.op)
    starts, run = w.runs
    with _shared(e, "o", prod(w.y)) as o:
        start = w.start(_places(e, o, w.y))
        with e.loop("c", w.groups) as c:
            e.add(f"float *const to = {_at(e, node.output, o, w.all_units, times(c, w.units))};")
            e.add(f"const float *const from = {_at(e, x, start, w.all_channels, times(c, w.channels))};")
            left = plus(e.place(kernel), times(c, w.units)), 1, w.all_units
            first = plus(e.place(bias[0]), times(c, w.units)) if bias else ""
            if len(starts) == 1:
                e.add(*e.product(w.units, "R", run, left, "from", "R", "to", "R", first, shared=False))
            else:
                places = [
                    n for k, at in enumerate(starts) for n in (k * run * w.all_units, at * w.all_channels)
                ]
                with e.numbers("places", places):
                    e.add(*e.gathered(w.units, run, "places", len(starts), left, "from", "to", first))


def _back(e: StepWriter, w: _Windows, kernel: str, g: str, to: str, start: str) -> None:
    """For every position of x the sum of what the windows that see it have to do with it.

    Args:
        e: to write into.
        w: the windows of the convolution.
        kernel: (window..., channels, units).
        g: what each window has, by units.
        to: what each position gets, by channels.
        start: C of an array of what the channels begin with; "" for zeros.
    """
    of_g, of_window = strides_of(w.y), strides_of(w.window)
    with _shared(e, "i", prod(w.x)) as i:
        at = _places(e, i, w.x)
        e.add(f"int32_t places[{2 * prod(w.window)}];", "long parts = 0;")
        places, parts = [], []
        with ExitStack() as loops:
            axes = zip(at, w.window, w.strides, w.dilations, w.y, strict=True)
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
                f"places[2 * parts] = (int32_t)({times(plus(*parts), w.channels * w.all_units)});",
                f"places[2 * parts++ + 1] = (int32_t)({times(plus(*places), w.all_units)});",
            )
        with e.loop("c", w.groups) as c:
            e.add(f"float *const to = {_at(e, to, i, w.all_channels, times(c, w.channels))};")
            left = plus(e.place(kernel), times(c, w.units)), w.all_units, 1
            right = plus(e.place(g), times(times(c, w.units), "R"))
            first = plus(start, times(c, w.channels)) if start else ""
            e.add(*e.gathered(w.channels, w.units, "places", "parts", left, right, "to", first))


def conv_gradient(e: StepWriter, node: Node[ConvGradient]) -> None:
    """Each position gets, for every window that sees it, the kernel times the window's gradient."""
    x, kernel, g = node.inputs
    _back(e, _windows(e.shape(x), e.shape(kernel), e.shape(g), node.op.of), kernel, g, node.output, "")


def conv_transpose(e: StepWriter, node: Node[ConvTranspose]) -> None:
    """The same with x in the gradient's place; positions begin with the bias."""
    x, kernel, *bias = node.inputs
    w = _windows(e.shape(node.output), e.shape(kernel), e.shape(x), node.op)
    _back(e, w, kernel, x, node.output, e.place(bias[0]) if bias else "")


FEW = 32
"""Below so many units, products would leave lanes idle or have but one vector."""

IN_CACHE = 100_000
"""So many numbers of x and the gradient are worked on before others, as the second-level cache holds them."""


def conv_kernel_gradient(e: StepWriter, node: Node[ConvKernelGradient]) -> None:
    """What every part of a window sees, times the window's gradient, summed over rows and windows."""
    x, g = node.inputs
    w = _windows(e.shape(x), node.op.shape, e.shape(g), node.op.of)
    (_by_products if w.groups == 1 and w.units >= FEW else _by_dots)(e, node, w)


def _by_products(e: StepWriter, node: Node[Any], w: _Windows) -> None:
    """For every window the product of what it sees, and its gradient turned round."""
    x, g = node.inputs
    starts, run = w.runs
    panels, blocks = -(-w.units // 64), -(-w.units // 16)
    e.zero(node.output)
    turned = e.space(f"turned gradient of a window {panels}", panels * 64 * 8)
    with e.inside("{"):
        e.add(f"float *const turned = {turned} + ME * {panels * 64} * R;")
        with e.loop("o", prod(w.y)) as o:
            names = _places(e, o, w.y)
            e.add(f"to_panels({_at(e, g, o, w.units)}, {w.units}, R, turned, 0, {blocks});")
            e.add(f"const float *const from = {_at(e, x, w.start(names), w.channels)};")
            with e.table("starts", starts) as (k, start):
                left = plus("from", times(times(start, w.channels), "R"))
                to = plus(e.place(node.output), times(k, run * w.units))
                e.add(*e.product(run, w.units, "rows", (left, "R", 1), "turned", 64, to, w.units, add="1"))


def _by_dots(e: StepWriter, node: Node[Any], w: _Windows) -> None:
    """Some inputs and units at a time, over all windows of as many lines as the cache holds."""
    x, g = node.inputs
    starts, run = w.runs
    apart = 1
    if w.groups > 1 and w.channels == 1:  # the window's last axis, so that there is more than one input
        starts, run, apart = w.parts(joined=True), w.window[-1], w.dilations[-1] * w.all_channels
    more = e.adds(node.output)
    add = "l > 0" if more == "0" else f"l > 0 || {more}"
    lines, along = w.lines
    line = (prod(w.x) * w.all_channels + prod(w.y) * w.all_units) // len(lines) + 1
    steps = f"{along}, {w.strides[-1] * w.all_channels}, {apart}, {w.all_units}, R, rows"
    with e.inside("{"):
        for name, places in (("lines", lines), ("starts", starts)):
            e.add(whole_numbers(name, [at * w.all_channels for at in places]))
        e.add(f"const long most = 1 + {IN_CACHE} / ({line} * R);")
        with e.inside(f"for (long l = 0, count; l < {len(lines)}; l += count) {{"):
            e.add(f"count = {len(lines)} - l < most ? {len(lines)} - l : most;")
            for i0, inputs, turns in _blocks(run, 6):
                for j0, n, over in _blocks(w.units, 4):
                    sizes = (w.groups, len(starts), turns, over)
                    with _shared(e, "t", prod(sizes)) as t:
                        if t:
                            e.add("if (HALTED)", "  break;")
                        c, p, i, j = _mixed(e, t, sizes)
                        i, j = plus(i0, times(i, inputs)), plus(j0, times(j, n), times(c, w.units))
                        seen = plus(f"starts[{p}]", times(c, w.channels), times(i, apart))
                        from_g = plus(times("l", along * w.all_units), j)
                        to = plus(e.place(node.output), times(plus(times(p, run), i), w.all_units), j)
                        given = (
                            f"{plus(e.place(x), times(seen, 'R'))}, {plus(e.place(g), times(from_g, 'R'))}, lines + l, "
                            f"count, {steps}, {to}, {w.all_units}, {add}"
                        )
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


def _at(e: StepWriter, value: str, position: Number, count: int, first: Number = 0) -> str:
    """C of the rows at a position, of so many numbers a row, from the first of these on."""
    return plus(e.place(value), times(plus(times(position, count), first), "R"))
