"""An adapted Normalization travels with its network: into both kinds of file, the predictor, NumPy and C."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import foldnet
from foldnet import layers
from foldnet.errors import UnsupportedError
from foldnet.layers import Input
from foldnet.sequential import Sequential
from tests.support.compilers import build

RNG = np.random.default_rng(3)
TABLE = RNG.normal([5, -300, 0.02, 7e4], [2, 40, 0.01, 900], (50, 4)).astype(np.float32)
BLOCKS = (RNG.normal(2, 3, (30, 3, 4)) * RNG.uniform(0.1, 20, (3, 4))).astype(np.float32)


def table_network():
    """A network that begins with the statistics of the table, and has weights of no special values."""
    norm = layers.Normalization(name="norm")
    norm.adapt(TABLE)
    network = Sequential([Input((4,)), norm, layers.Dense(3, activation="tanh"), layers.Dense(2)])
    for layer in network.layers[1:]:
        layer.set_weights([RNG.normal(size=w.shape) for w in layer.get_weights()])
    return network


def by_hand(network):
    """The predictions with scikit-learn doing the normalization."""
    hidden, last = (layer.get_weights() for layer in network.layers[1:])
    scaled = StandardScaler().fit_transform(TABLE.astype(np.float64))
    return np.tanh(scaled @ hidden[0] + hidden[1]) @ last[0] + last[1]


def assert_same(result, expected):
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_through_a_file_to_keras_and_back(tmp_path, ending):
    network = table_network()
    expected = by_hand(network)
    assert_same(network.predict(TABLE), expected)
    network.save(tmp_path / f"x.{ending}")
    live = keras.models.load_model(tmp_path / f"x.{ending}")
    assert_same(live.predict(TABLE, verbose=0), expected)
    live.save(tmp_path / f"y.{ending}")
    for name in ("x", "y"):
        back = foldnet.load_model(tmp_path / f"{name}.{ending}")
        np.testing.assert_array_equal(back.get_layer("norm").mean, network.get_layer("norm").mean)
        np.testing.assert_array_equal(back.predict(TABLE), network.predict(TABLE))


def test_through_weights_alone(tmp_path):
    network = table_network()
    network.save_weights(tmp_path / "x.weights.h5")
    made = [keras.Input((4,)), keras.layers.Normalization(), keras.layers.Dense(3, activation="tanh")]
    live = keras.Sequential([*made, keras.layers.Dense(2)])
    live.load_weights(tmp_path / "x.weights.h5")
    assert_same(live.predict(TABLE, verbose=0), by_hand(network))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_through_the_predictor_and_what_it_writes(tmp_path, engine):
    network = table_network()
    predict = foldnet.freeze(network, engine=engine)
    expected = by_hand(network)
    assert_same(predict(TABLE), expected)
    predict.save(tmp_path / "x.foldnet")
    np.testing.assert_array_equal(foldnet.load_predictor(tmp_path / "x.foldnet")(TABLE), predict(TABLE))

    predict.to_numpy(tmp_path / "plain.py")
    np.save(tmp_path / "rows.npy", TABLE)
    program = "import numpy as np, plain; np.save('out.npy', plain.predict(np.load('rows.npy')))"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert_same(np.load(tmp_path / "out.npy"), expected)

    folder = tmp_path / "c"
    predict.to_c(folder)
    build("gcc", ["-O1", "main.c"], "run", folder)
    rows = "".join(",".join(f"{v:.9g}" for v in row) + "\n" for row in TABLE)
    done = subprocess.run(["./run"], cwd=folder, input=rows, capture_output=True, text=True, check=True)
    printed = [[float(v) for v in line.split(",")] for line in done.stdout.splitlines()]
    assert_same(printed, expected)


def numbers_for(axis):
    sizes = tuple(BLOCKS.shape[a] for a in axis) if isinstance(axis, tuple) else BLOCKS.shape[axis or 0]
    return (0.7, 2.5) if axis is None else (RNG.normal(size=sizes), RNG.uniform(0.3, 4, sizes))


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
@pytest.mark.parametrize("given", [False, True])
def test_every_setting_in_keras_and_foldnet(tmp_path, axis, invert, given):
    def made(library):
        numbers = dict(zip(("mean", "variance"), numbers_given, strict=True)) if given else {}
        norm = library.Normalization(axis=axis, invert=invert, **numbers)
        if not given:
            norm.adapt(BLOCKS)
        return [library.Input((3, 4)), norm]

    numbers_given = numbers_for(axis)
    ours, live = Sequential(made(layers)), keras.Sequential(made(keras.layers))
    expected = live.predict(BLOCKS, verbose=0)
    reduced = tuple(a for a in range(3) if a not in np.atleast_1d([] if axis is None else axis) % 3)
    if not given and not invert:
        scaled = (BLOCKS - BLOCKS.mean(reduced, keepdims=True)) / BLOCKS.std(reduced, keepdims=True)
        np.testing.assert_allclose(expected, scaled, rtol=1e-3, atol=1e-4)

    def same(result):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())

    for engine in ("reference", "native"):
        same(foldnet.freeze(ours, engine=engine)(BLOCKS))
    ours.save(tmp_path / "x.keras")
    live.save(tmp_path / "y.keras")
    for name in ("x", "y"):
        same(keras.models.load_model(tmp_path / f"{name}.keras").predict(BLOCKS, verbose=0))
        same(foldnet.load_model(tmp_path / f"{name}.keras").predict(BLOCKS))
    same(foldnet.from_keras(live).predict(BLOCKS))

    if isinstance(axis, int):
        ours.save(tmp_path / "x.h5")
        same(keras.models.load_model(tmp_path / "x.h5").predict(BLOCKS, verbose=0))
        same(foldnet.load_model(tmp_path / "x.h5").predict(BLOCKS))
    else:
        with pytest.raises(UnsupportedError, match="Keras 3 loses axis"):
            ours.save(tmp_path / "x.h5")
    live.save(tmp_path / "y.h5")
    same(foldnet.load_model(tmp_path / "y.h5").predict(BLOCKS))
