"""Junk of every type in every setting: refused by a text that names layer and setting, or what Keras makes of it."""
# ruff: noqa: PT012, PT017 - whether anything is raised is itself what is looked at

import inspect
import json
import math
import warnings

import keras
import numpy as np
import pytest

from foldnet import Input, Model, constraints, initializers, layers, regularizers
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.files.releases import GATED
from foldnet.layers import LAYERS
from foldnet.layers.configured import settings_of
from foldnet.layers.inner import stored_layers
from foldnet.models import model_from_json
from tests.support.image_changes import IMAGE_CHANGES, ROW
from tests.support.keras_pairs import at_prediction

JUNK = [
    None, True, False, 0, "no", "", float("nan"), math.inf, -math.inf, -1, -0.5, 2.5, 10**40, [], [1.5], ["a"], [None],
    {}, {"class_name": 3}, (2, -3), b"x",
]  # fmt: skip

NEEDED = {
    "Activation": {"activation": "tanh"}, "AlphaDropout": {"rate": 0.2}, "Dense": {"units": 2}, "Dot": {"axes": 1},
    "Dropout": {"rate": 0.2}, "GroupQueryAttention": {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 2},
    "EinsumDense": {"equation": "ab,bc->ac", "output_shape": 3},
    "Embedding": {"input_dim": 3, "output_dim": 2}, "ReversibleEmbedding": {"input_dim": 3, "output_dim": 2},
    "GaussianDropout": {"rate": 0.2},
    "GaussianNoise": {"stddev": 0.2}, "GroupNormalization": {"groups": 2}, "InputLayer": {"shape": (4,)},
    "Permute": {"dims": (1,)}, "RepeatVector": {"n": 2}, "Rescaling": {"scale": 2.0}, "Reshape": {"target_shape": (4,)},
    "SpatialDropout1D": {"rate": 0.2}, "SpatialDropout2D": {"rate": 0.2}, "SpatialDropout3D": {"rate": 0.2},
    "SpectralNormalization": {"layer": layers.Dense(2, name="inside")},
    **{n: {"units": 2} for n in ("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell")},
    "RNN": {"cell": layers.GRUCell(2, name="inside")}, "StackedRNNCells": {"cells": [layers.GRUCell(2, name="inside")]},
    "Bidirectional": {"layer": layers.LSTM(2, name="inside")},
    "TimeDistributed": {"layer": layers.Dense(2, name="inside")},
    **{f"AveragePooling{d}D": {"pool_size": 2} for d in (1, 2, 3)},
    **{n: {"output_size": 2} for n in LAYERS if n.startswith("Adaptive")},
    "CategoryEncoding": {"num_tokens": 4}, "Discretization": {"bin_boundaries": [0.0, 1.5]},
    "IntegerLookup": {"vocabulary": [3, 1, 2]}, "Hashing": {"num_bins": 5},
    "StringLookup": {"vocabulary": ["b", "a"]},
    **IMAGE_CHANGES,
    **{n: {"height": 2, "width": 3} for n in ("Resizing", "CenterCrop")},
    **{n: {"kernel_size": 2} | ({} if "Depth" in n else {"filters": 2}) for n in LAYERS if "Conv" in n},
}  # fmt: skip
"""What a layer cannot be made without."""

SHAPES = {"SpatialDropout1D": (3, 4), "SpatialDropout2D": (2, 3, 4), "SpatialDropout3D": (2, 2, 3, 4)}
SHAPES |= dict.fromkeys([*IMAGE_CHANGES, "AutoContrast"], ROW)
SHAPES |= {name: (3, 3, 4, 4)[: LAYERS[name].dims + 1] for name in LAYERS if hasattr(LAYERS[name], "dims")}
TABLES = {"Embedding", "ReversibleEmbedding"}
SEVERAL = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}
SEVERAL |= {"AdditiveAttention", "Attention"}
SEPARATE = {"GroupQueryAttention", "MultiHeadAttention"}
"""Those called on several tensors that are no list."""
SHAPES |= {name: (3, 4) for name in LAYERS if "Attention" in name or LAYERS[name].is_recurrent}
SHAPES |= {"TimeDistributed": (3, 4), "Bidirectional": (3, 4)}

