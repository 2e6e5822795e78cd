"""What foldnet cannot predict exactly is refused, and the message names the layer and the way out."""

import json

import numpy as np
import pytest

from foldnet import layers
from foldnet.errors import ConfigError, FoldnetError, InputError, UnsupportedError
from foldnet.layers import LAYERS
from foldnet.layers.merging import Merge
from foldnet.layers.refusals import NOT_HERE
from foldnet.lowering.lower import lower
from foldnet.models import model_from_json
from foldnet.network import Model
from tests.support.image_changes import IMAGE_CHANGES, ROW
from tests.support.keras_pairs import run_reference

X3 = (4, 6)


@pytest.mark.parametrize("axis", [0, -3, [0, 1], [1, -3]])
@pytest.mark.parametrize(
    "name", ["BatchNormalization", "LayerNormalization", "UnitNormalization", "RMSNormalization",
             "Normalization", "Softmax"],
)  # fmt: skip
def test_the_batch_axis(name, axis):
    x = layers.Input(batch_shape=(5, *X3))
    with pytest.raises(UnsupportedError, match=r"mine.*axis"):
        lower(Model(x, getattr(layers, name)(axis=axis, name="mine")(x)))


def test_the_batch_axis_elsewhere():
    x = layers.Input(batch_shape=(4, *X3))
    for layer in [
        layers.GroupNormalization(2, axis=0, name="mine"),
        layers.GroupNormalization(2, axis=-3, name="mine"),
        layers.Activation("glu", name="mine"),
    ]:
        layer = (
            layer if "glu" not in str(layer.get_config()) else layers.Activation(_softmax_rows(), name="mine")
        )
        with pytest.raises(FoldnetError, match=r"mine"):
            layer(x)
    for layer in [layers.Concatenate(axis=0, name="mine"), layers.Dot(axes=0, name="mine")]:
        with pytest.raises(FoldnetError, match=r"mine.*axis 0|mine.*axes=0"):
            layer([x, x])


def _softmax_rows():
    import functools

    from foldnet import activations

    return functools.partial(activations.softmax, axis=0)


@pytest.mark.parametrize("name", ["BatchNormalization", "LayerNormalization", "UnitNormalization", "Softmax"])
@pytest.mark.parametrize("axis", [3, -4, [1, 3], [1, -2]])
def test_an_axis_that_is_not_there_or_twice(name, axis):
    with pytest.raises(ConfigError, match="axis"):
        getattr(layers, name)(axis=axis)(layers.Input(X3))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64",
                                   {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
                                   {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}])  # fmt: skip
@pytest.mark.parametrize("name", ["Dense", "BatchNormalization", "Embedding", "Add"])
def test_other_precisions(name, dtype):
    arguments = {"Dense": (3,), "Embedding": (3, 2)}.get(name, ())
    layer = getattr(layers, name)(*arguments, dtype=dtype, name="mine")
    x = layers.Input((3,))
    with pytest.raises(UnsupportedError, match=r"mine.*float32"):
        lower(Model(x, layer([x, x] if name == "Add" else x)))


CUT = {
    "LayerNormalization": {}, "GroupNormalization": {"groups": 2}, "RMSNormalization": {},
    "ReLU": {"max_value": 1.5},
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_whole_numbers_where_keras_cuts_its_results(name):
    import keras

    rows = np.array([[-3, 0, 1, 4], [5, 2, -1, -2]], np.int32)
    cut = np.asarray(getattr(keras.layers, name)(**CUT[name])(rows))
    assert not np.allclose(cut, getattr(keras.layers, name)(**CUT[name])(rows.astype("float32")), atol=0.1)
    x = layers.Input((4,), dtype="int32")
    with pytest.raises(UnsupportedError, match=r"mine.*whole numbers.*float32"):
        lower(Model(x, getattr(layers, name)(**CUT[name], name="mine")(x)))
    floats = layers.Rescaling(1.0)(x)
    lower(Model(x, getattr(layers, name)(**CUT[name])(floats)))


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "ReLU", "PReLU",
                                  "Softmax", "BatchNormalization", "Dropout", "Flatten", "ELU"])  # fmt: skip
