"""What is kept from run to run: taken for the very same, and made anew after any change."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.support import compile_once, compiling, kept, xla
from tests.support.compilers import build, sanitizers

CODE = """#include "part.h"
#if __has_include("more.h")
#define MORE + 2
#else
#define MORE
#endif
int unused(int a, int b) { return a; }
int main(void) { /* that is all */ return PART MORE; }
"""
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-O0")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with nothing kept."""
    monkeypatch.setenv(kept.HOME, str(tmp_path / "kept"))
    return tmp_path / "kept"


def compiler(folder, name="cc"):
    """gcc, which notes what it makes of what it is given."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$*" >> {folder}/log\nexec {shutil.which("gcc")} "$@"\n')
    path.chmod(0o755)
    return path


def runs(folder):
    """How often it has compiled, and not only read or shown what it is."""
    log = folder / "log"
    asked = ("-E", "-print", "--trace")
    return (
        sum(not any(a in line for a in asked) for line in log.read_text().splitlines()) if log.exists() else 0
    )


def write(folder, code=CODE, header="#define PART 7\n"):
    folder.mkdir(exist_ok=True)
    (folder / "main.c").write_text(code)
    (folder / "part.h").write_text(header)
    return folder


def compiled(cc, folder, *more):
    """The compiler's answer and the result of the program it made, which is removed."""
    done = compile_once.run([cc, *FLAGS, *more, "main.c", "-lm", "-o", "main"], folder)
    result = compile_once._run([str(folder / "main")], folder).returncode
    (folder / "main").unlink()
    return done.returncode, done.stdout, done.stderr, result


def test_the_same_is_taken_with_its_warnings(home, tmp_path):
    cc = compiler(tmp_path)
    first = compiled(cc, write(tmp_path / "a"))
    assert first[0] == 0
    assert first[3] == 7
    assert "unused parameter" in first[2]
    assert "main.c:7" in first[2]
    assert compiled(cc, tmp_path / "a") == compiled(cc, write(tmp_path / "elsewhere")) == first
    assert runs(tmp_path) == 1


def another_compiler(cc, folder, monkeypatch):
    compiled(compiler(folder.parent, "other"), folder)


def a_compiler_in_its_place(cc, folder, monkeypatch):
    cc.write_text(cc.read_text() + "# newer\n")
    compiled(cc, folder)


def another_flag(cc, folder, monkeypatch):
    compiled(cc, folder, "-Wpedantic")


def another_definition(cc, folder, monkeypatch):
    compiled(cc, folder, "-DOTHER=1")


def another_header(cc, folder, monkeypatch):
    assert compiled(cc, write(folder, header="#define PART 8\n"))[3] == 8


def another_comment(cc, folder, monkeypatch):
    """Compilers read some of them."""
    compiled(cc, write(folder, CODE.replace("that is all", "fallthrough")))


def a_header_that_is_only_looked_for(cc, folder, monkeypatch):
    (folder / "more.h").write_text("")
    assert compiled(cc, folder)[3] == 9


def another_text(cc, folder, monkeypatch):
    assert compiled(cc, write(folder, CODE.replace("PART MORE", "PART + 1")))[3] == 8


def another_place_for_headers(cc, folder, monkeypatch):
    write(folder.parent / "b", header="#define PART 9\n")
    (folder / "part.h").unlink()
    monkeypatch.setenv("CPATH", str(folder.parent / "b"))
    assert compiled(cc, folder)[3] == 9