NOT_HERE = {"ThresholdedReLU", "InputLayer", "IntegerLookup", "StringLookup", "Hashing"}
NOT_HERE |= {name for name in LAYERS if name.endswith(("Cell", "Cells"))}  # they are called with states
NOT_HERE |= {"RNN"}  # its settings are those of LSTM, and JAX cannot trace its cell here
"""What the Keras of the tests does not have, or only with TensorFlow."""
WITHOUT_REGULARIZER = {"Discretization", "IntegerLookup", "StringLookup"}

OURS = {
    ("BatchNormalization", "axis"): "several axes, as Keras 2",
    ("BatchNormalization", "synchronized"): "one machine has nothing to synchronize",
    ("Reshape", "target_shape"): "None is -1",
    ("GaussianNoise", "stddev"): "above 1, too, as Keras 2",
    ("LSTM", "bias_initializer"): "None is glorot_uniform, as without unit_forget_bias",
    **{(name, setting): "NumPy functions, which JAX cannot trace" for name in ("SimpleRNN", "LSTM", "GRU")
       for setting in ("activation", "recurrent_activation")},
    ("InputLayer", "shape"): "a number is a shape of one axis",
}  # fmt: skip
"""Settings of which foldnet takes values that Keras refuses, and why."""


def cases():
    for name, cls in sorted(LAYERS.items()):
        for setting in [*settings_of(cls), "trainable", "name", "dtype", "activity_regularizer"]:
            own = setting == "activity_regularizer" and (
                name.startswith("Spatial") or "Activity" in name or name in WITHOUT_REGULARIZER
            )
            if not own and not (
                name == "InputLayer" and setting in ("trainable", "activity_regularizer", "input_tensor")
            ):
                yield name, setting


def result(lib, name, layer, rows):
    """What a layer gives for rows, with weights that are not its first ones."""
    if lib is keras:
        several = [rows] * 2 if name in SEPARATE else [[rows] * 2 if name in SEVERAL else rows]
        return np.asarray(layer(*several, **at_prediction(layer)))
    shape = rows.shape[1:]
    xs = [Input(shape, dtype="int32" if name in TABLES else "float32") for _ in range(2)]
    if name in SEPARATE:
        return Model(xs, layer(*xs))
    return Model(xs[: 1 + (name in SEVERAL)], layer(xs if name in SEVERAL else xs[0]))


def by_constructor(name, settings):
    return LAYERS[name](**settings)


def holds_layers(value):
    return isinstance(value[0] if isinstance(value, list) and value else value, layers.Layer)


def in_keras(value):
    """The same layer, or layers, of Keras."""
    if isinstance(value, list):
        return [in_keras(v) for v in value]
    return getattr(keras.layers, type(value).__name__).from_config(value.get_config())


def by_file(name, settings):
    inner = {k: stored_layers(v) for k, v in settings.items() if holds_layers(v)}
    stored = {"class_name": name, "config": {**settings, **inner}}
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [stored]}}
    return model_from_json(json.dumps(model))


@pytest.mark.parametrize(("name", "setting"), list(cases()))
def test_junk_in_every_setting(name, setting):
    refused = 0
    for value in JUNK:
        settings = {**NEEDED.get(name, {}), "name": "mine", setting: value}
        if name == "InputLayer" and setting == "batch_shape":
            del settings["shape"]
        try:
            layer = by_constructor(name, settings)
        except (ConfigError, UnsupportedError) as error:
            refused += 1
            if name == "InputLayer" and value is None:
                continue  # no shape at all
            assert name in str(error), (value, error)
            assert setting in str(error), (value, error)
            if setting != "name":
                assert "mine" in str(error), (value, error)
            assert len(str(error)) < 1000
            continue
        _as_keras(name, setting, value, settings, layer)
    assert refused >= 5, f"{name}.{setting} takes nearly anything"


