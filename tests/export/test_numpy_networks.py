"""Whole networks as NumPy files: right, readable, safe, and sensitive to every line."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import ConfigError
from foldnet.export import numpy_source, to_numpy
from foldnet.lowering.lower import lower
from foldnet.passes import optimize
from tests.export.export_nets import NETS, NETWORKS, randomize, rows_for
from tests.export.export_stranger import predictions

FORMS = [(name, form) for name in NETS for form in ("folded", "unfolded", "npz")]


def graph_of(name, form):
    return NETS[name] if form == "unfolded" else optimize(NETS[name])


def load(source):
    """The module of a file's text, run here."""
    scope = {"__name__": "exported"}
    exec(source, scope)
    return scope


def as_list(results):
    return results if isinstance(results, list) else [results]


def close(results, truth, tolerance=1e-5):
    return all(
        y.shape == t.shape and np.allclose(y, t, rtol=tolerance, atol=tolerance)
        for y, t in zip(as_list(results), truth, strict=True)
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    paths = {}
    for i, (name, form) in enumerate(FORMS):
        paths[name, form] = folder / f"net_{i}.py"
        to_numpy(graph_of(name, form), paths[name, form], weights="npz" if form == "npz" else "inline")
    return paths


@pytest.fixture(scope="module")
def results(files):
    found = predictions({path: rows_for(NETS[name], 5) for (name, _), path in files.items()})
    return {case: found[path] for case, path in files.items()}


@pytest.mark.parametrize("case", FORMS, ids=" ".join)
def test_equals_the_reference(case, results):
    graph = NETS[case[0]]
    truth = ReferenceProgram(graph, "float64").run(rows_for(graph, 5))
    assert close(results[case], truth)
    assert all(y.dtype == np.float32 for y in results[case])


def test_ruff_finds_nothing(files):
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache"]
    command = [*ruff, "--select", "E4,E7,E9,F,W,B,UP,I", "--ignore", "B905", *map(str, files.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NETS)
def test_each_line_counts(name):
    """Leaving out any step, or nudging it, changes a prediction beyond rounding."""
    graph = NETS[name]
    data = rows_for(graph, 5)
    truth = ReferenceProgram(graph, "float64").run(data)
    source = numpy_source(graph)
    assert close(load(source)["predict"](*data), truth)
    lines = source.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("def predict("))
    end = lines.index("def as_rows(x, shape, name, dtype=np.float32):")
    steps = [i for i in range(start, end) if re.match(r"    \w+ = (?!as_rows|whole_numbers)", lines[i])]
    assert len(steps) >= 3
    for i in steps:
        broken = "\n".join([*lines[:i], *lines[i + 1 :]])
        try:
            assert not close(load(broken)["predict"](*data), truth), lines[i]
        except (UnboundLocalError, NameError, ValueError):
            continue  # the step was needed to run at all


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("np.sqrt(moving_variance_1 + epsilon_1)", "(moving_variance_1 + epsilon_1)"),
        (" + epsilon_1", ""),
        (" * gamma_2", ""),
        (" + beta_3", ""),
        ("x - moving_mean_1", "x"),
        ("moving_variance_1", "moving_variance_1 * 0 + 1"),
        (" + bias_4", ""),
    ],
)
def test_known_mistakes_show(was, becomes):
    graph = NETS["wine"]
    data = rows_for(graph, 20)
    source = numpy_source(graph)
    body, _, rest = source.partition("def as_rows")
    assert was in body
    truth = ReferenceProgram(graph, "float64").run(data)
    assert not close(load(body.replace(was, becomes, 1) + "def as_rows" + rest)["predict"](*data), truth)


def test_unfolded_is_written_in_the_layers_own_words():
    text = numpy_source(NETS["wine"])
    for k in (1, 2, 3):
        assert f"    x = np.maximum(x @ kernel_{k} + bias_{k}, 0)\n" in text
        assert (
            f"    x = (x - moving_mean_{k}) / np.sqrt(moving_variance_{k} + epsilon_{k}) * gamma_{k} + beta_{k}\n"
        ) in text
    assert "    x = sigmoid(x @ kernel_4 + bias_4)\n" in text
    assert text.count(": nothing at prediction time\n") == 3


