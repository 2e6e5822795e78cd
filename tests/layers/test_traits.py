"""What a layer says of itself is what it does, for every layer there is, both ways round."""

import functools

import numpy as np
import pytest

from foldnet import Input, Model, activations, layers, ops
from foldnet.errors import FoldnetError, InputError, UnsupportedError
from foldnet.layers import LAYERS
from tests.support.image_changes import IMAGE_CHANGES
from tests.support.image_changes import ROW as IMAGE

ROW = (4, 6)
"""Of steps and channels."""
SETTINGS = {
    "Activation": {"activation": "tanh"},
    "ActivityRegularization": {"l1": 0.1},
    "Add": {}, "Average": {}, "Maximum": {}, "Minimum": {}, "Multiply": {}, "Subtract": {}, "Concatenate": {},
    "AlphaDropout": {"rate": 0.3}, "Dropout": {"rate": 0.3}, "GaussianDropout": {"rate": 0.3},
    "GaussianNoise": {"stddev": 0.3},
    "SpatialDropout1D": {"rate": 0.3}, "SpatialDropout2D": {"rate": 0.3}, "SpatialDropout3D": {"rate": 0.3},
    "BatchNormalization": {"axis": 1, "epsilon": 1e-6},
    "LayerNormalization": {"axis": [1, 2], "epsilon": 1e-6},
    "GroupNormalization": {"groups": 3, "epsilon": 1e-6},
    "RMSNormalization": {}, "UnitNormalization": {},
    "Normalization": {"mean": [1.0, 2, 3, 4, 5, 6], "variance": [0.1, 1, 2, 3, 4, 9]},
    "Rescaling": {"scale": -2.0, "offset": 0.3},
    "Dense": {"units": 6, "activation": "relu"},
    "EinsumDense": {"equation": "abc,cd->abd", "output_shape": (4, 6), "activation": "tanh"},
    "Attention": {"use_scale": True}, "AdditiveAttention": {},
    "GroupQueryAttention": {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "SpectralNormalization": {"layer": layers.Dense(6, activation="sigmoid")},
    "Dot": {"axes": 2},
    "Embedding": {"input_dim": 9, "output_dim": 5}, "ReversibleEmbedding": {"input_dim": 9, "output_dim": 5},
    "ELU": {"alpha": 0.7}, "LeakyReLU": {}, "PReLU": {}, "ReLU": {"max_value": 1.5, "threshold": 0.5},
    "Softmax": {"axis": 1}, "ThresholdedReLU": {"theta": 0.4},
    "Flatten": {}, "Permute": {"dims": (2, 1)}, "RepeatVector": {"n": 3}, "Reshape": {"target_shape": (3, 8)},
    **{f"{kind}Pooling{d}D": {"pool_size": 2} for kind in ("Average", "Max") for d in (1, 2, 3)},
    **{n: {"output_size": 2} for n in LAYERS if n.startswith("Adaptive")},
    "CategoryEncoding": {"num_tokens": 9}, "Discretization": {"bin_boundaries": [-0.5, 0.5]},
    "IntegerLookup": {"vocabulary": [5, 2, 7, 1]}, "Hashing": {"num_bins": 5},
    "StringLookup": {"vocabulary": ["b", "a"]},
    **IMAGE_CHANGES,
    "AutoContrast": {},
    **{n: {"height": 3, "width": 2} for n in ("Resizing", "CenterCrop")},
    **{f"Global{kind}Pooling{d}D": {} for kind in ("Average", "Max") for d in (1, 2, 3)},
    **{n: {"kernel_size": 2, "activation": "tanh", **({} if "Depth" in n else {"filters": 6})}
       for n in LAYERS if "Conv" in n},
    **{n: {} for n in LAYERS if n.startswith(("ZeroPadding", "Cropping", "UpSampling"))},
    **{n: {"units": 6} for n in ("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell")},
    "RNN": {"cell": layers.LSTMCell(6)}, "StackedRNNCells": {"cells": [layers.LSTMCell(5), layers.GRUCell(6)]},
    "Bidirectional": {"layer": layers.GRU(6)}, "TimeDistributed": {"layer": layers.Dense(6, activation="relu")},
    "Identity": {}, "Masking": {"mask_value": 7.0}, "InputLayer": {"shape": ROW},
}  # fmt: skip
RANKS = {"SpatialDropout2D": (2, 3, 6), "SpatialDropout3D": (2, 2, 2, 3), "RepeatVector": (6,)}
RANKS |= dict.fromkeys([*IMAGE_CHANGES, "AutoContrast"], IMAGE)
RANKS |= {name: (*(4, 3, 4, 6)[: LAYERS[name].dims], 6) for name in LAYERS if hasattr(LAYERS[name], "dims")}
RANKS |= {name: (6,) for name in LAYERS if name.endswith(("Cell", "Cells"))}
CALLED_ALONE = {
    "SimpleRNN",
    "LSTM",
    "GRU",
    "RNN",
    "Bidirectional",
    *(n for n in RANKS if n.endswith(("Cell", "Cells"))),
    "CategoryEncoding",
}
"""Layers whose further tensors may be left out: states, weights of counts."""
COMPUTING = [name for name in LAYERS if name not in ("InputLayer", "StringLookup")]
"""All that compute from numbers."""


def made(name):
    return LAYERS[name](**SETTINGS[name])


def rows_of(name, count=5):
    """Random rows; one position holds what Masking leaves out."""
    rng = np.random.default_rng(3)
    shape = RANKS.get(name, ROW)
    if "Embedding" in name:
        return rng.integers(0, 9, (count, *shape)).astype(np.float32)
    x = rng.normal(size=(count, *shape)).astype(np.float32) + 0.2
    if name == "Masking":
        x[0, 0] = 7.0
    return x


def takes_several(layer):
    return layer.joins_inputs or len(layer.tensor_arguments) > 1


def result(layer, x, **kwargs):
    """Of a layer that is called on as many inputs as it takes; those of several are all different."""
    if type(layer).__name__ in CALLED_ALONE:
        found = layer(x, **kwargs)
        return np.asarray(found[0] if isinstance(found, tuple) else found)
    if len(layer.tensor_arguments) > 1:
        return np.asarray(layer(x, x[::-1] * 2 + 1, **kwargs))
    given = [x, x[::-1] * 2 + 1] if layer.joins_inputs else x
    return np.asarray(layer(given, **kwargs))


def test_every_layer_is_in_the_table():
    assert set(SETTINGS) == set(LAYERS)


@pytest.mark.parametrize("name", COMPUTING)
def test_quiet_layers_give_back_their_input_and_others_do_not(name):
    layer, x = made(name), rows_of(name)
    y = result(layer, x)
    assert layer.identity_in_prediction == (y.shape == x.shape and np.array_equal(y, x))


@pytest.mark.parametrize("name", [n for n in LAYERS if n != "InputLayer"])
def test_layers_take_texts_as_they_say(name):
    layer, shape = made(name), RANKS.get(name, ROW)
    if takes_several(layer) or name.endswith("Cells") or layer.inner_layers:
        assert not layer.takes_texts
        return
    x = Input(shape, dtype="string", name="words")
    y = layers.Hashing(7)(layer(x)) if layer.moves_values else layer(x)
    y = y[0] if isinstance(y, tuple) else y
    rows = np.array(["a", "b", "zz"])[np.arange(2 * np.prod(shape)).reshape(2, *shape) % 3]
    if layer.takes_texts or layer.moves_values:
        assert len(np.unique(Model(x, y)(rows))) > 1
        return
    with pytest.raises(UnsupportedError, match=f"{layer.name}.*texts of the input 'words'"):
        Model(x, y)(rows)


def test_an_activation_is_quiet_if_it_is_linear():
    x = rows_of("Activation")
    layer = layers.Activation("linear")
    assert layer.identity_in_prediction
    assert np.array_equal(np.asarray(layer(x)), x)


@pytest.mark.parametrize("name", COMPUTING)
def test_layers_that_move_values_do_nothing_else(name):
    layer, x = made(name), rows_of(name)
    if takes_several(layer):
        assert not layer.moves_values
        return
    y = result(layer, x)
    same = all(np.array_equal(np.unique(a), np.unique(b)) for a, b in zip(x, y, strict=True))
    assert (layer.moves_values or layer.identity_in_prediction) == same


@pytest.mark.parametrize("name", COMPUTING)
def test_layers_that_scale_values_are_affine_value_by_value(name):
    layer, x = made(name), rows_of(name).astype(np.float64)
    if takes_several(layer) or "Embedding" in name:
        assert not layer.scales_values
        return
    zero, one, back = (result(layer, a) for a in (x * 0, x, -2 * x))
    changed = x.copy()
    changed[(0,) * x.ndim] += 1
    apart = result(layer, changed) != one
    affine = np.allclose(back - zero, -2 * (one - zero), atol=1e-4)
    alone = one.shape == x.shape and not apart.reshape(-1)[1:].any()
    assert (layer.scales_values or layer.identity_in_prediction) == (affine and alone)


def applied(ending, x):
    name, parameters = ending
    if name == "prelu":
        return np.maximum(x, 0)  # alpha is 0 at first
    return np.asarray(functools.partial(activations.FUNCTIONS[name], **parameters)(x.astype(np.float64)))


@pytest.mark.parametrize("name", COMPUTING)
def test_a_layer_ends_with_the_activation_that_it_says(name):
    layer, x = made(name), rows_of(name)
    if layer.ends_with is None:
        assert (
            not hasattr(layer, "activation") or name in CALLED_ALONE
        )  # what it ends with feeds its next step
        return
    y = result(layer, x)
    inner = getattr(layer, "layer", layer)
    if "activation" in SETTINGS[name] or inner is not layer:
        inner.activation, kept = activations.get("linear"), layer.ends_with
        assert layer.ends_with == ("linear", {})
        x = result(layer, x)
        inner.activation = kept[0]
        assert layer.ends_with == kept
    np.testing.assert_allclose(y, applied(layer.ends_with, x), rtol=1e-5, atol=1e-6)


def test_an_unknown_activation_is_a_custom_one():
    assert layers.Dense(3, activation=lambda x: x).ends_with == ("custom", {})


@pytest.mark.parametrize(
    ("function", "ending"),
    [
        (ops.relu, "relu"),
        (lambda x: ops.softmax(x, axis=1), "softmax"),
        (lambda x: ops.leaky_relu(x, negative_slope=0.4), "leaky_relu"),
        (ops.sigmoid, "sigmoid"),
        (lambda x: x + 1, None),
    ],
)
def test_an_operation_ends_with_its_function(function, ending):
    x = Input(ROW)
    model = Model(x, function(x))
    (operation,) = [layer for layer in model.operations if layer.is_operation]
    if ending is None:
        assert operation.ends_with is None
        return
    assert operation.ends_with[0] == ending
    rows = rows_of("Dense")
    np.testing.assert_allclose(model.predict(rows), applied(operation.ends_with, rows), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", COMPUTING)
def test_random_layers_change_values_in_training_by_as_much_as_they_say(name):
    layer = made(name)
    if not layer.is_random:
        assert (layer.amount(), layer.amount_is_rate, layer.scales_at_random) == (0, False, False)
        return
    assert (layer.identity_in_prediction, layer.amount()) == (True, 0.3)
    assert layer.amount_is_rate == ("rate" in SETTINGS[name])
    ones = np.ones((4000, *[1] * (len(RANKS.get(name, ROW)) - 1), 4), np.float32)
    y = np.asarray(layer(ones, training=True))
    assert not np.array_equal(y, ones)
    scaled = abs(y.mean() - 1) < 0.03 and abs(y.var() - 0.3 / 0.7) < 0.03
    assert layer.scales_at_random == scaled


@pytest.mark.parametrize("name", COMPUTING)
def test_normalizations_compute_what_they_say(name):
    layer, x = made(name), rows_of(name).astype(np.float64)
    y = result(layer, x, training=True) if name == "BatchNormalization" else result(layer, x)
    found = layer.normalization_rule(x.shape)
    assert (found is None) == (layer.normalizes_by is None)
    if found is None:
        given_alone = not takes_several(layer) and "Embedding" not in name
        # It divides by the range of an image, which is no statistic that a rule can name.
        given_alone = given_alone and name != "AutoContrast"
        assert not given_alone or not np.allclose(y, result(layer, 3 * x), rtol=1e-3), "unmoved by the scale"
        return
    assert found.source == layer.normalizes_by
    np.testing.assert_allclose(y, normalized(layer, found, x), rtol=1e-3, atol=1e-4)


def normalized(layer, found, x):
    """By what the layer says, in NumPy; its gamma is 1 and its beta 0."""
    if found.source == "data":
        mean, variance = layer.statistics(x.shape)
        return (x - mean) / np.maximum(np.sqrt(variance), found.epsilon)
    shape = x.shape
    over = tuple(a for a in range(x.ndim) if a not in found.axes) if found.source == "batch" else found.axes
    if found.groups is not None:
        (axis,) = found.axes
        x = x.reshape(*shape[:axis], found.groups, shape[axis] // found.groups, *shape[axis + 1 :])
        over = tuple(a for a in range(1, x.ndim) if a != axis)
    mean = x.mean(axis=over, keepdims=True)
    deviation = np.sqrt(x.var(axis=over, keepdims=True) + found.epsilon)
    square = np.square(x)
    divisor = {
        "deviation": deviation,
        "spread": deviation,
        "mean square": np.sqrt(square.mean(axis=over, keepdims=True) + found.epsilon),
        "length": np.maximum(np.sqrt(square.sum(axis=over, keepdims=True)), found.epsilon),
    }[found.measure]
    return ((x - mean if found.measure == "deviation" else x) / divisor).reshape(shape)


def test_layer_normalization_with_rms_scaling_does_not_subtract_the_mean():
    layer, x = layers.LayerNormalization(rms_scaling=True), rows_of("Dense").astype(np.float64)
    y = result(layer, x)
    found = layer.normalization_rule(x.shape)
    assert found.measure == "spread"
    np.testing.assert_allclose(y, normalized(layer, found, x), rtol=1e-4)


@pytest.mark.parametrize("name", COMPUTING)
def test_layers_take_a_mask_and_several_inputs_as_they_say(name):
    layer, x = made(name), rows_of(name)
    result(layer, x)
    if not takes_several(layer):
        with pytest.raises(InputError, match=r"takes one input.*2"):
            made(name)([Input(x.shape[1:]), Input(x.shape[1:])])
        mask = np.ones(x.shape if name == "Softmax" else x.shape[:-1], bool)
        if layer.takes_mask:
            layer(x, mask=mask)
        else:
            with pytest.raises(FoldnetError, match="without a mask"):
                layer(x, mask=mask)


def test_an_input_and_a_network():
    x = Input(ROW)
    model = Model(x, layers.Dense(2)(x))
    assert [layer.is_input for layer in model.layers] == [True, False]
    assert (model.joins_inputs, model.takes_mask, model.is_input) == (True, True, False)
    assert not any(made(name).is_input or made(name).is_operation for name in COMPUTING)


def test_weights_inside_are_told_from_a_wrappers_own():
    layer = layers.SpectralNormalization(layers.Dense(6))
    layer.build((None, 4))
    assert layer.inner_layers == {"layer": layer.layer}
    assert [s.name for s in layer.own_specs] == ["vector_u"]
    assert [s.name for s in layer.stored_specs] == ["kernel", "vector_u"]
    dense = layers.Dense(2)
    dense.build((None, 4))
    assert not dense.inner_layers
    assert dense.own_specs == dense.stored_specs == dense.specs


@pytest.mark.parametrize("name", COMPUTING)
def test_the_masked_value_is_what_a_layer_leaves_out(name):
    layer, x = made(name), rows_of(name)
    if layer.masked_value is not None:
        x[0, 0] = layer.masked_value
    makes_one = not takes_several(layer) and layer.output_mask(False)
    assert (layer.masked_value is not None) == makes_one
    if makes_one:
        mask = np.asarray(layer.compute_mask(x))
        assert not mask.all()
        np.testing.assert_array_equal(mask, (x != layer.masked_value).any(axis=-1))


def test_an_embedding_masks_index_0_if_it_is_told_to():
    assert layers.Embedding(4, 2).masked_value is None
    layer = layers.Embedding(4, 2, mask_zero=True)
    assert layer.masked_value == 0
    np.testing.assert_array_equal(layer.compute_mask(np.float32([[0, 1]])), [[False, True]])
    assert layers.Masking(mask_value=[1.0, 2.0]).masked_value is None
