"""Names, order and defaults of settings are Keras's; configurations go out and come back, and hide nothing."""

import inspect

import keras
import numpy as np
import pytest

from foldnet import activations
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers import LAYERS, Activation, Dense, Input, LeakyReLU, Normalization, PReLU
from tests.layers.cases import ALL
from tests.support.keras_pairs import (
    foldnet_model,
    keras_layer,
    made_by,
    random_rows,
    random_weights,
    run_reference,
)

NOT_IN_KERAS_3 = {"ThresholdedReLU"}

LEFT_OUT = {
    "Dense": {"lora_rank", "lora_alpha", "quantization_config"},
    "EinsumDense": {"lora_rank", "lora_alpha", "quantization_config", "gptq_unpacked_column_size"},
    "Embedding": {"lora_rank", "lora_alpha", "quantization_config"},
    "Discretization": {"name", "dtype"},  # among the common arguments
    "SpatialDropout1D": {"name", "dtype"},
    "SpatialDropout2D": {"name", "dtype"},
    "SpatialDropout3D": {"name", "dtype"},
}
ADDED = {
    "LayerNormalization": {"rms_scaling"},
    "AdditiveAttention": {"seed"},
}  # Keras takes it, too, but hides it

one_each = list({case.class_name: case for _, case in ALL}.values())


def arguments(cls, kinds, without=()):
    """Names and defaults; a size as it is stored, since 1 and (1, 1) are the same."""

    def stored(name, default):
        sizes = isinstance(default, tuple) or type(default) is int
        return kinds[name].read(default) if sizes and name in kinds else default

    parameters = inspect.signature(cls.__init__).parameters.values()
    return [
        (p.name, stored(p.name, p.default))
        for p in parameters
        if p.name != "self" and p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in without
    ]


@pytest.mark.parametrize("name", sorted(set(LAYERS) - NOT_IN_KERAS_3))
def test_arguments_are_keras_s(name):
    kinds = LAYERS[name].kinds
    ours = arguments(LAYERS[name], kinds, ADDED.get(name, ()))
    assert ours == arguments(getattr(keras.layers, name), kinds, LEFT_OUT.get(name, ()))


def test_every_layer_is_in_the_grid():
    elsewhere = {"InputLayer"}
    elsewhere |= {
        name for name in LAYERS if name.endswith(("Cell", "Cells"))
    }  # in RNN, and test_recurrent.py
    elsewhere |= {
        "IntegerLookup",
        "StringLookup",
        "Hashing",
    }  # Keras needs TensorFlow for them: test_lookup.py
    assert {case.class_name for case in one_each} == set(LAYERS) - NOT_IN_KERAS_3 - elsewhere


@pytest.mark.parametrize("case", [case for _, case in ALL[::4]], ids=str)
def test_configuration_goes_round(case):
    rng = np.random.default_rng(1)
    first = foldnet_model(case)
    config = first.layers[-1].get_config()
    second = foldnet_model(case, config)
    assert second.layers[-1].get_config() == config
    second.set_weights(random_weights(first, rng))
    rows = random_rows(case, 2, rng)
    np.testing.assert_array_equal(run_reference(first, rows)[0], run_reference(second, rows)[0])


def without_unlike(config):
    """A configuration, and those in it, without what differs from layer to layer."""
    if isinstance(config, list | tuple):
        return [without_unlike(v) for v in config]
    if not isinstance(config, dict):
        return config
    unlike = ("name", "shared_object_id", "build_config", "module", "registered_name")
    kept = {k: v for k, v in config.items() if k not in unlike and not k.endswith("_initializer")}
    return {k: without_unlike(v) for k, v in kept.items()}


