"""A Python for aarch64 that runs here under qemu-user; ``scripts/arm64_python.sh`` makes its folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("FOLDNET_ARM64", ROOT / ".arm64"))
QEMU = shutil.which("qemu-aarch64") or "qemu-aarch64"
COMMAND = [QEMU, "-L", FOLDER, FOLDER / "usr" / "bin" / "python3.11"]
"""Starts that Python. Programs that it starts itself are not found: only this command goes through qemu."""

is_here = shutil.which("qemu-aarch64") is not None and COMMAND[-1].exists()
needed = pytest.mark.skipif(
    not is_here and "FOLDNET_REQUIRE_ARM64" not in os.environ,
    reason="needs qemu-user and `make .arm64`; .ci/run sees to both and forbids the skip",
)


def install(wheel, folder):
    """A wheel for aarch64 and what it needs, as pip installs them on such a machine.

    pip does not take more than it is told: a machine with glibc 2.28 takes what is for older ones, too.
    """
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(17, 29)] + ["manylinux2014_aarch64"]
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary", ":all:",
        "--python-version", "3.11", "--target", folder, "-c", ROOT / "constraints.txt",
        *(word for platform in platforms for word in ("--platform", platform)), wheel,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
