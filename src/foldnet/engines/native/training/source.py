"""The C of a training program, one text of two units, from the graph of the network, its loss and its optimizer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

from foldnet.codegen import maths
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.headers import header, joined, needed_pieces
from foldnet.codegen.loops import Operand, laid_out, strides_of
from foldnet.codegen.plain_names import role
from foldnet.codegen.standard import mathematics
from foldnet.codegen.tiles import (
    any_product,
    any_tile,
    either,
    last_columns,
    sixteen_sums,
    transposition,
)
from foldnet.codegen.units import UNITS, divided, for_both, heads, is_apart, only
from foldnet.engines.native.training.dots import any_dots
from foldnet.engines.native.training.forward import IN_TRAINING, forward
from foldnet.engines.native.training.functions import Function, indented
from foldnet.engines.native.training.layout import Layout
from foldnet.engines.native.training.positions import any_positions
from foldnet.engines.native.training.repeated import once
from foldnet.engines.native.training.statements import loop
from foldnet.engines.native.training.update import regularization, rule_function, update
from foldnet.engines.native.training.window_dots import any_window_dots
from foldnet.engines.native.training.writer import BatchWriter
from foldnet.graph.training import TrainingProgram
from foldnet.operations import catalogue

POLL_WORK = 3_000_000
"""Multiplications after which a running fit looks at the clock."""

POLLED_FROM = 5_000
"""Multiplications a row from which a step can take so long that it is cut short when the fit is to end."""

COMMON = 32
"""Rows of a batch, Keras's default, for which small programs have code of their own, its loops over rows straight."""

COMMON_LINES = 1300
"""Lines of C up to which a program is small."""

LARGEST_BLOCK = 512
SMALLEST_BLOCK = 64
"""Rows of a block that a thread has for itself."""

FEW_ROWS = 16
"""Rows of a block of a network with values of many positions: one vector, so that every thread has some."""

SHARED_BLOCK = 256
"""Rows of a block that all threads share: as many as the kernels of products need to be at their best."""

BLOCK_FLOATS = 65_536
"""Values of a block's rows: what the second-level cache of common processors holds beside the weights."""

WITH_PASSES = ("feature_norms_back",)
"""Kernels that are compiled with a program's passes, so that both units of a small program take as long."""

UNPACK = f"""\
#define UNPACK if (HALTED) return; UNPACK_ROWS(block->R, block->rows, block->first, job->now_rows) UNPACK_BLOCK
#define UNPACK_{COMMON} if (HALTED) return; UNPACK_ROWS({COMMON}, {COMMON}, 0, {COMMON}) UNPACK_BLOCK
#define UNPACK_ROWS(a, b, c, d) \\
  const long R = a, rows = b, ROW_0 = c, ALL_ROWS = d; (void)R; (void)rows; (void)ROW_0; (void)ALL_ROWS;
#define UNPACK_BLOCK \\
  float *const S = block->lanes_space, *const F = block->free_space, *const G = block->gradients; \\
  (void)S; (void)F; (void)G; UNPACK_JOB
#define UNPACK_UPDATE float *const F = job->free_space, *const G = job->gradients; (void)F; (void)G; UNPACK_JOB
#define UNPACK_JOB \\
  float *const W = job->weights; \\
  const double *const N = job->numbers; \\
  const uint64_t step = (uint64_t)job->step, seed = (uint64_t)job->seed; \\
  (void)W; (void)N; (void)step; (void)seed; (void)ME;
"""


@dataclass(frozen=True)
class Source:
    """A program's C, how its buffers are arranged, and how many multiplications a row takes forward.

    Attributes:
        block: rows of a block; 0 where all rows of a batch are worked on at once.
    """

    code: str
    layout: Layout
    inputs: tuple[int, ...]
    sums: int
    threaded: bool
    work: int
    block: int


def source(program: TrainingProgram) -> Source:
    """Write the program.

    Raises:
        UnsupportedError: something in it has no compiled form; the message names it.
    """
    e = BatchWriter(program)
    apart = forward(e, _GIVEN, "job, block, ME")
    functions = [
        e.function("forward", f"{_GIVEN}, const int TRAINING", "job, block, ME, TRAINING"),
        _totals(e),
    ]
    penalty = _penalty(e)
    if program.update is not None:
        functions.append(_backward(e))
    small = not e.threaded and not e.few_rows and sum(f.lines for f in functions) <= COMMON_LINES
    # Where batches of the common size have code of their own, that for the others may be smaller.
    shared, called = once([*apart, *functions], sizes=small)
    parts = [*shared, *(f.text("UNPACK", known=IN_TRAINING) for f in called[: len(apart)])]
    parts += [f.text("UNPACK", known=_uses(f)) for f in called[len(apart) :]]
    if small:
        same = "".join(f"#define {f.name}_{COMMON} {f.name}\n" for f in functions)
        parts.append(either("\n".join(map(_for_common, functions)), same))
    ending = []
    if program.update is not None:
        if e.layout.trainable:
            ending.append(rule_function(e, program.update))
        e.add(*update(e, program.update))
        # From here on the step is made whole: nothing stops it.
        ending.append("#undef BARRIER\n#define BARRIER WAIT")
        ending.append(e.function("update", "Job *job, long ME", "job, ME").text("UNPACK_UPDATE"))
    else:
        ending.append("#define update(job, ME) (void)(ME)\n")
    ending += [penalty, _keep(e)]
    calls = _calls(program.update is not None, "", "if (training)")
    if small:
        common = _calls(program.update is not None, f"_{COMMON}", "")
        calls = [f"if (training && job->now_rows == {COMMON}) {{", *common, "} else {", *calls, "}"]
    parts.append("\n".join([f"PART void pass({_GIVEN}, int training) {{", *indented(calls, 1), "}", ""]))
    ending.append(_loading(e))
    sums = 1 + sum(a.width for a in program.accumulators)
    return Source(
        _assembled(e, "\n".join(parts), "\n".join(ending), sums),
        e.layout,
        tuple(e.size(v) for v in e.graph.inputs),
        sums,
        e.threaded,
        e.work(),
        _block(e),
    )


