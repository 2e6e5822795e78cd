"""A save that fails or is killed leaves the old file as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import foldnet
from foldnet import layers, system
from foldnet.files import save
from foldnet.layers import Input
from foldnet.sequential import Sequential

NAMES = ["x.keras", "x.h5", "x.weights.h5"]


def network(seed=0):
    made = Sequential([Input((4,)), layers.Dense(3), layers.BatchNormalization()], name="net")
    rng = np.random.default_rng(seed)
    made.set_weights([rng.uniform(0.2, 1, w.shape) for w in made.get_weights()])
    return made


def write(made, path):
    made.save_weights(path) if path.name.endswith(".weights.h5") else made.save(path)


def bytes_in(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch, name):
    write(network(), tmp_path / name)
    before = bytes_in(tmp_path)

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    monkeypatch.setattr(h5py.Group, "__setitem__", full)
    with pytest.raises(OSError, match="No space left"):
        write(network(1), tmp_path / name)
    assert bytes_in(tmp_path) == before


@pytest.mark.parametrize("fails", ["flush", "Path.replace"])
def test_a_failure_at_the_end_leaves_the_old_file(tmp_path, monkeypatch, fails):
    write(network(), tmp_path / "x.keras")
    before = bytes_in(tmp_path)

    def failing(*args):
        raise OSError(5, "Input/output error")

    if fails == "flush":
        monkeypatch.setattr(system, "flush", failing)
    else:
        monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="Input/output"):
        write(network(1), tmp_path / "x.keras")
    assert bytes_in(tmp_path) == before


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from foldnet import layers
from foldnet.files import save
from foldnet.sequential import Sequential

real = save._write_archive
def slow(path, parts):
    real(path, parts[:2])
    print("half", flush=True)
    time.sleep(60)
save._write_archive = slow
net = Sequential([layers.Input((4,)), layers.Dense(3)], name="other")
net.save(sys.argv[1])
"""


def test_a_killed_process_leaves_the_old_file(tmp_path):
    write(network(), tmp_path / "x.keras")
    before = bytes_in(tmp_path)
    source = str(Path(foldnet.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "x.keras")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    )
    with process:
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    after = bytes_in(tmp_path)
    assert after.pop("x.keras") == before["x.keras"]
    (left,) = after
    assert left.startswith(".x.keras.")
    assert left.endswith(".part")
    np.testing.assert_array_equal(
        foldnet.load_model(tmp_path / "x.keras").get_weights()[0], network().get_weights()[0]
    )


def test_readers_see_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "x.keras"
    write(network(), path)
    real, seen = save._write_archive, []

    def looking(part, parts):
        real(part, parts)
        seen.append(foldnet.load_model(path).get_weights()[0])

    monkeypatch.setattr(save, "_write_archive", looking)
    write(network(1), path)
    np.testing.assert_array_equal(seen[0], network().get_weights()[0])
    np.testing.assert_array_equal(foldnet.load_model(path).get_weights()[0], network(1).get_weights()[0])


def test_modes_and_links_are_kept(tmp_path):
    path, link = tmp_path / "x.keras", tmp_path / "link.keras"
    write(network(), path)
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to(path)
    write(network(1), link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(foldnet.load_model(path).get_weights()[0], network(1).get_weights()[0])


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(network(), tmp_path / "nowhere" / "x.keras")


@pytest.mark.parametrize("name", NAMES)
def test_errors_name_the_file_that_was_asked_for(tmp_path, name):
    with pytest.raises(FileNotFoundError) as missing:
        write(network(), tmp_path / "no folder" / name)
    assert missing.value.filename == str(tmp_path / "no folder" / name)
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError) as folder:
        write(network(), tmp_path / name)
    assert str(folder.value).endswith(f"{str(tmp_path / name)!r}")
    assert list(tmp_path.iterdir()) == [tmp_path / name]
