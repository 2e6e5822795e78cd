"""Compiled networks on disk: found again, never trusted, never half written."""

import re
import shlex
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from foldnet import user_cache
from foldnet.engines.native import NativeProgram, cache
from foldnet.engines.native import compiler as cc
from foldnet.errors import CompileError
from tests.native.networks import random_inputs, table_network
from tests.support.compilers import COMPILERS

pytestmark = pytest.mark.as_shipped

GRAPH = table_network((3, 2, 1))
(X,) = random_inputs(GRAPH, 5)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and a process that has loaded nothing."""
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_loaded", {})
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch):
    """How often the compiler was run."""
    calls = []
    real = cc.compile_library
    monkeypatch.setattr(cc, "compile_library", lambda *a, **units: (calls.append(a), real(*a, **units)))
    return calls


def predict():
    cache._loaded.clear()
    return NativeProgram(GRAPH, threads=1).run([X])[0]


def entry(home):
    (path,) = home.glob("*.so")
    return path


def test_an_entry_is_private_and_found_again(home, compiled):
    first = predict()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(home).stat().st_mode) & 0o077 == 0
    assert [p.suffix for p in home.iterdir()] == [".so"]
    assert np.array_equal(predict(), first)
    assert len(compiled) == 1


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def foreign(path):
    """Another network's entry, whole in itself, under this one's name."""
    data = path.read_bytes()
    path.write_bytes(
        data[: -user_cache.DIGEST] + user_cache.digest(b"another key", data[: -user_cache.DIGEST])
    )


def open_to_others(path):
    path.chmod(0o777)


def link(path):
    moved = path.with_suffix(".moved")
    path.rename(moved)
    path.symlink_to(moved)


@pytest.mark.parametrize("damage", [truncate, flip, empty, foreign, open_to_others, link])
def test_what_is_amiss_is_built_anew(home, compiled, damage):
    first = predict()
    # The loaded library keeps its own file: only the entry on disk is replaced by a damaged one.
    copy = entry(home).with_suffix(".copy")
    shutil.copy2(entry(home), copy)
    copy.replace(entry(home))
    damage(entry(home))
    assert np.array_equal(predict(), first)
    assert len(compiled) == 2
    assert stat.S_ISREG(entry(home).lstat().st_mode)
    assert np.array_equal(predict(), first)
    assert len(compiled) == 2


def test_a_folder_that_others_may_write_is_not_used(home, compiled):
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    first = predict()
    assert not list(home.iterdir())
    assert np.array_equal(predict(), first)
    assert len(compiled) == 2


def test_a_linked_folder_is_not_used(home, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    home.symlink_to(tmp_path / "elsewhere")
    predict()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_folder_that_cannot_be_made_is_done_without(home, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "file" / "cache"))
    assert predict().shape == (5, 1)


def test_processes_at_once_build_whole_entries(home):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from tests.native import test_cache as t\n"
        "sys.stdout.write(t.NativeProgram(t.GRAPH, threads=1).run([t.X])[0].tobytes().hex())"
    )
    command = [sys.executable, "-c", code, Path(__file__).parents[2]]

    def run(_):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(3) as pool:
        results = set(pool.map(run, range(3)))
    assert results == {predict().tobytes().hex()}
    assert [p.suffix for p in home.iterdir()] == [".so"]


def test_the_key_holds_compiler_options_and_machine(home, compiled, monkeypatch):
    predict()
    monkeypatch.setattr(cc, "flags", lambda target, real=cc.flags: (*real(target), "-DANOTHER"))
    predict()
    other = cc.Machine(cc.machine().name, cc.machine().features + " another")
    monkeypatch.setattr(cc, "machine", lambda: other)
    predict()
    assert len(compiled) == 3
    assert len(list(home.glob("*.so"))) == 3


def test_compilers_give_the_same_bits(home, monkeypatch):
    results = []
    for command in COMPILERS.values():
        monkeypatch.setenv("CC", shlex.join(command))
        results.append(predict().tobytes())
    assert len(set(results)) == 1
    assert len(list(home.glob("*.so"))) == len(COMPILERS)


def test_without_a_compiler_the_error_says_what_to_do(home, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CompileError, match=r"no C compiler was found.*gcc or clang.*engine=\"reference\""):
        predict()


@pytest.mark.parametrize("wrong", ["no-such-compiler -O", "gcc 'O3"])
def test_a_wrong_cc_is_named(home, monkeypatch, wrong):
    monkeypatch.setenv("CC", wrong)
    with pytest.raises(CompileError, match=re.escape(repr(wrong))):
        predict()


def test_a_refusal_shows_the_compilers_words_and_keeps_the_code(home, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(home.parent))
    with pytest.raises(CompileError, match=r"(?s)refused the C.*error.*nothing_such"):
        cache.load("int broken(void) { return nothing_such; }\n", "broken")
    (kept,) = home.parent.glob("foldnet-*.c")
    assert kept.read_text() == "int broken(void) { return nothing_such; }\n"
    assert not list(home.iterdir())


def test_cc_may_have_arguments(home, monkeypatch):
    monkeypatch.setenv("CC", "gcc -DFOLDNET_TEST" if shutil.which("gcc") else "clang -DFOLDNET_TEST")
    assert cc.find().command[1] == "-DFOLDNET_TEST"
    assert predict().shape == (5, 1)
