"""Where nothing can be compiled or loaded the reference engine serves, with the true reason said once."""

import os
import shlex
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import Sequential, layers, user_cache
from foldnet.engines import fallback
from foldnet.engines.native import cache
from foldnet.engines.native import compiler as cc
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.errors import CompileError
from foldnet.recent_cache import RecentCache
from foldnet.training import known_programs

pytestmark = pytest.mark.as_shipped

X = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)


def network():
    made = Sequential([layers.Input((3,)), layers.Dense(2, "tanh"), layers.Dense(1)])
    made.set_weights([np.linspace(-1, 1, w.size).reshape(w.shape) for w in made.get_weights()])
    return made


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache and a temporary folder of the test's own, and a process that has loaded and said nothing."""
    for name in ("cache", "tmp", "bin"):
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(cache, "_loaded", {})
    monkeypatch.setattr(cc, "_hanging", {})
    monkeypatch.setattr(fallback, "_said", set())
    monkeypatch.setattr(known_programs, "_known", RecentCache(known_programs.MOST))
    return tmp_path


@pytest.fixture
def compiler(home, monkeypatch):
    """Makes CC a program of the test's own, a shell script."""

    def make(script):
        path = home / "bin" / "compiler"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CC", str(path))
        return path

    return make


GCC = shlex.join(cc.find().command)


def no_compiler(home, monkeypatch, compiler):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def cc_is_not_there(home, monkeypatch, compiler):
    monkeypatch.setenv("CC", "/nowhere/cc -O2")


def cc_is_no_command(home, monkeypatch, compiler):
    monkeypatch.setenv("CC", "gcc 'O2")


def cc_is_a_folder(home, monkeypatch, compiler):
    monkeypatch.setenv("CC", str(home))


def cc_refuses(home, monkeypatch, compiler):
    compiler("echo no such option >&2; exit 1")


def cc_is_no_program(home, monkeypatch, compiler):
    compiler("").write_bytes(b"\x7fELF nothing of the kind")


def cc_makes_nothing(home, monkeypatch, compiler):
    compiler("exit 0")


def cc_makes_no_library(home, monkeypatch, compiler):
    compiler('while [ "$1" != -o ]; do shift; done; echo nothing > "$2"')


def cc_leaves_the_function_out(home, monkeypatch, compiler):
    compiler(f'cat > /dev/null; echo "extern int other;" | {GCC} "$@"')


def cc_hangs(home, monkeypatch, compiler):
    monkeypatch.setenv("FOLDNET_COMPILE_SECONDS", "0.2")
    compiler("sleep 600 & wait")


def nothing_may_be_run(home, monkeypatch, compiler):
    """As on disks that are mounted noexec: what the loader then says."""

    def refuse(path, *_):
        raise OSError(f"{path}: failed to map segment from shared object")

    monkeypatch.setattr("ctypes.CDLL", refuse)
    cc_makes_no_library(home, monkeypatch, compiler)  # it would not be looked into anyway, and takes no time


def disks_are_full(home, monkeypatch, compiler):
    compiler("echo 'final link failed: No space left on device' >&2; exit 1")


def nothing_may_be_written(home, monkeypatch, compiler):
    """As on a system that is read-only throughout (permissions do not stop root, who may run this)."""
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)


def folders_are_not_there(home, monkeypatch, compiler):
    monkeypatch.setattr(
        os, "access", lambda path, mode, real=os.access: "/tmp" not in str(path) and real(path, mode)
    )
    (home / "file").write_text("")
    monkeypatch.setenv("FOLDNET_CACHE", str(home / "file" / "cache"))


