"""Dense in C: calls of the matrix kernels, for one row or a block of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING

from foldnet.codegen.convolution import tallest, tile_turns, together
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import laid_out, loop
from foldnet.codegen.maths import literal
from foldnet.codegen.matrix import STRETCH, panels, row_name, tile, together_in_a_row
from foldnet.codegen.product_tiles import Columns
from foldnet.engines.native.prediction.products import Product, tile_calls
from foldnet.engines.native.prediction.steps import Lines, Step, in_order
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.graph.sizes import free

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.writer import BlockWriter


def is_tiled(body: BlockWriter, node: Node[Op]) -> bool:
    """Whether it has kernels for several positions."""
    return body.simd > 1 and body.lanes == 1 and prod(body.shape(node.inputs[0])[:-1]) > 1


def raises(body: BlockWriter, node: Node[Op]) -> bool:
    """Whether its kernels raise what they store to a lowest number: those for several positions or rows do."""
    return body.lanes > 1 or is_tiled(body, node)


def dense_calls(body: BlockWriter, node: Node[Op], low: float) -> Lines:
    """Calls of the matrix kernels; results are raised to ``low`` where the kernels do that."""
    x, kernel, *rest = node.inputs
    inputs, units = body.shape(kernel)
    positions = prod(body.shape(x)[:-1])
    if body.simd == 1:
        return _portable_calls(body, node, positions, inputs, units)
    widths = panels(units, body.simd)
    w, bias = body.packed(kernel, widths), body.packed(rest[0], widths) if rest else ""
    if is_tiled(body, node):
        return _tiled(body, node, positions, inputs, units, w, bias, low)
    if free(positions) is None and positions == 0:
        return []
    several = positions != 1
    at_x = plus(body.base(x), times("m", inputs * body.lanes) if several else 0)
    at_y = plus(body.base(node.output), times("m", units * body.lanes) if several else 0)
    calls = _Calls(body, inputs, units, widths, w, bias, low=low)
    if body.lanes == 1:
        return calls.for_a_row(body.base(x), body.base(node.output))
    heads = ["  " + loop("m", 0, positions)] if several else []
    if len(widths) == 1 and units <= tile(body.simd) and inputs <= STRETCH:
        return [*heads, *(f"  {'  ' * len(heads)}{line}" for line in calls.lines(at_x, at_y))]
    return [
        f"{heads[0]} {{" if heads else "  {",
        f"    const float *x = {at_x};",
        f"    float *y = {at_y};",
        *(f"    {line}" for line in calls.lines("x", "y")),
        "  }",
    ]


def _tiled(
    body: BlockWriter,
    node: Node[Op],
    positions: int,
    inputs: int,
    units: int,
    w: str,
    bias: str,
    low: float,
) -> list[Step]:
    """Calls for tiles of positions and units, in stretches of inputs."""
    found, column = [], 0
    for width in panels(units, body.simd):
        size = min(width, body.simd)
        for first in range(0, width // size, together(size)):
            at = column + first * size
            vectors = min(together(size), width // size - first)
            left = units - at
            if left <= 0:
                continue
            vectors = min(vectors, -(-left // size))
            columns = Columns(at, vectors, size, left % size if left < vectors * size else 0)
            start = plus(w, column * inputs + first * size)
            for done in range(0, max(inputs, 1), STRETCH):
                count = min(STRETCH, inputs - done)
                a, b = plus(body.base(node.inputs[0]), done), plus(start, done * width)
                begin = plus(bias, at) if bias and not done else "NULL"
                product = Product(
                    count,
                    a,
                    inputs,
                    1,
                    b,
                    width,
                    begin,
                    plus(body.base(node.output), at),
                    units,
                    int(done > 0),
                    low if done + count >= inputs else -inf,
                )
                found.append(_step(body, product, positions, columns))
        column += width
    return found


def _step(body: BlockWriter, product: Product, positions: int, columns: Columns) -> Step:
    count = tile_turns(positions, tallest(columns.vectors, body.simd))
    whole = tile_calls(body, product, positions, columns)

    def lines(low: Number, high: Number) -> list[str]:
        every = low == 0 and high == count
        text = whole if every else tile_calls(body, product, positions, columns, (low, high))
        return [f"  {line}" for line in text]

    return Step(count, positions * product.count * columns.vectors * columns.size, lines)


def vector_calls(body: BlockWriter, x: str, kernel: str, bias: str, y: str, back: str = "") -> list[str]:
    """Calls of the matrix kernels for one vector; the bias is a constant, or C of a vector.

    Where ``back``, a condition in C, holds, the kernel's panels are read from the last to the first.
    """
    inputs, units = body.shape(kernel)
    constant = bias in body.graph.constants
    if body.simd == 1:
        name, own = ("fn_dense", body.base(bias)) if constant else ("fn_dense_onto", bias)
        return [f"{name}({x}, {body.base(kernel)}, {own}, {y}, {inputs}, {units});"]
    widths = panels(units, body.simd)
    own = body.packed(bias, widths) if constant else bias
    calls = _Calls(body, inputs, units, widths, body.packed(kernel, widths), own, back).for_a_row(x, y)
    return [line.removeprefix("  ") for line in in_order(calls)]


def _portable_calls(body: BlockWriter, node: Node[Op], positions: int, inputs: int, units: int) -> list[str]:
    x, kernel, *rest = node.inputs
    bias = body.base(rest[0]) if rest else "NULL"
    several = positions != 1
    at_x = plus(body.base(x), times("m", inputs) if several else 0)
    at_y = plus(body.base(node.output), times("m", units) if several else 0)
    call = f"fn_dense({at_x}, {body.base(kernel)}, {bias}, {at_y}, {inputs}, {units});"
    return laid_out([loop("m", 0, positions)] if several else [], call, "  ")


@dataclass(frozen=True)
class _Calls:
    """Calls of the kernels for one position; of one row they are steps."""

    body: BlockWriter
    inputs: int
    units: int
    widths: tuple[int, ...]
    w: str
    bias: str
    back: str = ""
    low: float = -inf

    def for_a_row(self, x: str, y: str) -> list[Step]:
        """The calls, given operand and result."""
        found, column, left = [], 0, list(self.widths)
        while left:
            width, same = left[0], left.count(left[0])  # panels of one width lie side by side
            several = 1 if self.back else min(same, together_in_a_row(width, self.body.simd))
            turns = same // several
            self.body.row_panels.add((width, several))
            found.append(self._panels(x, y, column, width, several, turns))
            column += turns * several * width
            left = left[turns * several :]
        return found

    def _panels(self, x: str, y: str, column: int, width: int, several: int, turns: int) -> Step:
        """Calls for panels of one width, so many at once."""
        step = width * several
        at = plus("u", column) if turns > 1 else column
        w, bias = plus(self.w, times(at, self.inputs)), plus(self.bias, at) if self.bias else "NULL"
        call = f"{row_name(width, several)}({x}, {w}, {bias}, {plus(y, at)}, {self.inputs});"
        if turns > 1 and self.back:
            call = f"const int u = {self.back} ? {(turns - 1) * step} - v : v;\n{call}"
        variable = "v" if self.back else "u"

        def lines(low: Number, high: Number) -> list[str]:
            head = f"for (int {variable} = {times(low, step)}; {variable} < {times(high, step)}; {variable} += {step})"
            return laid_out([head] if turns > 1 else [], call, "  ")

        return Step(turns, turns * step * self.inputs, lines)

    def lines(self, x: str, y: str) -> list[str]:
        """The calls for a block, given operand and result."""
        lanes, inputs, lines, indent = self.body.lanes, self.inputs, [], ""
        stretched = inputs > STRETCH
        if stretched:
            lines += [
                f"for (int s = 0; s < {inputs}; s += {STRETCH}) {{",
                f"  const int count = {inputs} - s < {STRETCH} ? {inputs} - s : {STRETCH};",
            ]
            indent = "  "

        def call(size: int, column: Number, first: Number, width: int) -> str:
            self.body.tiles.add(size)
            bias = plus(self.bias, column) if self.bias else "NULL"
            bias = f"s ? NULL : {bias}" if self.bias and stretched else bias
            w = plus(self.w, first, times("s", width) if stretched else 0)
            low = literal(self.low)
            if stretched and self.low > -inf:
                low = f"s + {STRETCH} < {inputs} ? {literal(-inf)} : {low}"
            return (
                f"block{size}({plus(x, times('s', lanes)) if stretched else x}, {w}, {width}, {bias}, "
                f"{plus(y, times(column, lanes))}, {'count, s > 0' if stretched else f'{inputs}, 0'}, {low});"
            )

        width, high = self.widths[0], tile(self.body.simd)
        full = self.units // width if width % high == 0 else 0
        if full > 1:
            heads = [loop("p", 0, full), f"for (int u = 0; u < {width}; u += {high})"]
            body = call(high, plus(times("p", width), "u"), plus(times("p", width * inputs), "u"), width)
            lines += laid_out(heads, body, indent)
        else:
            full = 0
        column = full * width
        for width in self.widths[full:]:
            left = min(width, self.units - column)
            for u in range(0, left, high):
                size = min(high, left - u)
                lines.append(indent + call(size, column + u, column * inputs + u, width))
            column += width
        return [*lines, "}"] if stretched else lines