def test_whole_numbers_give_keras_s_values(name):
    import keras

    rows = [np.array([[-3, 0, 1, 4], [5, 2, -1, -2]], np.int32), np.array([[1, 2, 3, 4]] * 2, np.int32)]
    count = 2 if issubclass(getattr(layers, name), Merge) else 1
    x = [layers.Input((4,), dtype="int32") for _ in range(count)]
    settings = {"Dropout": {"rate": 0.5}, "ReLU": {"max_value": 3.0}}.get(name, {})
    ours = Model(x, getattr(layers, name)(**settings)(x if count > 1 else x[0]))
    theirs = getattr(keras.layers, name)(**settings)(rows if count > 1 else rows[0])
    np.testing.assert_allclose(run_reference(ours, rows[:count])[0], np.asarray(theirs), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64"])
def test_inputs_of_other_precisions(dtype):
    x = layers.Input((3,), dtype=dtype, name="mine")
    with pytest.raises(UnsupportedError, match=f"mine.*{dtype}"):
        lower(Model(x, layers.Dense(2)(x)))


RANDOM = {
    "Dropout": layers.Dropout(0.5), "AlphaDropout": layers.AlphaDropout(0.5),
    "GaussianDropout": layers.GaussianDropout(0.5), "GaussianNoise": layers.GaussianNoise(0.5),
    "SpatialDropout1D": layers.SpatialDropout1D(0.5), "BatchNormalization": layers.BatchNormalization(),
}  # fmt: skip


@pytest.mark.parametrize("name", RANDOM)
def test_training_true_where_it_matters(name):
    layer = type(RANDOM[name]).from_config({**RANDOM[name].get_config(), "name": "mine"})
    x = layers.Input(X3)
    with pytest.raises(UnsupportedError, match=r"mine.*training=True"):
        lower(Model(x, layer(x, training=True)))
    inner_x = layers.Input(X3)
    inner = Model(inner_x, layer(inner_x), name="nested")
    with pytest.raises(UnsupportedError, match=r"nested.*training=True"):
        lower(Model(x, inner(x, training=True)))
    for quiet in (False, None):
        lower(Model(x, layer(x, training=quiet)))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(3), layers.LayerNormalization(), layers.Dropout(0.0), layers.GaussianNoise(0.0),
        layers.BatchNormalization(trainable=False), layers.Activation("relu"),
    ],
)  # fmt: skip
def test_training_true_where_it_means_nothing(layer):
    x = layers.Input(X3)
    lower(Model(x, layer(x, training=True)))


def test_unknown_arguments_of_a_call():
    with pytest.raises(UnsupportedError, match=r"mine.*initial_state"):
        layers.Dense(3, name="mine")(layers.Input((2,)), initial_state=3)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Subtract(name="mine"), [(3,), (3,), (3,)]), (layers.Add(name="mine"), [(3,), (4,)]),
        (layers.Concatenate(name="mine"), [(3, 2), (4, 2)]), (layers.Dot(1, name="mine"), [(3,), (4,)]),
        (layers.Dot(1, name="mine"), [(3,), (3,), (3,)]), (layers.Reshape((5, 2), name="mine"), [(3, 4)]),
        (layers.Permute((2, 1), name="mine"), [(3,)]), (layers.RepeatVector(2, name="mine"), [(3, 2)]),
        (layers.SpatialDropout1D(0.5, name="mine"), [(3,)]), (layers.SpatialDropout2D(0.5, name="mine"), [(3, 2)]),
        (layers.GroupNormalization(4, name="mine"), [(6,)]), (layers.GroupNormalization(8, name="mine"), [(6,)]),
        (layers.Dense(2, name="mine"), [(None,)]), (layers.BatchNormalization(name="mine"), [(3, None)]),
        (layers.LayerNormalization(axis=1, name="mine"), [(None, 3)]), (layers.PReLU(name="mine"), [(None, 3)]),
        (layers.PReLU(shared_axes=[4], name="mine"), [(3,)]), (layers.Activation("glu", name="mine"), [(3,)]),
        (layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0], name="mine"), [(3,)]),
        (layers.Rescaling([1.0, 2.0], name="mine"), [(3,)]),
        (layers.RMSNormalization(axis=1, name="mine"), [(3, 4)]),
    ],
    ids=lambda value: getattr(type(value), "__name__", None) if isinstance(value, layers.Layer) else None,
)  # fmt: skip
def test_inputs_that_do_not_fit(layer, shapes):
    inputs = [layers.Input(s) for s in shapes]
    with pytest.raises(FoldnetError, match="mine"):
        layer(inputs[0] if len(inputs) == 1 else inputs)


