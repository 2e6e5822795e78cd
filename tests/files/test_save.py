"""Saved networks open in real Keras 3 and predict the same, and come back into foldnet bit for bit."""

from __future__ import annotations

import functools
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import foldnet
from foldnet import activations, layers, regularizers
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers import LAYERS, Input
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.sequential import Sequential
from tests.support.image_changes import IMAGE_CHANGES, ROW
from tests.support.keras_pairs import random_weights

pytestmark = pytest.mark.filterwarnings(
    "ignore:Explicitly requested dtype int64:UserWarning",  # MixUp counts rows in 64 bits
    "ignore:Argument `alpha` is deprecated:UserWarning",
    "ignore:The structure of `inputs`:UserWarning",
)
ENDINGS = ["keras", "h5"]


def rows(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def predicted(network, *inputs):
    return ReferenceProgram(lower(network), "float32").run([np.asarray(x) for x in inputs])


def assert_opens(network, path, *inputs):
    """Keras predicts what the network does, and foldnet reads back the same weights and settings."""
    live = keras.models.load_model(path)
    expected = keras.tree.flatten(live(list(inputs) if len(inputs) > 1 else inputs[0], training=False))
    results = predicted(network, *inputs)
    assert len(results) == len(expected)
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, np.asarray(value), rtol=2e-5, atol=2e-6)
    assert_same_network(foldnet.load_model(path), network)


