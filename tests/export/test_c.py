"""The exported C: clean under strict compilers and sanitizers, equal to the reference, hard to upset."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldnet import Model, layers
from foldnet.codegen.layout import elements
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import InputError, UnsupportedError
from foldnet.export import c_self_test, to_c
from foldnet.graph.graph import bind
from foldnet.lowering.lower import lower
from foldnet.operations.affine.op import Affine
from foldnet.operations.cases import Case, Drawn, Rows
from foldnet.operations.structure.op import Reshape
from tests.export.export_nets import NETS, rows_for
from tests.insight.insight_networks import fill
from tests.operations.op_cases import PREDICTING, SMALL, TOGETHER, data_of, joined
from tests.support import compile_once, compilers
from tests.support.compilers import COMPILERS, sanitizers

OPS = {label: PREDICTING[label].graph(dtype="float32") for label in SMALL}
ALL = NETS | OPS
GROUPS = [SMALL[i : i + TOGETHER] for i in range(0, len(SMALL), TOGETHER)]
AFFINE = Case("of four", Affine(), (Rows((4,)), Drawn((4,)), Drawn((4,)))).graph(dtype="float32")
STRICT = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Werror",
    "-Wmissing-prototypes",
    "-Wdouble-promotion",
]


def run(command, cwd, text=None):
    return subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, check=False)


def build(folder, *arguments, output, cc="gcc"):
    compilers.build(cc, [*STRICT, *arguments], output, folder)
    return folder


def csv(data):
    """Lines of CSV: the inputs side by side, each flattened."""
    flat = np.hstack([np.asarray(d, np.float64).reshape(len(d), -1) for d in data])
    return "".join(",".join(f"{v:.9g}" for v in row) + "\n" for row in flat)


def numbers(text):
    return np.array([[float(v) for v in line.split(",")] for line in text.splitlines()])


def expected(graph, data):
    with np.errstate(all="ignore"):
        return np.hstack([y.reshape(len(y), -1) for y in ReferenceProgram(graph, "float64").run(data)])


def ready(graph):
    """The graph with its free sizes set to those of the tests' data."""
    return bind(graph, [(None, *x.shape[1:]) for x in rows_for(graph, 1)])


@pytest.mark.parametrize("labels", GROUPS, ids=lambda labels: labels[0])
def test_program_of_operations_equals_the_reference(labels, tmp_path):
    graph = joined(ready(OPS[label]) for label in labels)
    to_c(graph, tmp_path, name="net")
    build(tmp_path, "-O0", "main.c", output="predict")
    data = data_of(labels, 6, seed=1)
    done = run(["./predict"], tmp_path, csv(data))
    assert done.returncode == 0, done.stderr
    found, truth = numbers(done.stdout), expected(graph, data)
    assert found.shape == truth.shape
    start = 0
    for label, name in zip(labels, graph.outputs, strict=True):
        end = start + elements(graph, name)
        np.testing.assert_allclose(
            found[:, start:end], truth[:, start:end], rtol=1e-5, atol=1e-5, err_msg=label
        )
        start = end
    assert start == truth.shape[1]


