"""The C itself: no warnings from either compiler, clean under the sanitizers, portable C99 with the same numbers."""

import re
import subprocess

import numpy as np
import pytest

from foldnet.codegen.layout import pack
from foldnet.engines.native import NativeProgram
from foldnet.engines.native.compiler import Machine, machine
from foldnet.engines.native.prediction import known
from foldnet.engines.native.prediction.portable import emit_portable
from foldnet.engines.native.prediction.source import emit
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.c import text_of
from foldnet.operations.elementwise.op import Binary, Unary
from tests.native.apart import listed, set_apart
from tests.native.networks import RELU, graph_of, narrow_networks, random_inputs, table_network
from tests.operations.op_cases import GRAPHS, ONE_BY_ONE, SIDE_BY_SIDE, SMALL, data_of, joined
from tests.support import compile_once
from tests.support.compilers import COMPILERS, PROCESSORS, assert_no_warnings, build, march, sanitizers

LIMITS = ["-Wall", "-Wextra", "-Werror"]


def kind(array):
    return "float" if array.dtype == np.float32 else "int32_t"


def read(name, array, rows):
    """C that reads an array's rows from stdin into memory of exactly their size: the sanitizer sees its end."""
    return (
        f"{kind(array)} *{name} = malloc({4 * array[0].size * rows}); "
        f"if (!fread({name}, {4 * array[0].size * rows}, 1, stdin)) return 1;"
    )


def write(name, array, rows):
    return f"fwrite({name}, {4 * array[0].size * rows}, 1, stdout); free({name});"


EXACT = ("sqrtf", "floorf", "ceilf", "truncf", "rintf")
"""Functions of the C library that the standard fixes to the bit, and that are instructions of most processors."""


