"""The wheel holds all that an installed foldnet needs, and nothing of the tests."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, so that the build leaves nothing in the checkout and takes nothing from an earlier one.
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in files:
        if (ROOT / name).is_file() and name.startswith(
            ("src/", "setup.py", "pyproject.toml", "README", "LICENSE")
        ):
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
    ]
    subprocess.run([*command, folder / "source"], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_contents(installed):
    names = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}
    assert {
        "foldnet/py.typed",
        "foldnet/demo/wine.keras",
        "foldnet/demo/wine.csv",
        "foldnet/demo/wine.npz",
    } <= names
    ends = {".h", ".css", ".js"}
    templates = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src").rglob("*") if p.suffix in ends}
    assert {PurePath(name).suffix for name in templates} == ends
    assert templates <= names
    sources = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src" / "foldnet").rglob("*.py")}
    assert sources <= names
    assert not [n for n in names if "test" in n.split("/")[0]]
    assert [n for n in names if n.startswith("foldnet/predictor/_fastcall") and n.endswith(".so")]


def test_an_installed_foldnet_does_the_main_job(installed, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "foldnet.cli", "demo", "--rows", "1000", "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every number agrees" in done.stdout
