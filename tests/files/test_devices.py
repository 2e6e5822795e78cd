"""Pipes and devices: nothing waits at one, reads one without end, or puts a file in its place."""

from __future__ import annotations

import os
import signal
import socket
import stat

import numpy as np
import pytest

import foldnet
from foldnet.callbacks import CSVLogger, ModelCheckpoint
from foldnet.disk.opening import open_file
from foldnet.errors import ConfigError, FileFormatError, FoldnetError
from foldnet.insight.watch.report.page import write_page
from foldnet.insight.watch.run_files import HEADER, read_run
from foldnet.layers import Dense, Input
from foldnet.sequential import Sequential
from foldnet.tables import open_table


@pytest.fixture(autouse=True)
def no_waiting():
    """A door that waits is cut short, and the test fails."""

    def too_long(*_):
        raise TimeoutError("it waited")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def network():
    return Sequential([Input((3,)), Dense(2, name="d")])


def fifo(folder, name):
    os.mkfifo(folder / name)
    return folder / name


def zero(folder, name):
    (folder / name).symlink_to("/dev/zero")
    return folder / name


def sock(folder, name):
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()  # noqa: PTH109 - the path of a socket must be short
    os.chdir(folder)
    try:
        server.bind(name)
    finally:
        os.chdir(here)
        server.close()
    return folder / name


def a_folder(folder, name):
    (folder / name).mkdir()
    return folder / name


ODD = {"pipe": fifo, "device": zero, "socket": sock, "directory": a_folder}

READERS = {
    "load_model keras": ("x.keras", foldnet.load_model),
    "load_model h5": ("x.h5", foldnet.load_model),
    "freeze": ("x.keras", foldnet.freeze),
    "load_predictor": ("x.foldnet", foldnet.load_predictor),
    "load_weights": ("x.weights.h5", lambda path: network().load_weights(path)),
    "explain": ("x.keras", foldnet.explain),
    "verify npy": ("x.npy", lambda path: foldnet.verify(path, network(), np.ones((2, 3)))),
    "npy table": ("x.npy", open_table),
    "header of a run": (HEADER, lambda path: read_run(path.parent)),
}


REFUSED = [(odd, reader) for odd in ODD for reader in READERS if (odd, reader) != ("directory", "verify npy")]
"""All but the directory that ``verify`` takes: it may be an export in C."""


@pytest.mark.parametrize(("odd", "reader"), REFUSED)
def test_reading(tmp_path, odd, reader):
    name, read = READERS[reader]
    path = ODD[odd](tmp_path, name)
    with pytest.raises(FoldnetError, match=odd):
        read(path)


def test_a_part_of_a_run_or_of_an_unzipped_archive(tmp_path):
    fifo(tmp_path, "config.json")
    fifo(tmp_path, "metadata.json")
    with pytest.raises(FileFormatError, match="is a pipe"):
        foldnet.load_model(tmp_path)


def test_a_table_from_a_device(tmp_path):
    with pytest.raises(FileFormatError, match="is a device"):
        open_table(zero(tmp_path, "x.csv"))


def test_a_table_from_a_pipe(tmp_path):
    """As a shell's ``<(command)`` gives it."""
    reading, writing = os.pipe()
    os.write(writing, b"a,b\n1,2\n3,4\n")
    os.close(writing)
    with open_table(f"/dev/fd/{reading}") as table:
        assert np.concatenate(list(table.blocks())).tolist() == [[1, 2], [3, 4]]
    os.close(reading)


def test_a_pipe_that_takes_a_files_place_just_then(tmp_path, monkeypatch):
    """The kind is looked at again once the file is open, and opening does not wait."""
    path = fifo(tmp_path, "x.keras")
    (tmp_path / "file").write_bytes(b"x")
    ordinary = os.stat(tmp_path / "file")  # noqa: PTH116
    monkeypatch.setattr(os, "stat", lambda *_, **__: ordinary)
    with pytest.raises(FileFormatError, match="is a pipe"):
        open_file(path)


def fitted(path, callback):
    model = network()
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0, callbacks=[callback(path)])


def frozen():
    return foldnet.freeze(network(), engine="reference")


WRITERS = {
    "save keras": ("x.keras", lambda path: network().save(path)),
    "save h5": ("x.h5", lambda path: network().save(path)),
    "save_weights": ("x.weights.h5", lambda path: network().save_weights(path)),
    "predictor": ("x.foldnet", lambda path: frozen().save(path)),
    "to_numpy": ("x.py", lambda path: frozen().to_numpy(path)),
    "weights of to_numpy": ("x.npz", lambda path: frozen().to_numpy(path.with_suffix(".py"), weights="npz")),
    "to_c": ("predict.c", lambda path: frozen().to_c(path.parent)),
    "page of explain": ("x.html", lambda path: foldnet.explain(network()).to_html(path)),
    "CSVLogger": ("x.csv", lambda path: fitted(path, CSVLogger)),
    "ModelCheckpoint": ("x.keras", lambda path: fitted(path, ModelCheckpoint)),
}


@pytest.mark.parametrize("odd", ["pipe", "device", "socket"])
@pytest.mark.parametrize("writer", WRITERS)
def test_writing(tmp_path, odd, writer):
    name, write = WRITERS[writer]
    path = ODD[odd](tmp_path, name)
    before = path.lstat()
    with pytest.raises(ConfigError, match=f"is a {odd}"):
        write(path)
    after = path.lstat()
    assert (after.st_ino, stat.S_IFMT(after.st_mode)) == (before.st_ino, stat.S_IFMT(before.st_mode))


def test_writing_a_report(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path, fifo(tmp_path, "x.html"))


BAD_PATHS = {"end": "a\0.keras", "half a pair": "\ud800.keras", "empty": "", "number": 3.5}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS)
def test_what_is_no_path(path):
    with pytest.raises(ConfigError, match="not the path"):
        foldnet.load_model(path)
    with pytest.raises(ConfigError, match="not the path"):
        network().save(path)


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a.keras").symlink_to(tmp_path / "b.keras")
    (tmp_path / "b.keras").symlink_to(tmp_path / "a.keras")
    with pytest.raises(FoldnetError):
        foldnet.load_model(tmp_path / "a.keras")
    with pytest.raises(ConfigError, match="circle"):
        network().save(tmp_path / "a.keras")


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / "real.py").write_text("# Written by foldnet\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "real.py")
    frozen().to_numpy(tmp_path / "link.py")
    assert (tmp_path / "link.py").is_symlink()
    assert "def predict" in (tmp_path / "real.py").read_text()
