"""Wheels of libraries: pip installs them in a bare environment, and refuses those of other systems."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile

import numpy as np
import packaging.tags
import packaging.utils
import pytest

from foldnet.errors import ConfigError
from foldnet.export.library import wheel, write
from foldnet.export.library.targets import OTHERS, host
from foldnet.export.library.wheel import Project, host_tag
from tests.export.library_nets import (
    bare_environment,
    install,
    made,
    quick,
    results_there,
    rows_of,
    run_there,
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A wheel for this machine, one for any, and what would be those of other systems, by their targets."""
    folder = tmp_path_factory.mktemp("wheels")
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        found = made("wine").to_wheel(folder, name="Wine-Model", version="1.0", targets=["host", "any"])
        wheels = dict(zip(["host", "any"], found, strict=True))
        patch.setattr(write, "build", lambda code, target, shop: b"a library for " + target.name.encode())
        others = made("wine").to_wheel(folder, name="Wine-Model", version="1.0", targets=list(OTHERS))
        wheels |= dict(zip(OTHERS, others, strict=True))
    return wheels


@pytest.mark.parametrize("target", ["host", "any"])
def test_a_bare_environment_takes_it_and_predicts(target, wheels, tmp_path):
    python = bare_environment(tmp_path / "env")
    done = install(python, wheels[target])  # NumPy, which it requires, is there
    assert done.returncode == 0, done.stderr
    predict = made("wine")
    (x,) = rows_of(predict, "wine")
    np.savez(tmp_path / "wine_model.in.npz", x)
    ((engine, _, messages, _),) = run_there(python, tmp_path, ["wine_model"])
    assert (engine, messages) == ("native" if target == "host" else "numpy", [])
    (y,) = results_there(tmp_path, "wine_model")
    if target == "host":
        np.testing.assert_array_equal(y, predict(x))
    np.testing.assert_allclose(y, predict(x), rtol=2e-5, atol=2e-6)
    asked = "from importlib.metadata import version; import wine_model\n"
    asked += "print(version('wine-model'), wine_model.__version__)"
    said = subprocess.run([python, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1.0", "1.0"]
    remove = [sys.executable, "-m", "pip", "--python", str(python), "uninstall", "-q", "-y", "wine-model"]
    subprocess.run(remove, check=True, capture_output=True)
    assert not list(tmp_path.glob("env/lib/*/site-packages/wine_model"))


def test_names_and_tags(wheels):
    known = set(packaging.tags.sys_tags())
    here = {"host", "any"} | {host().name}
    for target, path in wheels.items():
        name, version, _, tags = packaging.utils.parse_wheel_filename(path.name)
        assert (name, str(version)) == ("wine-model", "1.0")
        assert bool(tags & known) == (target in here), path.name
    assert {t: path.name.split("none-")[1] for t, path in wheels.items() if t != "host"} == {
        "any": "any.whl",
        "x86_64-linux": "manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "aarch64-linux": "manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "x86_64-windows": "win_amd64.whl",
        "aarch64-macos": "macosx_11_0_arm64.whl",
    }


@pytest.mark.parametrize("target", ["x86_64-windows", "aarch64-macos"])
def test_pip_refuses_those_of_other_systems(target, wheels, tmp_path):
    done = install(bare_environment(tmp_path / "env"), wheels[target])
    assert done.returncode != 0
    assert "is not a supported wheel on this platform" in done.stderr


@pytest.mark.parametrize("target", ["host", "any", "x86_64-windows"])
def test_the_record_and_the_metadata(target, wheels):
    with zipfile.ZipFile(wheels[target]) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
        assert all(entry.external_attr >> 16 == 0o100644 for entry in archive.infolist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # and no clock's
    record = list(csv.reader(io.StringIO(files["wine_model-1.0.dist-info/RECORD"].decode())))
    assert [name for name, _, _ in record] == list(files)
    for name, digest, size in record[:-1]:
        raw = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode().rstrip("=")
        assert (digest, int(size)) == (f"sha256={raw}", len(files[name]))
    assert record[-1][1:] == ["", ""]
    metadata = files["wine_model-1.0.dist-info/METADATA"].decode()
    assert "Requires-Dist: numpy" in metadata
    assert "Name: Wine-Model\n" in metadata
    description = files["wine_model-1.0.dist-info/WHEEL"].decode()
    assert f"Root-Is-Purelib: {'true' if target == 'any' else 'false'}" in description
    tags = {line.removeprefix("Tag: ") for line in description.splitlines() if line.startswith("Tag: ")}
    assert {str(t) for t in packaging.utils.parse_wheel_filename(wheels[target].name)[3]} == tags


def test_the_same_input_gives_the_same_bytes(wheels, tmp_path, monkeypatch):
    quick(monkeypatch)
    again = made("wine").to_wheel(tmp_path, name="Wine-Model", version="1.0", targets=["host", "any"])
    assert [path.read_bytes() for path in again] == [wheels[t].read_bytes() for t in ("host", "any")]


@pytest.mark.parametrize(
    "name", ["", "-a", "a b", "wine/..", "ü", "2nd", "class", "numpy", "json", "Foldnet", 3, None]
)
def test_names_that_no_wheel_can_have(name):
    with pytest.raises(ConfigError, match="name is"):
        Project(name, "1.0", "")


@pytest.mark.parametrize(
    "version", ["", "1.0-beta", "v1", "1.0.0.", "1_0", "01.0", "1.0RC1", "latest", 1.0, None]
)
def test_versions_in_another_form_are_refused(version, tmp_path):
    with pytest.raises(ConfigError, match="PEP 440"):
        made("wine").to_wheel(tmp_path / "none", name="wine-model", version=version)
    assert not (tmp_path / "none").exists()


def test_versions_in_normal_form():
    from packaging.version import Version

    for version in ("1", "1.0", "2!1.0", "1.0a1", "1.0rc2.post3.dev4", "1.0+linux.1", "2026.11"):
        assert str(Version(version)) == Project("a", version, "").version


def test_other_settings_that_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="one line"):
        Project("a", "1.0", "two\nlines")
    for targets in ("any", ["all"], []):
        with pytest.raises(ConfigError, match="any"):
            made("wine").to_wheel(tmp_path, name="a", version="1.0", targets=targets)
    path = tmp_path / "a-1.0-py3-none-any.whl"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="not written by foldnet"):
        made("wine").to_wheel(tmp_path, name="a", version="1.0", targets=["any"])
    made("wine").to_wheel(tmp_path, name="a", version="1.0", targets=["any"], overwrite=True)
    made("wine").to_wheel(tmp_path, name="a", version="1.0", targets=["any"])  # over its own
    assert zipfile.is_zipfile(path)


def test_a_wheel_of_this_machine_states_the_glibc_that_it_needs(monkeypatch):
    target = host()
    processor = target.name.partition("-")[0]
    monkeypatch.setattr(wheel, "_has_glibc", lambda: True)
    for needed, tag in (((2, 34), "manylinux_2_34"), ((2, 5), "manylinux_2_17")):
        monkeypatch.setattr(wheel, "glibc_needed", lambda library, needed=needed: needed)
        assert host_tag(target, b"") == f"{tag}_{processor}"
    monkeypatch.setattr(wheel, "glibc_needed", lambda library: None)
    assert host_tag(target, b"") == f"linux_{processor}"
