"""From a graph to one translation unit of C for this machine: blocks of rows, vectors, threads.

Weights are handed over at the call, and so are the lengths of free axes. ``portable.py`` writes C for any machine from
the same statements (each operation's ``c.py``) and the same functions (``maths.h``, ``rows.h``), with the same order of
sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

from foldnet.codegen import convolution, maths, matrix, product_tiles
from foldnet.codegen.expressions import plus, times
from foldnet.codegen.headers import header, needed
from foldnet.codegen.layout import Packed, Weights, ctype, row_shape, shape_of_row
from foldnet.codegen.loops import laid_out, loop
from foldnet.codegen.size_names import SizeNames, lengths_of, writing
from foldnet.codegen.workspace import Plan, plan, rounded_up
from foldnet.engines.native.prediction.steps import Lines, divided_cost, in_order, in_steps
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.graph.sizes import Lengths, free, larger, usual

BLOCK_BYTES = 2 << 20
"""Largest workspace of a block: what a core's second-level cache holds. Longer rows go one by one."""

ALONE = 4096
"""Multiply-adds of products of two values in a row from which on rows go one by one, as the kernels are faster."""

SHARE_COST = 200_000
"""Multiply-adds that are worth a thread's attention: about 10 microseconds."""

TEAM_COST = 2_000_000
"""Multiply-adds of one row for each thread that works on it: about 30 microseconds, as waking a thread takes 10."""

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
#pragma GCC optimize("no-tree-pre")
#endif
"""
"""So that gcc computes functions of vectors once, and not again for the limits that their arguments are cut to."""

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
        faults: the nodes that can find fault with the data (an index outside its table, a float that is no
            index), by the number that ``foldnet_run`` reports.
    """

    code: str
    layout: tuple[Packed, ...]
    floats: int
    cost: int
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


def used_inputs(graph: Graph) -> list[tuple[int, str]]:
    """The inputs that anything depends on, with their numbers."""
    used = {v for n in graph.nodes for v in n.inputs} | set(graph.outputs)
    return [(i, name) for i, name in enumerate(graph.inputs) if name in used]


