"""Dense in C: calls of the matrix kernels, for one row or a block of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from foldnet.codegen.matrix import STRETCH, TILE, panels
from foldnet.graph.graph import Node
from foldnet.graph.op import Op

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.writer import BlockWriter


def dense_calls(body: BlockWriter, node: Node[Op]) -> list[str]:
    """Calls of the matrix kernels."""
    x, kernel, *rest = node.inputs
    inputs, units = body.shape(kernel)
    positions = prod(body.shape(x)[:-1])
    if body.simd == 1:
        return _portable_calls(body, node, positions, inputs, units)
    widths = panels(units, body.simd)
    wat, bat = body.weights.at(kernel, widths), body.weights.at(rest[0], widths) if rest else None
    lines: list[str] = []
    if body.lanes == 1:
        _row_calls(body, lines, inputs, widths, wat, bat)
    else:
        _block_calls(body, lines, inputs, units, widths, wat, bat)
    step = (f" + m * {inputs * body.lanes}", f" + m * {units * body.lanes}") if positions != 1 else ("", "")
    head = f"  for (int m = 0; m < {positions}; m++) {{" if positions != 1 else "  {"
    return [
        head,
        f"    const float *x = {body.base(x)}{step[0]};",
        f"    float *y = {body.base(node.output)}{step[1]};",
        *(f"    {line}" for line in lines),
        "  }",
    ]


def _portable_calls(body: BlockWriter, node: Node[Op], positions: int, inputs: int, units: int) -> list[str]:
    x, kernel, *rest = node.inputs
    bias = body.base(rest[0]) if rest else "NULL"
    loop = [f"  for (int m = 0; m < {positions}; m++)"] if positions != 1 else []
    at_x, at_y = (f" + m * {inputs}", f" + m * {units}") if loop else ("", "")
    y = f"{body.base(node.output)}{at_y}"
    call = f"fn_dense({body.base(x)}{at_x}, {body.base(kernel)}, {bias}, {y}, {inputs}, {units});"
    return [*loop, f"  {'  ' * len(loop)}{call}"]


def _row_calls(
    body: BlockWriter, lines: list[str], inputs: int, widths: Sequence[int], wat: int, bat: int | None
) -> None:
    body.panel_widths |= set(widths)
    count = sum(1 for w in widths if w == widths[0])
    width = widths[0]
    if count > 1:
        bias = "NULL" if bat is None else f"w + {bat} + p * {width}"
        lines.append(f"for (int p = 0; p < {count}; p++)")
        lines.append(f"  row{width}(x, w + {wat} + p * {width * inputs}, {bias}, y + p * {width}, {inputs});")
    else:
        count = 0
    column = count * width
    for other in widths[count:]:
        bias = "NULL" if bat is None else f"w + {bat + column}"
        lines.append(f"row{other}(x, w + {wat + column * inputs}, {bias}, y + {column}, {inputs});")
        column += other


def _block_calls(
    body: BlockWriter,
    lines: list[str],
    inputs: int,
    units: int,
    widths: Sequence[int],
    wat: int,
    bat: int | None,
) -> None:
    lanes = body.lanes
    pad = ""
    if inputs > STRETCH:
        lines.append(f"for (int s = 0; s < {inputs}; s += {STRETCH}) {{")
        lines.append(f"  const int count = {inputs} - s < {STRETCH} ? {inputs} - s : {STRETCH};")
        pad = "  "

    def call(size: int, column: str, start: str, width: int) -> str:
        body.tiles.add(size)
        bias = "NULL" if bat is None else f"w + {bat} + {column}"
        if pad:
            x, first, count = f"x + s * {lanes}", f"{start} + s * {width}", "count, s > 0"
            bias = "NULL" if bat is None else f"s ? NULL : {bias}"
        else:
            x, first, count = "x", start, f"{inputs}, 0"
        return f"block{size}({x}, w + {wat} + {first}, {width}, {bias}, y + ({column}) * {lanes}, {count});"

    width = widths[0]
    full = units // width if width % TILE == 0 else 0
    if full > 1:
        lines.append(f"{pad}for (int p = 0; p < {full}; p++)")
        lines.append(f"{pad}  for (int u = 0; u < {width}; u += {TILE})")
        lines.append(f"{pad}    " + call(TILE, f"p * {width} + u", f"p * {width * inputs} + u", width))
    else:
        full = 0
    column = full * width
    for width in widths[full:]:
        left = min(width, units - column)
        for u in range(0, left, TILE):
            size = min(TILE, left - u)
            lines.append(pad + call(size, f"{column + u}", f"{column * inputs + u}", width))
        column += width
    if pad:
        lines.append("}")
