"""From a graph to one translation unit of C for this machine: blocks of rows, vectors, threads.

Weights are handed over at the call, and so are the lengths of free axes. ``portable.py`` writes C for any machine from
the same statements (each operation's ``c.py``) and the same functions (``maths.h``, ``rows.h``), with the same order of
sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import prod

from foldnet.codegen import convolution, maths, matrix, panel_products, product_tiles, turning
from foldnet.codegen.headers import header, needed
from foldnet.codegen.layout import Packed, Weights, row_shape, shape_of_row
from foldnet.codegen.size_names import SizeNames, lengths_of, writing
from foldnet.codegen.workspace import Plan, plan, rounded_up
from foldnet.engines.native.prediction import narrow
from foldnet.engines.native.prediction.bodies import row_function, used_inputs
from foldnet.engines.native.prediction.rows import HEIGHT
from foldnet.engines.native.prediction.steps import divided_cost
from foldnet.engines.native.prediction.strategies import Strategy, Together, alone, together
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.graph.sizes import Lengths, free, larger, usual

SHARE_COST = 200_000
"""Multiply-adds that are worth a thread's attention: about 10 microseconds."""

TEAM_COST = 2_000_000
"""Multiply-adds of one row for each thread that works on it: about 30 microseconds, as waking a thread takes 10."""

FEW_ROWS = 2
"""Rows from which on rows in memory are computed together."""

SHARED_FROM = 200_000
"""Multiply-adds of a row from which on threads may share rows: else the weights lie in each one's cache anyway."""

APART = 96
"""Rows for each thread from which on threads take rows of their own; of fewer rows they share each layer."""

KEPT = 8
"""Workspaces that a program keeps, at most; there are more while more threads compute at once."""

STACK_FLOATS = 16_384

HEADERS = ("math", "pthread", "sched", "signal", "stdint", "stdlib", "time")
"""Of the system, which the code includes."""

C_HEADERS = ("math", "stdint", "stdlib")
"""Of any system, which the code without threads includes."""

EXPORT = """\
#ifndef FOLDNET_EXPORT
#define FOLDNET_EXPORT __attribute__((visibility("default")))
#endif
"""

LONG = """\
/* A long of 64 bits, as elsewhere: sizes that depend on lengths are computed in it. */
#ifdef _WIN32
#define long long long
#endif
"""

GCC = """\
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-pre", "no-thread-jumps")
#endif
"""
"""So that gcc computes functions of vectors once, and not again for the limits that their arguments are cut to; and
compares once for each limit."""

FMA = """\
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FMA(a, b, c) {fma}(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif
"""


@dataclass(frozen=True)
class Source:
    """C for this machine.

    Attributes:
        code: one translation unit that exports ``foldnet_run`` (see ``runtime.h``).
        layout: where each constant lies in the weights buffer.
        floats: size of the weights buffer.
        cost: multiply-adds for a row, roughly.
        workspace: bytes in which a thread computes; it depends on the lengths of free axes.
        faults: the nodes that can find fault with the data (an index outside its table, a float that is no
            index), by the number that ``foldnet_run`` reports.
    """

    code: str
    layout: tuple[Packed, ...]
    floats: int
    cost: int
    workspace: int
    faults: tuple[Node[Op], ...]


def cost(graph: Graph) -> int:
    """Multiply-adds for one row; an element that is read or made counts as ten."""
    total = 1
    for node in graph.nodes:
        result, *operands = (row_shape(graph, v) for v in (node.output, *node.inputs))
        data = [prod(row_shape(graph, v)) for v in node.inputs if v not in graph.constants]
        total += node.op.multiply_adds(result, *operands) + 10 * reduce(larger, data, prod(result))
    return total


LONGEST = 1 << 20
"""Longest free axis of code for many lengths, so that products of three lengths fit 64 bits."""

LARGEST = 2**26
"""A value has fewer elements a row than this."""


