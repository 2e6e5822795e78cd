"""Compilers make vectors of every loop of an elementwise function and of its slope, as programs have them."""

import platform
import re

import pytest

from foldnet import Sequential, layers
from foldnet.codegen import maths
from foldnet.codegen.expressions import composed
from foldnet.codegen.standard import mathematics
from foldnet.engines.native import compiler as cc
from foldnet.engines.native.prediction.source import FMA, emit
from foldnet.engines.native.training.source import source
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.c import text_of
from foldnet.operations.elementwise.cases import ACTIVATIONS, settings_of
from foldnet.operations.elementwise.functions import BINARY, EXPRESSIONS, parameters
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.elementwise.slopes import in_c
from tests.native.networks import graph_of
from tests.native_training import programs
from tests.support import compile_once
from tests.support.compilers import COMPILERS, march

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the assembly of x86-64")

UNARY = [*ACTIVATIONS, *map(Elementwise, EXPRESSIONS)]

SCALAR = re.compile(
    r"v?(add|sub|mul|div|sqrt|min|max|round|rndscale|fn?m(add|sub)\d+|u?comi|cmp\w*)s[sd]\b|v?cvt\w*(ss|sd|si)2\w+\b"
)
"""Instructions that compute with one number."""

PACKED = re.compile(r"v?\w+p[sd]\b|vp\w+")


def forward_loops():
    """By name: C of a function of the operands ``a`` and ``b``."""
    for function in UNARY:
        text = text_of(Unary(function))
        if text != "{0}":
            yield settings_of(function), text
    for kind in BINARY:
        yield kind, text_of(Binary(kind=kind))


def slope_loops():
    """By name: the statements of a slope."""
    unary = (("unary", f.name, tuple(parameters(f).items()), 0) for f in UNARY)
    binary = (("binary", kind, (), place) for kind in BINARY for place in (0, 1))
    for table, name, params, place in (*unary, *binary):
        try:
            printed = in_c(table, name, params, place)
        except IndexError:  # it has no slope for this operand
            continue
        settings = "".join(f"-{value:g}" for _, value in params)
        yield (
            f"{name}{settings}-{place}",
            printed.filled({"g": "g[r]", "0": "a[r]", "1": "b[r]", "y": "v[r]"}),
        )


def named(name):
    return re.sub(r"\W", "_", name)


def training():
    """What a training program begins with, and all loops as it has them."""
    network = Sequential([layers.Input((3,)), layers.Dense(2)])
    head = source(programs.program(network, update=programs.sgd())).code.split("\nstatic void forward")[0]
    head = head.replace(maths.functions_for("fn_abs(x)", inlined=True), "")  # the one that it calls
    arguments = "float *y, const float *g, const float *a, const float *b, const float *v, long R"
    unused = "(void)g; (void)a; (void)b; (void)v;"
    loops = {f"forward_{named(n)}": f"y[r] = {composed(t, 'a[r]', 'b[r]')};" for n, t in forward_loops()} | {
        f"slope_{named(n)}": " ".join([*before, f"y[r] = {t};"]) for n, (*before, t) in slope_loops()
    }
    code = "".join(
        f"void {n}({arguments}) {{ {unused} ROWS(r, 0, R) {{ {text} }} }}\n" for n, text in loops.items()
    )
    code = maths.functions_for(code, inlined=True) + code
    # The #endif is that of the unit with the passes.
    return f"{mathematics(code)}\n{head}\n{code}#endif\n", list(loops)


def prediction():
    """The same for the functions in a program that predicts: over a block of rows, and the result in place."""
    code = emit(graph_of(Unary(Elementwise("abs")), (3,)), threads=False).code
    head = code.split("\nstatic __attribute__((noinline)) void\nbody")[0]
    head = head.replace(maths.functions_for("fn_abs(x)", inlined=True), "")
    loops = {f"forward_{named(n)}": composed(t, "x[i0]", "x[1184 + i0]") for n, t in forward_loops()}
    code = "".join(
        f"void {n}(float *restrict f) {{ float *const y = f, *const x = f; "
        f"for (int i0 = 0; i0 < 1184; i0++) y[i0] = {text}; }}\n"
        for n, text in loops.items()
    )
    return head + "\n" + maths.functions_for(code, inlined=True) + code, list(loops)


def instructions(assembly):
    """By function: its instructions."""
    found, lines = {}, []
    for line in assembly.split("\n"):
        if label := re.match(r"((?:forward|slope)_\w+):", line):
            lines = found[label[1]] = []
        elif line.startswith("\t.size"):
            lines = []
        elif instruction := re.match(r"\t([a-z]\w*)\s*(.*)", line):
            lines.append((instruction[1], instruction[2]))
    return found


def one_at_a_time(lines):
    """Why these instructions are not those of vectors: what is called, or computes with one number."""
    calls = [where.split("@")[0] for what, where in lines if what in ("call", "callq")]
    single = [what for what, _ in lines if SCALAR.fullmatch(what)]
    # Of functions with equal code gcc keeps one, and the others lead to it.
    packed = any(PACKED.fullmatch(what) or where.startswith(("forward_", "slope_")) for what, where in lines)
    return calls or single or ([] if packed else ["no vectors"])


@pytest.mark.parametrize("processor", ["haswell", "skylake-avx512"])
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(("program", "optimize"), [(training, "-O2"), (prediction, "-O3")])
def test_loops_are_vectors(program, optimize, compiler, processor, tmp_path):
    code, names = program()
    wide = cc.wide_flags(16 if processor == "skylake-avx512" else 8)
    flags = [f for f in cc.CODE_FLAGS if f not in ("-O3", "-fvisibility=hidden")]
    command = [*COMPILERS[compiler], *flags, optimize, "-fPIC", march(compiler, processor), *wide]
    made = tmp_path / "loops.s"
    done = compile_once.run([*command, "-S", "-x", "c", "-", "-o", str(made)], tmp_path, code)
    assert done.returncode == 0, done.stderr[:3000]
    found = instructions(made.read_text())
    assert sorted(found) == sorted(names)
    slow = {name: why for name, lines in found.items() if (why := one_at_a_time(lines))}
    assert not slow, slow


@pytest.mark.parametrize("compiler", COMPILERS)
def test_loops_that_share_a_function_are_vectors(compiler, tmp_path):
    """gcc makes a function of vectors of one that many loops call; clang writes it out in each."""
    loops = [f"forward_{k}" for k in range(maths.MANY + 1)]
    code = "".join(
        f"void {n}(float *restrict y, const float *restrict x) "
        "{ for (int i = 0; i < 1184; i++) y[i] = fn_tanh(x[i]); }\n"
        for n in loops
    )
    head = "#include <math.h>\n#include <stdint.h>\n" + FMA.format(fma="__builtin_fmaf")
    made = tmp_path / "loops.s"
    command = [*COMPILERS[compiler], *(f for f in cc.CODE_FLAGS if f != "-fvisibility=hidden")]
    done = compile_once.run(
        [*command, march(compiler, "haswell"), "-S", "-x", "c", "-", "-o", str(made)],
        tmp_path,
        head + maths.functions_for(code, inlined=True) + code,
    )
    assert done.returncode == 0, done.stderr[:3000]
    for lines in instructions(made.read_text()).values():
        calls = {where for what, where in lines if what == "call"}
        same = any(where.startswith("forward_") for _, where in lines)
        assert same or calls == ({"_ZGVdN8v_fn_tanh"} if compiler == "gcc" else set())
