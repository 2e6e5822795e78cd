"""Wrapper and SpectralNormalization: weights and settings of the layer inside, files both ways, prediction."""

import copy
import pickle

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, layers
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from foldnet.insight.explain.explanation import Words
from foldnet.lowering.lower import lower
from tests.support.keras_pairs import run_native, run_reference

ROWS = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)


def network(k, m):
    x = k.Input((3,))
    return m(x, k.SpectralNormalization(k.Dense(4, activation="tanh", name="inside"), 2, name="normed")(x))


@pytest.fixture
def pair():
    theirs, ours = network(keras.layers, keras.Model), network(layers, Model)
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.normal(size=w.shape) for w in theirs.weights])
    ours.set_weights(theirs.get_weights())
    return ours, theirs


@pytest.mark.parametrize("run", [run_reference, run_native])
def test_predictions_are_keras_s(pair, run):
    ours, theirs = pair
    np.testing.assert_allclose(run(ours, [ROWS], "float32")[0], theirs(ROWS), atol=2e-6)


def test_weights_are_those_of_both(pair):
    ours, theirs = pair
    ours, theirs = ours.layers[-1], theirs.layers[-1]
    for kind in ("weights", "trainable_weights", "non_trainable_weights"):
        assert [w.shape for w in getattr(ours, kind)] == [tuple(w.shape) for w in getattr(theirs, kind)], kind
    for twin in (
        copy.deepcopy(ours),
        pickle.loads(pickle.dumps(ours)),
        type(ours).from_config(ours.get_config()),
    ):
        assert twin.layer.name == "inside"
        twin.build((None, 3))
        assert [w.shape for w in twin.get_weights()] == [w.shape for w in ours.get_weights()]
    ours.trainable = False
    assert not ours.trainable_weights
    assert not ours.layer.trainable


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_files_go_both_ways(pair, suffix, tmp_path):
    ours, theirs = pair
    if suffix == ".weights.h5":
        theirs.save_weights(tmp_path / f"theirs{suffix}")
        again = network(layers, Model)
        again.load_weights(tmp_path / f"theirs{suffix}")
    else:
        theirs.save(tmp_path / f"theirs{suffix}")
        again = foldnet.load_model(tmp_path / f"theirs{suffix}")
        ours.save(tmp_path / f"ours{suffix}")
        back = keras.saving.load_model(tmp_path / f"ours{suffix}")
        np.testing.assert_allclose(back.predict(ROWS, verbose=0), theirs(ROWS), atol=2e-6)
    for a, b in zip(again.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_values_of_one_kernel_are_no_file(pair, tmp_path):
    import h5py

    ours, theirs = pair
    theirs.save_weights(tmp_path / "net.weights.h5")
    with h5py.File(tmp_path / "net.weights.h5", "a") as file:
        file["layers/spectral_normalization/vars/0"][0, 0] = 9
    with pytest.raises(FileFormatError, match="two different values of kernel"):
        ours.load_weights(tmp_path / "net.weights.h5")


def test_a_copy_has_weights_of_its_own(pair):
    """What looks at a network tries other weights in copies of its layers; the network must not notice."""
    ours = pair[0].layers[-1]
    before = [w.numpy() for w in ours.weights]
    other = copy.copy(ours)
    for spec in ours.specs:
        np.testing.assert_array_equal(other.named_weights[spec.name], ours.named_weights[spec.name])
        other.set_weight(spec.name, np.zeros(spec.shape))
    for a, b in zip(ours.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    foldnet.verify(lambda x: x @ np.ones((3, 4)), pair[0], ROWS)
    for a, b in zip(ours.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)


class Named(layers.Wrapper):
    """A wrapper that adds nothing."""


def test_a_wrapper_trains_what_is_inside():
    x = layers.Input((3,))
    model = Model(x, Named(layers.Dense(2, kernel_regularizer="l2"))(x))
    plain = Model(x, layers.Dense(2, kernel_regularizer="l2")(x))
    plain.set_weights(model.get_weights())
    for network in (model, plain):
        network.compile("sgd", "mse")
        network.fit(ROWS, np.ones((6, 2)), epochs=2, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    lower(model)


def test_settings_and_code_are_explained(pair):
    ours, _ = pair
    (section,) = foldnet.explain(ours, layer="normed").sections
    said = " ".join(b.text for b in section.blocks if isinstance(b, Words))
    assert "layer = Dense 'inside', power_iterations = 2" in said
    (program,) = foldnet.explain(ours).ending
    names = {"model": ours}
    exec("\n".join(program.lines), names)
    np.testing.assert_allclose(names["predict"](ROWS), run_reference(ours, [ROWS])[0], atol=2e-6)


def test_what_cannot_be_wrapped_is_refused():
    with pytest.raises(ConfigError, match="isn't a supported layer type"):
        layers.Wrapper("dense")
    with pytest.raises(ConfigError, match="greater than zero"):
        layers.SpectralNormalization(layers.Dense(2), power_iterations=0)
    with pytest.raises(ConfigError, match="no attribute 'kernel' nor 'embeddings'"):
        layers.SpectralNormalization(layers.ReLU())(ROWS)
    with pytest.raises(UnsupportedError, match="wrap single layers"):
        layers.Wrapper(network(layers, Model))
