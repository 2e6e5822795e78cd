"""Weights of as many elements in another shape: each check behind another is tried without the one before."""

import io
import zipfile

import h5py
import numpy as np
import pytest

import foldnet
from foldnet import Sequential, layers, saving
from foldnet.engines.native import NativeProgram
from foldnet.errors import FileFormatError, FoldnetError, InputError
from foldnet.files.hdf5.file import Group
from foldnet.lowering.lower import lower


def network():
    model = Sequential([layers.Input((4,)), layers.Dense(3, name="d")])
    model.layers[0].set_weights([np.arange(12.0).reshape(4, 3), np.zeros(3)])
    return model


def turned(data, wanted=(4, 3)):
    """The bytes of an HDF5 file with every matrix of this shape stored as its transpose's shape."""
    stream, found = io.BytesIO(data), []
    with h5py.File(stream, "r+") as file:
        file.visititems(
            lambda name, item: found.append(name) if getattr(item, "shape", None) == wanted else None
        )
        for name in found:
            values = file[name][()]
            attributes = dict(file[name].attrs)
            del file[name]
            file[name] = values.reshape(wanted[::-1])
            file[name].attrs.update(attributes)
    assert found
    return stream.getvalue()


def stored(tmp_path, ending):
    """A file of the network in which the kernel is (3, 4) instead of (4, 3)."""
    path = tmp_path / f"net{ending}"
    model = network()
    model.compile("adam", "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    if ending != ".keras":
        path.write_bytes(turned(path.read_bytes()))
        return path
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, turned(data) if name.endswith(".h5") else data)
    return path


def read(path):
    model = network()
    if path.name.endswith(".weights.h5"):
        model.load_weights(path)
    else:
        saving.load_model(path)


@pytest.fixture
def any_shape(monkeypatch):
    """Reading gives a dataset in whatever shape it has: the first line of defence is gone."""
    real = Group.array
    monkeypatch.setattr(Group, "array", lambda self, name, shape: real(self, name, self.shape(name)))


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_a_stored_shape_must_be_the_layers(tmp_path, ending):
    with pytest.raises(FileFormatError, match=r"has shape \(3, 4\), and the configuration asks for \(4, 3\)"):
        read(stored(tmp_path, ending))


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_a_layer_takes_no_other_shape_from_a_reader(tmp_path, ending, any_shape):
    with pytest.raises(FoldnetError, match=r"weight 'kernel' has shape \(4, 3\), and was given \(3, 4\)"):
        read(stored(tmp_path, ending))


def test_a_compiled_prediction_takes_no_other_shape():
    graph = lower(Sequential([layers.Input((4, 3)), layers.Flatten(), layers.Dense(2)]))
    program = NativeProgram(graph, threads=1)
    for shape in ((5, 3, 4), (5, 12), (5, 4, 3, 1)):
        with pytest.raises(InputError, match=r"input 0 has shape .* expected \(rows, 4, 3\)"):
            program.run([np.zeros(shape, np.float32)])


def test_a_compiled_training_takes_no_other_shape():
    model = Sequential([layers.Input((4, 3)), layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((2, 4, 3)), np.zeros((2, 2)), verbose=0)
    for x, y in ((np.zeros((2, 3, 4)), np.zeros((2, 2))), (np.zeros((2, 12)), np.zeros((2, 2)))):
        with pytest.raises(FoldnetError, match=r"\(.*4, 3\)"):
            model.fit(x, y, verbose=0)


def test_a_frozen_predictor_takes_no_other_shape():
    predict = foldnet.freeze(Sequential([layers.Input((4, 3)), layers.Flatten(), layers.Dense(2)]))
    with pytest.raises(InputError, match=r"4, 3\)"):
        predict(np.zeros((2, 3, 4), np.float32))
