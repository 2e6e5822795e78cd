"""Hostile files: one clear error, within a second, and nothing large allocated."""

from __future__ import annotations

import errno
import os
import shutil
import time
import tracemalloc

import pytest

import foldnet
from foldnet.errors import FoldnetError
from tests.files import hostile_weights  # noqa: F401 - registers its makers
from tests.files.hostile import MAKERS
from tests.files.keras_models import L, keras, randomize


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    layers = [L.Dense(3, name="d"), L.Dropout(0.5), L.BatchNormalization(name="bn")]
    model = keras.Sequential([L.Input((5,), name="in"), *layers])
    randomize(model).save(folder / "m.keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("absl.logging.warning", lambda *_: None)
        model.save(folder / "m.h5")
    foldnet.load_model(folder / "m.keras"), foldnet.load_model(folder / "m.h5")  # the good ones are good
    return folder


@pytest.mark.parametrize("name", MAKERS)
def test_refused_at_once(good, tmp_path, name):
    folder = tmp_path / "work"
    shutil.copytree(good, folder)
    make, match = MAKERS[name]
    path = make(folder)
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(FoldnetError, match=match):
            foldnet.load_model(path)
        seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < 1
    assert peak < 80 << 20


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        foldnet.load_model(tmp_path / "nothing.keras")


def test_unreadable_file(good, monkeypatch):
    def refuse(*_args):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = good / "m.keras"
    monkeypatch.setattr(os, "open", refuse)  # permissions do not stop root, who may run this
    with pytest.raises(FoldnetError, match="cannot be read"):
        foldnet.load_model(path)