def embedding():
    x = layers.Input((2,), dtype="int32")
    return Model(x, layers.Embedding(5, 3, name="mine")(x))


@pytest.mark.parametrize("index", [-1, 5, 2**31 - 1, -(2**31), 2**31, 2**40])
def test_an_index_without_a_row(index):
    with pytest.raises(InputError, match=str(abs(index))):
        run_reference(embedding(), [np.array([[0, index]], np.int64)])


@pytest.mark.parametrize("index", [np.nan, np.inf, 1e20, -1.0, 5.0])
def test_an_index_that_is_no_index(index):
    x = layers.Input((2,))
    model = Model(x, layers.Embedding(5, 3, name="mine")(x))
    with pytest.raises(InputError, match="mine"):
        run_reference(model, [np.float32([[0, index]])])


def test_indices_given_as_floats_are_cut():
    x = layers.Input((2,))
    model = Model(x, layers.Embedding(5, 3)(x))
    cut = run_reference(model, [np.float32([[1.9, 4.0]])])[0]
    np.testing.assert_array_equal(cut, run_reference(model, [np.float32([[1.0, 4.0]])])[0])


@pytest.mark.parametrize("variance", [-1.0, -1e-3, np.nan])
def test_a_variance_that_is_none(variance):
    x = layers.Input((2,))
    for layer in (layers.BatchNormalization(name="mine"), layers.Normalization(name="mine")):
        model = Model(x, layer(x))
        name = "moving_variance" if layer.specs[-1].name == "moving_variance" else "variance"
        layer.set_weight(name, [1.0, variance])
        with pytest.raises(UnsupportedError, match=r"mine.*variance"):
            lower(model)


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_layers_that_foldnet_does_not_have_say_what_to_do(name):
    with pytest.raises(AttributeError, match=rf"{name} .*(begin|leave)"):
        getattr(layers, name)
    stored = {"class_name": name, "config": {"name": "mine"}}
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [stored]}}
    with pytest.raises(UnsupportedError, match=rf"'mine' is a {name}, which .*(begin|leave)"):
        model_from_json(json.dumps(model))


@pytest.mark.parametrize("name", sorted(IMAGE_CHANGES))
def test_layers_that_change_images_leave_them_in_predictions_and_where_a_call_says_so(name):
    x = layers.Input(ROW)
    layer = LAYERS[name](**IMAGE_CHANGES[name], name="mine")
    model = Model(x, layers.Flatten()(layer(x)))
    model.compile("sgd", "mse")
    rows = np.ones((2, *ROW), np.float32)
    np.testing.assert_array_equal(model.predict(rows), rows.reshape(2, -1))
    quiet = Model(x, layers.Flatten()(LAYERS[name](**IMAGE_CHANGES[name])(x, training=False)))
    quiet.compile("sgd", "mse")
    assert quiet.fit(rows, rows.reshape(2, -1), verbose=0).history["loss"] == [0.0]


