"""What scripts ask of layers and networks in Keras's words: names, losses, shapes, weights, inputs."""

import copy
import pickle

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, activations, constraints, initializers, layers
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 4)).astype(np.float32)


def test_shapes_of_networks():
    assert Sequential([layers.Dense(4), layers.Dense(8)]).compute_output_shape((1, 2)) == (1, 8)
    built = Sequential([Input((2,)), layers.Dense(4), layers.RepeatVector(3)])
    assert built.compute_output_shape((7, 2)) == (7, 3, 4)
    a, b = Input((4,)), Input((4, 2))
    h = layers.Dense(2)(a)
    inner = Sequential([Input((2,)), layers.Dense(5)])
    model = Model(
        [a, b], {"x": inner(h), "y": layers.Flatten()(layers.Add()([layers.Reshape((4, 2))(b), b]))}
    )
    assert model.compute_output_shape([(3, 4), (3, 4, 2)]) == {"x": (3, 5), "y": (3, 8)}
    spec = model.compute_output_spec([Input((4,)), Input((4, 2))])
    assert (spec["x"].shape, spec["x"].dtype) == ((None, 5), "float32")
    with pytest.raises(ConfigError, match="2 inputs"):
        model.compute_output_shape((3, 4))


def test_names():
    x = Input((4,))
    with pytest.raises(ConfigError, match=r"2 layers named 'a'.*unique"):
        Model(x, layers.Dense(2, name="a")(layers.Dense(3, name="a")(x)))
    for name in ("", 3, None, b"x"):
        if name is not None:
            with pytest.raises(ConfigError, match="name"):
                layers.Dense(2, name=name)
    with pytest.raises(ConfigError, match="unique"):
        Sequential([Input((4,), name="a"), layers.Dense(2, name="a")])
    model = Sequential([Input((4,)), layers.Dense(2, name="a"), layers.Dense(2, name="b")])
    for network in (model, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        first, second = network.layers
        for bad in ("b", ""):
            with pytest.raises(ConfigError, match="name"):
                first.name = bad
        second.name = "c"
        first.name = "b"
        assert [layer.name for layer in network.layers] == ["b", "c"]


@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
@pytest.mark.parametrize("names", [("a", "a"), ("a", ""), ("a", "a/a"), ("a/b", "a")])
def test_no_file_that_nobody_can_open_is_written(tmp_path, names, ending):
    model = Sequential([Input((4,)), layers.Dense(2, name="x"), layers.Dense(2, name="y")])
    for layer, name in zip(model.layers, names, strict=True):
        vars(layer)["name"] = name  # behind the network's back
    path = tmp_path / f"x.{ending}"
    save = model.save_weights if ending == "weights.h5" else model.save
    try:
        save(path)
    except FoldnetError:
        assert not path.exists()
        return
    if ending == "weights.h5":
        model.load_weights(path)
    else:
        foldnet.load_model(path)


def networks():
    for lib in (foldnet, keras):
        x = lib.Input((4,))
        h = lib.layers.Dense(3, activity_regularizer="l1", kernel_regularizer="l2", name="h")(x)
        frozen = lib.layers.Dense(3, kernel_regularizer=lib.regularizers.L1(0.5), trainable=False)(h)
        act = lib.layers.ActivityRegularization(l2=0.3)(frozen)
        yield lib.Model(x, lib.layers.Dense(1, bias_regularizer="l1", bias_initializer="ones")(act))


def test_losses_are_kerass():
    ours, theirs = networks()
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-5)
    for training in (False, True, False):
        ours(X, training=training), theirs(X, training=training)
        assert len(ours.losses) == 4
        np.testing.assert_allclose(sorted(ours.losses), sorted(map(float, theirs.losses)), rtol=1e-5)
        np.testing.assert_allclose(
            ours.layers[1].losses, [float(v) for v in theirs.layers[1].losses], rtol=1e-5
        )
    layer = layers.ActivityRegularization(l1=0.1)
    layer(X)
    np.testing.assert_allclose(layer.losses, [0.1 * np.abs(X).sum() / len(X)], rtol=1e-5)