def assert_same_network(back, network):
    assert back.name == network.name
    assert type(back) is type(network)
    assert [x.name for x in back.layers] == [x.name for x in network.layers]
    for a, b in zip(back.layers, network.layers, strict=True):
        if isinstance(b, Model | Sequential):
            assert_same_network(a, b)
            continue
        assert json.dumps(a.get_config()) == json.dumps(b.get_config())
        assert set(a.named_weights) == set(b.named_weights)
        for name, value in b.named_weights.items():
            np.testing.assert_array_equal(a.named_weights[name], value)
    for a, b in zip(back.get_weights(), network.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def one_layer(name, config, shape, dtype="float32"):
    x = Input(shape, dtype=dtype)
    model = Model(x, LAYERS[name](**config)(x))
    random_weights(model, np.random.default_rng(0))
    return model


EVERY_LAYER = [
    ("Dense", {"units": 4, "activation": "gelu", "kernel_regularizer": "l2"}, (5,)),
    ("Dense", {"units": 3, "use_bias": False, "bias_constraint": "non_neg"}, (2, 5)),
    ("Activation", {"activation": "swish"}, (5,)),
    ("ActivityRegularization", {"l1": 0.3, "l2": 0.1}, (5,)),
    ("AlphaDropout", {"rate": 0.4}, (5,)),
    ("BatchNormalization", {"axis": 1, "momentum": 0.8, "epsilon": 0.05}, (3, 4)),
    ("BatchNormalization", {"scale": False}, (4,)),
    ("BatchNormalization", {"center": False, "trainable": False}, (4,)),
    ("BatchNormalization", {"renorm": True}, (4,)),
    ("Dropout", {"rate": 0.3, "noise_shape": [None, 1, 6], "seed": 3}, (4, 6)),
    ("ELU", {"alpha": 0.7}, (5,)),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": [None, 4], "bias_axes": "d"}, (3, 5)),
    ("Flatten", {"data_format": "channels_first"}, (2, 3, 4)),
    ("GaussianDropout", {"rate": 0.4}, (5,)),
    ("GaussianNoise", {"stddev": 0.4}, (5,)),
    ("GroupNormalization", {"groups": 2, "axis": 1}, (4, 3)),
    ("Identity", {}, (5,)),
    ("LayerNormalization", {"axis": 1, "epsilon": 0.1, "center": False}, (3, 4)),
    ("LeakyReLU", {"negative_slope": 0.05}, (5,)),
    ("Masking", {"mask_value": 0.5}, (3, 4)),
    ("Normalization", {"axis": -1}, (3, 4)),
    ("Normalization", {"mean": [1.0, 2.0], "variance": [0.5, 4.0]}, (2,)),
    ("PReLU", {"shared_axes": [1]}, (3, 4)),
    ("Permute", {"dims": [2, 1]}, (3, 4)),
    ("RMSNormalization", {"epsilon": 0.1}, (5,)),
    ("ReLU", {"max_value": 2.0, "negative_slope": 0.2, "threshold": 0.7}, (5,)),
    ("RepeatVector", {"n": 3}, (5,)),
    ("Rescaling", {"scale": [1.0, 2.0], "offset": 0.3}, (2,)),
    ("Reshape", {"target_shape": [4, -1]}, (8,)),
    ("Softmax", {"axis": 1}, (3, 4)),
    ("SpectralNormalization", {"layer": layers.Dense(4, name="inside"), "power_iterations": 2}, (3,)),
    ("SpatialDropout1D", {"rate": 0.4}, (3, 4)),
    ("SpatialDropout2D", {"rate": 0.4, "data_format": "channels_first"}, (3, 4, 2)),
    ("SpatialDropout3D", {"rate": 0.4}, (2, 2, 2, 3)),
    ("UnitNormalization", {"axis": 1}, (3, 4)),
    *(
        (
            f"{kind}Pooling{d}D",
            {"pool_size": 2, "strides": 1, "padding": "same", "data_format": "channels_first"},
            (4, 3, 3, 3)[: d + 1],
        )
        for kind in ("Average", "Max")
        for d in (1, 2, 3)
    ),
    *(
        (
            name,
            {"kernel_size": 2, "padding": "same", "activation": "tanh", "data_format": "channels_first"}
            | ({"depth_multiplier": 2} if "wise" in name or "Sep" in name else {})
            | ({} if "wise" in name else {"filters": 3}),
            (4, 3, 3, 3)[: LAYERS[name].dims + 1],
        )
        for name in LAYERS
        if "Conv" in name
    ),
    *(
        (name, {}, (5, 6, 5, 4)[: LAYERS[name].dims + 1])
        for name in LAYERS
        if name.startswith(("ZeroPadding", "Cropping", "UpSampling"))
    ),
    ("ZeroPadding3D", {"padding": ((1, 2), (0, 1), (2, 0)), "data_format": "channels_first"}, (2, 3, 4, 3)),
    ("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear"}, (3, 4, 2)),
    *(
        (name, {"output_size": 2, "data_format": "channels_first"}, (4, 3, 3, 3)[: LAYERS[name].dims + 1])
        for name in LAYERS
        if name.startswith("Adaptive")
    ),
    *(
        (name, {"units": 3, "dropout": 0.1, "recurrent_dropout": 0.2, "kernel_regularizer": "l2"}, (4, 3))
        for name in ("SimpleRNN", "LSTM", "GRU")
    ),
    ("LSTM", {"units": 3, "unit_forget_bias": False, "return_sequences": True, "go_backwards": True}, (4, 3)),
    ("GRU", {"units": 3, "reset_after": False, "recurrent_activation": "relu"}, (4, 3)),
    ("RNN", {"cell": layers.GRUCell(3), "return_sequences": True}, (4, 3)),
    ("RNN", {"cell": [layers.LSTMCell(3), layers.LSTMCell(2)], "zero_output_for_mask": True}, (4, 3)),
    ("Bidirectional", {"layer": layers.LSTM(3, return_sequences=True), "merge_mode": "ave"}, (4, 3)),
    ("TimeDistributed", {"layer": layers.Conv1D(3, 2, activation="elu")}, (4, 3, 2)),
    ("Resizing", {"height": 5, "width": 3, "interpolation": "bicubic"}, (3, 4, 2)),
    ("Resizing", {"height": 5, "width": 3, "pad_to_aspect_ratio": True, "fill_value": 2.0}, (3, 4, 2)),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "count"}, (6,)),
    ("Discretization", {"bin_boundaries": [-0.5, 0.3], "output_mode": "one_hot"}, (6,)),
    *((name, settings, ROW) for name, settings in IMAGE_CHANGES.items()),
    ("AutoContrast", {"value_range": (-1, 2)}, ROW),
    ("RandomBrightness", {"factor": (-0.3, 0.1), "value_range": (0, 1), "seed": 3}, ROW),
    ("RandomFlip", {"mode": "vertical", "data_format": "channels_first"}, ROW),
    ("CenterCrop", {"height": 2, "width": 6, "data_format": "channels_first"}, (2, 3, 4)),
    *(
        (
            f"Global{kind}Pooling{d}D",
            {"keepdims": True, "data_format": "channels_first"},
            (4, 3, 3, 3)[: d + 1],
        )
        for kind in ("Average", "Max")
        for d in (1, 2, 3)
    ),
]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("name", "config", "shape"), EVERY_LAYER, ids=lambda v: str(v) if isinstance(v, str) else ""
)
def test_each_layer_opens_in_keras(tmp_path, name, config, shape, ending):
    network = one_layer(name, config, shape)
    network.save(tmp_path / f"x.{ending}")
    assert_opens(network, tmp_path / f"x.{ending}", rows(3, *shape))


