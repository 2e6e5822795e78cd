"""Masks: predictions are Keras's with one on its way, in networks and layer by layer on arrays."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foldnet import layers
from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.lowering.lower import lower
from foldnet.network import Model
from tests.support.keras_pairs import random_weights, run_reference

INDICES = np.int32([[0, 3, 0, 5], [0, 0, 0, 0], [1, 2, 3, 4]])


def network(kit, model, after):
    """Embedding with a mask, then what ``after`` makes of it."""
    x = kit.Input((4,), dtype="int32")
    return model(x, after(kit, kit.Embedding(6, 8, mask_zero=True)(x)))


UNMOVED = {
    "BatchNormalization": lambda k, x: k.BatchNormalization()(x),
    "BatchNormalization of one axis more": lambda k, x: k.BatchNormalization(axis=1)(x),
    "LayerNormalization": lambda k, x: k.LayerNormalization()(x),
    "GroupNormalization": lambda k, x: k.GroupNormalization(2)(x),
    "RMSNormalization": lambda k, x: k.RMSNormalization()(k.Dense(3)(x)),
    "softmax as an activation": lambda k, x: k.Dense(3, activation="softmax")(x),
    "Softmax behind a Flatten": lambda k, x: k.Softmax()(k.Flatten()(x)),
    "Softmax behind a Permute": lambda k, x: k.Softmax()(k.Permute((2, 1))(x)),
    "Multiply behind a Reshape": lambda k, x: k.Multiply()([k.Reshape((32,))(x), k.Reshape((32,))(x)]),
    "Softmax behind a Dot": lambda k, x: k.Softmax()(k.Dot(2)([x, x])),
    "Softmax behind an Add of one mask": lambda k, x: k.Softmax()(
        k.Add()([x, k.Reshape((4, 8))(k.Flatten()(x))])
    ),
    "Add, Subtract, Average": lambda k, x: k.Average()([k.Add()([x, x, x]), k.Subtract()([x, k.ReLU()(x)])]),
    "Concatenate": lambda k, x: k.Dense(2)(k.Concatenate()([x, x])),
    "Dropout": lambda k, x: k.Dropout(0.5)(k.PReLU()(x)),
}


def flat(k, x):
    """The same values without a mask."""
    return k.Reshape((4, 8))(k.Flatten()(x))


def inside(k, x, *rest):
    """A nested network of these layers, called on x."""
    start = k.Input((4, 8))
    y = start
    for layer in rest:
        y = layer(y)
    return (Model if k is layers else keras.Model)(start, y)(x)


MOVED = {
    "Multiply by one without": lambda k, x: k.Multiply()([x, flat(k, x)]),
    "Multiply": lambda k, x: k.Multiply()([x, k.Dense(8)(x)]),
    "Multiply of three": lambda k, x: k.Multiply()([flat(k, x), x, k.Dense(8)(x)]),
    "Multiply spread": lambda k, x: k.Multiply()([x, k.Dense(1)(x)]),
    "Multiply of two masks": lambda k, x: k.Multiply()([x, k.Masking()(k.ReLU()(flat(k, x)))]),
    "Maximum": lambda k, x: k.Maximum()([x, k.Dense(8)(x)]),
    "Maximum, the second with a mask": lambda k, x: k.Maximum()([flat(k, x), k.Dense(8)(x)]),
    "Maximum, the first with a mask": lambda k, x: k.Maximum()([k.Dense(8)(x), flat(k, x)]),
    "Maximum of three": lambda k, x: k.Maximum()([k.Dense(8)(x), flat(k, x), k.Dense(8)(x)]),
    "Minimum": lambda k, x: k.Minimum()([x, k.Dense(8)(x), k.Dense(8)(x)]),
    "Minimum of two masks": lambda k, x: k.Minimum()([k.Masking()(k.ReLU()(flat(k, x))), x]),
    "Multiply behind a nested network": lambda k, x: k.Multiply()([inside(k, x, k.Activation("tanh")), x]),
    "Multiply behind BatchNormalization": lambda k, x: k.Multiply()([k.BatchNormalization()(x), flat(k, x)]),
    "Masking": lambda k, x: k.Masking(0.0)(k.ReLU()(x)),
    "Masking by another number": lambda k, x: k.Masking(0.5)(
        k.Maximum()([flat(k, x), k.Rescaling(0.0, 0.5)(flat(k, x))])
    ),
    "Masking by an array": lambda k, x: k.Masking([0.0] * 8)(k.ReLU()(x)),
}


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
@pytest.mark.parametrize("name", UNMOVED)
def test_a_mask_that_moves_nothing(name):
    theirs = network(keras.layers, keras.Model, UNMOVED[name])
    weights = random_weights(theirs, np.random.default_rng(0))
    ours = network(layers, Model, UNMOVED[name])
    ours.set_weights(weights)
    expected = np.asarray(theirs(INDICES, training=False))
    np.testing.assert_allclose(
        run_reference(ours, [INDICES])[0], expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
@pytest.mark.parametrize("name", MOVED)
def test_a_mask_that_is_computed_with(name, engine):
    theirs = network(keras.layers, keras.Model, MOVED[name])
    weights = random_weights(theirs, np.random.default_rng(0))
    ours = network(layers, Model, MOVED[name])
    ours.set_weights(weights)
    expected = np.asarray(theirs(INDICES, training=False))
    (found,) = engine(ours, [INDICES], "float32")
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    without = Model(ours.inputs, MOVED[name](layers, layers.Embedding(6, 8)(ours.inputs[0])))
    without.set_weights(weights)
    if name.startswith(("Mul", "Max, ", "Min")):  # the mask moved something
        assert np.abs(engine(without, [INDICES], "float32")[0] - found).max() > 1e-3


AVERAGES = [{}, {"keepdims": True}, {"data_format": "channels_first"}]


@pytest.mark.parametrize("settings", AVERAGES, ids=str)
def test_the_mean_of_the_steps_that_count(settings, engine):
    """None of a row of which no step counts, as in Keras: it is NaN."""

    def build(k, model):
        x = k.Input((4,), dtype="int32")
        y = k.Embedding(6, 4, mask_zero=True)(x)
        return model(x, k.GlobalAveragePooling1D(**settings)(y))

    theirs, ours = build(keras.layers, keras.Model), build(layers, Model)
    weights = random_weights(theirs, np.random.default_rng(0))
    ours.set_weights(weights)
    expected = np.asarray(theirs(INDICES, training=False))
    assert np.isnan(expected[1]).all()
    assert np.isfinite(expected[[0, 2]]).all()
    (found,) = engine(ours, [INDICES], "float32")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


SOFTMAXES = {
    "the input's shape": ((4, 5), -1),
    "one place for all": ((1, 5), -1),
    "a column": ((4, 1), -1),
    "along another axis": ((4, 5), 1),
    "over both axes": ((4, 5), (1, 2)),
}


@pytest.mark.parametrize("name", SOFTMAXES)
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_softmax_with_a_mask(name, dtype, engine):
    shape, axis = SOFTMAXES[name]
    rng = np.random.default_rng(3)
    x = rng.normal(0, 4, (6, 4, 5)).astype(np.float32)
    mask = rng.choice([-1, 0.4, 0.6, 1] if dtype == "float32" else [0, 1], (6, *shape)).astype(dtype)
    mask[0] = 0

    def build(k, model):
        given = [k.Input((4, 5)), k.Input(shape, dtype=dtype)]
        twice = k.Softmax(axis)(
            k.Rescaling(2.0)(k.Softmax(axis)(given[0], mask=given[1]))
        )  # which hands it on
        return model(given, twice)

    expected = np.asarray(build(keras.layers, keras.Model)([x, mask]))
    (found,) = engine(build(layers, Model), [x, mask.astype("int32") if dtype == "bool" else mask], "float32")
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert not found[0].any()
    np.testing.assert_allclose(
        layers.Softmax(axis)(x, mask=mask), keras.layers.Softmax(axis)(x, mask=mask), atol=2e-6
    )


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [((4,), ConfigError, "broadcastable"), ((8,), UnsupportedError, "own axes"),
     ((4, 8, 1), ConfigError, "broadcastable"), ((1, 4, 8), ConfigError, "more dimensions")],
)  # fmt: skip
def test_softmax_with_a_mask_that_does_not_fit(mask, error, words):
    x, m = layers.Input((4, 8)), layers.Input(mask)
    with pytest.raises(error, match=words):
        lower(Model([x, m], layers.Softmax()(x, mask=m)))
    if error is ConfigError:  # what Keras refuses, too
        with pytest.raises(ValueError, match="mask"):
            keras.layers.Softmax()(np.ones((2, 4, 8)), mask=np.ones((2, *mask)))


def test_softmax_behind_a_mask_of_fewer_axes():
    with pytest.raises(ConfigError, match="broadcastable"):
        lower(network(layers, Model, lambda k, x: k.Softmax()(x)))
    with pytest.raises(ConfigError, match="inside"):
        lower(network(layers, Model, lambda k, x: inside(k, x, k.Softmax(name="inside"))))


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
@given(
    hnp.arrays(np.float32, (3, 2, 4, 2), elements=st.sampled_from([0.0, 1.0, 2.0, 0.1])),
    st.sampled_from([0, 1.0, 0.1]),
)
@settings(max_examples=15, deadline=None)
def test_masks_hang_on_arrays(x, value):
    """Layer by layer on arrays, as Keras does it: values, and the mask of each result."""

    def steps(k, asarray):
        a, b = (k.Masking(value)(asarray(rows)) for rows in x[:2])
        plain = asarray(x[2])
        yield a
        yield k.Add()([a, b])
        yield k.Subtract()([a, plain])
        yield k.Multiply()([a, b])
        yield k.Multiply()([plain, b])
        yield k.Maximum()([a, plain, b])
        yield k.Minimum()([a, b])
        yield k.Average()([a, b])
        yield k.Concatenate(axis=1)([a, plain])
        yield k.Concatenate(axis=2)([a, plain])
        yield k.Concatenate(axis=-1)([a, b])
        yield k.Dot(2)([a, b])
        yield k.Activation("relu")(a)
        yield k.Flatten()(a)
        yield k.BatchNormalization(momentum=0.5)(a, training=True)

    for number, (ours, theirs) in enumerate(
        zip(steps(layers, np.asarray), steps(keras.layers, keras.ops.convert_to_tensor), strict=True)
    ):
        np.testing.assert_allclose(ours, np.asarray(theirs), atol=2e-5, err_msg=str(number))
        mask, expected = getattr(ours, "_keras_mask", None), getattr(theirs, "_keras_mask", None)
        assert (mask is None) == (expected is None), number
        if mask is not None:
            np.testing.assert_array_equal(mask, np.asarray(expected), err_msg=str(number))


def test_what_is_computed_of_an_array_has_no_mask():
    masked = layers.Masking()(np.float32([[[0, 0], [1, 2]]]))
    assert masked._keras_mask.tolist() == [[False, True]]
    assert (masked * 2)._keras_mask is None
    assert layers.Masking().supports_masking
    assert not layers.Embedding(3, 2).supports_masking


def test_compute_mask_needs_arrays():
    x = layers.Input((4, 8))
    assert layers.Add().compute_mask([x, x], [None, np.ones((2, 4))]) is None
    assert layers.Add().compute_mask([x, x], [np.ones((2, 4)), np.zeros((2, 4))]).all()
    assert layers.Dense(2).compute_mask(x, None) is None
    with pytest.raises(InputError, match="call it on arrays"):
        layers.Masking().compute_mask(x)


@pytest.mark.parametrize("value", [None, "0", True, [[0.0, "a"]], {}])
def test_a_mask_value_that_is_none(value):
    with pytest.raises(ConfigError, match="mask_value"):
        layers.Masking(value)


@pytest.mark.parametrize(("value", "shape"), [([0.0, 1.0], (4, 3)), ([[[0.0]]], (4, 3)), (0.0, ())])
def test_a_mask_value_that_does_not_fit(value, shape):
    with pytest.raises(ConfigError, match=r"mask_value of shape|batch axis"):
        layers.Masking(value)(layers.Input(shape))
