"""Training that tf_keras began goes on in foldnet, and what foldnet hands back is what tf_keras wrote.

``scripts/make_state_fixtures.py`` saved the files with tf_keras and recorded the weights two epochs later. That
tf_keras itself goes on from foldnet's files is checked by ``scripts/check_tf_keras_reads.py``.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import foldnet
from foldnet import layers, optimizers
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers import Input
from foldnet.sequential import Sequential
from tests.support.arrays import arrays_of

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "fixtures" / "states"
sys.path.insert(0, str(ROOT / "scripts"))
from make_state_fixtures import OPTIMIZERS, SETTINGS, rows  # noqa: E402

FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".npz")
TODAYS = sorted(case for case, (name, _) in OPTIMIZERS.items() if "." not in name)


@pytest.mark.parametrize("name", FILES)
def test_training_goes_on(name):
    network = foldnet.load_model(FOLDER / name)
    assert network.optimizer.iterations == 9
    x, y = rows()
    network.fit(x, y, epochs=2, **SETTINGS)
    assert set(network.evaluate(x, y, verbose=0, return_dict=True)) == {"loss", "mae"}
    recorded = arrays_of(FOLDER / "weights.npz")
    case = name.split(".")[0]
    # tf_keras multiplies Nadam's product up in another order.
    tolerance = {"rtol": 1e-4, "atol": 1e-4 if case == "nadam" else 2e-6}
    weights = network.get_weights()
    assert len(weights) == len([key for key in recorded if key.startswith(f"{case}/")]) == 10
    for index, weight in enumerate(weights):
        np.testing.assert_allclose(weight, recorded[f"{case}/{index}"], **tolerance)


def optimizer_weights(path):
    with h5py.File(path) as file:
        group = file["optimizer_weights"]
        return [group[name][()] for name in group.attrs["weight_names"]]


def stored_optimizer(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["training_config"])["optimizer_config"]


@pytest.mark.parametrize("case", TODAYS)
def test_the_state_is_handed_back_as_tf_keras_wrote_it(tmp_path, case):
    network = foldnet.load_model(FOLDER / f"{case}.h5")
    network.save(tmp_path / "x.h5", include_optimizer="tf_keras")
    ours, theirs = optimizer_weights(tmp_path / "x.h5"), optimizer_weights(FOLDER / f"{case}.h5")
    assert len(ours) == len(theirs)
    for value, expected in zip(ours, theirs, strict=True):
        # Without momentum, tf_keras keeps the last steps for nothing, and foldnet zeros.
        np.testing.assert_array_equal(value, expected * (case != "sgd" or expected.ndim == 0))
    own, given = (stored_optimizer(path) for path in (tmp_path / "x.h5", FOLDER / f"{case}.h5"))
    assert own == given

    back = foldnet.load_model(tmp_path / "x.h5")
    x, y = rows()
    for model in (network, back):
        model.fit(x, y, **SETTINGS)
    assert all(
        a.tobytes() == b.tobytes() for a, b in zip(network.get_weights(), back.get_weights(), strict=True)
    )


def test_weights_of_one_shape_are_told_apart_by_the_generation_of_the_file():
    """Both hold momenta and velocities of the same shapes, once weight by weight and once slot by slot."""
    for case in ("adam", "old_adam"):
        network = foldnet.load_model(FOLDER / f"{case}.h5")
        velocities = [slots[1] for slots in network.trainer.slots.values()]
        assert len(velocities) == 8
        assert all((value >= 0).all() and value.any() for value in velocities)
        assert any((slots[0] < 0).any() for slots in network.trainer.slots.values())


def test_before_the_first_step_the_average_is_the_weights(tmp_path):
    network = Sequential([Input((4,)), layers.Dense(3), layers.Dense(1)])
    network.compile(optimizers.Adam(use_ema=True), "mse")
    network.save(tmp_path / "x.h5", include_optimizer="tf_keras")
    iteration, *averages = optimizer_weights(tmp_path / "x.h5")[:5]
    assert iteration == 0
    for average, weight in zip(averages, network.get_weights(), strict=True):
        np.testing.assert_array_equal(average, weight)


def test_keras_3_opens_the_file_for_tf_keras_uncompiled(tmp_path):
    network = foldnet.load_model(FOLDER / "adam.h5")
    network.save(tmp_path / "x.h5", include_optimizer="tf_keras")
    live = keras.models.load_model(tmp_path / "x.h5", compile=False)
    x, _ = rows()
    np.testing.assert_allclose(live.predict(x, verbose=0), network.predict(x), rtol=1e-5, atol=1e-6)


def test_only_h5_is_for_tf_keras(tmp_path):
    network = foldnet.load_model(FOLDER / "adam.h5")
    with pytest.raises(ConfigError, match="tf_keras does not open"):
        network.save(tmp_path / "x.keras", include_optimizer="tf_keras")
    with pytest.raises(ConfigError, match="include_optimizer is True, False or 'tf_keras'"):
        network.save(tmp_path / "x.h5", include_optimizer="keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [0, 9])
def test_no_slots_are_right_before_the_first_step_and_wrong_after_it(tmp_path, steps):
    path = tmp_path / "x.h5"
    path.write_bytes((FOLDER / "adam.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["optimizer_weights"]
        name = group.attrs["weight_names"][0]
        group[name][()] = steps
        group.attrs["weight_names"] = [name]
    network = foldnet.load_model(path)
    if steps:
        with pytest.warns(UserWarning, match="new optimizer, because the file holds 1 variables"):
            assert network.optimizer.iterations == 0
    else:
        assert network.optimizer.iterations == 0
        assert network.optimizer.learning_rate == pytest.approx(0.01)
    assert not network.trainer.slots


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        (optimizers.Lamb(), "has no Lamb; save"),
        (optimizers.ScheduleFreeAdamW(), "has no ScheduleFreeAdamW; save"),
        (optimizers.Adam(gradient_accumulation_steps=2), "has no Adam with gradient_accumulation_steps"),
    ],
)
def test_what_tf_keras_lacks_is_refused(tmp_path, optimizer, text):
    network = Sequential([Input((4,)), layers.Dense(1)])
    network.compile(optimizer, "mse")
    with pytest.raises(UnsupportedError, match=text):
        network.save(tmp_path / "x.h5", include_optimizer="tf_keras")
    assert not list(tmp_path.iterdir())


def test_an_unknown_generation_starts_afresh_and_says_so(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes((FOLDER / "adam.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["optimizer_weights"]
        names = [str(name) for name in group.attrs["weight_names"]]
        group.move(names[0], "steps")
        group.attrs["weight_names"] = [b"steps", *(name.encode() for name in names[1:])]
    network = foldnet.load_model(path)
    with pytest.warns(UserWarning, match="new optimizer, because its optimizer's first variable is called"):
        assert network.optimizer.iterations == 0


@pytest.mark.parametrize("steps", [-1, 1 << 40])
def test_steps_that_cannot_be_start_afresh(tmp_path, steps):
    path = tmp_path / "x.h5"
    path.write_bytes((FOLDER / "adam.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["optimizer_weights"]
        name = group.attrs["weight_names"][0]
        del group[name]
        group[name] = np.int64(steps)
    with pytest.warns(UserWarning, match="cannot have made"):
        assert foldnet.load_model(path).optimizer.iterations == 0


def test_keras_3_cannot_go_on_from_its_own_h5(tmp_path):
    """Why foldnet's .h5 has no optimizer_weights by default. Should this fail, Keras has mended it: think again."""
    x, y = rows()
    live = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    live.compile("adam", "mean_squared_error")
    live.fit(x, y, **SETTINGS)
    live.save(tmp_path / "x.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = keras.models.load_model(tmp_path / "x.h5")
    assert len(live.optimizer.variables) == 6
    assert len(back.optimizer.variables) == 2
    with pytest.raises(ValueError, match="built with 0 variables"):
        back.fit(x, y, **SETTINGS)


def test_two_lines_give_keras_3_the_state_from_foldnets_h5(tmp_path):
    x, y = rows()
    network = Sequential([Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
    network.compile(optimizers.Adam(0.01), "mse")
    network.fit(x, y, epochs=3, **SETTINGS)
    network.save(tmp_path / "x.h5")
    live = keras.models.load_model(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        live.optimizer.build(live.trainable_variables)
        live.optimizer.load_own_variables(file["optimizer/vars"])
    assert int(live.optimizer.iterations.numpy()) == 9
    for model in (network, live):
        model.fit(x, y, epochs=2, **SETTINGS)
    for ours, theirs in zip(network.get_weights(), live.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)
