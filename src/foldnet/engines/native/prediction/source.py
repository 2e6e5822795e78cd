"""From a graph to one translation unit of C.

``emit`` writes code for this machine: blocks of rows, vectors, threads, weights handed over at the call.
``emit_portable`` writes strict C99 for anyone's machine: one function for one row, weights inside. Both come
from the same statements (each operation's ``c.py``), the same functions (``maths.h``, ``rows.h``) and the same order of
sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from foldnet.codegen import convolution, maths, matrix, product_tiles
from foldnet.codegen.expressions import plus, times
from foldnet.codegen.headers import header, needed
from foldnet.codegen.layout import Packed, Weights, pack, plan, row_shape
from foldnet.codegen.loops import C_TYPES, CType, laid_out, loop
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op

BLOCK_BYTES = 2 << 20
"""Largest workspace of a block: what a core's second-level cache holds. Longer rows go one by one."""

ALONE = 4096
"""Multiply-adds of products of two values in a row from which on rows go one by one, as the kernels are faster."""

SHARE_COST = 200_000
"""Multiply-adds that are worth a thread's attention: about 10 microseconds."""

STACK_FLOATS = 16_384

FMA = """\
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FMA(a, b, c) {fma}(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif
"""


FLASH = """\
/* On AVR the weights stay in flash, and each is read from there; -DWEIGHTS_IN_RAM copies them to memory at the start.
   Elsewhere nothing of this is seen. */
#if defined(__AVR__) && !defined(WEIGHTS_IN_RAM)
#include <avr/pgmspace.h>
#define FLASH PROGMEM
#define WEIGHT(number) pgm_read_float(&(number))
#else
#define FLASH
#define WEIGHT(number) (number)
#endif
"""