def test_sizes_that_keras_s_releases_make_differently_are_refused():
    x = layers.Input((4, 5, 3))
    network = Model(x, layers.Flatten()(layers.RandomCrop(2, 3, name="mine")(x)))
    assert network.outputs[0].shape == (None, 18)
    network.compile("sgd", "mse")
    rows, y = np.ones((2, 4, 5, 3), np.float32), np.ones((2, 18), np.float32)
    outer = Model(x, network(x))
    outer.compile("sgd", "mse")
    for use in (
        lambda: lower(network),
        lambda: network.predict(rows),
        lambda: network.evaluate(rows, y),
        lambda: outer.evaluate(rows, y),
        lambda: network.fit(rows, y, validation_split=0.5, verbose=0),
        lambda: network.fit(rows, y, validation_data=(rows, y), verbose=0),
    ):
        with pytest.raises(UnsupportedError, match=r"mine'.*\(2, 3\).*\(4, 5\).*CenterCrop"):
            use()
    network.fit(rows, y, verbose=0)
    with pytest.raises(ConfigError, match=r"mine.*3 channels"):
        layers.RandomColorDegeneration(0.2, name="mine")(layers.Input((4, 5, 2)))
    for shape in [(4,), (2, 4, 5, 3)]:
        with pytest.raises(ConfigError, match=r"mine.*takes images"):
            layers.RandomFlip(name="mine")(layers.Input(shape))


def test_adaptive_pooling_to_one_position_takes_any_length():
    x = layers.Input((None, 4))
    rows = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    for cls, expected in [
        (layers.AdaptiveMaxPooling1D, rows.max(axis=1, keepdims=True)),
        (layers.AdaptiveAveragePooling1D, rows.mean(axis=1, keepdims=True)),
    ]:
        model = Model(x, cls(1)(x))
        assert model.outputs[0].shape == (None, 1, 4)
        np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-5)


def test_whole_numbers_are_resized_only_by_picking():
    x = layers.Input((3, 4, 1), dtype="int32")
    model = Model(x, layers.Resizing(2, 2, interpolation="nearest")(x))
    rows = np.arange(12, dtype=np.int32).reshape(1, 3, 4, 1)
    result = run_reference(model, [rows])[0]
    assert (result.dtype, model.outputs[0].dtype) == (np.int32, "int32")
    np.testing.assert_array_equal(result[0, :, :, 0], [[1, 3], [9, 11]])
    with pytest.raises(UnsupportedError, match=r"'mine'.*whole numbers"):
        lower(Model(x, layers.Resizing(2, 2, name="mine")(x)))


def test_cutting_and_filling_at_once_is_refused():
    with pytest.raises(ConfigError, match=r"mine.*only one of"):
        layers.Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True, name="mine")


def test_a_discretization_without_boundaries():
    with pytest.raises(ConfigError, match=r"mine.*either"):
        layers.Discretization(name="mine")
    with pytest.raises(ConfigError, match=r"mine.*either"):
        layers.Discretization([1.0], num_bins=2, name="mine")
    for boundaries in ([], [2.0, 1.0]):
        with pytest.raises(ConfigError, match=r"mine.*bin_boundaries must be ascending"):
            layers.Discretization(boundaries, name="mine")
    x = layers.Input((3,))
    with pytest.raises(UnsupportedError, match=r"'mine' has no bin_boundaries.*adapt"):
        lower(Model(x, layers.Discretization(num_bins=3, name="mine")(x)))
    adapted = layers.Discretization.from_config({"num_bins": 2, "bin_boundaries": [0.5], "name": "mine"})
    assert (adapted.num_bins, adapted.bin_boundaries) == (2, [0.5])
    np.testing.assert_array_equal(
        run_reference(Model(x, adapted(x)), [np.float32([[0, 0.5, 1]])])[0], [[0, 1, 1]]
    )


def test_forms_that_would_mix_rows_are_refused():
    discretization = layers.Discretization([0.5], output_mode="count", name="mine")
    for layer in [layers.CategoryEncoding(3, name="mine"), discretization]:
        with pytest.raises(ConfigError, match=r"mine.*one result for all rows"):
            layer(layers.Input(()))


def test_older_names_of_forms():
    assert layers.CategoryEncoding(3, output_mode="binary").output_mode == "multi_hot"
    assert (
        layers.IntegerLookup(vocabulary=[1], output_mode="tf-idf", idf_weights=[2.0]).output_mode == "tf_idf"
    )


def test_how_keras_2_draws_random_numbers_is_passed_over():
    config = {"mode": "horizontal", "seed": None, "rng_type": None, "auto_vectorize": True}
    assert layers.RandomFlip.from_config(config).mode == "horizontal"
