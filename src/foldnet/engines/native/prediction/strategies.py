"""How several rows are computed together: as lanes of vectors, one after the other in memory, or each alone.

As lanes, the numbers of a vector are of different rows: there is nothing to pad, however few units a layer has, but
inputs and results must be turned round. Rows in memory need not be turned, and their products with kernels run at the
machine's limit, but each layer's columns fill whole vectors. ``benchmarks/strategies.py`` measures both on many
networks; the costs are fitted to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from foldnet.codegen.layout import Weights, shape_of_row
from foldnet.codegen.panel_products import PanelProduct
from foldnet.codegen.workspace import Plan, plan
from foldnet.engines.native.prediction.bodies import block_function, chain_block, rows_function, used_inputs
from foldnet.engines.native.prediction.narrow import LANES, SIMD, Chains, chains
from foldnet.engines.native.prediction.rows import HEIGHT, RowsWriter, element_cost, products, row_step
from foldnet.engines.native.prediction.steps import in_order
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.graph.graph import Graph

Strategy = Literal["lanes", "rows", "alone"]

BLOCK_BYTES = 2 << 20
"""Largest workspace of a block of lanes: what a core's second-level cache holds."""

ALONE = 4096
"""Multiply-adds of products of two values in a row from which on rows go one by one, as the kernels are faster."""

LANE_PRODUCT = {16: 1.06, 8: 1.15, 4: 1.06}
"""What a product of lanes costs, by the floats in a vector: the machine's limit is 1."""

TURNED = 0.4
"""What turning a number of a row round costs."""

MOST_ROWS = 192
"""Rows that are computed together, so that reading the weights from memory takes a small part of the time."""

CACHED_ROWS = 48
"""The same where the weights lie in the cache."""

CACHED = 128 * 1024
"""Weights up to which they lie in the cache: half of a second-level cache."""

ROWS_BYTES = 4 << 20
"""Largest workspace of rows in memory. Where it is for fewer than ``HEIGHT`` rows, each goes alone."""


@dataclass(frozen=True)
class Together:
    """The C that computes several rows together.

    Attributes:
        writer: of its statements.
        code: a function, see ``bodies.py``; empty where each row goes alone.
        lanes: rows in a block of lanes, or 1.
        few: rows from which on a block of lanes is faster than each row alone.
        rows: rows in a block of rows in memory, or 1.
        steps: that threads may share, see ``steps.py``.
        floats, ints: size of the workspace, in which one row fits, too.
        cost: of a row, in multiply-adds of whole vectors, roughly.
        panel_products: functions for products of all rows.
        weights: the places of constants, those of one row's code included.
    """

    writer: BlockWriter
    weights: Weights
    code: str = ""
    lanes: int = 1
    few: int = 2
    rows: int = 1
    steps: int = 0
    floats: int = 0
    ints: int = 0
    cost: float = 0.0
    panel_products: tuple[PanelProduct, ...] = ()


def together(
    graph: Graph,
    row: BlockWriter,
    direct: Mapping[str, str],
    threads: bool,
    strategy: Strategy | None = None,
) -> Together:
    """The C for several rows.

    Args:
        graph: with sizes known.
        row: the writer of one row's statements, which are written.
        direct: inputs, by name, and what C calls them.
        threads: whether several may share the work on a few rows.
        strategy: the one to use where it can be; by default the one that costs less.
    """
    if strategy == "alone" or row.multiplied >= ALONE or any(n.op.one_by_one for n in graph.nodes):
        return alone(row)
    found = chains(graph, row.dense_nodes, row.simd)
    places = plan(graph, within=found.within)
    lanes = LANES if found.whole(graph) else _lanes_of(places, row.simd)
    rows = _rows_of(graph, row)
    made = {"lanes": _as_lanes(graph, row, places, lanes, found)} if lanes > 1 else {}
    in_memory = _in_memory(graph, row, direct, rows, threads) if rows > 1 else alone(row)
    if in_memory.panel_products:  # without products of all rows, there is nothing to gain
        made["rows"] = in_memory
    if strategy in made:
        return made[strategy]
    return min(made.values(), key=lambda found: found.cost, default=alone(row))


def alone(row: BlockWriter) -> Together:
    """Each row goes alone."""
    return Together(row, row.weights, floats=row.plan.floats, ints=row.plan.ints)


def _lanes_of(places: Plan, simd: int) -> int:
    fitting = (n for n in (2 * simd, simd) if (places.floats + places.ints) * 4 * n <= BLOCK_BYTES)
    return next(fitting, 1)


def _rows_of(graph: Graph, row: BlockWriter) -> int:
    if row.simd == 1:
        return 1
    weights = sum(array.size for array in graph.constants.values())
    most = CACHED_ROWS if weights <= CACHED else MOST_ROWS
    fitting = ROWS_BYTES // (4 * max(row.plan.floats + row.plan.ints, 1))
    return min(most, fitting) // HEIGHT * HEIGHT


def _as_lanes(graph: Graph, row: BlockWriter, places: Plan, lanes: int, found: Chains) -> Together:
    weights, simd, whole = row.weights.copied(), row.simd, found.whole(graph)
    direct = {name: f"x{i}" for i, name in used_inputs(graph) if name in found.rows}
    block = BlockWriter(graph, places, weights, lanes=lanes, simd=simd, direct=direct, chains=found)
    text = (
        chain_block(graph, block, whole)
        if whole
        else block_function(graph, block, in_order(block.all()), lanes)
    )
    moved = (
        TURNED * prod(shape_of_row(graph, v))
        for v in (*(name for _, name in used_inputs(graph)), *graph.outputs)
    )
    worked = (LANE_PRODUCT[simd] * products(graph, n) + element_cost(graph, n) for n in graph.nodes)
    return Together(
        block,
        weights,
        text,
        lanes=lanes,
        few=SIMD // 4 if whole else max(2, lanes // 4),
        floats=max(places.floats * lanes, row.plan.floats),
        ints=max(places.ints * lanes, row.plan.ints),
        cost=sum(moved) + sum(worked) / simd,
    )


def _in_memory(
    graph: Graph, row: BlockWriter, direct: Mapping[str, str], rows: int, threads: bool
) -> Together:
    weights = row.weights.copied()
    writer = RowsWriter(graph, row.plan, weights, simd=row.simd, direct=dict(direct))
    text, steps = rows_function(graph, writer, threads)
    return Together(
        writer,
        weights,
        text,
        rows=rows,
        steps=steps,
        floats=row_step(row.plan.floats) * rows,
        ints=row_step(row.plan.ints) * rows if row.plan.ints else 0,
        cost=writer.cost,
        panel_products=tuple(sorted(writer.panel_products)),
    )