def check(program, data, outputs):
    """Outputs rows by rows: the same bits."""
    done = subprocess.run([str(program)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:3000]
    found, at = np.frombuffer(done.stdout, np.int32), 0
    for name, y in outputs:
        expected, part, at = y.ravel().view(np.int32), found[at : at + y.size], at + y.size
        assert np.array_equal(part, expected), name
    assert at == found.size


def described(names, graph, outputs):
    """For each output of joined cases: the case's name and the values."""
    cases = [names[int(output.split("/")[0])] for output in graph.outputs]
    return list(zip(cases, outputs, strict=True))


HEAD = "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
GROUPS = [*(SIDE_BY_SIDE[i::12] for i in range(12)), ONE_BY_ONE[::2], ONE_BY_ONE[1::2]]
"""Small ones: gcc's time grows much faster than the number of operations in a program."""


def test_no_operation_is_the_c_librarys():
    """The last place of others than these is each library's own."""
    elementwise = [
        node.op for name in SMALL for node in GRAPHS[name].nodes if isinstance(node.op, Unary | Binary)
    ]
    called = {name for op in elementwise for name in re.findall(r"\b(\w+)\(", text_of(op))}
    assert {name for name in called if not name.startswith("fn_")} == set(EXACT)


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_portable_code_is_strict_clean_and_the_same(group, tmp_path):
    graph = joined(GRAPHS[n] for n in GROUPS[group])
    source = emit_portable(graph, "predict_row")
    inputs = data_of(GROUPS[group], 3)
    outputs = NativeProgram(graph, threads=1).run(inputs)
    calls = []
    calls += [read(f"x{i}", x, 1) for i, x in enumerate(inputs)]
    calls += [f"{kind(y)} *y{i} = malloc({4 * y[0].size});" for i, y in enumerate(outputs)]
    names = [f"x{i}" for i in range(len(inputs))] + [f"y{i}" for i in range(len(outputs))]
    calls += [f"if (predict_row({', '.join(names)})) return 2;"]
    calls += [write(f"y{i}", y, 1) for i, y in enumerate(outputs)] + [
        f"free(x{i});" for i in range(len(inputs))
    ]
    main = f"int main(void) {{ for (int r = 0; r < 3; r++) {{\n{chr(10).join(calls)}\n}} return 0; }}\n"
    prototype = source.declaration + ";\nint predict_row("
    (tmp_path / "net.c").write_text(source.code.replace("int predict_row(", prototype, 1))
    (tmp_path / "main.c").write_text(HEAD + source.declaration + ";\n" + main)
    flags = [
        "-std=c99",
        "-O0",
        *LIMITS,
        "-Wpedantic",
        "-Wmissing-prototypes",
        "-march=native",
        "-ffp-contract=off",
    ]
    data = b"".join(x[r].tobytes() for r in range(3) for x in inputs)
    made = described(GROUPS[group], graph, outputs)
    expected = [(name, y[r]) for r in range(3) for name, y in made]
    for compiler in COMPILERS:  # gcc's sanitizers see memory everywhere
        said = build(compiler, [*flags, *sanitizers(compiler), "net.c", "main.c"], compiler, tmp_path)
        assert said == ""
        check(tmp_path / compiler, data, expected)


FORBID = """
#include <stddef.h>
#include <stdlib.h>
void __asan_poison_memory_region(void const volatile *, size_t);
static void *watched_malloc(size_t size);
#define malloc watched_malloc
"""
"""Lets the workspace's malloc() forbid what lies between the arrays."""
FORBIDDEN = """
#undef malloc
static int single;
static void *watched_malloc(size_t size) {{
  static const long blocks[][3] = {blocks}, rows[][3] = {rows};
  const long (*const gaps)[3] = single ? rows : blocks, count = single ? {row_count} : {block_count};
  char *memory = malloc(size), *start = memory + (64 - (uintptr_t)memory % 64);
  for (long g = 0; g < count; g++)
    __asan_poison_memory_region(start + (gaps[g][0] ? sizeof(float) * FLOATS : 0) + gaps[g][1], (size_t)gaps[g][2]);
  return memory;
}}
"""


def watched(graph, monkeypatch, simd=None):
    """C for the graph in which AddressSanitizer sees the end of each array of the workspace, and its Source."""
    made, blocks, rows = set_apart(graph, simd or machine().simd, monkeypatch)
    code = made.code.replace("#include <stdlib.h>\n", FORBID, 1)
    forbidden = FORBIDDEN.format(
        blocks=listed(blocks), rows=listed(rows), block_count=len(blocks), row_count=len(rows)
    )
    return code + forbidden, made


def native_main(rows, weights, inputs, outputs):
    """C that predicts all rows, and then the first alone, in memory of just the size of what it is given."""
    calls = ["float *weights;", f"if (posix_memalign((void **)&weights, 64, {weights.nbytes})) return 1;"]
    calls += [f"if (!fread(weights, {weights.nbytes}, 1, stdin)) return 1;"]
    calls += [read(f"x{i}", x, rows) for i, x in enumerate(inputs)]
    calls += [f"const void *in[] = {{{', '.join(f'x{i}' for i in range(len(inputs)))}}};"]
    for count in (rows, 1):
        calls += [f"{{ single = {int(count == 1)};"]
        calls += [f"{kind(y)} *y{i} = malloc({4 * y[0].size * count});" for i, y in enumerate(outputs)]
        calls += [f"void *out[] = {{{', '.join(f'y{i}' for i in range(len(outputs)))}}};"]
        calls += [f"if (foldnet_run(in, out, weights, {count}, 2, NULL)) return 2;"]
        calls += [write(f"y{i}", y, count) for i, y in enumerate(outputs)] + ["}"]
    calls += [f"free(x{i});" for i in range(len(inputs))]
    return f"#include <stdio.h>\nint main(void) {{\n{chr(10).join(calls)}\nfree(weights); return 0; }}\n"


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_native_code_is_clean_under_the_sanitizers(group, tmp_path, monkeypatch):
    """gcc's, which see memory everywhere; clang, which may have none, warns of nothing."""
    rows = 45
    graph = joined(GRAPHS[n] for n in GROUPS[group])
    inputs = data_of(GROUPS[group], rows)
    outputs = NativeProgram(graph, threads=1).run(inputs)
    assert_no_warnings("clang", emit(graph, simd=machine().simd).code, tmp_path)
    code, made = watched(graph, monkeypatch)
    weights = pack(made.layout, made.floats, graph.constants)
    (tmp_path / "net.c").write_text(code + native_main(rows, weights, inputs, outputs))
    flags = ["-std=gnu11", "-O0", *LIMITS, "-march=native", "-ffp-contract=off", "-pthread"]
    assert build("gcc", [*flags, *sanitizers("gcc"), "net.c"], "main", tmp_path) == ""
    data = weights.tobytes() + b"".join(x.tobytes() for x in inputs)
    every = described(GROUPS[group], graph, outputs)
    check(tmp_path / "main", data, [*every, *((name, y[:1]) for name, y in every)])


@pytest.mark.parametrize("name", ["a number for each row", "branches"])
def test_narrow_networks_are_clean_under_the_sanitizers(name, tmp_path, monkeypatch):
    graph, rows = narrow_networks()[name], 85
    inputs = random_inputs(graph, rows)
    outputs = NativeProgram(graph, threads=1).run(inputs)
    code, made = watched(graph, monkeypatch, simd=16)
    assert " Dense layers of 16 rows" in code
    weights = pack(made.layout, made.floats, graph.constants)
    (tmp_path / "net.c").write_text(code + native_main(rows, weights, inputs, outputs))
    flags = ["-std=gnu11", "-O0", "-march=native", "-ffp-contract=off", "-pthread", "-Wno-psabi", *LIMITS]
    assert build("gcc", [*flags, *sanitizers("gcc"), "net.c"], "main", tmp_path) == ""
    data = weights.tobytes() + b"".join(x.tobytes() for x in inputs)
    every = [(name, y) for y in outputs]
    check(tmp_path / "main", data, [*every, *((name, y[:1]) for y in outputs)])


def test_an_array_that_is_shorter_by_one_is_noticed(tmp_path, monkeypatch):
    graph = graph_of(Unary(RELU), (16,))  # whole vectors, so that no array is padded
    made = set_apart(graph, machine().simd, monkeypatch)
    for table in (1, 2):
        tables = [[(kind, at - 4 * (k == table), size) for kind, at, size in made[k]] for k in (1, 2)]
        changed = (made[0], *tables)
        monkeypatch.setitem(globals(), "set_apart", lambda *_, given=changed: given)
        code, source = watched(graph, monkeypatch)
        weights = pack(source.layout, source.floats, graph.constants)
        x = np.ones((45, 16), np.float32)
        (tmp_path / "net.c").write_text(code + native_main(45, weights, [x], [x]))
        flags = ["-std=gnu11", "-O0", "-march=native", "-pthread"]
        assert build("gcc", [*flags, *sanitizers("gcc"), "net.c"], "main", tmp_path) == ""
        data = weights.tobytes() + x.tobytes()
        done = subprocess.run([tmp_path / "main"], input=data, capture_output=True, check=False)
        # A vector of which only a part belongs to nobody is an unknown crash.
        assert b"use-after-poison" in done.stderr or b"unknown-crash" in done.stderr, table


def test_the_other_compiler_warns_of_nothing_in_the_network_of_the_table(tmp_path):
    for compiler in COMPILERS:
        wide, narrow = (
            table_network((784, 512, 10), last="softmax"),
            narrow_networks()["a number for each row"],
        )
        for graph in (table_network(), wide, narrow):
            for simd, processor in PROCESSORS.items():
                code = emit(graph, simd=simd).code
                made = ["-x", "c", "-c", "-", "-o", "net.o"]
                flags = ["-std=gnu11", *LIMITS, "-O1", march(compiler, processor), *made]
                done = compile_once.run([*COMPILERS[compiler], *flags], tmp_path, code)
                assert (done.returncode, done.stderr) == (0, "")


def test_vector_width_changes_no_bit(monkeypatch):
    graph = table_network((30, 70, 20, 3), last="softmax")
    inputs = random_inputs(graph, 77)
    results = []
    for features in ("avx512f avx fma", "avx fma", ""):
        monkeypatch.setattr(known, "machine", lambda f=features: Machine(machine().name, f))
        results.append(NativeProgram(graph).run(inputs)[0])
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_a_function_of_the_callers_own_is_refused():
    graph = graph_of(Unary(Elementwise("mine", (), np.sin)), (3,))
    with pytest.raises(UnsupportedError, match="'mine' is a NumPy function"):
        emit(graph)


def test_free_axes_are_refused():
    graph = graph_of(Unary(RELU), (None, 3))
    with pytest.raises(UnsupportedError, match="free axis"):
        emit(graph)
