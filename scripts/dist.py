"""What is published: the sdist, a wheel for each kind of Linux, and one without compiled code for everywhere else.

zig compiles the extension for every target on any machine, against glibc 2.17. It uses only what stays the same in
every later CPython, so that a wheel serves CPython 3.11 and all after it. Usage: scripts/dist.py [FOLDER]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGETS = {
    "manylinux_2_17_x86_64": "x86_64-linux-gnu.2.17",
    "manylinux_2_17_aarch64": "aarch64-linux-gnu.2.17",
}
"""By the platform in a wheel's name, what zig calls it."""


def main() -> None:
    """Say what was made, a path a line."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("folder", nargs="?", type=Path, default=Path("dist"))
    for path in build(arguments.parse_args().folder):
        print(path)


def build(folder: Path) -> list[Path]:
    """The files made: the sdist, the wheels of ``TARGETS``, and the wheel for everywhere else.

    Every wheel is made from the sdist, so that what is missing there is noticed here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sdist = _made(ROOT, ["--sdist"], folder, {})
    wheels = [_linux_wheel(sdist, platform, folder) for platform in TARGETS]
    return [sdist, *wheels, _wheel(sdist, [], folder, {"FOLDNET_PURE_WHEEL": "1"}, extensions=0)]


def _linux_wheel(sdist: Path, platform: str, folder: Path) -> Path:
    # It needs libc alone; left to itself, zig would first compile much that nothing calls.
    compiler = f"{sys.executable} -m ziglang cc -target {TARGETS[platform]}"
    environment = {"CC": compiler, "LDSHARED": f"{compiler} -shared -s -nostdlib -lc"}
    return _wheel(sdist, [f"-C--build-option=--plat-name={platform}"], folder, environment, extensions=1)


def _wheel(
    sdist: Path, options: list[str], folder: Path, environment: dict[str, str], *, extensions: int
) -> Path:
    # Each from a source folder of its own: setuptools takes what it finds compiled, whatever it was compiled for.
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, filter="data")
        (source,) = Path(scratch).iterdir()
        wheel = _made(source, ["--wheel", *options], folder, environment)
    found = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]
    if len(found) != extensions:
        wheel.unlink()
        raise SystemExit(f"{wheel.name} has {len(found)} extensions ({found}), and should have {extensions}")
    return wheel


def _made(source: Path, options: list[str], folder: Path, environment: dict[str, str]) -> Path:
    """The one file that ``build`` makes of a source folder."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", fresh, str(source)]
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        (made,) = Path(fresh).iterdir()
        return made.replace(folder / made.name)


if __name__ == "__main__":
    main()