@pytest.mark.parametrize("name", NETS)
def test_program_equals_the_reference(name, tmp_path):
    graph = ready(ALL[name])
    to_c(graph, tmp_path, name="net")
    build(tmp_path, "-O0", "main.c", output="predict")
    data = rows_for(graph, 6, seed=1)
    done = run(["./predict"], tmp_path, csv(data))
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(numbers(done.stdout), expected(graph, data), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cc", COMPILERS)
@pytest.mark.parametrize("name", ["wine", "two inputs, two outputs", "lookups"])
def test_both_compilers_and_both_sanitizers_are_content(name, cc, tmp_path):
    sanitize = ["-O0", *sanitizers(cc)]
    graph = ready(NETS[name])
    to_c(graph, tmp_path, name="net")
    build(tmp_path, *sanitize, "main.c", "predict.c", output="both", cc=cc)
    build(tmp_path, *sanitize, "-DNET_SEPARATE", "self_test.c", "predict.c", output="self_test", cc=cc)
    done = run(["./self_test"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": ok" in done.stdout
    data = rows_for(graph, 3)
    done = run(["./both"], tmp_path, csv(data))
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_allclose(numbers(done.stdout), expected(graph, data), rtol=1e-5, atol=1e-5)
    for text in HOSTILE_TEXT:
        done = run(["./both"], tmp_path, text)
        assert done.returncode in (0, 1)
        assert "Sanitizer" not in done.stderr
        assert "runtime error" not in done.stderr


HOSTILE_TEXT = [
    "", "\n\n\n", "1", ",,,,\n", "a,b\nc,d\n", "9" * 500 + "\n", "1e999,-1e999,nan,inf\n" * 2, "1 2\0 3\n",
    "\0\n" * 3, "1," * 4000 + "\n", "é;ß\n1;2\n", "-1," * 10 + "-1\n", "0x1p-1 2e3\r\n", "3e9 3e9 3e9 3e9 3e9 3e9\n",
]  # fmt: skip


def test_make_and_make_test(tmp_path):
    to_c(NETS["wine"], tmp_path / "wine_c")
    done = run(["make", "CC=gcc", "CFLAGS=-O1 -Werror", "all", "test"], tmp_path / "wine_c")
    assert done.returncode == 0, done.stderr
    assert "self-test: 16 rows" in done.stdout
    assert run(["./predict", "missing.csv"], tmp_path / "wine_c").returncode == 1
    assert run(["./predict", "--what"], tmp_path / "wine_c").returncode == 2


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    to_c(AFFINE, folder, name="net")
    return build(folder, "-O1", "main.c", output="predict")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2,3\n", "line 1 has 3 numbers, expected 4"),
        ("1,2,3,4\n1,2,3,4,5\n", "line 2 has 5 numbers, expected 4"),
        ("1,2,3,4\n1,x,3,4\n", "line 2: value 2 is not a number"),
        ("1,2,3,4\n1,2,3,4x\n", "line 2: value 4 is not a number"),
        ("1,2,3,4\n1,2,3," + "0" * 200 + "\n", "line 2: value 4 is not a number"),
        ("1,2,3,4\n1,2\0,3,4\n", "line 2: value 2 is not a number"),
        ("1,2,x,4\n1,2,3,4\n", "line 1: value 3 is not a number"),
        ("a,b,c,4\n1,2,3,4\n", "line 1: value 1 is not a number"),
        ("a,b,c,d,e\n1,2,3,4,5\n", "line 2 has 5 numbers, expected 4"),
        ("", "no rows to predict"),
        ("a,b,c,d\n\n", "no rows to predict"),
    ],
)
def test_bad_rows_are_named(program, text, says):
    done = run(["./predict"], program, text)
    assert done.returncode == 1
    assert done.stderr.strip() == says


def test_forms_of_a_table_read_alike(program):
    plain = run(["./predict"], program, "1,2,3,4\n").stdout
    for text in ("a,b,c,d\n1,2,3,4\n", "1 2\t3  4", "\n\n1;2;3;4\r\n\n", " 1.0, 2e0, 0x3, +4 \n"):
        assert run(["./predict"], program, text).stdout == plain
    (program / "rows.csv").write_text("1,2,3,4\n")
    assert run(["./predict", "rows.csv"], program).stdout == plain
    assert run(["./predict", "-"], program, "1,2,3,4\n").stdout == plain


def test_a_first_line_that_counts_the_columns_is_no_row(program):
    plain = run(["./predict"], program, "1,2,3,4\n").stdout
    done = run(["./predict"], program, "0,1,2,3\n1,2,3,4\n")
    assert done.stdout == plain
    assert done.stderr == "line 1 counts the columns and is not a row; write +0 to make it one\n"
    for rows in ("+0,1,2,3\n", "1,2,3,4\n0,1,2,3\n", "0,1,2,4\n"):
        done = run(["./predict"], program, rows)
        assert (len(done.stdout.splitlines()), done.stderr) == (rows.count("\n"), "")


def test_what_is_not_finite_goes_through(program):
    done = run(["./predict"], program, "nan,inf,-inf,1e39\n")
    y = numbers(done.stdout)
    graph = AFFINE
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(
            y, expected(graph, [np.array([[np.nan, np.inf, -np.inf, np.inf]], "f")])
        )


def test_an_index_outside_its_table_ends_the_program(tmp_path):
    to_c(OPS["Gather-narrow"], tmp_path, name="net")
    build(tmp_path, "-g", *sanitizers("gcc"), "main.c", output="predict")
    for text in ("0 1 9\n", "0 1 -1\n"):
        done = run(["./predict"], tmp_path, text)
        assert (done.returncode, done.stderr) == (1, "line 1: an index outside its table (layer)\n")
    for bad in ("3000000000", "0.5", "nan"):
        done = run(["./predict"], tmp_path, f"+0 1 2\n0 1 {bad}\n")
        assert (done.returncode, done.stderr) == (1, "line 2: value 3 is not a whole number\n")


def test_self_test_sees_a_changed_weight_and_a_missing_step(tmp_path):
    to_c(NETS["wine"], tmp_path, name="net")
    code = (tmp_path / "predict.c").read_text()
    lines = code.splitlines()
    calls = [i for i, line in enumerate(lines) if line.startswith("  fn_dense(")]
    weights = next(i for i, line in enumerate(lines) if line.startswith("  /* 0:")) + 1
    first, _, rest = lines[weights].strip().partition(",")
    broken = [[*lines[:i], *lines[i + 1 :]] for i in calls]
    broken.append([*lines[:weights], f"  {float(first.rstrip('f')) + 0.1}f,{rest}", *lines[weights + 1 :]])
    assert len(broken) == 5
    for text in broken:
        (tmp_path / "predict.c").write_text("\n".join(text))
        done = compile_once.run(["gcc", "-std=c99", "-w", "self_test.c", "-lm", "-o", "self_test"], tmp_path)
        assert done.returncode == 0, done.stderr
        assert run(["./self_test"], tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.100000001f"), (-1.0, "-1.0f"), (1e10, "1e+10f"), (16777218, "16777218.0f"), (0.0, "0.0f"),
        (-0.0, "-0.0f"), (np.nan, "NAN"), (-np.inf, "-INFINITY"),
    ],
)  # fmt: skip
def test_numbers_of_the_self_test_are_written_with_nine_digits(value, text):
    assert c_self_test.literal(np.float32(value), "float") == text