def _as_keras(name, setting, value, settings, layer):
    if setting in ("name", "dtype", "trainable", "seed") or name in NOT_HERE:
        return
    if (name, setting) in OURS:
        return
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3, *SHAPES.get(name, (4,)))).astype(np.float32)
    if name in TABLES:
        rows = rng.integers(0, 2, (3, 4)).astype(np.int32)
    settings = {k: in_keras(v) if holds_layers(v) else v for k, v in settings.items()}
    if name.startswith("Spatial"):
        settings = {k: v for k, v in settings.items() if k not in ("trainable",)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of settings that Keras gives up
            theirs = getattr(keras.layers, name)(**settings)
            both = [rows.shape] * 2
            theirs.build(*(both if name in SEPARATE else [both if name in SEVERAL else rows.shape]))
            expected = result(keras, name, theirs, rows)
    except Exception as error:
        with pytest.raises((ConfigError, UnsupportedError), match="mine"):
            model = result(None, name, layer, rows)
            pytest.fail(f"{setting}={value!r} is taken, and Keras refuses it: {error}; {model}")
        return
    try:
        model = result(None, name, layer, rows)
        model.set_weights([np.asarray(w) for w in theirs.weights if "seed" not in w.path])
        found = model.predict([rows, rows] if name in SEVERAL | SEPARATE else rows)
    except (ConfigError, UnsupportedError) as error:
        assert "mine" in str(error)
        return
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{setting}={value!r}")


STORED = {key: {"recurrent_activation": "sigmoid"} for key in GATED}
"""What every file has: without it, foldnet asks for it first."""


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_file_is_refused_by_the_same_words(name):
    cls = LAYERS[name]
    for setting in [*settings_of(cls), "trainable"]:
        for value in (float("nan"), "no", [1.5], {"class_name": 3}, -0.5):
            settings = {**NEEDED.get(name, {}), "name": "mine", setting: value}
            if name == "InputLayer":
                settings.pop("shape") if setting == "batch_shape" else None
                if setting in (
                    "input_tensor",
                    "sparse",
                    "ragged",
                    "batch_size",
                    "trainable",
                    "name",
                ):
                    continue  # read from no file
            if setting in LAYERS[name].layers_in_settings:
                continue  # a file has a record there, whose refusals are of its own words
            try:
                by_constructor(name, settings)
            except (ConfigError, UnsupportedError) as error:
                if setting.endswith("activation") and isinstance(value, str | dict):
                    continue  # a name that only a caller can supply a function for
                if isinstance(error, UnsupportedError) or (setting == "axis" and isinstance(value, list)):
                    continue  # a list of one axis is that axis in files
                with pytest.raises(FoldnetError) as caught:
                    by_file(name, {**STORED.get(name, {}), **settings})
                if name == "InputLayer":  # its shape is looked at before there is a layer
                    assert "mine" in str(caught.value)
                    assert setting.removeprefix("batch_") in str(caught.value)
                else:
                    assert str(caught.value).replace("NaN", "nan") == str(error)  # as JSON writes it


OBJECTS = {
    module: {k: c for k, c in vars(module).items() if inspect.isclass(c) and issubclass(c, base) and k[0].isupper()}
    for module, base in (
        (initializers, initializers.Initializer), (constraints, constraints.Constraint),
        (regularizers, regularizers.Regularizer),
    )
}  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "setting"),
    [
        (cls, setting)
        for classes in OBJECTS.values() for cls in dict.fromkeys(classes.values())
        for setting in (inspect.signature(cls).parameters if cls.__init__ is not object.__init__ else ())
    ],
    ids=str,
)  # fmt: skip
def test_junk_in_the_settings_of_objects(cls, setting):
    refused = 0
    for value in JUNK:
        try:
            found = cls(**{setting: value})
        except (ConfigError, UnsupportedError) as error:
            refused += 1
            assert cls.__name__ in str(error)
            assert setting in str(error)
            continue
        if value is not None and setting != "seed":
            kept, theirs = found.get_config()[setting], getattr(keras, cls.keras_module[6:])
            given = getattr(theirs, cls.__name__)(**{setting: value})
            stored = given.get_config().get(setting, kept)  # Keras's Identity forgets its gain
            assert np.array_equal(np.float64(stored), np.float64(kept), equal_nan=True)
    assert refused >= 5
