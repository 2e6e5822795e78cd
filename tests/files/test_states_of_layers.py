"""Training of convolutions, recurrence and attention goes on in Keras where foldnet stopped, and the other way round.

The networks are in ``scripts/state_networks.py``. What tf_keras made of them, ``scripts/make_state_fixtures.py`` has
recorded; that it goes on from foldnet's files is checked by ``scripts/check_tf_keras_reads.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import foldnet
from foldnet import layers, optimizers
from foldnet.training.optimizer_state import state_of
from tests.support.arrays import arrays_of
from tests.support.keras_pairs import random_weights

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "fixtures" / "layer_states"
sys.path.insert(0, str(ROOT / "scripts"))
from state_networks import (  # noqa: E402
    NETWORKS,
    NOT_IN_KERAS_3,
    SETTINGS,
    SHARED_IN_KERAS_3_FILES,
    network_of,
    rows_of,
)


def fitted(model, rows, epochs=3):
    model.fit(*rows, epochs=epochs, **SETTINGS)
    return model.get_weights()


def assert_close(ours, theirs):
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        scale = np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * scale + 1e-6, err_msg=str(number))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in NOT_IN_KERAS_3])
def test_foldnet_then_keras_then_foldnet(tmp_path, name):
    kind, settings = NETWORKS[name][1]
    ours = network_of(layers, foldnet.Model, name)
    random_weights(ours, np.random.default_rng(2))
    ours.set_weights([w * (0.5 if w.ndim > 1 else 1) for w in ours.get_weights()])
    rows = rows_of(ours)
    ours.compile(getattr(optimizers, kind)(**settings), "mse")
    fitted(ours, rows)
    for ending in ("keras", "weights.h5", "h5"):
        (ours.save_weights if ending == "weights.h5" else ours.save)(tmp_path / f"ours.{ending}")
    fitted(ours, rows)

    # Keras goes on from the whole network, and writes what foldnet then goes on from.
    live = keras.models.load_model(tmp_path / "ours.keras")
    assert int(live.optimizer.iterations) == 9
    live.save(tmp_path / "theirs.keras")
    live.save(tmp_path / "theirs.h5")
    live.save_weights(tmp_path / "theirs.weights.h5")
    expected = fitted(live, rows)
    assert_close(ours.get_weights(), expected)
    for file in ("theirs.keras", "theirs.h5") if name not in SHARED_IN_KERAS_3_FILES else ():
        back = foldnet.load_model(tmp_path / file)
        assert back.optimizer.iterations == 9
        assert_close(fitted(back, rows), expected)

    # Weights and state alone, in both directions.
    live.load_weights(tmp_path / "ours.weights.h5")
    assert int(live.optimizer.iterations) == 9
    assert_close(ours.get_weights(), fitted(live, rows))
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_close(fitted(ours, rows), expected)

    # foldnet's own, bit for bit.
    mine = [fitted(foldnet.load_model(tmp_path / f"ours.{ending}"), rows) for ending in ("keras", "h5")]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*mine, strict=True))
    assert_close(mine[0], expected)


def optimizer_weights(path):
    with h5py.File(path) as stored:
        group = stored["optimizer_weights"]
        return [np.asarray(group[name]).tolist() for name in group.attrs["weight_names"]]


@pytest.mark.parametrize("file", sorted(p.name for p in FOLDER.iterdir() if p.suffix != ".npz"))
def test_tf_keras_then_foldnet(file, tmp_path):
    network = foldnet.load_model(FOLDER / file)
    assert network.optimizer.iterations == 9
    rows, name = rows_of(network), file.split(".")[0]
    back = file.endswith(".h5")
    if back:  # the state goes back to tf_keras, the variables in its order
        network.save(tmp_path / file, include_optimizer="tf_keras")
        again = foldnet.load_model(tmp_path / file)
    weights = fitted(network, rows, 2)
    recorded = arrays_of(FOLDER / "weights.npz")
    expected = [recorded[f"{name}/{index}"] for index in range(len(weights))]
    assert len([key for key in recorded if key.startswith(f"{name}/")]) == len(weights)
    assert_close(weights, expected)
    if back:
        assert optimizer_weights(tmp_path / file) == optimizer_weights(FOLDER / file)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(fitted(again, rows, 2), weights, strict=True))


def test_a_wrappers_state_is_that_of_the_layer_in_it():
    network = foldnet.Sequential([layers.Input((4,)), layers.Wrapper(layers.Dense(2))])
    network.compile("adam", "mse")
    network.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    assert all(np.any(value) for value in state_of(network.trainer))
