"""Programs that run what is compiled for other systems, where they are installed: qemu for aarch64, Wine for Windows.

`.ci/run` installs them, and sets FOLDNET_REQUIRE_EMULATORS where it could: then a test may not be left out for them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

SYSROOT = Path("/usr/aarch64-linux-gnu")
"""Where Debian's libc6-arm64-cross puts the C library of aarch64."""


def aarch64() -> list[str]:
    """The beginning of a command that runs a program for aarch64."""
    program = shutil.which("qemu-aarch64")
    if program is None or not SYSROOT.is_dir():
        _missing("qemu-user and libc6-arm64-cross")
    return [str(program), "-L", str(SYSROOT)]


def windows() -> list[str]:
    """The beginning of a command that runs a program for Windows."""
    program = shutil.which("wine")
    if program is None:
        _missing("wine and wine64")
    return [str(program)]


def _missing(packages: str) -> None:
    text = f"needs {packages}, which are not installed"
    if os.environ.get("FOLDNET_REQUIRE_EMULATORS"):
        pytest.fail(f"{text}, although FOLDNET_REQUIRE_EMULATORS is set")
    pytest.skip(text)
