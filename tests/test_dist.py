"""What is published: whole, right for its platform, and at work where there is neither a compiler nor anything else."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePath

import pytest

from tests.support import arm64

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests" / "support" / "smoke.py"
X86_64, AARCH64, ANYWHERE = "manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "py3-none-any"
MACHINES = {X86_64: 62, AARCH64: 183}
"""What an ELF file calls them (elf.h)."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """By platform, the wheels; and the sdist, ``tar.gz``."""
    folder = tmp_path_factory.mktemp("dist")
    # A copy, so that the build leaves nothing in the checkout and takes nothing from an earlier one.
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in files:
        if (ROOT / name).is_file() and not name.startswith(("benchmarks/", "docs/", "tests/fixtures")):
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, folder / "source" / "scripts" / "dist.py", folder / "dist"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    ends = (X86_64, AARCH64, ANYWHERE, "tar.gz")
    return {end: path for end in ends for path in paths if path.name.removesuffix(".whl").endswith(end)}


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("platform", [X86_64, AARCH64, ANYWHERE])
def test_a_wheel_is_whole(made, platform):
    files = contents(made[platform])
    assert {
        "foldnet/py.typed",
        "foldnet/demo/wine.keras",
        "foldnet/demo/wine.csv",
        "foldnet/demo/wine.npz",
    } <= {*files}
    ends = {".h", ".css", ".js"}
    templates = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src").rglob("*") if p.suffix in ends}
    assert {PurePath(name).suffix for name in templates} == ends
    assert templates <= {*files}
    sources = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src" / "foldnet").rglob("*.py")}
    assert sources <= {*files}
    assert {name.split("/")[0].split("-")[0] for name in files} == {"foldnet"}


@pytest.mark.parametrize("platform", [X86_64, AARCH64])
def test_compiled_code_is_for_the_platform_of_the_name(made, platform):
    assert made[platform].name.endswith(f"-cp311-abi3-{platform}.whl")
    (library,) = (data for name, data in contents(made[platform]).items() if name.endswith(".so"))
    assert library[:4] == b"\x7fELF"
    assert int.from_bytes(library[18:20], "little") == MACHINES[platform]
    needs = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_([\d.]+)", library)}
    assert needs
    assert max(needs) <= (2, 17)
    # The numbers that a wheel states are those of its files.
    wheel = contents(made[platform])
    (text,) = (data.decode() for name, data in wheel.items() if name.endswith(".dist-info/WHEEL"))
    assert f"Tag: cp311-abi3-{platform}\n" in text
    assert "Root-Is-Purelib: false" in text


def test_the_wheel_for_everywhere_has_no_compiled_code(made):
    files = contents(made[ANYWHERE])
    assert not [name for name in files if name.endswith((".so", ".pyd", ".dll"))]
    (text,) = (data.decode() for name, data in files.items() if name.endswith(".dist-info/WHEEL"))
    assert "Root-Is-Purelib: true" in text


def pythons():
    """By version, every CPython from 3.11 on that is here, by its name alone: asking each would take seconds."""
    places = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("*/bin")
    places = [
        *places,
        *(Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if "shims" not in folder),
    ]
    found = {sys.version_info[:2]: Path(sys.executable)}
    for path in (path for place in places for path in place.glob("python3.*")):
        minor = path.name.removeprefix("python3.")
        if minor.isdecimal() and int(minor) >= 11:
            found.setdefault((3, int(minor)), path)
    return found


PYTHONS = pythons()


def run_smoke(command, folder, **environment):
    """Nothing is on the path, so there is no compiler."""
    given = {"PATH": str(folder / "nothing"), "HOME": str(folder), **environment}
    done = subprocess.run(
        [*command, SMOKE, folder], env=given, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("platform", "version"), [*((X86_64, version) for version in PYTHONS), (ANYWHERE, max(PYTHONS))]
)
@pytest.mark.skipif(
    os.uname().machine != "x86_64",
    reason="no other machine can load this wheel's extension",
)
def test_at_work_in_a_bare_environment(made, platform, version, tmp_path):
    subprocess.run([PYTHONS[version], "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    options = ["--only-binary", ":all:", "-c", ROOT / "constraints.txt", made[platform]]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = run_smoke([python], tmp_path)
    assert f"Python {version[0]}.{version[1]}." in said
    assert ("no compiled call" in said) == (platform == ANYWHERE)


@arm64.needed
def test_at_work_on_aarch64(made, tmp_path):
    arm64.install(made[AARCH64], tmp_path / "site")
    said = run_smoke(arm64.COMMAND, tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert said.startswith("aarch64, Python 3.11")
    assert ", compiled call" in said


def test_an_installed_foldnet_does_the_main_job(made, tmp_path):
    with zipfile.ZipFile(made[X86_64]) as archive:
        archive.extractall(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "foldnet.cli", "demo", "--rows", "1000", "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every number agrees" in done.stdout
