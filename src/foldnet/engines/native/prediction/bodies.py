"""The C functions that predict one row, a block of rows as lanes, or rows one after the other in memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foldnet.codegen.expressions import plus, times
from foldnet.codegen.layout import ctype, shape_of_row
from foldnet.codegen.loops import laid_out, loop
from foldnet.codegen.repeated import Repeated
from foldnet.codegen.repeated import divided as in_parts
from foldnet.codegen.size_names import SizeNames
from foldnet.codegen.turning import LEAST
from foldnet.engines.native.prediction.narrow import Chain
from foldnet.engines.native.prediction.rows import RowsWriter
from foldnet.engines.native.prediction.steps import Lines, in_order, in_steps
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.graph.graph import Graph
from foldnet.graph.op import fused_activation
from foldnet.operations.elementwise.c import activated


def used_inputs(graph: Graph) -> list[tuple[int, str]]:
    """The inputs that anything depends on, with their numbers."""
    used = {v for n in graph.nodes for v in n.inputs} | set(graph.outputs)
    return [(i, name) for i, name in enumerate(graph.inputs) if name in used]


# Kept apart from their callers, and weights and workspaces from each other: compilers would make copies of all that is
# inlined, and of each loop one for arrays that overlap.
OF_THE_BODY = ("BAD", "row", "rows", "bad", "in", "out", "f", "j", "w", "y0")
"""What statements of a body may name that functions do not get."""

_BODY = "static __attribute__((noinline)) void\nbody"
_ARGUMENTS = "(const float *restrict w, const void *const *in, void *const *out, float *restrict f,"


def _unused(body: BlockWriter, names: Sequence[str]) -> list[str]:
    """What tells compilers that a function need not use all that each such function is given."""
    used = body.used | ({"bad"} if body.faults else set()) | ({"in"} if used_inputs(body.graph) else set())
    return [f"  (void){name};" for name in names if name not in used]


def _of_row(graph: Graph, name: str) -> tuple[int, str]:
    """Elements of a row of an input or output, and their type."""
    return prod(shape_of_row(graph, name)), ctype(graph, name)


def row_function(
    graph: Graph, body: BlockWriter, lines: Lines, names: SizeNames | None, divided: bool
) -> tuple[str, int]:
    """The C for one row, and how many steps threads may share."""
    ports, results = [], []
    for i, name in used_inputs(graph):
        size, kind = _of_row(graph, name)
        ports.append(f"  const {kind} *x{i} = (const {kind} *)in[{i}] + {times('row', size)};")
    for i, name in enumerate(graph.outputs):
        size, kind = _of_row(graph, name)
        ports.append(f"  {kind} *y{i} = ({kind} *)out[{i}] + {times('row', size)};")
        results += body.stored(name, f"y{i}", size)
    repeated, text, steps = "", in_order([*lines, *results]), 0
    if divided:
        text, steps = in_steps([*lines, *results])
    elif names is None:
        repeated, text = shared(body, text, "same")
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
    return repeated + "\n".join([*head, *statements, "}"]) + "\n", steps


def shared(body: BlockWriter, lines: Sequence[str], name: str) -> tuple[str, list[str]]:
    """Functions for statements that come often, and the statements that call them."""
    parts = in_parts(lines)
    found = Repeated(parts, body.arrays, name, OF_THE_BODY)
    return found.functions, [line for part in parts for line in found.of(part)]


def rows_function(graph: Graph, body: RowsWriter, threads: bool) -> tuple[str, int]:
    """The C for rows in memory, and how many steps threads may share."""
    ports = []
    for i, name in used_inputs(graph):
        size, kind = _of_row(graph, name)
        ports.append(f"  const {kind} *const x{i}_rows = (const {kind} *)in[{i}] + {times('begin', size)};")
    for i, name in enumerate(graph.outputs):
        size, kind = _of_row(graph, name)
        ports.append(f"  {kind} *const y{i}_rows = ({kind} *)out[{i}] + {times('begin', size)};")
    repeated, lines = body.all_rows()
    text, steps = in_steps(lines) if threads else (in_order(lines), 0)
    team = ", const team_t *team" if steps else ""
    head = [
        f"{_BODY}_rows{_ARGUMENTS}",
        f"          int32_t *restrict j, int64_t begin, int count, int64_t *bad{team}) {{",
        *_unused(body, ("w", "in", "f", "j", "bad")),
    ]
    return repeated + "\n".join([*head, *ports, *body.declarations(), *text, "}"]) + "\n", steps


def _turned(body: BlockWriter, name: str, size: int, kind: str) -> list[str]:
    """Calls that turn the rows of a block into lanes or back, a vector of rows at a time; none for few features."""
    if size < LEAST or kind != "float":
        return []
    rows, at = times("l", size), "l"
    x, y = ("x", "to") if name == "to_lanes" else ("from", "y")
    first, second = (rows, at) if name == "to_lanes" else (at, rows)
    call = f"{name}{body.simd}({plus(x, first)}, {plus(y, second)}, {size}, {body.lanes});"
    return laid_out([f"for (int l = 0; l < {body.lanes}; l += {body.simd})"], call, "      ")


def _whole_rows(body: BlockWriter, name: str, i: int, size: int) -> list[str]:
    """Statements for an input whose rows are read where they are; where some are missing, zeros stand in for them."""
    own, lanes = body.direct[name], body.lanes
    return [
        f"  const float *{own} = (const float *)in[{i}] + {times('row', size)};",
        f"  if (rows < {lanes}) {{",
        f"    float *const to = {plus('f', body.plan.offsets[name] * lanes)};",
        f"    for (int i = 0; i < {size * lanes}; i++)",
        f"      to[i] = i < {times('rows', size)} ? {own}[i] : 0.0f;",
        f"    {own} = to;",
        "  }",
    ]


def chain_block(graph: Graph, body: BlockWriter, chain: Chain) -> str:
    """The C for a block of rows of a network that is one chain; vectors of which no row is given are left out."""
    (number, _), simd, width = used_inputs(graph)[0], body.simd, chain.sizes[0]
    vectors = f"for (int l = 0; l < rows; l += {simd})"
    call = body.chain_call(chain, "from", "to + l")
    own, whole = (plus("f", body.plan.offsets[v] * body.lanes) for v in (chain.output, chain.input))
    last = chain.nodes[-1]
    function = fused_activation(last.op) if chain.activated else None
    lines = [
        f"  const float *const x = (const float *)in[{number}] + {times('row', width)};",
        "  float *const y = (float *)out[0] + row;",
        f"  float *const to = rows % {simd} ? {own} : y;",
        f"  {vectors} {{",
        f"    const float *from = x + {times('l', width)};",
        f"    if (rows - l < {simd}) {{ /* zeros stand in for the rows that are missing */",
        f"      float *const whole = {whole};",
        f"      for (int i = 0; i < {simd * width}; i++)",
        f"        whole[i] = i < (rows - l) * {width} ? from[i] : 0.0f;",
        "      from = whole;",
        "    }",
        f"    {call}",
        "  }",
    ]
    if function:
        each = f"to[l + k] = {activated(function, 'to[l + k]')};"
        lines += laid_out([vectors, f"for (int k = 0; k < {simd}; k++)"], each, "  ")
    lines += laid_out([f"if (rows % {simd})", loop("l", 0, "rows")], "y[l] = to[l];", "  ")
    head = [
        f"{_BODY}_block{_ARGUMENTS}",
        "           int32_t *restrict j, int64_t row, int rows, int64_t *bad) {",
        "  (void)j;",
        "  (void)bad;",
    ]
    return "\n".join([*head, *body.declarations(), *lines, "}"]) + "\n"


def block_function(graph: Graph, body: BlockWriter, lines: Sequence[str], lanes: int) -> str:
    """The C for a block of rows as lanes."""
    loads, results = [], []
    for i, name in used_inputs(graph):
        size, kind = _of_row(graph, name)
        if name in body.direct:
            loads += _whole_rows(body, name, i, size)
            continue
        at, element = plus(times("i", lanes), "l"), f"x[{plus(times('l', size), 'i')}]"
        if size == 1:
            at, element = "l", "x[l]"
        heads = [*([loop("i", 0, size)] if size != 1 else []), loop("l", 0, lanes)]
        loads += [
            "  {",
            f"    const {kind} *x = (const {kind} *)in[{i}] + {times('row', size)};",
            f"    {kind} *to = {body.base(name)};",
            f"    if (rows == {lanes}) {{",
            *(_turned(body, "to_lanes", size, kind) or laid_out(heads, f"to[{at}] = {element};", "      ")),
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
            *(
                ([] if constant else _turned(body, "to_rows", size, kind))
                or laid_out([loop("l", 0, lanes), *inner], to, "      ")
            ),
            "    } else {",
            *laid_out([loop("l", 0, "rows"), *inner], to, "      "),
            "    }",
            "  }",
        ]
    repeated, lines = shared(body, lines, "same_lanes")
    text = [
        f"{_BODY}_block{_ARGUMENTS}",
        "           int32_t *restrict j, int64_t row, int rows, int64_t *bad) {",
        *_unused(body, ("w", "in", "f", "j", "bad")),
    ]
    return repeated + "\n".join([*text, *body.declarations(), *loads, *lines, *results, "}"]) + "\n"