@pytest.mark.parametrize("case", one_each, ids=str)
def test_our_configuration_means_the_same_to_keras(case):
    config = foldnet_model(case).layers[-1].get_config()
    cls = getattr(keras.layers, case.class_name)
    if case.class_name.startswith("Spatial") or case.class_name == "Discretization":
        config.pop("trainable")  # Keras's own constructor does not take it
    theirs = cls.from_config(config).get_config()
    expected = keras_layer(case).get_config()
    theirs, expected = without_unlike(theirs), without_unlike(expected)
    if "axes" in expected:
        expected["axes"] = list(expected["axes"])
    axis = expected.get("axis")
    if isinstance(axis, list):  # Keras changes an int to a list when it builds the layer
        theirs["axis"] = [theirs["axis"]] if isinstance(theirs["axis"], int) else theirs["axis"]
    if case.class_name == "GroupNormalization":
        theirs.pop("groups"), expected.pop("groups")  # Keras puts a number in place of -1 when it builds
    assert theirs == expected


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"InputLayer"}))
def test_an_unknown_setting_is_refused(name):
    case = next((c for c in one_each if c.class_name == name), None)
    config = made_by(LAYERS, name, case.config).get_config() if case else {}
    with pytest.raises(UnsupportedError, match=r"twists") as caught:
        LAYERS[name].from_config({**config, "name": "mine", "twists": 3})
    assert "mine" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("Dense", {"units": 2, "lora_rank": 4}),
        ("Dense", {"units": 2, "quantization_config": {"class_name": "Int8"}}),
        ("Embedding", {"input_dim": 2, "output_dim": 2, "lora_rank": 1}),
        ("BatchNormalization", {"mode": 1}),
        ("BatchNormalization", {"mode": 2}),
        ("BatchNormalization", {"virtual_batch_size": 8}),
        ("InputLayer", {"batch_shape": (None, 3), "ragged": True}),
    ],
)
def test_a_setting_that_changes_the_meaning_is_refused(name, setting):
    with pytest.raises(UnsupportedError, match=list(setting)[-1]):
        LAYERS[name].from_config(setting)


def test_settings_without_meaning_are_taken():
    for config in [
        {"axis": [1], "fused": None, "mode": 0, "virtual_batch_size": None},
        {"axis": [1], "fused": True},
    ]:
        assert LAYERS["BatchNormalization"].from_config(config).axis == [1]
    assert (
        LAYERS["Embedding"].from_config({"input_dim": 3, "output_dim": 2, "input_length": 7}).input_dim == 3
    )


def test_an_old_name_of_a_setting():
    assert LeakyReLU.from_config({"alpha": 0.25}).negative_slope == 0.25
    assert LeakyReLU(alpha=0.25).negative_slope == 0.25


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("Dense", {"units": 0}), ("Dense", {"units": 2.5}), ("Dropout", {"rate": 1.5}),
        ("GaussianNoise", {"stddev": -1.0}), ("GroupNormalization", {"groups": 0}),
        ("Embedding", {"input_dim": 0, "output_dim": 2}), ("ReLU", {"max_value": -1.0}),
        ("LeakyReLU", {"negative_slope": -0.1}), ("ThresholdedReLU", {"theta": -1}),
        ("Reshape", {"target_shape": (-1, -1)}), ("Permute", {"dims": (0, 1)}), ("RepeatVector", {"n": 0}),
        ("Normalization", {"mean": 1.0}), ("Rescaling", {"scale": "large"}),
        ("Rescaling", {"scale": float("nan")}), ("Dot", {"axes": [1, 2, 3]}), ("Flatten", {"data_format": "x"}),
    ],
)  # fmt: skip
def test_settings_that_contradict_keras_s_rules(name, config):
    with pytest.raises(ConfigError):
        LAYERS[name](**config)


def test_arrays_in_a_stored_configuration():
    stored = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}
    assert Normalization(mean=stored, variance=np.array([3.0, 4.0])).get_config()["mean"] == [1.0, 2.0]


def test_weights_of_a_normalization_by_name():
    layer = Normalization()
    layer(Input((3,)))
    assert layer.mean.shape == layer.variance.shape == (1, 3)
    given = Normalization(mean=2.0, variance=1.0)
    assert given.mean is None  # as in Keras, which does not know the axes yet
    given.build((None, 3))
    np.testing.assert_array_equal(given.mean, [[2.0, 2.0, 2.0]])


def test_an_activation_is_stored_by_its_name_or_as_a_layer():
    assert Dense(2, activation="relu").get_config()["activation"] == "relu"
    assert Activation(None).get_config()["activation"] == "linear"
    stored = Dense(2, activation=LeakyReLU(0.1)).get_config()["activation"]
    assert stored["class_name"] == "LeakyReLU"
    assert stored["config"] == {"negative_slope": 0.1}
    assert isinstance(
        keras.layers.Dense.from_config({"units": 2, "activation": stored}).activation, keras.Layer
    )
    own = lambda x: x * 2  # noqa: E731 - one that no file can say
    assert activations.serialize(own) is own


def test_a_layer_with_weights_is_no_activation():
    with pytest.raises(UnsupportedError, match="PReLU"):
        Dense(2, activation=PReLU())
