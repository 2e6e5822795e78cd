"""Operations between layers: Keras's files of them, saved again, predicted and trained, against live Keras."""

import importlib.util
import json
import subprocess
from functools import partial

import keras
import numpy as np
import pytest

import foldnet
from foldnet import ops
from foldnet.engines.training import training_engine
from foldnet.training import trainer
from tests.ops.operation_cases import OPERATIONS
from tests.support import compilers

X = np.random.default_rng(3).normal(size=(9, 4, 3)).astype(np.float32)
X[np.abs(X) < 0.05] = 0.3  # away from the steps of floor and of signs


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """One Keras network with an output for each operation."""
    keras.utils.clear_session(free_memory=False)
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


def test_exports_compute_operations(keras_file, tmp_path):
    _, path = keras_file
    predict = foldnet.freeze(path, engine="reference")
    predict.to_numpy(tmp_path / "operations.py")
    spec = importlib.util.spec_from_file_location("operations", tmp_path / "operations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    close(module.predict(X), predict(X), NAMES)
    predict.to_c(tmp_path / "c")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    compilers.build("gcc", [*flags, "predict.c", "self_test.c"], "test", tmp_path / "c")
    assert subprocess.run(["./test"], cwd=tmp_path / "c", check=False, capture_output=True).returncode == 0


def test_a_predictor_with_operations_travels(keras_file, tmp_path):
    _, path = keras_file
    predict = foldnet.freeze(path, engine="reference")
    predict.save(tmp_path / "p.foldnet")
    close(foldnet.load_predictor(tmp_path / "p.foldnet")(X), predict(X), NAMES)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_training_through_operations_is_kerass(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "training_engine", partial(training_engine, engine=engine))
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 3))
    h = keras.layers.Dense(3)(x)
    scaled = keras.ops.gelu(h[:, 1:] * 2 + 1, approximate=False) - keras.ops.mean(h, axis=1, keepdims=True)
    tail = keras.ops.concatenate([scaled, h[:, ::-2]], axis=1) @ keras.ops.transpose(h, (0, 2, 1))
    weights = keras.ops.softmax(keras.ops.max(tail, axis=1))
    y = keras.layers.Dense(1)(keras.ops.einsum("bj,bjk->bk", weights, h) / 2)
    model = keras.Model(x, y)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.save(tmp_path / "model.keras")
    network = foldnet.load_model(tmp_path / "model.keras")
    network.compile(foldnet.optimizers.SGD(0.1), "mse")
    target = X.sum(axis=(1, 2))[:, None]
    fits = {"epochs": 5, "batch_size": 4, "shuffle": False, "verbose": 0}
    theirs = model.fit(X, target, **fits).history["loss"]
    ours = network.fit(X, target, **fits).history["loss"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    for a, b in zip(network.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_operations_copy_and_nest(tmp_path):
    inner_x = foldnet.Input((4, 3))
    inner = foldnet.Model(inner_x, foldnet.layers.Dense(2)(inner_x[:, 0] * 2 + inner_x[:, 1]), name="inner")
    x = foldnet.Input((4, 3))
    model = foldnet.Model(x, 1 - inner(ops.tanh(x)))
    expected = model.predict(X, verbose=0)
    clone = foldnet.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(X, verbose=0), expected)
    model.save(tmp_path / "nested.keras")
    np.testing.assert_array_equal(
        foldnet.load_model(tmp_path / "nested.keras").predict(X, verbose=0), expected
    )
    theirs = keras.models.load_model(tmp_path / "nested.keras")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
    assert [layer.name for layer in model.layers][-1] == "inner"
    assert len(model.operations) == len(model.layers) + 2


def test_strange_operations_in_files_are_refused(keras_file, tmp_path):
    def damaged(change):
        config = json.loads(foldnet.load_model(keras_file[1]).to_json())
        change(next(r for r in config["config"]["layers"] if r["class_name"] == "Clip"))
        with pytest.raises(foldnet.errors.FoldnetError) as caught:
            foldnet.models.model_from_json(json.dumps(config))
        return str(caught.value)

    assert "Unheard" in damaged(lambda r: r.update(class_name="Unheard", registered_name="Unheard"))
    assert "extra" in damaged(lambda r: r["config"].update(extra=3))
    assert "x_min" in damaged(lambda r: r["config"].pop("x_min"))
    damaged(lambda r: r["config"].update(x_min="low"))
    damaged(lambda r: r["inbound_nodes"][0].update(args=[3]))
    damaged(lambda r: r["inbound_nodes"][0].update(args=[]))
    damaged(lambda r: r["inbound_nodes"][0].update(kwargs={"y": 3}))