def test_unfolded_weights_are_the_layers_bits():
    network = NETWORKS["wine"]
    scope = load(numpy_source(NETS["wine"]))
    norms = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    denses = [layer for layer in network.layers if isinstance(layer, layers.Dense)]
    for k, norm in enumerate(norms, 1):
        for name, array in norm.named_weights.items():
            np.testing.assert_array_equal(scope[f"{name}_{k}"], array)
        assert scope[f"epsilon_{k}"] == np.float32(norm.epsilon)
    for k, dense in enumerate(denses, 1):
        np.testing.assert_array_equal(scope[f"kernel_{k}"], dense.kernel)
        np.testing.assert_array_equal(scope[f"bias_{k}"], dense.bias)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)  # fmt: skip
def test_any_weight_reads_back_to_its_bits(array):
    from foldnet.codegen.literals import assignment

    text = assignment("w", array)
    scope = {"np": np}
    exec(text, scope)
    assert scope["w"].dtype == np.float32
    assert scope["w"].shape == array.shape
    np.testing.assert_array_equal(scope["w"], array)
    assert (np.signbit(scope["w"]) == np.signbit(array))[~np.isnan(array)].all()


def test_a_number_that_rounds_twice_reads_back():
    """Read as a double and then rounded, 7.038531e-26 becomes the float next to it."""
    from foldnet.codegen.literals import assignment

    array = np.array([0x15AE43FD], np.uint32).view(np.float32)
    assert str(array[0]) == "7.038531e-26"
    scope = {"np": np}
    exec(assignment("w", array), scope)
    assert scope["w"].view(np.uint32)[0] == 0x15AE43FD


def test_layers_whose_names_look_alike_keep_apart():
    x = Input((3,), name="x")
    a, b = layers.Dense(3, name="a b")(x), layers.Dense(3, name="a-b")(x)
    c = layers.Dense(3, activation="tanh", name="a_b")(a)
    graph = lower(randomize(Model(x, layers.Add(name="A.B")([layers.Multiply()([a, b]), c]))))
    data = rows_for(graph, 5)
    assert close(load(numpy_source(graph))["predict"](*data), ReferenceProgram(graph).run(data))


def test_a_layer_of_its_own_has_a_line_of_its_own():
    network = Sequential([Input((3,)), layers.Dense(2), layers.Activation("tanh"), layers.Dense(2, "tanh")])
    body = numpy_source(lower(network)).partition("def as_rows")[0]
    lines = [line.strip() for line in body.splitlines() if line.startswith("    x = ")]
    assert lines[1:] == ["x = x @ kernel_1", "x = np.tanh(x)", "x = np.tanh(x @ kernel_2)"]


