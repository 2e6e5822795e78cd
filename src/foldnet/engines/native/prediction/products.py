"""Sums of products of two values in C, for one row: calls of kernels for products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING

from foldnet.codegen.convolution import in_tiles, tallest
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import Strides, collapse, loop
from foldnet.codegen.maths import literal
from foldnet.codegen.product_tiles import Columns, ProductTile, columns_of, counted
from foldnet.engines.native.prediction.steps import Step
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.graph.sizes import free, usual

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.writer import BlockWriter

PACKED = 16_384
"""Largest number of floats that are copied so that columns lie side by side."""


@dataclass(frozen=True)
class _Axis:
    """A loop: how often it turns, and its strides in the result, in ``A`` and in ``B``."""

    count: int
    c: int
    a: int
    b: int


@dataclass(frozen=True)
class MatrixLoops:
    """Loops of sums of products as products of matrices ``C = A B``.

    Attributes:
        left: whether the first operand is ``A``; else it is ``B``.
        rows, columns, summed: loops over rows of C and A, columns of C and B, and columns of A.
        others: loops around them.
    """

    left: bool
    rows: _Axis
    columns: _Axis
    summed: _Axis
    others: tuple[_Axis, ...]

    @property
    def is_packed(self) -> bool:
        """Whether columns of ``B`` must be copied, because they do not lie side by side."""
        return self.columns.b != 1


def matrix_loops(sizes: Sequence[int], strides: Sequence[Strides]) -> MatrixLoops | None:
    """The loops as products of matrices; None if they are of another kind.

    Args:
        sizes: of the loops.
        strides: of the result and both operands.

    >>> found = matrix_loops((3, 4, 5), ((4, 1, 0), (5, 0, 1), (0, 1, 4)))
    >>> found.rows.count, found.columns.count, found.summed.count, found.is_packed
    (3, 4, 5, False)
    """
    counts, (of_c, of_a, of_b) = collapse(sizes, strides)
    axes = [_Axis(*axis) for axis in zip(counts, of_c, of_a, of_b, strict=True)]
    summed = [axis for axis in axes if axis.c == 0]
    columns = [axis for axis in axes if axis.c == 1 and (axis.a == 0) != (axis.b == 0)]
    if len(summed) != 1 or not columns:
        return None
    left = columns[0].a == 0
    if not left:
        turned = {axis: _Axis(axis.count, axis.c, axis.b, axis.a) for axis in axes}
        axes, summed, columns = [*turned.values()], [turned[summed[0]]], [turned[columns[0]]]
    rest = [axis for axis in axes if axis not in (*summed, *columns)]
    rows = max(
        (axis for axis in rest if axis.b == 0), key=lambda axis: usual(axis.count), default=_Axis(1, 0, 0, 0)
    )
    found = MatrixLoops(left, rows, columns[0], summed[0], tuple(axis for axis in rest if axis != rows))
    return None if found.is_packed and rows.count == 1 else found


def product_calls(
    body: BlockWriter, node: Node[Op], sizes: Sequence[int], strides: Sequence[Strides]
) -> list[str | Step] | None:
    """Calls of the kernels; None if loops must do it."""
    loops = None if body.simd == 1 or body.lanes != 1 or 0 in sizes else matrix_loops(sizes, strides)
    if loops is None:
        return None
    at = {
        name: [times(f"o{d}", getattr(axis, name)) for d, axis in enumerate(loops.others)]
        for name in ("a", "b", "c")
    }
    first, second = map(body.base, node.inputs)
    a, b = (first, second) if loops.left else (second, first)
    places = plus(a, *at["a"]), plus(b, *at["b"]), plus(body.base(node.output), *at["c"])
    if loops.is_packed:
        lines = _packed(body, loops, *places)
    else:
        lines = []
        for columns in columns_of(loops.columns.count, body.simd, padded=False):
            part = plus(places[1], columns.first), loops.summed.b
            calls = _tiles(body, loops, columns, places[0], *part, plus(places[2], columns.first))
            lines += columns.repeated(calls)
        lines = counted(loops.columns.count, lines)
    if lines is None:
        return None
    inner, counts = lines, [axis.count for axis in loops.others]
    if not counts:
        return [f"  {line}" for line in inner]

    def turns(low: Number, high: Number) -> list[str]:
        spans = [(low, high), *((0, n) for n in counts[1:])]
        heads = [f"{'  ' * (1 + d)}{loop(f'o{d}', *span)} {{" for d, span in enumerate(spans)]
        text = [f"{'  ' * (1 + len(heads))}{line}" for line in inner]
        return [*heads, *text, *(f"{'  ' * (1 + d)}}}" for d in reversed(range(len(heads))))]

    return [Step(counts[0], prod(sizes), turns)]


def _packed(body: BlockWriter, loops: MatrixLoops, a: str, b: str, c: str) -> list[str] | None:
    """Copies some columns, so that they lie side by side, and calls the kernels for them; panel by panel."""
    groups = columns_of(loops.columns.count, body.simd, padded=True)
    width = max(g.vectors * g.size for g in groups)
    depth = loops.summed.count
    if free(depth) is not None or width * depth > PACKED:
        return None
    body.packs = True
    lines: list[str] = []
    for columns in groups:
        own = columns.vectors * columns.size
        there = own - columns.size + columns.part if columns.part else own
        start = plus(b, times(columns.first, loops.columns.b))
        copied = (
            f"side_by_side({start}, {loops.columns.b}, {loops.summed.b}, {there}, {depth}, packed, {own});"
        )
        calls = _tiles(body, loops, columns, a, "packed", own, plus(c, columns.first))
        lines += columns.repeated([copied, *calls])
    lines = counted(loops.columns.count, lines)
    return ["{", f"  float packed[{width * depth}];", *(f"  {line}" for line in lines), "}"]


def _tiles(
    body: BlockWriter, loops: MatrixLoops, columns: Columns, a: str, b: str, ldb: int, c: str
) -> list[str]:
    rows, summed = loops.rows, loops.summed
    product = Product(summed.count, a, rows.a, summed.a, b, ldb, "NULL", c, rows.c, 0)
    return tile_calls(body, product, rows.count, columns)


@dataclass(frozen=True)
class Product:
    """One product of matrices as its kernels take it: C, or whole numbers.

    Attributes:
        count: numbers that each element sums.
        a, am, ak: the first matrix, from row to row and from column to column.
        b, ldb: the second, from row to row.
        start: a number for each column to start from, or ``NULL``.
        c, ldc: the result, from row to row.
        add: whether it is added to what is there.
        low: what results are raised to that are not more.
    """

    count: int
    a: str
    am: int
    ak: int
    b: str
    ldb: int
    start: str
    c: str
    ldc: int
    add: int
    low: float = -inf


def tile_calls(
    body: BlockWriter,
    product: Product,
    rows: int,
    columns: Columns,
    turns: tuple[Number, Number] | None = None,
) -> list[str]:
    """Calls of the kernels for some columns of a product; of some turns, see ``in_tiles``."""

    def call(height: int, p: Number) -> str:
        tile = ProductTile(height, columns.vectors, columns.size, columns.part)
        body.products.add(tile)
        return (
            f"{tile.name}({product.count}, {plus(product.a, times(p, product.am))}, {product.am}, {product.ak}, "
            f"{product.b}, {product.ldb}, {product.start}, {plus(product.c, times(p, product.ldc))}, {product.ldc}, "
            f"{product.add}, {literal(product.low)});"
        )

    return in_tiles(rows, tallest(columns.vectors, body.simd), call, turns=turns)
