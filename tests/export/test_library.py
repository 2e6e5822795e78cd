"""Libraries for this machine: where there are no foldnet and no compiler they give the bits that foldnet gives."""

import ctypes
import hashlib
import importlib
import platform
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.engines.native import compiler
from foldnet.errors import CompileError, ConfigError, InputError, UnsupportedError
from foldnet.export import to_library
from foldnet.export.library import build
from foldnet.export.library.c_code import library_code
from foldnet.export.library.c_header import c_example, c_header
from foldnet.export.library.network import network_of
from foldnet.export.library.targets import BASELINE, X86_LEVELS, host
from tests.export.library_nets import MAKERS, bare_environment, made, quick, results_there, rows_of, run_there
from tests.insight.insight_networks import fill
from tests.predictor.test_lengths import NETWORKS, data_for
from tests.support import compile_once
from tests.support.compilers import COMPILERS, ZIG, sanitizers

X86 = platform.machine() == "x86_64"
NAME = f"wine-{host().name}{host().ending}"


def levels_here():
    """The levels of this processor, by what the system says of it."""
    known = set(compiler.machine().features.split())
    has = {"baseline": True, "avx2": {"avx2", "fma"} <= known}
    has["avx512"] = has["avx2"] and {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= known
    return [level.name for level in (X86_LEVELS if X86 else BASELINE) if has[level.name]]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return bare_environment(tmp_path_factory.mktemp("bare") / "env")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Each network as a package beside its data and what foldnet predicts for it."""
    folder = tmp_path_factory.mktemp("libraries")
    with pytest.MonkeyPatch.context() as patch:
        for name in MAKERS:
            predict = made(name)
            data = rows_of(predict, name)
            np.savez(folder / f"{name}.in.npz", *data)
            np.savez(folder / f"{name}.expected.npz", *predict.results(data))
            predict.to_library(folder / name)
            quick(patch)  # all but the first, which is as for users
    return folder


@pytest.fixture
def wine(folder, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(folder / "wine", tmp_path / "wine")
    shutil.copy(folder / "wine.in.npz", tmp_path)
    return tmp_path / "wine"


def expected_of(folder, name):
    with np.load(folder / f"{name}.expected.npz") as file:
        return [file[key] for key in file]


@pytest.mark.parametrize("level", ["", *levels_here(), "numpy"])
def test_a_stranger_gets_the_bits_of_foldnet(level, python, folder):
    said = run_there(python, folder, MAKERS, level)
    highest = levels_here()[-1]
    assert said == [
        ["numpy", None, [], []] if level == "numpy" else ["native", level or highest, [], []]
    ] * len(MAKERS)
    # Without fused multiply-add sums are rounded once more for each product.
    exact = level in ("", "avx2", "avx512") or not X86
    for name in MAKERS:
        for y, expected in zip(results_there(folder, name), expected_of(folder, name), strict=True):
            assert y.dtype == expected.dtype
            assert y.shape == expected.shape
            if exact:
                np.testing.assert_array_equal(y, expected, name)
            else:
                np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6, err_msg=name)


def imported(path, monkeypatch):
    """The package as a module of this process."""
    monkeypatch.syspath_prepend(path.parent)
    for name in [n for n in sys.modules if n.partition(".")[0] == path.name]:
        del sys.modules[name]
    return importlib.import_module(path.name)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_rows_and_batches_and_kinds_of_data(name, engine, folder, monkeypatch):
    if engine == "numpy":
        monkeypatch.setenv("FOLDNET_LIBRARY_LEVEL", "numpy")
    module, predict = imported(folder / name, monkeypatch), made(name)
    assert module.engine == engine
    data = rows_of(predict, name)
    for rows in (1, 3, 40):
        given = [x[:rows] for x in data]
        results, expected = module.predict(given), predict(given)
        assert type(results) is type(expected)
        assert not isinstance(results, dict) or list(results) == list(expected)
        for y, z in zip(listed(results), listed(expected), strict=True):
            np.testing.assert_allclose(y, z, rtol=2e-5, atol=2e-6)
    whole = listed(module.predict(data))
    by_name = module.predict(dict(zip(predict.input_names, data, strict=True)))
    for other in (by_name, module.predict(*data)):
        for y, z in zip(listed(other), whole, strict=True):
            np.testing.assert_array_equal(y, z)
    if name != "sequences":  # lengths of no sequence
        none = listed(module.predict([x[:0] for x in data]))
        assert [y.shape for y in none] == [(0, *z.shape[1:]) for z in whole]


def listed(results):
    results = list(results.values()) if isinstance(results, dict) else results
    return results if isinstance(results, list) else [results]


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_wrong_data_gets_the_same_words_as_from_foldnet(engine, folder, monkeypatch):
    if engine == "numpy":
        monkeypatch.setenv("FOLDNET_LIBRARY_LEVEL", "numpy")
    wrong = {
        "wine": [np.zeros(11), np.zeros((2, 12)), None, "text", [[1.0], [1.0, 2.0]], np.zeros((1, 11), complex)],
        "lookups": [
            np.zeros((2, 2)), [np.zeros((2, 2))], [np.full((2, 2), 0.5), np.zeros((2, 3))], {"city": [[1, 2]]},
            [np.full((2, 2), 2**40), np.zeros((2, 3))], [np.zeros((2, 2), int), np.zeros((3, 3))],
        ],
    }  # fmt: skip
    for name, cases in wrong.items():
        module, predict = imported(folder / name, monkeypatch), made(name)
        for case in cases:
            with pytest.raises(InputError) as ours:
                predict(case)
            with pytest.raises(ValueError) as theirs:
                module.predict(case)
            assert str(theirs.value) == str(ours.value)
    outside = [np.full((2, 2), 9), np.zeros((2, 3))]
    with pytest.raises(ValueError, match=r"row 0: .*7" if engine == "native" else "index 9 is outside"):
        imported(folder / "lookups", monkeypatch).predict(outside)


def test_rows_of_any_length(folder, tmp_path, monkeypatch):
    module, predict = imported(folder / "sequences", monkeypatch), made("sequences")
    x = np.random.default_rng(1).normal(size=(3, 40, 4)).astype(np.float32)
    for length in (1, 2, 17, 40):
        np.testing.assert_array_equal(module.predict(x[:, :length]), predict(x[:, :length]))
    with pytest.raises(ValueError, match="expected"):
        module.predict(x[..., :3])
    quick(monkeypatch)
    short = foldnet.freeze(fill(NETWORKS["valid"]()), engine="native")
    short.to_library(tmp_path / "short")
    module = imported(tmp_path / "short", monkeypatch)
    assert module.engine == "native"
    (data,) = data_for(short, [30])
    np.testing.assert_array_equal(module.predict(data), short(data))
    for function in (short, module.predict):
        with pytest.raises(ValueError):
            function(data[:, :1])


def test_threads_share_rows_and_change_no_bit(folder, monkeypatch):
    module, predict = imported(folder / "images", monkeypatch), made("images")
    x = np.random.default_rng(2).normal(size=(500, 9, 8, 3)).astype(np.float32)
    expected, found = predict(x), {}
    for threads in ("1", "3"):
        monkeypatch.setenv("FOLDNET_THREADS", threads)
        np.testing.assert_array_equal(module.predict(x), expected)
    callers = [threading.Thread(target=lambda k=k: found.update({k: module.predict(x)})) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all((found[k] == expected).all() for k in range(4))
    monkeypatch.setenv("FOLDNET_THREADS", "none")
    with pytest.raises(ValueError, match="FOLDNET_THREADS"):
        module.predict(x)


def damaged(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def other_processor(path):
    """A library of another processor, with its own digest in the module."""
    raw = bytearray(path.read_bytes())
    raw[18] = 183 if raw[18] != 183 else 62  # e_machine
    before, module = sha256(path), path.with_name("__init__.py")
    path.write_bytes(raw)
    module.write_text(module.read_text().replace(before, sha256(path)))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


FAULTS = {
    "changed": (damaged, "SHA-256"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "SHA-256"),
    "missing": (lambda path: path.unlink(), "cannot be read"),
    "of another processor": (other_processor, "cannot be loaded"),
    "for other systems alone": (
        lambda path: path.with_name("__init__.py").write_text(
            path.with_name("__init__.py").read_text().replace(f"'{host().name}'", "'riscv64-linux'")
        ),
        "only for riscv64-linux",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_library_that_cannot_be_used_leaves_the_work_to_numpy(fault, wine, python, folder):
    break_it, reason = FAULTS[fault]
    break_it(wine / NAME)
    ((engine, level, messages, kinds),) = run_there(python, wine.parent, ["wine"])
    assert (engine, level, kinds) == ("numpy", None, ["RuntimeWarning"])
    assert reason in messages[0]
    assert "NumPy computes instead" in messages[0]
    np.testing.assert_allclose(
        results_there(wine.parent, "wine"), expected_of(folder, "wine"), rtol=2e-5, atol=2e-6
    )


def test_a_level_that_is_not_there_is_an_error(folder, monkeypatch):
    monkeypatch.setenv("FOLDNET_LIBRARY_LEVEL", "avx9")
    with pytest.raises(ValueError, match="FOLDNET_LIBRARY_LEVEL is 'avx9'"):
        imported(folder / "wine", monkeypatch)


COMMANDS = {**COMPILERS, "g++": ["g++"] if shutil.which("g++") else [*ZIG[:-2], "c++", *ZIG[-1:]]}
"""Each compiler that a caller of the library may have; zig has them all."""


@pytest.mark.parametrize("name", ["wine", "sequences", "lookups"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_header_and_the_example(name, command, folder, tmp_path):
    package, language = folder / name, ["-x", "c++"] if command == "g++" else ["-std=c99"]
    library = f"{name}-{host().name}{host().ending}"
    strict = [
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        *language,
        "-I",
        str(package),
        str(package / "example.c"),
    ]
    subprocess.run(
        [*COMMANDS[command], *strict, "-x", "none", str(package / library), f"-Wl,-rpath,{package}", "-o", "example"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    said = subprocess.run([tmp_path / "example"], capture_output=True, text=True, check=True).stdout
    predict = made(name)
    zeros = [np.zeros((1, *(n or 12 for n in shape[1:])), np.float32) for shape in predict.input_shapes]
    np.testing.assert_array_equal(np.array(said.split(), np.float32), predict(zeros).ravel())


def test_only_the_functions_of_the_header_are_seen_and_weights_are_there_once(folder):
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", folder / "wine" / NAME], capture_output=True, text=True, check=True
    ).stdout
    assert sorted(line.split()[-1] for line in symbols.splitlines()) == [
        "wine_level",
        "wine_run",
        "wine_use_level",
    ]
    network = foldnet.Sequential(
        [foldnet.Input((100,)), foldnet.layers.Dense(300), foldnet.layers.Dense(100)]
    )
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        to_library(foldnet.freeze(network, fold=False), folder / "large")
    library = folder / "large" / f"large-{host().name}{host().ending}"
    numbers = sum(w.size for w in network.get_weights())
    assert 4 * numbers < library.stat().st_size < 8 * numbers
    opened = ctypes.CDLL(str(library))
    assert opened.large_use_level(b"nothing") == 0


def test_the_compiled_code_has_no_warnings(tmp_path, monkeypatch):
    quick(monkeypatch)
    monkeypatch.setattr(compiler, "CODE_FLAGS", (*compiler.CODE_FLAGS, "-Wall", "-Wextra", "-Werror"))
    monkeypatch.setattr(build, "LINKING", (*build.LINKING, "-Werror"))
    for command in ("gcc", "clang"):
        if shutil.which(command):
            monkeypatch.setenv("CC", command)
            (tmp_path / command).mkdir()
            for name in ("wine", "sequences", "images"):
                assert made(name).to_library(tmp_path / command / name)


@pytest.mark.parametrize("name", ["wine", "sequences", "lookups"])
def test_its_c_is_clean_under_the_sanitizers(name, tmp_path):
    predict = made(name)
    network = network_of(predict, name)
    code = library_code(network, host())
    (tmp_path / f"{name}.h").write_text(c_header(network, code.faults))
    (tmp_path / "example.c").write_text(c_example(network))
    objects = []
    for k, text in enumerate((*code.levels, code.dispatch)):
        (tmp_path / f"{k}.c").write_text(text)
        options = host().levels[k].options if k < len(code.levels) else ()
        flags = ["-O0", "-g0", *sanitizers("gcc"), *options, "-c", f"{k}.c", "-o", f"{k}.o"]
        assert compile_once.run(["gcc", *flags], tmp_path).returncode == 0
        objects.append(f"{k}.o")
    build_example = ["gcc", *sanitizers("gcc"), "example.c", *objects, "-lm", "-pthread", "-o", "example"]
    assert compile_once.run(build_example, tmp_path).returncode == 0
    done = subprocess.run([tmp_path / "example"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    zeros = [np.zeros((1, *(n or 12 for n in shape[1:])), np.float32) for shape in predict.input_shapes]
    np.testing.assert_allclose(
        np.array(done.stdout.split(), float), predict(zeros).ravel(), rtol=2e-5, atol=2e-6
    )


def test_what_is_there_already(tmp_path, monkeypatch):
    quick(monkeypatch)
    predict = made("by_name")
    files = predict.to_library(tmp_path / "mine", name="net")
    before = {path: path.read_bytes() for path in files}
    assert predict.to_library(tmp_path / "mine", name="net") == files  # over its own files
    assert {path: path.read_bytes() for path in files} == before
    (tmp_path / "other").mkdir()
    for name in ("__init__.py", "net.h", files[0].name):
        foreign = tmp_path / "other" / name
        foreign.write_text("mine")
        with pytest.raises(FileExistsError, match="was not written by foldnet"):
            predict.to_library(tmp_path / "other", name="net")
        assert [p.name for p in (tmp_path / "other").iterdir()] == [name]
        assert foreign.read_text() == "mine"
        foreign.unlink()
    (tmp_path / "other" / "net.h").write_text("mine")
    predict.to_library(tmp_path / "other", name="net", overwrite=True)


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    quick(monkeypatch)
    predict = made("by_name")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        predict.to_library(tmp_path / "file" / "inside")
    replace, count = Path.open, []

    def full(path, mode="r", *rest, **more):
        if mode == "xb":
            count.append(path)
            if len(count) == 3:
                raise OSError(28, "No space left on device")
        return replace(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        predict.to_library(tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []


def test_what_is_refused(tmp_path, monkeypatch):
    predict = made("wine")
    for name in ("numpy", "json", "class", "wine-lib", "my lib", "2nd"):
        with pytest.raises(ConfigError, match=f"would be imported as {name}: Python"):
            predict.to_library(tmp_path / name)
        assert not (tmp_path / name).exists()
    for targets in ("host", [], None, 5, ["vax"], ["host", "any"]):
        with pytest.raises(ConfigError, match="x86_64-linux"):
            predict.to_library(tmp_path / "x", targets=targets)
    monkeypatch.setattr(compiler, "find_zig", lambda: None)
    with pytest.raises(CompileError, match=r"pip install 'foldnet\[compiler\]'"):
        predict.to_library(tmp_path / "x", targets=["aarch64-linux"])
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(CompileError, match="no such program"):
        predict.to_library(tmp_path / "x")
    monkeypatch.setenv("CC", "false")
    with pytest.raises(CompileError, match="refused"):
        predict.to_library(tmp_path / "x")
    network = foldnet.Sequential([foldnet.Input((3,)), foldnet.layers.Dense(2, activation=lambda x: x * 2)])
    with pytest.raises((UnsupportedError, CompileError)):
        foldnet.freeze(network).to_library(tmp_path / "x")
    one = foldnet.Sequential([foldnet.Input((3,)), foldnet.layers.Dense(2)])
    with pytest.raises(ConfigError, match="float64"):
        foldnet.freeze(one, dtype="float64").to_library(tmp_path / "x")
    assert not (tmp_path / "x").exists()
