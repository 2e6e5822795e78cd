"""The C of a prediction for several rows one after the other in memory, as the caller keeps them.

Products with kernels take all rows together (``codegen/panel_products.py``); all other statements are those of one row,
in a loop over rows. Each row has a workspace of its own, so that a value of one row never lies where another row's is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf, prod

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.layout import Weights, row_shape, shape_of_row
from foldnet.codegen.loops import laid_out
from foldnet.codegen.maths import literal
from foldnet.codegen.matrix import panels
from foldnet.codegen.panel_products import PanelProduct
from foldnet.codegen.repeated import Repeated, divided
from foldnet.codegen.workspace import Plan
from foldnet.engines.native.prediction.steps import Lines, Step, in_order
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.operations.elementwise.c import activate, lowest

FEW_ROWS = 16
"""Rows for which the parts of a step are chosen: fewer rows have few parts."""

HEIGHT = 6
"""Blocks have a multiple of so many rows, as the highest tiles of whole panels have."""

ELEMENT = 10
"""What a function of a vector costs, in multiply-adds of vectors; an exponential costs about as much."""

LOOP = 10
"""What a loop over a row costs beside that."""


def row_step(size: int) -> int:
    """Elements from the workspace of a row to that of the next, for so many of a row: whole vectors, oddly many.

    So the same value of neighbouring rows does not fall on the same places of a cache.

    >>> row_step(1024), row_step(40), row_step(0)
    (1040, 48, 16)
    """
    vectors = -(-size // 16)
    return 16 * (vectors + 1 - vectors % 2)


def products(graph: Graph, node: Node[Op]) -> int:
    """Multiply-adds of a row."""
    result, *operands = (row_shape(graph, v) for v in (node.output, *node.inputs))
    return node.op.multiply_adds(result, *operands)


def element_cost(graph: Graph, node: Node[Op]) -> int:
    """What the functions of single elements cost for a row, where they fill vectors."""
    applied = lowest(fused_activation(node.op)) is None if products(graph, node) else True
    return ELEMENT * prod(row_shape(graph, node.output)) if applied else 0


class _OfAllRows(Step):
    """Statements for all rows."""


class RowsWriter(BlockWriter):
    """The statements of a graph for ``count`` rows.

    Args:
        graph: with sizes known.
        plan: places of the values of one row.
        weights: collects the places of the constants.
        simd: floats in a vector.
        direct: inputs, which are read where the caller keeps them, by name, with their C expression.

    Attributes:
        panel_products: functions that the statements call.
        cost: of a row, in multiply-adds of whole vectors, roughly.
    """

    def __init__(
        self, graph: Graph, plan: Plan, weights: Weights, *, simd: int, direct: dict[str, str]
    ) -> None:
        made = {n.output for n in graph.nodes if plan.roots[n.output] == n.output}
        own = {v: f"y{k}" for k, v in reversed([*enumerate(graph.outputs)]) if v in made}
        super().__init__(graph, plan, weights, lanes=1, simd=simd, direct=direct | own)
        self._results: dict[str, tuple[str, int]] = {}
        self.panel_products: set[PanelProduct] = set()
        self.cost = 0.0
        self._taken: set[str] = set()

    # -- where values are -----------------------------------------------------------------------------------

    def _all_rows(self, value: str) -> tuple[str, int]:
        """The C name of a value's first element in the first row, and elements from one row to the next."""
        root = self.plan.roots.get(value, value)
        return f"{self.base(value)}_rows", self._step(root)

    def _step(self, root: str) -> int:
        if root in self.direct:
            return prod(shape_of_row(self.graph, root))
        return row_step(self.plan.floats if self._kind(root) == "float" else self.plan.ints)

    def declarations(self) -> list[str]:
        """Statements that name the constants, and the other values of all rows."""
        found = []
        for (root, _), (name, where) in self._pointers.items():
            kind = self._kind(root)
            if root in self.graph.constants:
                found.append(f"  const {kind} *const {name} = {where};")
            else:
                found.append(f"  {kind} *const {name}_rows = {where};")
        return found

    def _of_one_row(self, lines: Sequence[str]) -> list[str]:
        """Declarations of what these statements name of a row."""
        words = set(re.findall(r"\w+", "\n".join(lines)))
        roots = {root for root, _ in self._pointers if root not in self.graph.constants}
        found = []
        for root in (*self.direct, *sorted(roots)):
            name = self.base(root)
            if name in words:
                const = "const " if root in self.graph.inputs else ""
                found.append(
                    f"{const}{self._kind(root)} *const {name} = {plus(f'{name}_rows', times('m', self._step(root)))};"
                )
        for name, (value, size) in self._results.items():
            if name in words:
                found.append(f"{self._kind(value)} *const {name} = {plus(f'{name}_rows', times('m', size))};")
        return found

    # -- statements -----------------------------------------------------------------------------------------

    def dense(self, node: Node[Op], turned: bool = False) -> None:
        """A product of all rows with the kernel, and the activation."""
        if prod(self.shape(node.inputs[0])[:-1]) != 1:
            super().dense(node, turned)
            return
        self._taken.add(node.output)
        low = lowest(fused_activation(node.op))
        self.lines.append(self._product(node, -inf if low is None else low))
        if low is None:
            activate(self, node)

    def _product(self, node: Node[Op], low: float) -> _OfAllRows:
        x, kernel, *rest = node.inputs
        inputs, units = self.shape(kernel)
        widths = panels(units, self.simd)
        w = self.packed(kernel, widths)
        bias = self.packed(rest[0], widths) if rest else ""
        (from_, ldx), (to, ldy) = self._all_rows(x), self._all_rows(node.output)
        spans = self._spans(units, widths)
        for product, first, last in spans:
            self.panel_products.add(product)
            self.products |= set(product.tiles)
            self.cost += (last - first) * product.cost(inputs)

        def call(product: PanelProduct, column: int, first: Number, last: Number) -> str:
            own = plus(bias, column) if bias else "NULL"
            return (
                f"{product.name}({from_}, {ldx}, count, {inputs}, {plus(w, column * inputs)}, {own}, "
                f"{plus(to, column)}, {ldy}, {literal(low)}, {first}, {last});"
            )

        def lines(begin: Number, end: Number) -> list[str]:
            if begin == 0 and end == len(widths):
                return [f"  {call(p, first * widths[0], 0, last - first)}" for p, first, last in spans]
            found = []
            for product, first, last in spans:
                if first:
                    found += laid_out([f"if ({end} > {first})"], call(product, first * widths[0], 0, 1), "  ")
                else:
                    some = end if last == len(widths) else f"({end} < {last} ? {end} : {last})"
                    found.append(f"  {call(product, 0, begin, some)}")
            return found

        return _OfAllRows(len(widths), FEW_ROWS * inputs * units, lines)

    def _spans(self, units: int, widths: Sequence[int]) -> list[tuple[PanelProduct, int, int]]:
        """The functions for a kernel's panels: for those of full width, and for the last one if it is not full."""
        full, left = divmod(units, widths[0])
        found = [(self._panel_product(widths[0], 0), 0, full)] if full else []
        if full < len(widths):
            found.append((self._panel_product(widths[full], left), full, len(widths)))
        return found

    def _panel_product(self, width: int, columns: int) -> PanelProduct:
        size = min(width, self.simd)
        return PanelProduct(width // size, size, columns % size, self.simd)

    def all_rows(self) -> tuple[str, Lines]:
        """The statements of all nodes for all rows, in order, and those that copy results that lie elsewhere.

        Before them, C of functions that they call.
        """
        self.all()
        self.cost += sum(self._row_cost(node) for node in self.graph.nodes)
        for k, value in enumerate(self.graph.outputs):
            if self.direct.get(value) != f"y{k}":
                size = prod(shape_of_row(self.graph, value))
                self._results[f"y{k}"] = value, size
                self.lines += self.stored(value, f"y{k}", size)
        runs = self._runs()
        repeated = Repeated([r for r in runs if isinstance(r, list)], self.arrays, "same_row", ("BAD",))
        found: list[str | Step] = []
        of_row: list[str] = []

        def close() -> None:
            found.extend([self._in_turn(of_row)] if of_row else [])
            of_row.clear()

        for run in runs:
            if isinstance(run, list):
                of_row += repeated.of(run)
                continue
            comment = [of_row.pop()]
            close()
            found += [*comment, run]
        close()
        return repeated.functions, found

    def _runs(self) -> list[list[str] | _OfAllRows]:
        """Statements of single rows, a list for what belongs together, and those of all rows."""
        found: list[list[str] | _OfAllRows] = []
        of_row: list[str] = []
        for line in self.lines:
            if isinstance(line, _OfAllRows):
                found += [*divided(of_row), line]
                of_row = []
            else:
                of_row += in_order([line])
        return [*found, *divided(of_row)]

    def _row_cost(self, node: Node[Op]) -> float:
        """What a node costs beside products of all rows."""
        along = element_cost(self.graph, node)
        single = 0 if node.output in self._taken else products(self.graph, node) / self.simd
        *_, last = (1, *self.shape(node.output))
        return single + (LOOP + along / last * -(-last // self.simd) if along else 0)

    def _in_turn(self, lines: Sequence[str]) -> Step:
        """The statements of one row, for each row."""
        own = self._of_one_row(lines)
        faults = (
            ["const int64_t row = begin + m;", "enum { rows = 1 };"]
            if any("BAD(" in s for s in lines)
            else []
        )

        lines = list(lines)

        def turns(low: Number, high: Number) -> list[str]:
            head = f"  for (int m = {low}; m < {high}; m++) {{"
            return [head, *(f"    {s}" for s in (*own, *faults)), *(f"  {s}" for s in lines), "  }"]

        return Step("count", FEW_ROWS * 10 * len(lines), turns, FEW_ROWS)
