"""Training programs in two units, which two compilers work on at once."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from foldnet import Sequential, layers, regularizers, system
from foldnet.codegen import standard
from foldnet.codegen.units import UNITS
from foldnet.engines.native import cache, compiler
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.native.training.source import source
from foldnet.errors import CompileError
from foldnet.system import posix
from tests.native_training import programs, test_image_changes
from tests.support.compilers import COMPILERS, compile_once, march
from tests.support.compiling import QUICK, as_shipped

needs_posix = pytest.mark.skipif(not system.CAN_COMPILE, reason="compiles nothing")


def narrow():
    """Small: it has code of its own for the common batch; normalization, dropout, noise, a penalty, a clipped norm."""
    hidden = [
        layers.Dense(9, "relu"),
        layers.Dropout(0.3),
        layers.BatchNormalization(),
        layers.GaussianNoise(0.1),
    ]
    network = Sequential(
        [layers.Input((7,)), *hidden, layers.Dense(5, "tanh", kernel_regularizer="l2"), layers.Dense(1)]
    )
    return programs.program(network, update=programs.adam(clip=("norm", 0.5)))


def shared():
    """Wide: threads share each operation, so that products of any size are called."""
    penalty = regularizers.OrthogonalRegularizer()
    network = Sequential(
        [
            layers.Input((400,)),
            layers.Dense(512, "relu", kernel_regularizer=penalty),
            layers.Dense(90),
            layers.Dense(3),
        ]
    )
    return programs.program(network)


def blocks():
    """Narrow, without statistics: threads take blocks of rows."""
    network = Sequential([layers.Input((6,)), layers.Dense(24, "gelu"), layers.Dense(2)])
    return programs.program(network, update=programs.adam())


def images():
    """Changed at random."""
    return programs.program(test_image_changes.wide())


def mixed():
    """Changed by chosen kinds, and mixed with one another."""
    return programs.program(test_image_changes.mixed())


MADE = {made.__name__: made for made in (narrow, shared, blocks)}


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """The commands of compilers and linkers that run, with an empty cache."""
    commands, run = [], system.run
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_loaded", {})

    def noted(given, *more):
        commands.append([words for words, *_ in given])
        return run(given, *more)

    monkeypatch.setattr(system, "run", noted)
    return commands


@pytest.mark.parametrize("kind", MADE)
def test_two_units_have_the_bits_of_one(kind, monkeypatch, ran, tmp_path):
    quick = () if kind == "narrow" else QUICK
    monkeypatch.setattr(cache, "load", lambda *a, **units: as_shipped(*a, *quick, **units))
    p, found = MADE[kind](), []
    assert source(p).threaded == (kind == "shared")
    for processors in (1, 2):
        monkeypatch.setattr(system, "processors", lambda n=processors: n)
        monkeypatch.setattr(cache, "_loaded", {})
        monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / f"for {processors}"))
        engine, state = NativeTraining(p), programs.random_start(p)
        plan = programs.plan(150, 32, 3, threads=2, columns=len(p.update.scalars))
        result = engine.fit(state, programs.data(p, 150), plan)
        found.append([*state.weights.values(), result.training.loss])
    for one, two in zip(*found, strict=True):
        assert one.tobytes() == two.tobytes()
    one, two, link = ran
    assert [[word for word in words if word.startswith("-DUNIT")] for words in (*one, *two, *link)] == [
        [], ["-DUNIT=1"], ["-DUNIT=2"], [],
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [*MADE.values(), images, mixed], ids=lambda made: made.__name__)
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_each_unit_compiles_without_warnings(kind, name, tmp_path):
    if name not in COMPILERS:
        pytest.skip(f"there is no {name}")
    code = source(kind()).code
    for unit in (1, 2):
        # Small functions are in both, whether a unit calls them or not.
        command = [*COMPILERS[name], "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
        command += [march(name, "native"), f"-DUNIT={unit}", "-x", "c", "-c", "-", "-o", tmp_path / "unit.o"]
        done = compile_once.run(command, tmp_path, code)
        assert done.returncode == 0, done.stderr[:3000]


@pytest.mark.parametrize("kind", [*MADE.values(), images, mixed], ids=lambda made: made.__name__)
def test_a_unit_has_small_functions_that_it_calls_alone(kind):
    if "gcc" not in COMPILERS:
        pytest.skip("there is no gcc")
    code = source(kind()).code
    for unit in (1, 2):
        command = [*COMPILERS["gcc"], "-E", "-P", march("gcc", "native"), f"-DUNIT={unit}", "-x", "c", "-"]
        texts = [
            subprocess.run([*command, *quick], input=code, capture_output=True, text=True, check=True).stdout
            for quick in ((), QUICK[-1:])
        ]
        words = [Counter(re.findall(r"\w+", text)) for text in texts]
        plain = texts[0].replace("__attribute__((always_inline)) ", "")
        own = re.findall(r"^static inline [^;={]*?\b((?!fn_)\w+)\(", plain, re.M)
        assert own
        assert [name for name in own if all(found[name] == 1 for found in words)] == []


@needs_posix
@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/usr/bin/x86_64-linux-gnu-gcc-12", True),
        ("/usr/bin/gcc", True),
        ("/opt/bin/gcc-13.2", True),
        ("/usr/bin/clang", False),
        ("/usr/bin/ccache", False),
        ("/usr/bin/gcc-ar", False),
    ],
)
def test_gcc_is_known_by_the_name_of_its_file(path, known, monkeypatch):
    compilers = compiler.Compiler(("cc",), f"{path}|1|2")
    monkeypatch.setattr(sys, "platform", "linux")
    assert compilers.is_gcc == known
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not compilers.is_gcc


def test_gcc_has_its_options_from_the_command_and_others_from_the_text(ran, monkeypatch, tmp_path):
    monkeypatch.setattr(system, "processors", lambda: 2)
    whole = '__attribute__((visibility("default"))) int foldnet_train(void) { return 1; }'
    code = f"{UNITS}#if UNIT != 2\n{whole}\n#endif\n"
    found = Path(shutil.which("gcc") or pytest.skip("there is no gcc"))
    refusing = tmp_path / "bin" / "gcc"  # another compiler of that name
    refusing.parent.mkdir()
    refusing.write_text(f'#!/bin/sh\ncase "$*" in *no-tree-pre*) exit 1;; esac\nexec {found} "$@"\n')
    refusing.chmod(0o755)
    for command in (found, refusing):
        monkeypatch.setenv("CC", str(command))
        as_shipped(code, "foldnet_train", units=2)
    told = [["-DTOLD" in words and "-fno-tree-pre" in words for words in commands] for commands in ran]
    assert told == [[True, True], [False], [True, True], [False, False], [False]]


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_mathematics_is_declared_as_its_header_has_it(name, tmp_path):
    if name not in COMPILERS:
        pytest.skip(f"there is no {name}")
    uses = "\n".join(f"x = {function}(x);" for function in standard._DECLARED) + "INFINITY NAN"
    declared = standard.mathematics(uses)
    assert "include" not in declared
    found = "float found(void);\nfloat found(void) { return INFINITY + NAN; }\n#undef INFINITY\n#undef NAN"
    code = f"{declared}\n{found}\n#include <math.h>\n"
    command = [*COMPILERS[name], "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-x", "c", "-c", "-"]
    done = compile_once.run([*command, "-o", tmp_path / "declared.o"], tmp_path, code)
    assert done.returncode == 0, done.stderr[:3000]
    for other in ("y = erff(x);", "y = pow(x, 2);", "if (isnan(x))", "y = M_PI;"):
        assert standard.mathematics(uses + other) == "#include <math.h>"
    assert standard.mathematics("/* sqrt(x) of NAN */ for (int round = 0; round < 3; round++)") == ""


def test_what_the_second_compiler_says_is_in_the_error(ran, monkeypatch):
    monkeypatch.setattr(system, "processors", lambda: 2)
    code = "#if UNIT == 2\n#error the second\n#endif\nint foldnet_train;\n"
    with pytest.raises(CompileError, match=r"refused the C that foldnet wrote:[\s\S]*the second"):
        as_shipped(code, "foldnet_train", units=2)
    assert all(re.search("UNIT=1", " ".join(first)) for first, _ in ran)


@needs_posix
def test_commands_that_run_at_once_end_together(tmp_path):
    (tmp_path / "given").write_text("")

    def run(*scripts, seconds):
        given, said = str(tmp_path / "given"), str(tmp_path / "said")
        commands = [(["/bin/sh", "-c", script], given, said) for script in scripts]
        return posix.run(commands, str(tmp_path), seconds, {})

    assert run("exit 0", "exit 0", seconds=60) == 0
    assert run("exit 0", "exit 3", seconds=60) == 3
    began = time.monotonic()
    assert run("exit 3", f"echo $$ > {tmp_path}/pid; sleep 600", seconds=300) == 3
    assert run("sleep 600", f"echo $$ > {tmp_path}/pid; sleep 600", seconds=1) is None
    assert time.monotonic() - began < 290
    left = (tmp_path / "pid").read_text().strip()  # it was ended and waited for
    with pytest.raises(ProcessLookupError):
        os.kill(int(left), 0)
    with pytest.raises(OSError, match="no-such"):
        posix.run([(["/no-such"], str(tmp_path / "given"), str(tmp_path / "said"))], str(tmp_path), 9, {})


def test_one_compiler_where_one_processor_may_be_used(monkeypatch):
    asked = []
    monkeypatch.setattr(compiler, "compile_library", lambda *_, units: asked.append(units))
    monkeypatch.setattr(cache, "_kept_and_opened", lambda *_: None)
    for processors in (1, 2, 8):
        monkeypatch.setattr(system, "processors", lambda n=processors: n)
        cache._build("name", "code", "symbol", compiler.Compiler(("cc",), "cc"), (), 2)
    assert asked == [1, 2, 2]
