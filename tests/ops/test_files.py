"""Operations between layers: Keras's files of them, saved again, predicted and trained, against live Keras."""

import keras
import numpy as np
import pytest
from operation_cases import OPERATIONS

import foldnet
from foldnet import ops

X = np.random.default_rng(3).normal(size=(9, 4, 3)).astype(np.float32)
X[np.abs(X) < 0.05] = 0.3  # away from the steps of floor and of signs


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """One Keras network with an output for each operation."""
    keras.utils.clear_session()
    x = keras.Input((4, 3), name="x")
    outputs = [make(keras.ops, x) for name, make in OPERATIONS.items() if name != "broadcast_to"]
    model = keras.Model(x, outputs)
    path = tmp_path_factory.mktemp("operations") / "operations.keras"
    model.save(path)
    return model, path


def close(found, expected, names):
    for name, a, b in zip(names, found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-5, atol=3e-5, err_msg=name)
        assert np.shape(a) == np.shape(b), name


NAMES = [n for n in OPERATIONS if n != "broadcast_to"]


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_files_of_keras_predict(keras_file, engine):
    model, path = keras_file
    close(foldnet.freeze(path, engine=engine)(X), model.predict(X, verbose=0), NAMES)


def test_what_is_saved_opens_in_keras(keras_file, tmp_path):
    model, path = keras_file
    network = foldnet.load_model(path)
    network.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    close(again.predict(X, verbose=0), model.predict(X, verbose=0), NAMES)


def test_operations_written_in_foldnet_are_those_of_keras(tmp_path):
    x = foldnet.Input((4, 3))
    network = foldnet.Model(x, [make(ops, x) for make in (OPERATIONS[n] for n in NAMES)])
    network.save(tmp_path / "own.keras")
    theirs = keras.models.load_model(tmp_path / "own.keras")
    close(theirs.predict(X, verbose=0), foldnet.freeze(network, engine="reference")(X), NAMES)