def no_ctypes(home, monkeypatch, compiler):
    for name in [n for n in sys.modules if n.startswith("foldnet.engines.native")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ctypes", None)


FAULTS = {
    no_compiler: "no C compiler was found",
    cc_is_not_there: "CC is '/nowhere/cc -O2', and there is no such program",
    cc_is_no_command: "CC is .*, which is no command",
    cc_is_a_folder: "CC is .*, and there is no such program",
    cc_refuses: "refused the C that foldnet wrote.*no such option",
    cc_is_no_program: "could not be run",
    cc_makes_nothing: "made no library",
    cc_makes_no_library: "cannot be loaded: .*(file too short|invalid ELF header)",
    cc_leaves_the_function_out: "has no function foldnet_(run|train)",
    cc_hangs: "gave no answer within 0.2 s",
    nothing_may_be_run: "cannot be loaded: .*failed to map segment.*noexec.*FOLDNET_CACHE",
    disks_are_full: "No space left on device",
    nothing_may_be_written: "no folder to compile in",
    folders_are_not_there: "no folder to compile in",
    no_ctypes: "cannot load compiled code",
}


def fitted(model):
    model.compile("sgd", "mse")
    return model.fit(X, X[:, :1], epochs=1, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_auto_falls_back_and_says_why_once(fault, home, monkeypatch, compiler):
    expected = foldnet.freeze(network(), engine="reference")(X)
    fault(home, monkeypatch, compiler)
    with pytest.warns(RuntimeWarning, match=f"(?s)slower reference engine: .*{FAULTS[fault]}") as said:
        predict = foldnet.freeze(network())
    assert [Path(w.filename) for w in said] == [Path(__file__)]
    assert predict.engine == "reference"
    np.testing.assert_array_equal(predict(X), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = network()
        assert np.isfinite(fitted(model)).all()
        assert isinstance(model.trainer._engine, ReferenceTraining)
        foldnet.freeze(network())(X)
    assert list((home / "tmp").glob("foldnet-*/")) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_fit_falls_back_and_says_why(fault, home, monkeypatch, compiler):
    fault(home, monkeypatch, compiler)
    with pytest.warns(RuntimeWarning, match=f"(?s)slower reference engine: .*{FAULTS[fault]}") as said:
        fitted(network())
    assert [Path(w.filename) for w in said] == [Path(__file__)]


def test_the_next_fit_finds_a_compiler_that_came_meanwhile(home, monkeypatch):
    with monkeypatch.context() as patch:
        cc_is_not_there(home, patch, None)
        with pytest.warns(RuntimeWarning, match="slower reference engine"):
            fitted(network())
    assert not list((home / "cache").rglob("*.so"))
    fitted(network())
    assert list((home / "cache").rglob("*.so"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_native_is_a_clean_error(fault, home, monkeypatch, compiler):
    fault(home, monkeypatch, compiler)
    with pytest.raises(CompileError, match=f"(?s){FAULTS[fault]}"):
        foldnet.freeze(network(), engine="native")


def test_where_warnings_are_errors_nothing_is_left_broken(home, monkeypatch, compiler):
    cc_is_not_there(home, monkeypatch, compiler)
    model = Sequential([layers.Input((None, 3)), layers.Dense(2)])  # is compiled at the first call
    predict, fit = foldnet.freeze(model), network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(RuntimeWarning, match="no such program"):
                predict(X[None])
            with pytest.raises(RuntimeWarning, match="no such program"):
                fitted(fit)
    with pytest.warns(RuntimeWarning, match="no such program"):
        y = predict(X[None])
    np.testing.assert_array_equal(y, foldnet.freeze(model, engine="reference")(X[None]))
    assert len(fitted(fit)) == 1
    monkeypatch.delenv("CC")
    assert foldnet.freeze(network()).engine == "native"


def test_a_compiler_that_hangs_is_ended_with_all_it_started_and_not_asked_again(home, monkeypatch, compiler):
    # Long enough for a busy machine to start the compiler, which writes down its child.
    monkeypatch.setenv("FOLDNET_COMPILE_SECONDS", "4")
    compiler(f"echo once >> {home}/calls; sleep 600 & echo $! > {home}/started; wait")
    for _ in range(2):
        with pytest.raises(CompileError, match=r"\b4 s.*FOLDNET_COMPILE_SECONDS"):
            foldnet.freeze(network(), engine="native")
    assert (home / "calls").read_text() == "once\n"
    started = Path("/proc") / (home / "started").read_text().strip() / "stat"
    end = time.monotonic() + 600  # it dies when the machine gets to it
    while is_running(started) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(started)


def is_running(status):
    try:
        return status.read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("wrong", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_limit_that_is_none_is_named(home, monkeypatch, wrong):
    monkeypatch.setenv("FOLDNET_COMPILE_SECONDS", wrong)
    with pytest.raises(CompileError, match=f"FOLDNET_COMPILE_SECONDS is '{wrong}'"):
        foldnet.freeze(network(), engine="native")


def test_a_full_cache_disk_gives_way_to_the_temporary_folder(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(user_cache, "write", full)
    assert foldnet.freeze(network(), engine="native").engine == "native"
    assert list((home / "cache").iterdir()) == []


def test_a_full_temporary_disk_gives_way_to_the_cache(home, monkeypatch, compiler):
    # The linker says so, and the compiler fails.
    compiler(f'case "$*" in *{home}/tmp*) echo "No space left on device" >&2; exit 1;; esac; exec {GCC} "$@"')
    assert foldnet.freeze(network(), engine="native").engine == "native"
    assert [p.suffix for p in (home / "cache").iterdir()] == [".so"]  # and no C that was refused before


def test_a_cache_that_may_not_be_run_gives_way_to_the_temporary_folder(home, monkeypatch):
    import ctypes

    def picky(path, real=ctypes.CDLL):
        if str(home / "cache") in str(path):
            raise OSError("failed to map segment from shared object")
        return real(path)

    monkeypatch.setattr(ctypes, "CDLL", picky)
    for _ in range(2):
        cache._loaded.clear()
        assert foldnet.freeze(network(), engine="native").engine == "native"


def test_a_library_without_the_function_is_not_kept(home, monkeypatch, compiler):
    cc_leaves_the_function_out(home, monkeypatch, compiler)
    with pytest.raises(CompileError):
        foldnet.freeze(network(), engine="native")
    assert not list((home / "cache").glob("*.so"))


WARM = """
import sys
import numpy as np, foldnet
from foldnet import Sequential, layers
from foldnet.engines.native.training.program import NativeTraining
model = Sequential([layers.Input((3,)), layers.Dense(2, "tanh"), layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((9, 3), np.float32)
predict = foldnet.freeze(model, engine="native")
predict(x)
model.fit(x, x[:, :1], epochs=1, verbose=0)
assert isinstance(model.trainer._engine, NativeTraining)
print(predict.engine)
"""


def in_a_process(home, **environment):
    blocked = "import sys; sys.modules['ziglang'] = None\n" if "PATH" in environment else ""
    known = {k: v for k, v in os.environ.items() if k not in ("CC", "FOLDNET_CACHE")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", blocked + WARM], capture_output=True, text=True, check=False,
        env={**known, "FOLDNET_CACHE": str(home / "cache"), "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )  # fmt: skip


def test_a_warm_cache_serves_without_a_compiler(home):
    """So that an image can be built in one stage and run in another that has no compiler."""
    cold = in_a_process(home, PATH="")
    assert cold.returncode
    assert "no C compiler was found" in cold.stderr
    warm = in_a_process(home)
    assert warm.stdout == "native\n", warm.stderr
    for path in (home / "cache").rglob("*"):  # nothing can be written any more
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    for slim in ({"PATH": ""}, {"CC": "/nowhere/cc"}, {"CC": "/bin/false"}):
        served = in_a_process(home, **slim)
        assert served.stdout == "native\n", (slim, served.stderr)


def test_each_compiler_has_an_entry_of_its_own(home, monkeypatch, compiler):
    foldnet.freeze(network(), engine="native")
    compiler(f'exec {GCC} "$@"')
    foldnet.freeze(network(), engine="native")
    entries = {p.name for p in (home / "cache").glob("*.so")}
    assert len(entries) == 2
    assert len({name.partition("-")[0] for name in entries}) == 1


def test_roots_cache_serves_others_and_a_strangers_does_not(home, monkeypatch):
    foldnet.freeze(network(), engine="native")
    (entry,) = (home / "cache").glob("*.so")
    owner = entry.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 12345)
    assert (user_cache.read(entry.name) is not None) == (owner == 0)
    if owner == 0:  # can give things away
        os.chown(entry, 4321, -1)
        assert user_cache.read(entry.name) is None


def test_a_user_without_a_home_keeps_nothing(monkeypatch, tmp_path):
    for name in ("FOLDNET_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert user_cache.ready() is None
    assert list(tmp_path.iterdir()) == []
