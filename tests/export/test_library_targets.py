"""Libraries for other systems: run under qemu and Wine, and what their files say of themselves."""

import json
import os
import shutil
import struct
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from foldnet.engines.native import compiler
from foldnet.export.library import build, write
from foldnet.export.library.elf import glibc_needed
from foldnet.export.library.targets import OTHERS, host
from tests.export.library_nets import RUNNER, made, quick, results_there, rows_of
from tests.support import arm64, kept
from tests.support.compilers import ZIG

NETS = ("wine", "images")
WINE = shutil.which("wine")
WINDOWS = "x86_64-windows"
DRIVER = Path(__file__).with_name("call_library.c")
FUNCTIONS = ["images_level", "images_run", "images_use_level"]


def kept_or_made(parts, make):
    """What zig made from the same on a run before: it first compiles each system's C library, for up to a minute."""
    store = kept.store("libraries")
    name = kept.digest("\0".join([*parts, compiler.find_zig().identity, version("ziglang")]).encode()).hex()
    found = store and store.get(name)
    if not found:
        found = make()
        if store:
            store.put(name, found)
    return found


def kept_build(code, target, shop, build=write.build):
    """As ``build``."""
    parts = [*code.levels, code.dispatch, *compiler.CODE_FLAGS, repr(target)]
    return kept_or_made(parts, lambda: build(code, target, shop))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The folder of each network, with libraries for all targets, compiled with warnings as errors."""
    folder = tmp_path_factory.mktemp("targets")
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        patch.setattr(compiler, "CODE_FLAGS", (*compiler.CODE_FLAGS, "-Wall", "-Wextra", "-Werror"))
        patch.setattr(write, "build", kept_build)
        for name in NETS:
            made(name).to_library(folder / name, targets=list(OTHERS))
    return folder


def library(folder, name, target):
    return folder / name / f"{name}-{target}{OTHERS[target].ending}"


def predicted(command, folder, name, target, tmp_path, *level):
    """What the driver got from a library of one input and one output, and what it printed."""
    predict = made(name)
    (x,) = rows_of(predict, name)
    expected = predict(x)
    np.ascontiguousarray(x).tofile(tmp_path / "x")
    sizes = [len(x), x[0].size, expected[0].size]
    arguments = [library(folder, name, target), name, *sizes, tmp_path / "x", tmp_path / "y", *level]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout.strip(), np.fromfile(tmp_path / "y", np.float32).reshape(expected.shape), expected


def driver(folder):
    """The program that calls libraries, for Windows."""
    program = folder / "call.exe"
    options = ["-target", OTHERS[WINDOWS].zig, "-Wall", "-Wextra", "-Werror", "-s", build.UNCHECKED]

    def made_now():
        built = subprocess.run(
            [*ZIG, *options, str(DRIVER), "-o", str(program)], capture_output=True, text=True, check=False
        )
        assert built.returncode == 0, built.stderr[:2000]
        return program.read_bytes()

    program.write_bytes(kept_or_made([DRIVER.read_text(), *options], made_now))
    return str(program)


@arm64.needed
def test_aarch64_gives_the_bits_of_fused_multiply_add(libraries, tmp_path, monkeypatch):
    quick(monkeypatch)
    (wheel,) = made("wine").to_wheel(tmp_path, name="wine-model", version="1.0", targets=["aarch64-linux"])
    arm64.install(wheel, tmp_path / "site")
    for name, folder in (("wine", tmp_path / "site"), ("images", libraries)):
        package = "wine_model" if name == "wine" else name
        (x,) = rows_of(made(name), name)
        np.savez(folder / f"{package}.in.npz", x)
        command = [*arm64.COMMAND, "-c", RUNNER, folder, package]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path / "site")}
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["native", "baseline", [], []]
        (y,) = results_there(folder, package)
        np.testing.assert_allclose(y, made(name)(x), rtol=2e-5, atol=2e-6)
        if compiler.machine().simd > 4:  # this machine fuses, too
            np.testing.assert_array_equal(y, made(name)(x))


@pytest.mark.skipif(
    WINE is None and "FOLDNET_REQUIRE_WINE" not in os.environ,
    reason="needs Wine, which no Python package brings; .ci/run installs it and forbids the skip",
)
def test_windows_gives_the_same_bits(libraries, tmp_path, monkeypatch):
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "prefix"))
    monkeypatch.setenv("WINEDEBUG", "-all")
    command = [WINE, driver(tmp_path)]
    for name in NETS:
        said, y, expected = predicted(command, libraries, name, WINDOWS, tmp_path, "baseline")
        assert said == "baseline 0"
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6)
        if compiler.machine().simd > 4:
            said, y, expected = predicted(command, libraries, name, WINDOWS, tmp_path)
            assert said in ("avx2 0", "avx512 0")
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("target", ["x86_64-linux", "aarch64-linux"])
def test_linux_needs_glibc_2_17_and_nothing_else(target, libraries):
    for name in NETS:
        oldest = glibc_needed(library(libraries, name, target).read_bytes())
        assert oldest is not None
        assert oldest <= (2, 17)
    if target == host().name:
        done = subprocess.run(
            ["objdump", "-T", library(libraries, "images", target)], capture_output=True, text=True
        )
        assert "GLIBC_2.17" in done.stdout or "GLIBC_2.2.5" in done.stdout


def test_glibc_needed_reads_what_a_library_needs(tmp_path):
    made_by = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(tmp_path / "x.so")]
    code = "#include <pthread.h>\nint f(void) { return pthread_create(0, 0, 0, 0); }\n"
    subprocess.run(made_by, input=code, text=True, check=True)
    said = subprocess.run(
        ["objdump", "-T", tmp_path / "x.so"], capture_output=True, text=True, check=True
    ).stdout
    found = {
        tuple(map(int, v.split(")")[0].split("."))) for v in said.split("GLIBC_")[1:] for v in [v.split()[0]]
    }
    assert glibc_needed((tmp_path / "x.so").read_bytes()) == max(v[:2] for v in found | {(2, 5)})
    assert glibc_needed(b"MZ" + bytes(100)) is None


def tables_of_dll(raw):
    """Names that a DLL exports, and the DLLs it imports, by the tables of the PE format."""
    header = struct.unpack_from("<I", raw, 60)[0]
    assert raw[header : header + 4] == b"PE\0\0"
    machine, sections = struct.unpack_from("<HH", raw, header + 4)
    optional = header + 24
    assert (machine, struct.unpack_from("<H", raw, optional)[0]) == (0x8664, 0x20B)
    start = optional + struct.unpack_from("<H", raw, header + 20)[0]
    table = [struct.unpack_from("<IIII", raw, start + 40 * k + 8) for k in range(sections)]

    def at(address):
        return next(place + address - base for size, base, _, place in table if base <= address < base + size)

    def text(address):
        place = at(address)
        return raw[place : raw.index(b"\0", place)].decode()

    exports, imports = (struct.unpack_from("<I", raw, optional + 112 + 8 * k)[0] for k in range(2))
    count, names = (
        struct.unpack_from("<I", raw, at(exports) + 24)[0],
        struct.unpack_from("<I", raw, at(exports) + 32)[0],
    )
    found = [text(struct.unpack_from("<I", raw, at(names) + 4 * k)[0]) for k in range(count)]
    needed, place = [], at(imports)
    while any(raw[place : place + 20]):
        needed.append(text(struct.unpack_from("<I", raw, place + 12)[0]).lower())
        place += 20
    return found, needed


def test_the_tables_of_a_dll(libraries):
    found, needed = tables_of_dll(library(libraries, "images", WINDOWS).read_bytes())
    assert sorted(found) == FUNCTIONS
    assert all(name == "kernel32.dll" or name.startswith("api-ms-win-crt-") for name in needed), needed


def test_the_tables_of_a_dylib(libraries):
    raw = library(libraries, "images", "aarch64-macos").read_bytes()
    magic, processor, _, kind, commands = struct.unpack_from("<IIIII", raw)
    assert (magic, processor, kind) == (0xFEEDFACF, 0x0100000C, 6)  # 64 bits, arm64, a library
    place, seen, names, needed, oldest = 32, set(), [], [], None
    for _ in range(commands):
        command, size = struct.unpack_from("<II", raw, place)
        seen.add(command)
        if command == 2:  # symbols
            symbols, count, texts = struct.unpack_from("<III", raw, place + 8)
            for k in range(count):
                name, how, section = struct.unpack_from("<IBB", raw, symbols + 16 * k)
                if how & 0x1F == 0x0F and section:  # defined, for others; 0x10 would be private
                    names.append(raw[texts + name :].split(b"\0", 1)[0].decode())
        if command == 0xC:
            needed.append(raw[place + 24 : place + size].split(b"\0", 1)[0].decode())
        if command == 0x32:
            oldest = struct.unpack_from("<II", raw, place + 8)
        place += size
    own = sorted(name for name in names if not name.startswith("__"))  # the linker's
    assert own == [f"_{name}" for name in FUNCTIONS]
    assert needed == ["/usr/lib/libSystem.B.dylib"]
    assert oldest == (1, 11 << 16)  # macOS 11
    assert 0x1D in seen  # it is signed, without which this processor runs nothing


@pytest.mark.skipif(
    host().name != "x86_64-linux", reason="no other machine can load a library for x86-64 and Linux"
)
def test_the_library_for_old_glibc_runs_here(libraries, tmp_path):
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", DRIVER, "-o", tmp_path / "call", "-ldl"], check=True
    )
    for name in NETS:
        said, y, expected = predicted([str(tmp_path / "call")], libraries, name, "x86_64-linux", tmp_path)
        assert said.endswith(" 0")
        np.testing.assert_array_equal(y, expected)