@given(st.integers(0, 0x7F7FFFFF))
def test_numbers_of_the_self_test_have_all_their_bits(bits):
    value = np.array(bits, np.uint32).view(np.float32)[()]
    assert np.float32(c_self_test.literal(value, "float").rstrip("f")) == value


def test_recorded_rows_may_be_given(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    to_c(AFFINE, tmp_path, name="net", x=x)
    assert "10.0f, 11.0f" in (tmp_path / "self_test.c").read_text()
    with pytest.raises(InputError, match=r"shape \(3, 5\)"):
        to_c(AFFINE, tmp_path, x=np.zeros((3, 5)))


def test_other_peoples_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "main.c").write_text("int main(void) { return 0; }")
    with pytest.raises(FileExistsError, match=r"main\.c' exists and was not written by foldnet"):
        to_c(AFFINE, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["main.c", "notes.txt"]
    (tmp_path / "main.c").unlink()
    to_c(AFFINE, tmp_path)
    to_c(OPS["Dense-4-3"], tmp_path)  # over its own
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_free_sizes_are_asked_for_where_an_operation_must_know_them(tmp_path):
    graph = Case("of two", Reshape((4, 3)), (Rows((None, 6)),)).graph(dtype="float32")
    with pytest.raises(UnsupportedError, match="input_shapes"):
        to_c(graph, tmp_path)
    to_c(graph, tmp_path, input_shapes=[(2, 6)], name="net")
    build(tmp_path, "-O1", "self_test.c", output="self_test")
    assert run(["./self_test"], tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["int", "linux", 'x"*/\n#error', "日本", "3d model"])
def test_any_name_of_a_directory_will_do(name, tmp_path):
    to_c(OPS["Dense-4-3"], tmp_path, name=name)
    build(tmp_path, "-O1", "self_test.c", output="self_test")
    done = compile_once.run(
        ["gcc", "-Wall", "-Werror", "main.c", "-lm"], tmp_path
    )  # the compiler's own dialect
    assert done.returncode == 0, done.stderr


def test_inputs_called_like_macros_compile_in_the_compilers_own_dialect(tmp_path):
    to_c(NETS["two inputs, two outputs"], tmp_path, name="net")
    for file in ("main.c", "self_test.c"):
        done = compile_once.run(["gcc", "-Wall", "-Werror", file, "-lm"], tmp_path)
        assert done.returncode == 0, done.stderr


# -- small machines -------------------------------------------------------------------------------------------

FLASH = """
#define PROGMEM
static float pgm_read_float(const float *place) { return 2.0f * *place; }
"""
"""Flash that gives twice what is in it: a weight that is read around it shows at once."""

DOUBLES = """
#include <math.h>
#undef INFINITY
#undef NAN
#define INFINITY (__builtin_inf())
#define NAN (__builtin_nan(""))
"""
"""AVR's math.h has them as doubles."""


def halved(code):
    """The source with half of each weight."""
    start = code.index("static const float w[")
    end = code.index("};", start)
    weights = re.sub(r"(?<=[ \n])(-?[0-9.e+-]+f),", r"(0.5f * \1),", code[start:end])
    return code[:start] + weights + code[end:]


@pytest.mark.parametrize(
    "name",
    [
        "wine",
        "Dense-relu",
        "Affine-middle-axis-shift",
        "Binary-prelu-matrix",
        "Gather-narrow",
        "Scan-lstm",
        "Scan-gru",
        "Scan-gru_reset_after",
        "Conv-1d",
        "Conv-2d-groups",
    ],
)
def test_on_avr_every_weight_is_read_from_flash(name, tmp_path):
    graph = ready(ALL[name])
    to_c(graph, tmp_path, name="net")
    (tmp_path / "avr").mkdir()
    (tmp_path / "avr" / "pgmspace.h").write_text(FLASH)
    data = csv(rows_for(graph, 4, seed=1))
    build(tmp_path, "-O0", "main.c", output="usual")
    code = (tmp_path / "predict.c").read_text()
    (tmp_path / "predict.c").write_text(halved(code))
    build(tmp_path, "-O0", "-D__AVR__", "-I.", "main.c", output="flash")
    build(tmp_path, "-O0", "-D__AVR__", "-DWEIGHTS_IN_RAM", "main.c", output="memory")
    usual, flash, memory = (run([f"./{p}"], tmp_path, data).stdout for p in ("usual", "flash", "memory"))
    assert flash == usual
    assert memory != usual


def test_no_float_becomes_a_double(tmp_path):
    (tmp_path / "doubles.h").write_text(DOUBLES)
    graphs = [*map(ready, NETS.values()), *(joined(ready(OPS[label]) for label in group) for group in GROUPS)]
    for i, graph in enumerate(graphs):
        to_c(graph, tmp_path / str(i), name="net")
    sources = [f"{i}/predict.c" for i in range(len(graphs))]
    command = [*COMPILERS["gcc"], *STRICT, "-fsyntax-only", "-include", "doubles.h", *sources]
    done = compile_once.run(command, tmp_path)
    assert done.returncode == 0, done.stderr[:2000]


@pytest.mark.skipif(
    shutil.which("avr-gcc") is None and "FOLDNET_REQUIRE_AVR" not in os.environ,
    reason="needs avr-gcc, which no Python package brings; .ci/run installs it and forbids the skip",
)
def test_avr_gcc_compiles_it(tmp_path):
    to_c(ready(NETS["wine"]), tmp_path, name="net")
    command = ["avr-gcc", "-mmcu=atmega2560", "-Os", *STRICT, "-c", "predict.c", "-o", "predict.o"]
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NETS)
def test_header_and_source_name_parameters_alike(name, tmp_path):
    to_c(ready(NETS[name]), tmp_path, name="net")
    header, source = ((tmp_path / file).read_text() for file in ("predict.h", "predict.c"))
    for function in ("net_predict", "net_predict_rows"):
        declared, defined = (re.search(rf"int {function}\((.*?)\)", text)[1] for text in (header, source))
        assert declared == defined