def another_language_of_the_compilers_words(cc, folder, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    compiled(cc, folder)


def damage(cc, folder, monkeypatch):
    (entry,) = Path(os.environ[kept.HOME], "compiled").iterdir()
    entry.write_bytes(entry.read_bytes()[:-9])
    assert compiled(cc, folder)[3] == 7


@pytest.mark.parametrize(
    "change",
    [
        another_compiler, a_compiler_in_its_place, another_flag, another_definition, another_header, another_comment,
        a_header_that_is_only_looked_for, another_text, another_place_for_headers,
        another_language_of_the_compilers_words, damage,
    ],
)  # fmt: skip
def test_after_a_change_it_is_made_anew(change, home, tmp_path, monkeypatch):
    cc = compiler(tmp_path)
    compiled(cc, write(tmp_path / "a"))
    change(cc, tmp_path / "a", monkeypatch)
    assert runs(tmp_path) == 2


def test_what_fails_or_is_not_known_is_run_each_time(home, tmp_path):
    cc, folder = compiler(tmp_path), write(tmp_path / "a")
    for _ in range(2):
        done = compile_once.run([cc, *FLAGS, "-Werror", "main.c", "-o", "main"], folder)
        assert done.returncode == 1
        assert "unused parameter" in done.stderr
    assert runs(tmp_path) == 2
    for _ in range(2):
        compiled(cc, folder, "-fverbose-asm")
    assert runs(tmp_path) == 4
    assert not home.exists()


def test_nothing_but_a_file_is_written_over(home, tmp_path):
    folder = write(tmp_path / "a")
    (folder / "nowhere").symlink_to(os.devnull)
    for _ in range(2):
        compile_once.run(["gcc", "-w", "main.c", "-o", "nowhere"], folder)
    assert (folder / "nowhere").is_symlink()
    assert Path(os.devnull).is_char_device()


def test_a_program_with_sanitizers_and_several_files(home, tmp_path):
    said = []
    for place in ("a", "b"):
        folder = write(
            tmp_path / place,
            CODE.replace("PART MORE;", "PART + more();").replace("int unused", "int more(void);\nint unused"),
        )
        (folder / "more.c").write_text("int more(void);\nint more(void) { return 4; }\n")
        said.append(build("gcc", [*FLAGS, *sanitizers("gcc"), "main.c", "more.c"], "main", folder))
        assert compile_once._run([str(folder / "main")], folder).returncode == 11
    assert said[0] == said[1] != ""


def test_the_cache_of_foldnet_has_another_name_after_a_change(tmp_path, monkeypatch):
    name = compiling.name_of_cache()
    assert compiling.name_of_cache() == name
    monkeypatch.setenv("CPATH", str(tmp_path))
    assert compiling.name_of_cache() != name
    monkeypatch.delenv("CPATH")
    (tmp_path / "changed.py").write_text(Path(compiling.cache.__file__).read_text() + "\n")
    monkeypatch.setattr(compiling.cache, "__file__", str(tmp_path / "changed.py"))
    assert compiling.name_of_cache() != name


def test_the_folder_is_tidied(tmp_path, monkeypatch):
    now = time.time()
    for name, days in (("new", 0), ("used", 13), ("old", 15), ("net.foldnet", 0)):
        (tmp_path / "kind").mkdir(exist_ok=True)
        (tmp_path / "kind" / name).write_bytes(bytes(100))
        os.utime(tmp_path / "kind" / name, (now - days * 86_400, now - 20 * 86_400))
    monkeypatch.setenv(kept.HOME, "")
    monkeypatch.delenv(kept.KEEP, raising=False)
    assert kept.begin(tmp_path) == tmp_path
    assert os.environ[kept.HOME] == str(tmp_path)
    assert sorted(p.name for p in (tmp_path / "kind").iterdir()) == ["new", "used"]
    monkeypatch.setattr(kept, "LARGEST", 150)
    kept.begin(tmp_path)
    assert [p.name for p in (tmp_path / "kind").iterdir()] == ["new"]
    monkeypatch.setenv(kept.KEEP, "0")
    assert kept.begin(tmp_path) is None
    assert kept.store("kind") is None


def test_what_xla_compiled_is_taken_and_damage_is_seen(home, monkeypatch):
    import jax
    from jax._src import compilation_cache

    got, get = [], kept.Store.get
    monkeypatch.setattr(kept.Store, "get", lambda self, name: got.append(get(self, name)) or got[-1])
    before = jax.config.jax_compilation_cache_dir
    x = jax.numpy.arange(5.0)
    compilation_cache.reset_cache()
    try:
        xla.keep()

        def computed():
            got.clear()
            return jax.jit(lambda y: y * 3 + 17)(x).tolist()

        assert computed() == [17, 20, 23, 26, 29]
        assert got == [None]
        assert computed() == [17, 20, 23, 26, 29]
        assert [value is None for value in got] == [False]
        for entry in home.glob("*/*"):
            entry.write_bytes(entry.read_bytes()[:-1] + b"?")
        assert computed() == [17, 20, 23, 26, 29]
        assert got == [None]
    finally:
        compilation_cache.reset_cache()
        jax.config.update("jax_compilation_cache_dir", before)