WINE = load(numpy_source(NETS["wine"]))["predict"]
WINE_FOLDED = load(numpy_source(optimize(NETS["wine"])))["predict"]


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(0, 4), st.just(11)),
        elements=st.one_of(st.floats(-1e3, 1e3, width=32), st.floats(width=32)),
    )
)  # fmt: skip
def test_any_rows(x):
    """Finite rows agree with float64; NaN stays NaN; nothing warns."""
    graph = NETS["wine"]
    truth = ReferenceProgram(graph, "float64").run([x])[0]
    tame = (np.abs(x) < 1e6).all(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for predict in (WINE, WINE_FOLDED):
            y = predict(x)
            np.testing.assert_allclose(
                y[tame], truth[tame], atol=2e-3 if np.abs(x).max(initial=0) > 100 else 1e-4
            )
            assert np.isnan(y[np.isnan(x).any(axis=1)]).all()


def test_one_row_many_rows_no_rows():
    x = rows_for(NETS["wine"], 4)[0]
    y = WINE(x)
    assert y.shape == (4, 1)
    np.testing.assert_allclose(WINE(x[0]), y[:1], rtol=1e-6)
    np.testing.assert_allclose(WINE(x[:1].tolist()), y[:1], rtol=1e-6)
    assert WINE(x[:0]).shape == (0, 1)
    assert WINE(np.arange(11)).shape == (1, 1)


@pytest.mark.parametrize("shape", [(), (10,), (2, 10), (2, 11, 1), (1, 2, 11), (0,)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(ValueError, match=re.escape(f"x has shape {shape}, expected (rows, 11)")):
        WINE(np.zeros(shape))


def test_inputs_of_different_lengths_are_refused():
    predict = load(numpy_source(NETS["two inputs, two outputs"]))["predict"]
    with pytest.raises(ValueError, match=r"\[3, 2\] rows"):
        predict(np.zeros((3, 4)), np.zeros((2, 2, 3)))


@pytest.mark.parametrize("bad", [0.5, np.nan, 3e9, 7, -1])
def test_numbers_that_are_no_index_are_refused(bad):
    predict = load(numpy_source(NETS["lookups"]))["predict"]
    with pytest.raises(ValueError, match=r"whole numbers|outside the table"):
        predict([[0, bad]], np.zeros((1, 3)))


def test_the_callers_data_is_never_handed_back_or_changed():
    x = Input((3,), name="x")
    network = Model(x, [layers.Dropout(0.5)(x), layers.Activation("relu")(x)])
    predict = load(numpy_source(lower(network)))["predict"]
    data = np.array([[-1, 0, 1]], np.float32)
    same, _ = predict(data)
    same[:] = 9
    np.testing.assert_array_equal(data, [[-1, 0, 1]])


def run_program(path, text, *arguments):
    command = [sys.executable, "-I", "-W", "error", str(path), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_as_a_program(files, tmp_path):
    x = rows_for(NETS["wine"], 3)[0]
    text = "".join(",".join(map(str, row)) + "\n" for row in x)
    expected = "".join(str(v) + "\n" for v in WINE(x)[:, 0])
    path = files["wine", "unfolded"]
    assert run_program(path, text).stdout == expected
    assert run_program(path, f"{','.join('abcdefghijk')}\n\n{text}").stdout == expected
    counted = run_program(path, f"{','.join(map(str, range(11)))}\n{text}")
    assert counted.stdout == expected
    assert "line 1 counts the columns and is not a row" in counted.stderr
    assert len(run_program(path, ",".join([*map(str, range(10)), "10.0"]) + "\n").stdout.split()) == 1
    (tmp_path / "rows.csv").write_text(text)
    assert run_program(path, "", str(tmp_path / "rows.csv")).stdout == expected
    for bad, says in (
        ("1,2\n", "line 1 has 2 numbers, expected 11"),
        ("1,2,x\n" + text, "line 1 is not a row of numbers: '1,2,x'"),
        (text + "1,2,x\n", "line 4 is not a row of numbers: '1,2,x'"),
        ("", "no rows to predict"),
    ):
        done = run_program(path, bad)
        assert (done.returncode, done.stderr.strip()) == (1, says)


def test_as_a_program_with_several_inputs_and_outputs(files):
    name = "two inputs, two outputs"
    a, b = rows_for(NETS[name], 2)
    text = "".join(",".join(map(str, [*p, *q.ravel()])) + "\n" for p, q in zip(a, b, strict=True))
    done = run_program(files[name, "folded"], text)
    y = np.array([line.split(",") for line in done.stdout.splitlines()], np.float64)
    np.testing.assert_allclose(y, np.hstack(ReferenceProgram(NETS[name]).run([a, b])), rtol=1e-5, atol=1e-5)


HOSTILE = [
    'a"""\nraise SystemExit(9)\n"""', "a\nraise SystemExit(9)", "a\rraise SystemExit(9)", "\\", "a'''", "{x}", "%s",
    "a\u2028raise SystemExit(9)", "\x0craise SystemExit(9)", "\ud800", "import", "np", "predict", "x", "self",
    "as_rows", "kernel_1", "sigmoid", "a\u202eb", "coding: utf-7", "ﬁx", "fix", "日本語", " ", "1", "None",
    "*/ raise", "a" * 5000, "dense@1",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_cannot_become_code(name):
    a, b = Input((3,), name=name), Input((3,), name=name + " ")
    y = layers.Dense(3, activation="sigmoid", name=name + "!")(layers.Add(name=name + "?")([a, b]))
    z = layers.BatchNormalization(name=name + "-")(y)
    graph = lower(randomize(Model([a, b], [y, z])))
    for program in (graph, optimize(graph)):
        source = numpy_source(program, name[:50] or "network")
        tree = ast.parse(source.encode())
        calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        assert not any("SystemExit" in ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Raise))
        assert "SystemExit" not in calls
        data = rows_for(graph, 4)
        assert close(load(source)["predict"](*data), ReferenceProgram(graph).run(data))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_name_is_an_identifier_and_a_comment(text):
    from foldnet.codegen.names import identifier, plain

    assert identifier(text).isidentifier()
    assert identifier(text).isascii()
    exec(f"{identifier(text)} = 1")
    assert ast.dump(ast.parse(f'"""{plain(text)}"""\n# {plain(text)}\n1')).count("Constant(value=1)") == 1


def test_a_stale_weights_file_is_noticed(tmp_path):
    for folder, seed in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        network = randomize(Sequential([Input((3,)), layers.Dense(2)]), seed)
        written = to_numpy(lower(network), tmp_path / folder / "net.py", weights="npz")
        assert [p.name for p in written] == ["net.npz", "net.py"]
    shutil.copy(tmp_path / "a" / "net.npz", tmp_path / "b" / "net.npz")
    done = run_program(tmp_path / "b" / "net.py", "1,2,3\n")
    assert done.returncode == 1
    assert "weights of another export" in done.stderr
    assert run_program(tmp_path / "a" / "net.py", "1,2,3\n").returncode == 0


def test_auto_chooses_by_size(tmp_path):
    small, large = (Sequential([Input((n,)), layers.Dense(n)]) for n in (10, 100))
    assert len(to_numpy(lower(small), tmp_path / "small.py")) == 1
    assert len(to_numpy(lower(large), tmp_path / "large.py")) == 2
    assert (tmp_path / "large.py").stat().st_size < 4000


def test_other_peoples_files_are_left_alone(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("print('mine')\n")
    with pytest.raises(FileExistsError, match="was not written by foldnet"):
        to_numpy(NETS["wine"], path)
    assert path.read_text() == "print('mine')\n"
    assert [p.name for p in tmp_path.iterdir()] == ["mine.py"]
    path.unlink()
    to_numpy(NETS["wine"], path)
    to_numpy(NETS["lookups"], path)  # over its own
    with pytest.raises(ConfigError, match="weights must be"):
        to_numpy(NETS["wine"], path, weights="pickle")
    with pytest.raises(ConfigError, match=r"ending in \.py"):
        to_numpy(NETS["wine"], tmp_path / "wine.npz")
    with pytest.raises(IsADirectoryError):
        to_numpy(NETS["wine"], tmp_path)


def test_through_the_predictor(tmp_path):
    predict = foldnet.freeze(NETWORKS["wine"], engine="reference")
    x = rows_for(NETS["wine"], 5)[0]
    predict.to_numpy(tmp_path / "folded.py")
    predict.to_numpy(tmp_path / "unfolded.py", unfolded=True)
    assert "np.sqrt(" in (tmp_path / "unfolded.py").read_text()
    assert "np.sqrt(" not in (tmp_path / "folded.py").read_text()
    found = predictions({tmp_path / "folded.py": [x], tmp_path / "unfolded.py": [x]})
    for (y,) in found.values():
        np.testing.assert_allclose(y, predict(x), rtol=1e-5, atol=1e-6)
    predict.save(tmp_path / "wine.foldnet")
    again = foldnet.load_predictor(tmp_path / "wine.foldnet", engine="reference")
    again.to_numpy(tmp_path / "again.py", unfolded=True)
    body = (tmp_path / "unfolded.py").read_text().partition("import numpy")[2]
    assert (tmp_path / "again.py").read_text().partition("import numpy")[2] == body


def test_two_weights_of_one_step_with_the_same_name():
    """A GRU with ``reset_after=False`` has two recurrent kernels; the second took the place of the first."""
    x = Input((5, 3))
    network = randomize(Model(x, layers.GRU(2, reset_after=False)(x)))
    predictor = foldnet.freeze(network, engine="reference")
    source = numpy_source(predictor.graph)
    rows = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("f")
    assert close(load(source)["predict"](rows), [predictor(rows)])
    assert "gates_recurrent_kernel_1" in source