WORKSPACE = """\
/* Where values between the layers are kept: empty for the stack, static for memory of their own. */
#ifndef WORKSPACE
#define WORKSPACE{kept}
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


@dataclass(frozen=True)
class PortableSource:
    """C99 for any machine.

    Attributes:
        code: one translation unit, without includes missing or names beyond ``name`` and statics.
        declaration: of the function, for a header, without the semicolon:
            ``int name(const float *x0, float *y0)``; one row in, one row out; it returns 0, or the number
            (from 1) of the node that found fault with the data.
        inputs: C type and row shape of each ``x``.
        outputs: likewise of each ``y``.
        faults: the nodes that can find fault: an index outside its table, a float that is no index.
        weights: bytes of the weights.
        workspace: bytes of the values between layers.
        is_static: whether that is kept in static memory unless it is said otherwise.
    """

    code: str
    declaration: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    faults: tuple[Node[Op], ...]
    weights: int = 0
    workspace: int = 0
    is_static: bool = False


def cost(graph: Graph) -> int:
    """Multiply-adds for one row; an element that is read or made counts as ten."""
    total = 1
    for node in graph.nodes:
        result, *operands = (row_shape(graph, v) for v in (node.output, *node.inputs))
        data = [prod(row_shape(graph, v)) for v in node.inputs if v not in graph.constants]
        total += node.op.multiply_adds(result, *operands) + 10 * max(prod(result), *data)
    return total


def _check(graph: Graph) -> None:
    for name in (*graph.inputs, *(n.output for n in graph.nodes)):
        if any(n is None for n in graph.types[name].shape[1:]):
            raise UnsupportedError(f"{name!r} has a free axis; bind the graph to the sizes of the data first")
        if prod(row_shape(graph, name)) >= 2**26:
            raise UnsupportedError(
                f'{name!r} has {row_shape(graph, name)} elements a row; use engine="reference"'
            )


def _ctype(graph: Graph, value: str) -> CType:
    return C_TYPES[graph.types[value].dtype]


def _used_inputs(graph: Graph) -> list[tuple[int, str]]:
    used = {v for n in graph.nodes for v in n.inputs} | set(graph.outputs)
    return [(i, name) for i, name in enumerate(graph.inputs) if name in used]


def emit(graph: Graph, *, simd: int = 16) -> Source:
    """C for this machine.

    Args:
        graph: with all sizes but the batch's known.
        simd: floats in a vector register (16, 8 or 4).

    Raises:
        UnsupportedError: something that only the reference engine computes, or a free axis.
    """
    _check(graph)
    weights = Weights(graph)
    places = plan(graph)
    parts = []
    row_plan = plan(graph, align=simd, inputs=False)
    direct = {name: f"x{i}" for i, name in _used_inputs(graph)}
    row = BlockWriter(graph, row_plan, weights, lanes=1, simd=simd, direct=direct)
    row_lines = row.all()
    sizes_of_blocks = (n for n in (2 * simd, simd) if (places.floats + places.ints) * 4 * n <= BLOCK_BYTES)
    alone = row.multiplied >= ALONE or any(n.op.one_by_one for n in graph.nodes)
    lanes = 1 if alone else next(sizes_of_blocks, 1)
    sizes = {width for width, _ in row.row_panels}
    parts.append(_row_function(graph, row, row_lines))
    floats, ints = row_plan.floats, row_plan.ints
    if lanes > 1:
        block = BlockWriter(graph, places, weights, lanes=lanes, simd=simd, direct={})
        parts.append(_block_function(graph, block, block.all(), lanes))
        floats, ints = max(floats, places.floats * lanes), max(ints, places.ints * lanes)
        kernels = [matrix.block_kernel(t, simd, lanes) for t in sorted(block.tiles)]
    else:
        kernels = []
    kernels += [matrix.row_kernel(width, simd, several) for width, several in sorted(row.row_panels)]
    tiles: list[convolution.Tile | product_tiles.ProductTile] = [*row.convs, *row.products]
    reads_some = sorted({t.size for t in tiles if t.part})
    kernels += [convolution.reading_some(size) for size in reads_some]
    kernels += convolution.kernels(row.convs) + product_tiles.kernels(row.products)
    kernels += [convolution.one_position(str)] if row.portable_convs else []
    types = {min(w, simd) for w in sizes} | {t.size for t in tiles} | ({simd} if lanes > 1 else set())
    per_row = cost(graph)
    unit = max(lanes, 1)
    share = max(1, -(-SHARE_COST // (per_row * unit))) * unit
    code = "\n".join(parts)
    faults = tuple(row.faults)
    constants = {
        "LANES": lanes,
        "FEW": max(2, lanes // 4),
        "FLOATS": -(-max(floats, 1) // 16) * 16,
        "INTS": max(ints, 1),
        "FLOATS_ROW": row_plan.floats,
        "INTS_ROW": row_plan.ints,
        "SHARE": share,
        "MAX_THREADS": 256,
        "STACK": int(row_plan.floats + row_plan.ints <= STACK_FLOATS),
    }
    text = [
        "#include <math.h>\n#include <pthread.h>\n#include <stdint.h>\n#include <stdlib.h>\n",
        FMA.format(fma="__builtin_fmaf"),
        '#define FOLDNET_EXPORT __attribute__((visibility("default")))\n',
        needed(matrix.vector_types(types), "\n".join(kernels)),
        *kernels,
        maths.functions_for(code),
        _bad_macro(len(faults)) if faults else "",
        code,
        "".join(f"#define {k} {v}\n" for k, v in constants.items()),
        header(__file__, "runtime.h"),
    ]
    return Source(
        "\n".join(t for t in text if t), tuple(weights.parts.values()), max(weights.size, 1), per_row, faults
    )


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
    used = body.used | ({"bad"} if body.faults else set()) | ({"in"} if _used_inputs(body.graph) else set())
    return [f"  (void){name};" for name in names if name not in used]


def _of_row(graph: Graph, name: str) -> tuple[int, str]:
    """Elements of a row of an input or output, and their type."""
    return prod(row_shape(graph, name)[int(name in graph.constants) :]), _ctype(graph, name)


def _row_function(graph: Graph, body: BlockWriter, lines: Sequence[str]) -> str:
    ports, results = [], []
    for i, name in _used_inputs(graph):
        size, kind = _of_row(graph, name)
        ports.append(f"  const {kind} *x{i} = (const {kind} *)in[{i}] + {times('row', size)};")
    for i, name in enumerate(graph.outputs):
        size, kind = _of_row(graph, name)
        ports.append(f"  {kind} *y{i} = ({kind} *)out[{i}] + {times('row', size)};")
        results += body.stored(name, f"y{i}", size)
    text = [
        f"{_BODY}_row{_ARGUMENTS}",
        "         int32_t *restrict j, int64_t row, int64_t *bad) {",
        *(["  enum { rows = 1 };"] if body.faults else []),
        *_unused(body, ("w", "in", "f", "j", "bad")),
        *ports,
    ]
    return "\n".join([*text, *body.declarations(), *lines, *results, "}"]) + "\n"


def _block_function(graph: Graph, body: BlockWriter, lines: Sequence[str], lanes: int) -> str:
    loads, results = [], []
    for i, name in _used_inputs(graph):
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


def emit_portable(
    graph: Graph, name: str = "predict", parameters: Sequence[str] | None = None
) -> PortableSource:
    """Strict C99: one function, one row at a time, no allocation, no library but libm.

    Args:
        graph: with all sizes but the batch's known.
        name: of the function; a C identifier.
        parameters: names of the inputs and then the outputs, C identifiers, too; by default x0, x1, ..., y0, ...

    Raises:
        UnsupportedError: something that only the reference engine computes, or a free axis.
    """
    _check(graph)
    places, weights = plan(graph, inputs=False), Weights(graph)
    count = len(graph.inputs)
    numbered = [*(f"x{i}" for i in range(count)), *(f"y{i}" for i in range(len(graph.outputs)))]
    names = numbered if parameters is None else list(parameters)
    takes, gives = names[:count], names[count:]
    direct = {v: takes[i] for i, v in _used_inputs(graph)}
    body = BlockWriter(graph, places, weights, lanes=1, simd=1, direct=direct, names=True)
    lines = body.all()
    arguments = [f"const {_ctype(graph, v)} *{p}" for p, v in zip(takes, graph.inputs, strict=True)]
    arguments += [f"{_ctype(graph, v)} *{p}" for p, v in zip(gives, graph.outputs, strict=True)]
    declaration = f"int {name}({', '.join(arguments)})"
    shapes = [row_shape(graph, v)[int(v in graph.constants) :] for v in graph.outputs]
    small = places.floats + places.ints <= STACK_FLOATS
    text = [f"{declaration} {{", "  int bad = 0;"]
    if places.floats:
        text.append(f"  WORKSPACE float f[{places.floats}];")
    if places.ints:
        text.append(f"  WORKSPACE int32_t j[{places.ints}];")
    used = dict(_used_inputs(graph))
    text += [f"  (void){p};" for i, p in enumerate(takes) if i not in used]
    results = [(_ctype(graph, v), s) for v, s in zip(graph.outputs, shapes, strict=True)]
    stores = [
        line for i, v in enumerate(graph.outputs) for line in body.stored(v, gives[i], prod(results[i][1]))
    ]
    text += [*body.declarations(), *lines, *stores]
    code = "\n".join([*text, "  return bad;", "}"]) + "\n"
    head = [
        "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n",
        "#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n",
        FMA.format(fma="fmaf"),
        "#define BAD(l, number) (bad = bad ? bad : (number) + 1)\n" if body.faults else "",
        FLASH + "\n" + _weights_array(graph, weights) if weights.size else "",
        WORKSPACE.format(kept="" if small else " static") if "WORKSPACE " in code else "",
        maths.functions_for(code),
        *(matrix.portable_kernel(*how) for how in matrix.PORTABLE_KERNELS.items() if f"{how[0]}(" in code),
        convolution.one_position("WEIGHT({})".format) if body.portable_convs else "",
    ]
    kinds = [(_ctype(graph, v), row_shape(graph, v)) for v in graph.inputs]
    return PortableSource(
        "\n".join([*(h for h in head if h), code]),
        declaration,
        tuple(kinds),
        tuple(results),
        tuple(body.faults),
        weights=4 * weights.size,
        workspace=4 * (places.floats + places.ints),
        is_static=not small,
    )


def _weights_array(graph: Graph, weights: Weights) -> str:
    if any(graph.constants[p.name].dtype.kind in "iub" for p in weights.parts.values()):
        raise UnsupportedError("integer constants have no place in portable C")
    buffer = pack(tuple(weights.parts.values()), weights.size, graph.constants)
    lines = [f"static const float w[{weights.size}] FLASH = {{"]
    for part in sorted(weights.parts.values(), key=lambda p: p.offset):
        shape = graph.constants[part.name].shape
        label = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in part.name)
        lines.append(f"  /* {part.offset}: {label}, {' x '.join(map(str, shape))} */")
        end = part.offset + -(-max(prod(shape), 1) // 16) * 16
        values = [maths.literal(v) for v in buffer[part.offset : end]]
        lines += ["  " + " ".join(f"{v}," for v in values[k : k + 8]) for k in range(0, len(values), 8)]
    return "\n".join([*lines, "};"]) + "\n"
