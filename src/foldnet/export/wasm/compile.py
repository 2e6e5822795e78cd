"""C as a module of WebAssembly, made by zig: with vectors of four floats, and without."""

from __future__ import annotations

import os

from foldnet.engines.native.compiler import compile_library
from foldnet.export.zig import find_zig, workshop
from foldnet.files.overwrite import MARK

PURPOSE = "WebAssembly"
STACK = 1 << 18
"""Bytes of the stack: several times the values that a prediction may keep there."""

_OPTIONS = (
    "-target",
    "wasm32-freestanding",
    "-std=gnu11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wl,--no-entry",
    "-Wl,--export=__heap_base",
    "-Wl,--strip-all",
    f"-Wl,-z,stack-size={STACK}",
)


def compile_wasm(code: str, *, simd: bool) -> bytes:
    """The module of a piece of C, with foldnet's mark in a section of its own. The same C gives the same bytes.

    Args:
        code: C that exports its functions, and needs no library but ``math.h``.
        simd: whether to use vectors of 128 bits; without, it is made as small as can be.

    Raises:
        CompileError: there is no zig, or it failed.
    """
    # Without vectors it is for old browsers, so it has the instructions of the first version alone.
    speed = ("-O3", "-msimd128") if simd else ("-Os", "-mcpu=mvp")
    headers = os.path.join(os.path.dirname(__file__), "include")  # noqa: PTH118, PTH120
    with workshop() as shop:
        made = shop.folder / "module.wasm"
        options = (*_OPTIONS, *speed, f"-I{headers}")
        compile_library(code, str(made), find_zig(PURPOSE), options, shop.caches, libraries=())
        return made.read_bytes() + _section("foldnet", MARK)


def _section(name: str, text: str) -> bytes:
    """A custom section, which programs skip: webassembly.github.io/spec/core/binary/modules.html#custom-section."""
    content = bytes([len(name)]) + name.encode() + text.encode()
    assert len(content) < 128  # a size below 128 is one byte
    return bytes([0, len(content)]) + content