_GIVEN = "Job *job, Block *block, long ME"
"""Parameters of what works on a block's rows."""


def _block(e: BatchWriter) -> int:
    """Rows of a block, chosen so that the values of its rows stay in the cache."""
    if not e.by_blocks:
        return 0
    if e.few_rows:
        return FEW_ROWS
    if e.threaded:
        return SHARED_BLOCK
    fitting = BLOCK_FLOATS // max(e.layout.lanes, 1)
    return max(SMALLEST_BLOCK, min(fitting, LARGEST_BLOCK) // 64 * 64)


def _calls(trains: bool, suffix: str, where: str) -> list[str]:
    backward = [where, f"backward{suffix}(job, block, ME);"] if trains else []
    return [
        f"forward{suffix}(job, block, ME, training);",
        f"totals{suffix}(job, block, ME);",
        *(t for t in backward if t),
    ]


def _uses(function: Function) -> list[str]:
    """What tells compilers that a parameter need not be used."""
    return ["(void)TRAINING;"] if "TRAINING" in function.arguments else []


def _for_common(function: Function) -> str:
    """The same function for training on batches of the common size."""
    unpack, suffix = f"UNPACK_{COMMON}", f"_{COMMON}"
    if "TRAINING" not in function.arguments:
        return function.text(unpack, suffix)
    known = [*IN_TRAINING, "(void)training;"]
    return function.text(unpack, suffix, f"{_GIVEN}, const int training", known)


def _backward(e: BatchWriter) -> Function:
    for node in e.backward:
        if e.roots[node.output] == node.output and node.output not in e.written:
            began = len(e.lines)
            e.begin(node)
            e.announce(e.names.comment(node))
            catalogue.find("c", node.op)(e, node)
            e.put_aside(node.outputs, began)
            e.end()
        e.seal()
    for variable, value in e.copies:
        # Of a value that lies among the gradients, where blocks were added up, the whole is copied.
        shape = e.shape(value)
        target = Operand(e.gradient(variable), strides_of(shape), False, written=True)
        e.announce(f"gradient of {role(variable)}, which is another value's, too")
        e.nest(shape, [target, e.read(value)], lambda y, x: f"{y} = {x};")
    for v in e.program.variables:
        if v.trainable and v.name not in e.gradients:
            e.announce(f"gradient of {role(v.name)}, on which the loss does not depend")
            count = times("sizeof(float)", prod(v.shape))
            e.add("if (FIRST)", f"memset({e.gradient(v.name)}, 0, {count});")
    e.barrier()
    return e.function("backward", _GIVEN, "job, block, ME")


def _keep(e: BatchWriter) -> str:
    """What a step changes before its update, the moving statistics, put aside, and back if the step is cut short."""
    moving = {
        v: e.layout.weights[v]
        for node in e.forward
        for v in node.inputs[1 : 1 + node.op.moves]
        if (found := e.variable(v)) is not None and not found.trainable
    }
    lines = []
    for v, at in moving.items() if e.work() >= POLLED_FROM else ():
        size, own, kept = e.size(v), plus("job->weights", at), plus("job->kept", e.layout.kept)
        lines.append(
            f"memcpy(back ? {own} : {kept}, back ? {kept} : {own}, sizeof(float) * {size}); /* {e.names.value(v)} */"
        )
        e.layout.kept += size
    unused = ["(void)job;", "(void)back;"] if not lines else []
    return "\n".join(["static void keep(Job *job, int back) {", *indented([*unused, *lines], 1), "}", ""])


def _totals(e: BatchWriter) -> Function:
    loss = e.place(e.program.loss_rows)
    e.announce("the loss, and sums of it and of what metrics are made of")
    e.add("if (FIRST) {")
    e.add(f"block->loss = (double)sum_rows({loss}, rows);")
    e.add(f"add_double(block->lanes, {loss}, rows);")
    at = 1
    for a in e.program.accumulators:
        value = e.place(a.value)
        i: Number = "i" if a.width != 1 else 0
        to = plus("block->lanes", times(plus(i, at), 16))
        call = f"add_double({to}, {plus(value, times(i, 'R'))}, rows);"
        e.add(*laid_out([loop("i", 0, a.width)] if i else [], call))
        at += a.width
    e.add("}")
    e.wait()
    return e.function("totals", _GIVEN, "job, block, ME")


def _penalty(e: BatchWriter) -> str:
    """What regularizers add to a step's loss."""
    lines = regularization(e)
    if not lines:
        return "#define penalty(job, ME) (void)(ME)\n"
    e.add("double total = 0.0;", *lines)
    e.add("job->loss += total;", "job->regularization += total * (double)job->now_rows;")
    function = e.function("penalty", "Job *job, long ME", "job, ME")
    return function.text("UNPACK_UPDATE")


def _loading(e: BatchWriter) -> str:
    used = {v for n in e.graph.nodes for v in n.inputs} | set(e.graph.outputs)
    for k, name in enumerate(e.graph.inputs):
        if name in used:
            to = f"(float *){e.place(name)}" if e.is_int(name) else e.place(name)
            e.add(f"pick_rows(data[{k}], count, order, rows, {e.size(name)}, R, {to}, low, high);")
    given = ("S", "data", "count", "order", "rows", "R", "low", "high")
    parameters = (
        "float *const S, const void **data, long count, const int32_t *order, long rows, long R, "
        "long low, long high"
    )
    if not e.lines:
        unused = " ".join(f"(void){name};" for name in given)
        return f"static void load_rows({parameters}) {{\n  {unused}\n}}\n"
    return e.function("load_rows", parameters, "").text("")


def _assembled(e: BatchWriter, passes: str, ending: str, sums: int) -> str:
    """The program, whose passes are the second unit; the loop over a fit and the larger kernels are the first."""
    work = max(e.work(), 64)
    own = [
        UNITS,
        "#include <stdint.h>\n#include <string.h>\n#include <time.h>",
        "#include <pthread.h>\n#include <sched.h>" if e.threaded or e.by_blocks else "",
        f"#define THREADED {int(e.threaded)}\n#define POLLED {int(work >= POLLED_FROM)}",
        f"#define BLOCK {_block(e)}\n#define SUMS {sums}",
        f"#define LANES {e.layout.lanes}\n#define FREE {e.layout.free}\n#define TRAINABLE {e.layout.trainable}",
        f"#define POLL_ROWS {max(1, POLL_WORK // work)}",
    ]
    runtime, sums_of, *own_kernels = (
        header(__file__, f"{name}.h") for name in ("runtime", "sums", "kernels", "images", "spectral")
    )
    kernels = "\n".join(own_kernels)
    # The loop over a fit calls what every program has, and each product is of tiles.
    fit = "\n".join(header(__file__, f"{name}.h") for name in ("blocks", "loop"))
    tiles = [tile.code() for tile in e.tiles]
    tiles += [dots.code() for dots in e.dot_sums] + [tile.code() for tile in e.position_tiles]
    products = [any_product()] if e.any_product else []
    body = passes + ending
    called = needed_pieces(kernels, body)
    functions = maths.functions_for("\n".join([*called, body]), inlined=True)
    threads = header(__file__, "threads.h")
    code = "\n".join([functions, threads, *products, *tiles, *called, body, fit])
    library = "\n\n".join(
        [
            runtime,
            transposition(),
            sixteen_sums(),
            any_tile(),
            last_columns(),
            sums_of,
            any_dots(),
            any_window_dots(),
            any_positions(),
        ]
    )
    pieces = [*needed_pieces(library, code), *called]
    # What calls products stays with them.
    calling = [piece for piece in pieces if re.search(r"\bproduct\(", piece)]
    apart = [piece for piece in pieces if is_apart(piece) and piece not in calling]
    shared = [piece for piece in pieces if piece not in calling + apart]
    passes = "\n".join([*products, *tiles, *calling, passes])
    second = [piece for piece in apart if any(f" {name}(" in piece for name in WITH_PASSES)]
    first = [piece for piece in apart if piece not in second]
    rests = ([*first, heads(second), ending, fit], [*second, heads(first), passes])
    both, *own_pieces = divided(shared, *("\n".join([functions, threads, *rest]) for rest in rests))
    return "\n".join(
        [
            *(part for part in own if part),
            mathematics("\n".join([*pieces, code])),
            threads,
            joined(both),
            *(only(unit, joined(own)) for unit, own in enumerate(own_pieces, 1) if own),
            functions,
            for_both(1, first),
            for_both(2, second),
            UNPACK.replace("block->R", str(FEW_ROWS)) if e.few_rows else UNPACK,
            only(2, passes),
            "#if UNIT == 1\nPART void pass(Job *job, Block *block, long ME, int training);\n#endif",
            only(1, ending + fit),
        ]
    )