def test_every_class_is_tried():
    joins = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}
    others = {"InputLayer", "Embedding", "ThresholdedReLU"}
    others |= {"ReversibleEmbedding"}  # in layers/test_reversible_embedding
    others |= {"IntegerLookup", "Hashing"}  # in layers/test_lookup and test_hashing
    others |= {"StringLookup"}  # in layers/test_string_lookup
    others |= {name for name in LAYERS if name.endswith(("Cell", "Cells"))}  # in RNN
    others |= {name for name in LAYERS if "Attention" in name}  # in layers/test_attention
    assert {name for name, _, _ in EVERY_LAYER} | joins | others == set(LAYERS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_joins_several_inputs_and_outputs(tmp_path, ending):
    a, b, i = Input((3, 4), name="a"), Input((3, 4), name="b"), Input((3,), dtype="int32", name="i")
    e = layers.Embedding(7, 4, name="table")(i)
    parts = [
        layers.Add()([a, b]),
        layers.Average()([a, e]),
        layers.Maximum()([b, e]),
        layers.Minimum()([a, b]),
    ]
    parts += [layers.Multiply()([a, b]), layers.Subtract()([a, e]), layers.Dot((2, 2))([a, b])]
    network = Model([a, b, i], [layers.Concatenate()(parts), layers.Dense(2)(e)])
    random_weights(network, np.random.default_rng(0))
    network.save(tmp_path / f"x.{ending}")
    indices = np.random.default_rng(0).integers(0, 7, (5, 3)).astype(np.int32)
    assert_opens(network, tmp_path / f"x.{ending}", rows(5, 3, 4), rows(5, 3, 4, seed=2), indices)


def nested():
    """A Functional and a Sequential inside, both used more than once, and a layer used twice."""
    shared = layers.Dense(4, name="shared")
    x = Input((4,))
    inner = Model(x, layers.BatchNormalization(name="bn")(layers.Dense(4)(x)), name="inner")
    chain = Sequential([Input((4,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.2)], name="chain")
    y = Input((4,), name="y")
    joined = layers.Add()([inner(chain(y)), inner(y), shared(shared(y))])
    return Model(y, [chain(joined), inner(joined), joined], name="outer")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nested_and_shared(tmp_path, ending):
    network = nested()
    random_weights_of(network)
    network.save(tmp_path / f"x.{ending}")
    assert_opens(network, tmp_path / f"x.{ending}", rows(5, 4))


def random_weights_of(network):
    rng = np.random.default_rng(3)
    network.set_weights([rng.uniform(0.2, 1.5, w.shape) for w in network.get_weights()])


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_layer_in_two_networks_comes_back_as_one(tmp_path, ending):
    # Keras 3 writes such networks and fails to open its own files of them; foldnet opens its own.
    shared, x, y = layers.Dense(4, name="shared"), Input((4,)), Input((4,), name="y")
    inner = Model(x, layers.BatchNormalization(name="bn")(shared(x)), name="inner")
    network = Model(y, layers.Add()([inner(y), shared(y)]), name="outer")
    random_weights_of(network)
    network.save(tmp_path / f"x.{ending}")
    back = foldnet.load_model(tmp_path / f"x.{ending}")
    assert_same_network(back, network)
    assert back.get_layer("shared") is back.get_layer("inner").get_layer("shared")
    np.testing.assert_array_equal(predicted(back, rows(5, 4))[0], predicted(network, rows(5, 4))[0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_partly_frozen_networks_keep_each_weight_in_its_place(tmp_path, ending):
    inner = Sequential(
        [Input((4,)), layers.Dense(4, name="one"), layers.BatchNormalization(), layers.Dense(4)]
    )
    inner.layers[0].trainable = False
    network = Sequential([Input((4,)), inner, layers.Dense(2)])
    random_weights_of(network)
    network.save(tmp_path / f"x.{ending}")
    assert_opens(network, tmp_path / f"x.{ending}", rows(5, 4))


def test_names_do_not_name_groups(tmp_path):
    network = Sequential([Input((3,)), *(layers.Dense(3, name=n) for n in ("first", "second", "dense_1"))])
    network.save_weights(tmp_path / "x.weights.h5")
    with h5py.File(tmp_path / "x.weights.h5") as file:
        assert file["layers/dense_1/vars"].attrs["name"] == "second"
        assert file["layers/dense_2/vars"].attrs["name"] == "dense_1"


@pytest.mark.parametrize("name", ["x.weights.h5", "x.h5"])
def test_weights_alone_go_into_keras_and_back(tmp_path, name):
    network = Sequential([Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.PReLU()])
    random_weights_of(network)
    network.save_weights(tmp_path / name)
    parts = [keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.PReLU()]
    live = keras.Sequential([keras.layers.Input((4,)), *parts])
    live.load_weights(tmp_path / name)
    x = rows(5, 4)
    np.testing.assert_allclose(live.predict(x, verbose=0), predicted(network, x)[0], rtol=1e-5, atol=1e-6)
    fresh = Sequential([Input((4,)), *(type(x).from_config(x.get_config()) for x in network.layers)])
    fresh.load_weights(tmp_path / name)
    assert [w.tobytes() for w in fresh.get_weights()] == [w.tobytes() for w in network.get_weights()]


PARTIALS = [
    functools.partial(activations.relu, max_value=20, negative_slope=0.1),
    functools.partial(activations.leaky_relu, negative_slope=0.05),
    functools.partial(activations.elu, alpha=0.3),
    functools.partial(activations.softmax, axis=1),
]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("function", PARTIALS, ids=["relu", "leaky_relu", "elu", "softmax"])
def test_activations_with_parameters(tmp_path, function, ending):
    network = one_layer("Dense", {"units": 3, "activation": function}, (2, 4))
    network.save(tmp_path / f"x.{ending}")
    assert_opens(network, tmp_path / f"x.{ending}", rows(3, 2, 4))


REFUSED = [
    ("keras", "BatchNormalization", {"axis": [1, 2]}, "several axes"),
    ("keras", "ThresholdedReLU", {}, "no longer has"),
    ("keras", "Dense", {"units": 2, "activation": lambda x: x}, "function of your own"),
    (
        "keras",
        "Dense",
        {"units": 2, "activation": functools.partial(activations.celu, alpha=2.0)},
        "cannot say",
    ),
    ("keras", "Dense", {"units": 2, "activation": "hard_sigmoid_keras2"}, "different functions"),
    ("h5", "Dense", {"units": 2, "activation": "hard_sigmoid"}, "different functions"),
    ("h5", "Softmax", {"axis": [1, 2]}, "loses axis"),
    ("h5", "UnitNormalization", {"axis": [1, 2]}, "loses axis"),
    ("h5", "Normalization", {"axis": None}, "loses axis"),
]


@pytest.mark.parametrize(("ending", "name", "config", "reason"), REFUSED)
def test_what_a_file_cannot_say_is_refused_by_name(tmp_path, ending, name, config, reason):
    if config.get("activation") == "hard_sigmoid_keras2":
        config = {**config, "activation": activations.hard_sigmoid_keras2}
    network = one_layer(name, config, (2, 4))
    with pytest.raises(UnsupportedError, match=reason) as error:
        network.save(tmp_path / f"x.{ending}")
    assert network.layers[1].name in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_list_axes_come_back_from_h5(tmp_path):
    network = one_layer("BatchNormalization", {"axis": [1, 3]}, (3, 2, 4))
    network.save(tmp_path / "x.h5")
    assert_same_network(foldnet.load_model(tmp_path / "x.h5"), network)


def test_wrong_endings_and_unbuilt_networks(tmp_path):
    network = Sequential([Input((4,)), layers.Dense(2)])
    for name in ("x.onnx", "x", "x.weights.h5"):
        with pytest.raises(ConfigError, match="save"):
            network.save(tmp_path / name)
    with pytest.raises(ConfigError, match=r"\.weights\.h5"):
        network.save_weights(tmp_path / "x.keras")
    for name in ("x.keras", "x.h5"):
        with pytest.raises(ConfigError, match="not built"):
            Sequential([layers.Dense(2)]).save(tmp_path / name)
    with pytest.raises(ConfigError, match="not built"):
        Sequential([layers.Dense(2)]).save_weights(tmp_path / "x.h5")


def test_archive_is_laid_out_as_keras_does(tmp_path):
    network = Sequential([Input((4,)), layers.Dense(2, kernel_regularizer=regularizers.L2(0.03))])
    network.save(tmp_path / "x.keras")
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert {m.compress_type for m in archive.infolist()} == {zipfile.ZIP_STORED}
        metadata, config = (json.loads(archive.read(n)) for n in archive.namelist()[:2])
    assert set(metadata) == {"keras_version", "date_saved", "written_by"}
    live = keras.models.load_model(tmp_path / "x.keras")
    theirs = json.loads(live.to_json())
    ours = config["config"]["layers"][1]
    assert ours["module"] == theirs["config"]["layers"][1]["module"]
    assert (
        ours["config"]["kernel_regularizer"] == theirs["config"]["layers"][1]["config"]["kernel_regularizer"]
    )
    assert ours["build_config"] == theirs["config"]["layers"][1]["build_config"]


SETTINGS = {
    "Dense": {
        "units": st.integers(1, 5), "use_bias": st.booleans(),
        "activation": st.sampled_from(sorted(activations.FUNCTIONS)),
        "kernel_regularizer": st.sampled_from([None, "l1", regularizers.L1L2(0.1, 0.2)]),
    },
    "BatchNormalization": {
        "axis": st.sampled_from([-1, 1, 2]), "momentum": st.floats(0, 1), "epsilon": st.floats(1e-6, 1),
        "center": st.booleans(), "scale": st.booleans(), "trainable": st.booleans(),
    },
    "ReLU": {
        "max_value": st.none() | st.floats(0, 1e6), "negative_slope": st.floats(0, 9), "threshold": st.floats(0, 9),
    },
    "GroupNormalization": {"groups": st.sampled_from([1, 2, 4, -1]), "epsilon": st.floats(1e-6, 1)},
    "Dropout": {"rate": st.floats(0, 1), "seed": st.none() | st.integers(0, 2**31)},
}  # fmt: skip
LAYER = st.sampled_from(sorted(SETTINGS)).flatmap(
    lambda name: st.tuples(st.just(name), st.fixed_dictionaries(SETTINGS[name]))
)
NO_NAME = {"hard_sigmoid_keras2", "thresholded_relu", "threshold", "glu"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LAYER, min_size=1, max_size=4), st.sampled_from(ENDINGS), st.integers(0, 2**32 - 1))
def test_there_and_back_is_the_same_network(tmp_path, chain, ending, seed):
    width = 4
    network = Sequential([Input((3, 4))])
    for name, config in chain:
        if config.get("activation") in NO_NAME | ({"hard_sigmoid"} if ending == "h5" else set()):
            config = {**config, "activation": "relu"}
        if name == "GroupNormalization" and width % 4:
            config = {**config, "groups": 1}
        network.add(LAYERS[name](**config))
        width = network.outputs[0].shape[-1]
    random_weights(network, np.random.default_rng(seed))
    network.save(tmp_path / f"x.{ending}")
    assert_same_network(foldnet.load_model(tmp_path / f"x.{ending}"), network)