def test_memory_is_stated_and_can_be_chosen(tmp_path):
    graph = ready(OPS["Dense-relu"])
    to_c(graph, tmp_path, name="net")
    header, source = ((tmp_path / file).read_text() for file in ("predict.h", "predict.c"))
    weights = int(re.search(r"float w\[(\d+)\]", source)[1])
    workspace = int(re.search(r"WORKSPACE float f\[(\d+)\]", source)[1])
    said = " ".join(header.split())
    assert f"Memory: {4 * weights:,} bytes of constant weights" in said
    assert f"and {4 * workspace:,} bytes for the values between the layers" in said
    assert "#define NET_STATIC 0" in header
    for choice in (0, 1):
        build(tmp_path, "-O0", f"-DNET_STATIC={choice}", "self_test.c", output=f"test{choice}")
        assert run([f"./test{choice}"], tmp_path).returncode == 0
        compile_once.run(
            [*COMPILERS["gcc"], *STRICT, f"-DNET_STATIC={choice}", "-c", "predict.c", "-o", f"{choice}.o"],
            tmp_path,
        )
    symbols = [run(["nm", f"{choice}.o"], tmp_path).stdout for choice in (0, 1)]
    assert [bool(re.search(r" b f\.?", text)) for text in symbols] == [False, True]


def test_activations_are_in_the_comments(tmp_path):
    to_c(ready(OPS["Dense-relu"]), tmp_path, name="net")
    assert "layer: Dense, relu" in (tmp_path / "predict.h").read_text()
    assert "/* layer: Dense, relu */" in (tmp_path / "predict.c").read_text()


@pytest.mark.parametrize("seed", range(3))
def test_the_self_test_allows_for_long_sums(seed, tmp_path):
    """600 terms, each of which C rounds: more than the rounding of each value that the bound is measured with."""
    x = layers.Input((20, 70))
    y = layers.Dense(37)(layers.Dense(600, activation="relu")(x))
    network = fill(Model(x, layers.Conv1D(33, 7, padding="same")(y)), seed)
    to_c(lower(network), tmp_path, name="net")
    build(tmp_path, "-O1", "self_test.c", output="self_test")
    assert "ok" in run(["./self_test"], tmp_path).stdout


def test_shapes_are_given_for_every_input(tmp_path):
    a, b = layers.Input((None, 2)), layers.Input((None, 2))
    graph = lower(Model([a, b], layers.Concatenate(axis=1)([a, b])))
    with pytest.raises(InputError, match="1 shapes, and the network has 2 inputs"):
        to_c(graph, tmp_path, input_shapes=[(5, 2)])
    to_c(graph, tmp_path, input_shapes=[(5, 2), (3, 2)], name="net")
