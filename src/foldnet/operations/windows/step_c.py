"""Convolutions in the C of training programs: for every position products of the kernel with all rows.

At a position, the rows of neighbouring channels lie one after the other, so that what a window sees along the last
axis is one matrix. Threads share positions; for gradients of kernels, the kernel's rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import strides_of
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

        def part(number: Number, place: Number, start: str, add: str) -> list[str]:
            left = (plus(e.place(kernel), times(number, run * units)), 1, units)
            right = plus("from", times(times(place, channels), "R"))
            return e.product(units, "R", run, left, right, "R", "to", "R", start, add, shared=False)

        e.add(*part(0, starts[0], e.place(bias[0]) if bias else "", "0"))
        if len(starts) > 1:
            with e.numbers("starts", starts):
                e.add(f"for (long k = 1; k < {len(starts)}; k++) {{", *part("k", "starts[k]", "", "1"), "}")


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
        e.add(
            f"for (long c = 0; c < {channels}; c++)",
            "ROWS(r, 0, R)",
            f"to[c * R + r] = {f'{start}[c]' if start else '0.0f'};",
        )
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
            left = (plus(e.place(kernel), times(plus(*parts), channels * units)), units, 1)
            right = plus(e.place(g), times(times(plus(*places), units), "R"))
            e.add(*e.product(channels, "R", units, left, right, "R", "to", "R", "", "1", shared=False))


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


def conv_kernel_gradient(e: StepWriter, node: Node[ConvKernelGradient]) -> None:
    """What every part of a window sees, times the window's gradient, summed over rows and windows."""
    op, (x, g) = node.op, node.inputs
    windows, channels, units = _windows(e.shape(x), op.shape, e.shape(g), op.of)
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


def _at(e: StepWriter, value: str, position: Number, count: int) -> str:
    """C of the rows at a position, of so many numbers a row."""
    return plus(e.place(value), times(times(position, count), "R"))
