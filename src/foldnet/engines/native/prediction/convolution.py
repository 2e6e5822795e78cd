"""Convolutions in C: calls of the kernels, for one row."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from foldnet.codegen.convolution import Tile, in_tiles, tallest, tile_turns, together
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import laid_out, loop, strides_of
from foldnet.codegen.maths import literal
from foldnet.codegen.matrix import panels
from foldnet.engines.native.prediction.steps import Step
from foldnet.graph.graph import Node
from foldnet.graph.sizes import free

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.writer import BlockWriter
    from foldnet.operations.windows.op import Conv


def conv_calls(body: BlockWriter, node: Node[Conv], low: float) -> list[Step]:
    """Calls of the kernels, each step inside a block with the table of the window's positions.

    The kernels raise results to ``low``; where ``is_one_by_one``, they do not.
    """
    calls = _Calls(body, node, low)
    taps = ", ".join(map(str, calls.taps))
    fixed = "" if any(free(tap) is not None for tap in calls.taps) else "static "
    table = f"{fixed}const int32_t taps[] = {{{taps}}};"
    groups = calls.groups(None)
    outer = next((n for n in calls.counts[:-1] if n != 1), None)
    x, kernel = map(body.shape, node.inputs[:2])
    cost = node.op.multiply_adds(body.shape(node.output), x, kernel)

    def step(count: int, own: slice) -> Step:
        def lines(low: Number, high: Number) -> list[str]:
            part = groups if low == 0 and high == count else calls.groups((low, high))
            text = [f"    {line}" for group in part[own] for line in group.lines]
            return ["  {", f"    {table}", *text, "  }"]

        return Step(count, cost * len(groups[own]) // len(groups), lines)

    if outer is not None:  # the outermost loop of all
        return [step(outer, slice(None))]
    return [step(group.turns, slice(k, k + 1)) for k, group in enumerate(groups)]


def is_one_by_one(body: BlockWriter, node: Node[Conv]) -> bool:
    """Whether each position, and group, has a call of its own."""
    channels, units = body.shape(node.inputs[1])[-2:]
    grouped = node.op.groups > 1 and (channels > 1 or node.op.groups != units)
    return body.simd == 1 or grouped


_Turns = tuple[Number, Number] | None
"""C of the first turn and of the one after the last; None for all."""


class _Group(NamedTuple):
    """Calls for some units and all positions, and how many turns the outermost of their loops has."""

    turns: int
    lines: list[str]


class _Calls:
    def __init__(self, body: BlockWriter, node: Node[Conv], low: float) -> None:
        self.body, self.op, self.low = body, node.op, literal(low)
        x, kernel, *bias = node.inputs
        shape, window, out = body.shape(x), body.shape(kernel), body.shape(node.output)
        self.x, self.y, self.kernel, self.bias = x, node.output, kernel, bias[0] if bias else ""
        self.channels, self.units = window[-2], window[-1]
        windows, steps = node.op.windows(shape, window), strides_of(shape)
        self.taps = [0]
        for w, step in zip(windows, steps, strict=False):
            self.taps = [tap + k * w.dilation * step for tap in self.taps for k in range(w.size)]
        self.counts = out[:-1]
        self.of_x = [w.stride * step for w, step in zip(windows, steps, strict=False)]
        self.of_y = list(strides_of(out)[:-1])
        if all(
            w.size == w.stride == 1 for w in windows
        ):  # positions do not know of each other: one long axis
            self.counts, self.of_x, self.of_y = (prod(out[:-1]),), [shape[-1]], [out[-1]]
        self._write = self.tiles
        if is_one_by_one(body, node):
            self._write = self.one_by_one
        elif node.op.groups > 1:
            self._write = self.depthwise

    def groups(self, turns: _Turns) -> list[_Group]:
        """All calls, or those of some turns of the outermost loop."""
        return self._write(turns)

    def _at(self, base: str, steps: Sequence[int], last: Number) -> str:
        """A position: the loops' on all axes but the last, and one on that."""
        outer = [
            times(f"o{a}", s) if n != 1 else 0
            for a, (n, s) in enumerate(zip(self.counts, steps, strict=True))
        ]
        return plus(base, *outer[:-1], times(last, steps[-1]))

    def _outer(self, turns: _Turns) -> tuple[list[str], _Turns]:
        """The heads of the loops over all axes but the last, and the turns for what is inside them."""
        axes = [(a, n) for a, n in enumerate(self.counts[:-1]) if n != 1]
        if not axes:
            return [], turns
        spans = [(0, n) for _, n in axes] if turns is None else [turns, *((0, n) for _, n in axes[1:])]
        return [loop(f"o{a}", *span) for (a, _), span in zip(axes, spans, strict=True)], None

    def one_by_one(self, turns: _Turns) -> list[_Group]:
        """A call for each position and group."""
        self.body.portable_convs = True
        groups, count = self.op.groups, self.counts[-1]
        g, p = ("g" if groups != 1 else 0), ("p" if count != 1 else 0)
        units = self.units // groups
        bias = plus(self.body.base(self.bias), times(g, units)) if self.bias else "NULL"
        call = (
            f"fn_conv({plus(self._at(self.body.base(self.x), self.of_x, p), times(g, self.channels))}, taps, "
            f"{len(self.taps)}, {self.channels}, {plus(self.body.base(self.kernel), times(g, units))}, {bias}, "
            f"{plus(self._at(self.body.base(self.y), self.of_y, p), times(g, units))}, {units}, {self.units});"
        )
        heads, turns = self._outer(turns)
        heads += [loop("p", *(turns or (0, count)))] if p else []
        heads += [loop("g", 0, groups)] if g else []
        return [_Group(count, laid_out(heads, call))]

    def tiles(self, turns: _Turns) -> list[_Group]:
        """Calls for tiles of positions and units."""
        widths = panels(self.units, self.body.simd)
        w = self.body.packed(self.kernel, widths)
        bias = self.body.packed(self.bias, widths) if self.bias else ""
        found, column = [], 0
        for width in widths:
            size = min(width, self.body.simd)
            several = together(size, self.counts[-1])
            for first in range(0, width // size, several):
                vectors = min(several, width // size - first)
                at = column + first * size
                part = max(0, self.units - (at + (vectors - 1) * size))
                start = plus(w, column * self.channels * len(self.taps) + first * size)
                tile = Tile(1, vectors, size, part if part < size else 0)
                found.append(
                    self._positions(tile, turns, start, width, plus(bias, at) if bias else "NULL", at)
                )
            column += width
        return found

    def depthwise(self, turns: _Turns) -> list[_Group]:
        """Calls for tiles of positions and channels; channels that fill no vector are computed one by one."""
        size, column = self.body.simd, 0
        found = []
        w, bias = self.body.base(self.kernel), self.body.base(self.bias) if self.bias else ""
        while column < self.units:
            while size > self.units - column:
                size //= 2
            count = (self.units - column) // size
            c = plus("c", column) if count != 1 else column
            start = plus(bias, c) if bias else "NULL"
            calls = self._positions(
                Tile(1, 1, size, depthwise=True), turns, plus(w, c), self.units, start, c, c
            )
            if count != 1:
                head = f"for (int c = 0; c < {count * size}; c += {size}) {{"
                calls = _Group(calls.turns, [head, *(f"  {line}" for line in calls.lines), "}"])
            found.append(calls)
            column += count * size
        return found

    def _positions(
        self,
        tile: Tile,
        turns: _Turns,
        w: str,
        width: int,
        bias: str,
        unit: Number,
        channel: Number = 0,
    ) -> _Group:
        """Calls of kernels like this one for all positions."""
        channels = "" if tile.depthwise else f"{self.channels}, "

        def call(height: int, p: Number) -> str:
            own = Tile(height, tile.vectors, tile.size, tile.part, tile.depthwise)
            self.body.convs.add(own)
            return (
                f"{own.name}({plus(self._at(self.body.base(self.x), self.of_x, p), channel)}, {self.of_x[-1]}, taps, "
                f"{len(self.taps)}, {channels}{w}, {width}, {bias}, "
                f"{plus(self._at(self.body.base(self.y), self.of_y, p), unit)}, {self.of_y[-1]}, {self.low});"
            )

        outer, own = self._outer(turns)
        count, tall = self.counts[-1], tallest(tile.vectors, self.body.simd)
        return _Group(tile_turns(count, tall), in_tiles(count, tall, call, outer, own))