def check(graph: Graph) -> None:
    """Refuse what has no code, whatever its operations.

    Raises:
        UnsupportedError: a free axis whose length nobody hands over, or values too large for ``int``.
    """
    lengths = lengths_of(graph)
    for name in (*graph.inputs, *(n.output for n in graph.nodes)):
        if any(n is None for n in graph.types[name].shape[1:]):
            raise UnsupportedError(f"{name!r} has a free axis; bind the graph to the sizes of the data first")
        size = prod(row_shape(graph, name))
        if lengths is not None:
            lengths.require(size - LARGEST, "<")
        elif size >= LARGEST:
            raise UnsupportedError(
                f'{name!r} has {row_shape(graph, name)} elements a row; use engine="reference"'
            )


def emit(graph: Graph, *, simd: int = 16, threads: bool = True, strategy: Strategy | None = None) -> Source:
    """C for this machine.

    Args:
        graph: with all sizes but the batch's known, or known when the code runs.
        simd: floats in a vector register (16, 8 or 4).
        threads: whether several may share the work; they need POSIX threads. Without them, any system will do.
        strategy: how several rows are computed, where it can be; by default the one that costs least.

    Raises:
        UnsupportedError: something that only the reference engine computes, or a free axis.
    """
    check(graph)
    lengths, weights = lengths_of(graph), Weights(graph)
    names = None if lengths is None else SizeNames(lengths, _handed_over(lengths))
    with writing(lengths, names):
        row_plan = plan(graph, align=simd, inputs=False)
        direct = {name: f"x{i}" for i, name in used_inputs(graph)}
        row = BlockWriter(graph, row_plan, weights, lanes=1, simd=simd, direct=direct)
        lines = row.all()
        per_row = cost(graph)
        divided = usual(per_row) > TEAM_COST and 2 * divided_cost(lines) > usual(per_row)
        text, steps = row_function(graph, row, lines, names, divided)
    many = (
        alone(row)
        if lengths is not None
        else together(graph, row, direct, threads and usual(per_row) >= SHARED_FROM, strategy)
    )
    code = text + many.code
    kernels = [matrix.block_kernel(t, simd, many.lanes) for t in sorted(many.writer.tiles)]
    kernels += [matrix.row_kernel(width, simd, several) for width, several in sorted(row.row_panels)]
    products = row.products | many.writer.products
    tiles: list[convolution.Tile | product_tiles.ProductTile] = [*row.convs, *products]
    reads_some = sorted({t.size for t in tiles if t.part})
    kernels += [convolution.reading_some(size) for size in reads_some]
    kernels += [product_tiles.SIDE_BY_SIDE] if row.packs else []
    kernels += convolution.kernels(row.convs) + product_tiles.kernels(products)
    kernels += panel_products.kernels(many.panel_products)
    chains = "\n".join(many.writer.chains.code())
    turning_code = turning.functions(simd, many.code + chains)
    kernels += [turning_code] if turning_code else []
    kernels += [narrow.macros(chains), chains] if chains else []
    kernels += [convolution.one_position(str)] if row.portable_convs else []
    types = {min(width, simd) for width, _ in row.row_panels} | {t.size for t in tiles}
    types |= ({simd} if many.lanes > 1 else set()) | ({4} if row.packs else set())
    types |= {size for size in (4, 8, 16) if size <= simd} if turning_code else set()
    faults = tuple(row.faults)
    pieces = [
        "#define _GNU_SOURCE 1\n"
        + "".join(f"#include <{name}.h>\n" for name in (HEADERS if threads else C_HEADERS)),
        "" if threads else LONG,
        GCC,
        FMA.format(fma="__builtin_fmaf"),
        EXPORT,
        needed(matrix.vector_types(types), "\n".join(kernels)),
        *kernels,
        maths.functions_for(code, inlined=True),
        _bad_macro(len(faults)) if faults else "",
        header(__file__, "helpers.h" if threads else "no_helpers.h"),
        header(__file__, "steps.h") if steps or many.steps else "",
        code,
        _constants(many, per_row, row_plan, lengths, steps),
        header(__file__, "runtime.h"),
        "" if lengths is None else _sizes_function(graph, lengths),
    ]
    return Source(
        "\n".join(t for t in pieces if t),
        tuple(many.weights.parts.values()),
        max(many.weights.size, 1),
        usual(per_row),
        4 * (_workspace_floats(many.floats) + larger(many.ints, 1)),
        faults,
    )