def emit(graph: Graph, *, simd: int = 16, threads: bool = True) -> Source:
    """C for this machine.

    Args:
        graph: with all sizes but the batch's known, or known when the code runs.
        simd: floats in a vector register (16, 8 or 4).
        threads: whether several may share the work; they need POSIX threads. Without them, any system will do.

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
        text, steps = _row_function(graph, row, lines, names, divided)
        parts = [text]
    lanes, floats, ints = 1, row_plan.floats, row_plan.ints
    kernels = []
    if lengths is None and row.multiplied < ALONE and not any(n.op.one_by_one for n in graph.nodes):
        places = plan(graph)
        sizes_of_blocks = (
            n for n in (2 * simd, simd) if (places.floats + places.ints) * 4 * n <= BLOCK_BYTES
        )
        lanes = next(sizes_of_blocks, 1)
    if lanes > 1:
        block = BlockWriter(graph, places, weights, lanes=lanes, simd=simd, direct={})
        parts.append(_block_function(graph, block, in_order(block.all()), lanes))
        floats, ints = max(floats, places.floats * lanes), max(ints, places.ints * lanes)
        kernels = [matrix.block_kernel(t, simd, lanes) for t in sorted(block.tiles)]
    kernels += [matrix.row_kernel(width, simd, several) for width, several in sorted(row.row_panels)]
    tiles: list[convolution.Tile | product_tiles.ProductTile] = [*row.convs, *row.products]
    reads_some = sorted({t.size for t in tiles if t.part})
    kernels += [convolution.reading_some(size) for size in reads_some]
    kernels += [product_tiles.SIDE_BY_SIDE] if row.packs else []
    kernels += convolution.kernels(row.convs) + product_tiles.kernels(row.products)
    kernels += [convolution.one_position(str)] if row.portable_convs else []
    types = {min(width, simd) for width, _ in row.row_panels} | {t.size for t in tiles}
    types |= ({simd} if lanes > 1 else set()) | ({4} if row.packs else set())
    code = "\n".join(parts)
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
        header(__file__, "steps.h") if steps else "",
        code,
        _constants(lanes, per_row, row_plan, floats, ints, lengths, steps),
        header(__file__, "runtime.h"),
        "" if lengths is None else _sizes_function(graph, lengths),
    ]
    return Source(
        "\n".join(t for t in pieces if t),
        tuple(weights.parts.values()),
        max(weights.size, 1),
        usual(per_row),
        faults,
    )


def _handed_over(lengths: Lengths) -> list[str]:
    return [f"lengths[{k}]" for k in range(len(lengths.assumed))]


def _constants(
    lanes: int, per_row: int, row_plan: Plan, floats: int, ints: int, lengths: Lengths | None, steps: int
) -> str:
    """What ``runtime.h`` must know; what depends on lengths is a function of them."""
    text = f"#define LANES {lanes}\n#define FEW {max(2, lanes // 4)}\n#define STEPS {steps}\n"
    sizes = {
        "FLOATS": rounded_up(larger(floats, 1), 16),
        "INTS": larger(ints, 1),
        "FLOATS_ROW": row_plan.floats,
        "INTS_ROW": row_plan.ints,
    }
    if steps:
        sizes["TEAM"] = -(-per_row // TEAM_COST)
    if lengths is None:
        on_stack = row_plan.floats + row_plan.ints <= STACK_FLOATS
        sizes["SHARE"] = max(1, -(-SHARE_COST // (per_row * lanes))) * lanes
        sizes["STACK"], sizes["STACK_INTS"] = (row_plan.floats + 1, row_plan.ints + 1) if on_stack else (0, 0)
        return text + "".join(f"#define {name} {size}\n" for name, size in sizes.items())
    text += f"#define LENGTHS 1\n#define STACK {STACK_FLOATS}\n#define STACK_INTS {STACK_FLOATS}\n"
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


# Kept apart from their callers, and weights and workspaces from each other: compilers would make copies of all that is
# inlined, and of each loop one for arrays that overlap.
_BODY = "static __attribute__((noinline)) void\nbody"
_ARGUMENTS = "(const float *restrict w, const void *const *in, void *const *out, float *restrict f,"


def _unused(body: BlockWriter, names: Sequence[str]) -> list[str]:
    """What tells compilers that a function need not use all that each such function is given."""
    used = body.used | ({"bad"} if body.faults else set()) | ({"in"} if used_inputs(body.graph) else set())
    return [f"  (void){name};" for name in names if name not in used]


def _of_row(graph: Graph, name: str) -> tuple[int, str]:
    """Elements of a row of an input or output, and their type."""
    return prod(shape_of_row(graph, name)), ctype(graph, name)


def _row_function(
    graph: Graph, body: BlockWriter, lines: Lines, names: SizeNames | None, divided: bool
) -> tuple[str, int]:
    """Its C, and how many steps threads may share."""
    ports, results = [], []
    for i, name in used_inputs(graph):
        size, kind = _of_row(graph, name)
        ports.append(f"  const {kind} *x{i} = (const {kind} *)in[{i}] + {times('row', size)};")
    for i, name in enumerate(graph.outputs):
        size, kind = _of_row(graph, name)
        ports.append(f"  {kind} *y{i} = ({kind} *)out[{i}] + {times('row', size)};")
        results += body.stored(name, f"y{i}", size)
    text, steps = in_steps([*lines, *results]) if divided else (in_order([*lines, *results]), 0)
    declarations = body.declarations()
    lengths = "" if names is None else ", const int64_t *lengths"
    team = ", const team_t *team" if steps else ""
    statements = [*ports, *declarations, *text]
    head = [
        f"{_BODY}_row{_ARGUMENTS}",
        f"         int32_t *restrict j, int64_t row, int64_t *bad{lengths}{team}) {{",
        *(["  enum { rows = 1 };"] if body.faults else []),
        *_unused(body, ("w", "in", "f", "j", "bad")),
        *([] if names is None else names.definitions(statements) or ["  (void)lengths;"]),
    ]
    return "\n".join([*head, *statements, "}"]) + "\n", steps


def _block_function(graph: Graph, body: BlockWriter, lines: Sequence[str], lanes: int) -> str:
    loads, results = [], []
    for i, name in used_inputs(graph):
        size, kind = _of_row(graph, name)
        at, element = plus(times("i", lanes), "l"), f"x[{plus(times('l', size), 'i')}]"
        if size == 1:
            at, element = "l", "x[l]"
        heads = [*([loop("i", 0, size)] if size != 1 else []), loop("l", 0, lanes)]
        loads += [
            "  {",
            f"    const {kind} *x = (const {kind} *)in[{i}] + {times('row', size)};",
            f"    {kind} *to = {body.base(name)};",
            f"    if (rows == {lanes}) {{",
            *laid_out(heads, f"to[{at}] = {element};", "      "),
            "    } else {",
            *laid_out(heads, f"to[{at}] = l < rows ? {element} : 0;", "      "),
            "    }",
            "  }",
        ]
    for i, name in enumerate(graph.outputs):
        size, kind = _of_row(graph, name)
        constant, at = name in graph.constants, "i" if size != 1 else "0"
        element = f"from[{at}]" if constant else f"from[{plus(times(at, lanes), 'l')}]"
        inner = [loop("i", 0, size)] if size != 1 else []
        to = f"y[{plus(times('l', size), at)}] = {element};"
        results += [
            "  {",
            f"    {kind} *y = ({kind} *)out[{i}] + {times('row', size)};",
            f"    const {kind} *from = {body.base(name)};",
            f"    if (rows == {lanes}) {{",
            *laid_out([loop("l", 0, lanes), *inner], to, "      "),
            "    } else {",
            *laid_out([loop("l", 0, "rows"), *inner], to, "      "),
            "    }",
            "  }",
        ]
    text = [
        f"{_BODY}_block{_ARGUMENTS}",
        "           int32_t *restrict j, int64_t row, int rows, int64_t *bad) {",
        *_unused(body, ("w", "in", "f", "j", "bad")),
    ]
    return "\n".join([*text, *body.declarations(), *loads, *lines, *results, "}"]) + "\n"