def test_weights_and_what_there_is_not():
    layer = layers.Dense(3, use_bias=False, kernel_regularizer="l1", kernel_constraint="non_neg")
    with pytest.raises(AttributeError, match="bias"):
        _ = layer.bias
    layer.build((None, 4))
    assert layer.bias is None
    assert isinstance(layer.kernel.constraint, constraints.NonNeg)
    assert layer.kernel.regularizer.l1 == 0.01
    assert layer.kernel.trainable
    with pytest.raises(AttributeError, match="shape"):
        _ = layers.Dense(3).input_shape
    table = RNG.normal(size=(3, 2)).astype(np.float32)
    for given in (table, [table]):
        np.testing.assert_array_equal(layers.Embedding(3, 2, weights=given)(np.array([2])), table[[2]])


def test_inputs():
    assert Input((4,), batch_size=3).shape == (3, 4)
    assert layers.InputLayer(shape=(4,), batch_size=3).call() is None
    x = Input((4,))
    assert layers.InputLayer(input_tensor=x).output is x
    for wrong in ({"shape": (5,)}, {"batch_size": 2}, {"dtype": "int32"}, {"batch_shape": (None, 5)}):
        with pytest.raises(ConfigError):
            layers.InputLayer(input_tensor=x, **wrong)
    with pytest.raises(ConfigError, match="both"):
        Input((4,), batch_shape=(None, 4))


def test_a_sequential_that_is_not_built():
    model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    for name in ("inputs", "outputs", "input_shape", "output_shape"):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=name):
            getattr(model, name)
    again = Sequential.from_config(model.get_config())
    assert not again.built
    assert [layer.units for layer in again.layers] == [4, 2]
    with pytest.raises(ConfigError, match="no layers"):
        Sequential()(X)


def test_a_sequential_takes_arrays_of_other_shapes():
    model = Sequential([layers.Dense(3)])
    wide = RNG.normal(size=(2, 5, 4)).astype(np.float32)
    first = model(X)
    np.testing.assert_allclose(
        model(wide), wide @ model.layers[0].kernel.value + model.layers[0].bias.value, rtol=1e-4
    )
    np.testing.assert_array_equal(model(X), first)
    with pytest.raises(ConfigError, match="weights"):
        model(X[:, :2])
    np.testing.assert_array_equal(model(X), first)
    assert model.predict(wide).shape == (2, 5, 3)
    assert model.predict(X).shape == (6, 3)


def test_get():
    assert initializers.get(None) is None
    array = RNG.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(initializers.get(array)((4, 3)), array)
    with pytest.raises(ConfigError, match="shape"):
        initializers.get(array)((3, 4))
    layer = layers.Dense(3, kernel_initializer=array)
    layer.build((None, 4))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer)).kernel, array)
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    for wrong in ("rellu", "Rellu", 3):
        with pytest.raises(ValueError, match="activation") as caught:
            activations.get(wrong)
        assert "file" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"mine.*did you mean 'relu'"):
        layers.Dense(2, activation="rellu", name="mine")
    with pytest.raises(ConfigError, match=r"mine.*kernel_initializer.*did you mean 'GlorotNormal'"):
        layers.Dense(2, kernel_initializer="glorot_norml", name="mine")
    with pytest.raises(ConfigError, match=r"mine.*'unit'.*did you mean 'units'"):
        layers.Dense(2, unit=2, name="mine")


@pytest.mark.parametrize("axis", [(1, 2), (2, 0), (0, 2, 1), [1]])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_several_axes(name, axis):
    x = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    expected = getattr(keras.activations, name)(x, axis=tuple(axis))
    np.testing.assert_allclose(getattr(activations, name)(x, axis=axis), expected, rtol=1e-5)


def test_the_base_constraint_allows_everything():
    np.testing.assert_array_equal(constraints.Constraint()(X), X)

    class Own(constraints.Constraint):
        def __call__(self, w):
            return w * 0

    assert not Own()(X).any()
    model = Sequential([Input((4,)), layers.Dense(1, kernel_constraint=Own())])
    model.compile("sgd", "mse")
    with pytest.raises(UnsupportedError, match=r"Own.*__call__"):
        model.fit(X, X[:, :1], verbose=0)