def _workspace_floats(planned: int) -> int:
    return rounded_up(larger(planned, 1), 16)


def _handed_over(lengths: Lengths) -> list[str]:
    return [f"lengths[{k}]" for k in range(len(lengths.assumed))]


def _constants(many: Together, per_row: int, row_plan: Plan, lengths: Lengths | None, steps: int) -> str:
    """What ``runtime.h`` must know; what depends on lengths is a function of them."""
    given = {
        "LANES": many.lanes,
        "ROWS": many.rows,
        "FEW": FEW_ROWS if many.rows > 1 else many.few,
        "STEPS": steps,
        "ROWS_STEPS": many.steps,
        "HEIGHT": HEIGHT,
        "APART": APART,
        "KEPT": KEPT if lengths is None else 0,
        "ROWS_EACH": -(-TEAM_COST // usual(per_row)),
    }
    text = "".join(f"#define {name} {number}\n" for name, number in given.items())
    sizes = {
        "FLOATS": _workspace_floats(many.floats),
        "INTS": larger(many.ints, 1),
        "FLOATS_ROW": row_plan.floats,
        "INTS_ROW": row_plan.ints,
    }
    if steps:
        sizes["TEAM"] = -(-per_row // TEAM_COST)
    if lengths is None:
        on_stack = row_plan.floats + row_plan.ints <= STACK_FLOATS
        sizes["SHARE"] = max(1, -(-SHARE_COST // (per_row * many.lanes))) * many.lanes
        sizes["STACK"], sizes["STACK_INTS"] = (row_plan.floats + 1, row_plan.ints + 1) if on_stack else (0, 0)
        sizes["SMALL"] = int(sizes["FLOATS"] + sizes["INTS"] <= STACK_FLOATS)  # else it is allocated
        return text + "".join(f"#define {name} {size}\n" for name, size in sizes.items())
    text += f"#define LENGTHS 1\n#define SMALL 0\n#define STACK {STACK_FLOATS}\n#define STACK_INTS {STACK_FLOATS}\n"
    texts = {name: (size, "{}") for name, size in sizes.items()}
    texts["SHARE"] = per_row, f"{SHARE_COST} / {{}} + 1"
    for name, (size, form) in texts.items():
        names = SizeNames(lengths, _handed_over(lengths))
        with writing(lengths, names):
            value = form.format(size)
        definitions = names.definitions([value]) or ["  (void)lengths;"]
        head = f"static long {name.lower()}_for(const int64_t *lengths) {{"
        text += "\n".join([head, *definitions, f"  return {value};", "}", ""])
        text += f"#define {name} {name.lower()}_for(lengths)\n"
    return text


def run_time_sizes(graph: Graph) -> list[int]:
    """The sizes of inputs and outputs that are known only when the code runs, in order."""
    rows = [shape_of_row(graph, name) for name in (*graph.inputs, *graph.outputs)]
    return [n for row in rows for n in row if free(n) is not None]


def _sizes_function(graph: Graph, lengths: Lengths) -> str:
    """C of the function that says whether the code is for these lengths, and gives the sizes that depend on them."""
    names = SizeNames(lengths, _handed_over(lengths), "int64_t")
    with writing(lengths, names):
        tests = [names.test(condition) for condition in lengths.conditions]
        results = [f"  sizes[{k}] = {size};" for k, size in enumerate(run_time_sizes(graph))]
    lines = [
        "/* Whether this code is for these lengths; if so, the sizes of inputs and outputs that depend on them. */",
        "FOLDNET_EXPORT int64_t foldnet_sizes(const int64_t *lengths, int64_t *sizes) {",
        *names.definitions([*tests, *results]),
        *(line for test in tests for line in (f"  if (!({test}))", "    return 0;")),
        *results,
        "  return 1;",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _bad_macro(faults: int) -> str:
    # Lanes beyond the last row compute on zeros, so they must not report faults.
    return (
        "#define BAD(l, number) \\\n"
        "  do { \\\n"
        f"    const int64_t code = (row + (l)) * {faults} + (number); \\\n"
        "    *bad = (l) < rows && code < *bad ? code : *bad; \\\n"
        "  } while (0)\n"
    )
