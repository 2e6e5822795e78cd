"""Initializers, regularizers and constraints: Keras's names, defaults, configurations, and what they compute."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, constraints, initializers, layers, optimizers, regularizers
from foldnet.errors import ConfigError, UnsupportedError

NAMES = [
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "normal",
    "ones", "orthogonal", "random_normal", "random_uniform", "truncated_normal", "uniform", "variance_scaling",
    "zeros", "Zeros", "HeNormal", "one", "zero", "identity",
]  # fmt: skip
SHAPES = [(40, 50), (3, 3, 12, 30)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_initializer_has_kerass_distribution(name, shape):
    if name == "identity" and len(shape) > 2:
        return
    foldnet.utils.set_random_seed(5)
    keras.utils.set_random_seed(5)
    ours = initializers.get(name)(shape).ravel().astype(float)
    theirs = np.asarray(keras.initializers.get(name)(shape)).ravel().astype(float)
    assert ours.shape == theirs.shape
    scale = max(theirs.std(), 1e-6)
    assert abs(ours.mean() - theirs.mean()) < 0.15 * scale + 1e-6
    assert ours.std() == pytest.approx(theirs.std(), rel=0.08, abs=1e-6)
    # A uniform, a truncated and a plain normal distribution differ most in their tails.
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.35, abs=1e-6)
    for q in (0.05, 0.25, 0.75, 0.95):
        assert np.quantile(ours, q) == pytest.approx(np.quantile(theirs, q), abs=0.15 * scale + 1e-6)


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling_has_the_variance_it_says(mode, distribution):
    shape, units = (60, 240), {"fan_in": 60, "fan_out": 240, "fan_avg": 150}[mode]
    values = initializers.VarianceScaling(3.0, mode, distribution, seed=1)(shape)
    assert values.var() == pytest.approx(3.0 / units, rel=0.05)
    limit = {"uniform": 3**0.5, "truncated_normal": 2 / 0.8796}.get(distribution, np.inf)
    assert np.abs(values).max() <= limit * (3.0 / units) ** 0.5 * 1.0001


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (2, 3, 4)])
def test_orthogonal(shape):
    w = initializers.Orthogonal(gain=2.0, seed=3)(shape).reshape(-1, shape[-1])
    small = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)


def test_seeds():
    assert (initializers.HeNormal(4)((9, 9)) == initializers.HeNormal(4)((9, 9))).all()
    assert (initializers.HeNormal(4)((9, 9)) != initializers.HeNormal(5)((9, 9))).any()
    own = initializers.GlorotUniform()
    assert (own((5, 5)) == own((5, 5))).all()  # as in Keras: one object, one set of values
    a, b = (layers.Dense(5) for _ in range(2))
    x = np.ones((1, 5), np.float32)
    assert (a(x) != b(x)).any()
    results = []
    for _ in range(2):
        foldnet.utils.set_random_seed(7)
        results.append(layers.Dense(5)(x))
    assert (results[0] == results[1]).all()


def test_objects_and_configurations_and_functions():
    stored = keras.initializers.serialize(keras.initializers.RandomNormal(mean=1.0, stddev=0.5, seed=3))
    made = initializers.get(stored)
    assert (made.mean, made.stddev, made.seed) == (1.0, 0.5, 3)
    theirs = keras.initializers.deserialize(initializers.serialize(made))
    assert theirs.stddev == 0.5
    layer = layers.Dense(
        2, kernel_initializer=initializers.Constant(0.5), bias_initializer=lambda s: np.ones(s)
    )
    assert layer(np.ones((1, 4), np.float32)).tolist() == [[3.0, 3.0]]
    assert layer.get_config()["kernel_initializer"]["class_name"] == "Constant"
    for name in ("HeNormal", "VarianceScaling", "Orthogonal", "Constant", "Zeros", "TruncatedNormal"):
        stored = initializers.serialize(initializers.get(name))
        assert type(keras.initializers.deserialize(stored)).__name__ == name


def test_what_is_no_initializer():
    with pytest.raises(ConfigError, match="no initializer 'he_norml'"):
        initializers.get("he_norml")
    with pytest.raises(UnsupportedError, match="STFT"):
        initializers.get({"class_name": "STFT", "config": {}})
    with pytest.raises(ConfigError, match="matrices"):
        initializers.Identity()((2, 2, 2))
    with pytest.raises(ConfigError, match="shape"):
        layers.Dense(2, kernel_initializer=lambda shape: np.ones(3))(np.ones((1, 4)))


@pytest.mark.parametrize("name", ["l1", "l2", "l1l2", "L1", "L1L2"])
def test_regularizers_by_name_are_kerass(name):
    w = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    assert regularizers.get(name)(w) == pytest.approx(float(keras.regularizers.get(name)(w)))


def test_regularizer_configurations():
    stored = keras.regularizers.serialize(keras.regularizers.L1L2(0.1, 0.2))
    assert (regularizers.get(stored).l1, regularizers.get(stored).l2) == (0.1, 0.2)
    again = keras.regularizers.deserialize(regularizers.serialize(regularizers.L2(0.3)))
    assert again.l2 == pytest.approx(0.3)
    with pytest.raises(ConfigError, match="0 or more"):
        regularizers.L1(-1)
    stored = keras.regularizers.serialize(keras.regularizers.OrthogonalRegularizer(0.2, "columns"))
    assert (regularizers.get(stored).factor, regularizers.get(stored).mode) == (pytest.approx(0.2), "columns")
    again = keras.regularizers.deserialize(regularizers.serialize(regularizers.get(stored)))
    assert again.get_config()["mode"] == "columns"
    with pytest.raises(ConfigError, match="'rows' or 'columns'"):
        regularizers.OrthogonalRegularizer(mode="both")
    with pytest.raises(UnsupportedError, match="cannot be compiled"):
        regularizers.get(lambda w: 0.0)


@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("shape", [(5, 4), (3, 7), (2, 1), (1, 3)])
def test_orthogonal_regularizer(mode, shape):
    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    if min(shape) > 2:
        w[1] = 0  # a row of no length
    found = regularizers.OrthogonalRegularizer(0.3, mode)(w)
    theirs = float(keras.regularizers.OrthogonalRegularizer(0.3, mode)(keras.ops.convert_to_tensor(w)))
    # Where there is one row only, Keras divides 0 by the 0 pairs of it.
    assert found == pytest.approx(0.0 if np.isnan(theirs) else theirs, rel=1e-5)


CONSTRAINTS = [
    ("NonNeg", {}), ("UnitNorm", {}), ("UnitNorm", {"axis": 1}), ("MaxNorm", {"max_value": 0.7}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}), ("MinMaxNorm", {"min_value": 0.6, "max_value": 0.9}),
    ("MinMaxNorm", {"min_value": 0.6, "max_value": 0.9, "rate": 0.3, "axis": 1}),
]  # fmt: skip


@pytest.mark.parametrize("name", ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"])
def test_a_constraint_without_settings_is_kerass(name):
    ours, theirs = getattr(constraints, name)(), getattr(keras.constraints, name)()
    assert constraints.serialize(ours)["config"] == theirs.get_config()
    w = np.random.default_rng(1).normal(0, 2, (5, 4)).astype(np.float32)
    np.testing.assert_allclose(ours(w), theirs(w), rtol=1e-6)


def test_a_constraint_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"MinMaxNorm: min_value=1\.0 is above max_value=0\.5"):
        constraints.MinMaxNorm(1.0, 0.5)
    assert constraints.MinMaxNorm(0.5, 0.5).max_value == 0.5
    for axis in (2, -3, [0, 2]):
        with pytest.raises(ConfigError, match="does not fit a weight of rank 2"):
            constraints.UnitNorm(axis)(np.ones((2, 2)))
    np.testing.assert_allclose(constraints.UnitNorm(-2)(np.ones((4, 1))), np.full((4, 1), 0.5))


@pytest.mark.parametrize(("name", "settings"), CONSTRAINTS)
def test_a_constraint_on_an_array_is_kerass(name, settings):
    w = np.random.default_rng(0).normal(0, 0.6, (5, 4)).astype(np.float32)
    theirs = getattr(keras.constraints, name)(**settings)
    ours = constraints.get(keras.constraints.serialize(theirs))
    np.testing.assert_allclose(ours(w), theirs(w), rtol=1e-6, atol=1e-7)
    assert keras.constraints.deserialize(constraints.serialize(ours)).get_config() == theirs.get_config()


def regular(lib, regularizer, constraint):
    def reg(kind, *a):
        return getattr(regularizer, kind)(*a)

    inputs = lib.Input((5,))
    x = lib.Dense(6, activation="tanh", kernel_regularizer=reg("L1", 0.01), bias_regularizer="l2")(inputs)
    x = lib.BatchNormalization(gamma_regularizer=reg("L2", 0.02), beta_constraint="non_neg")(x)
    x = lib.Dense(5, activity_regularizer=reg("L2", 0.03), kernel_constraint=constraint.MaxNorm(1.0))(x)
    x = lib.ActivityRegularization(l1=0.02, l2=0.01)(x)
    x = lib.Dense(4, kernel_constraint=constraint.MinMaxNorm(0.5, 0.8, 0.4), bias_constraint="non_neg")(x)
    x = lib.Dense(5, kernel_regularizer=reg("OrthogonalRegularizer", 0.2))(x)
    x = lib.Dense(3, kernel_regularizer=reg("OrthogonalRegularizer", 0.3, "columns"))(x)
    return inputs, lib.Dense(2, kernel_constraint="unit_norm", kernel_regularizer=reg("L1L2", 0.01, 0.03))(x)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_fit_with_regularizers_and_constraints_is_kerass(averaged, both_engines):
    keras.utils.set_random_seed(4)
    theirs = keras.Model(*regular(keras.layers, keras.regularizers, keras.constraints))
    ours = Model(*regular(layers, regularizers, constraints))
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 5)).astype("f4"), rng.normal(size=(50, 2)).astype("f4")
    weight = rng.uniform(0.2, 2, 50).astype("f4")
    start = theirs.get_weights()
    how = {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 4} if averaged else {}
    theirs.compile(keras.optimizers.SGD(0.01, **how), "mse")
    common = {"epochs": 5, "batch_size": 16, "shuffle": False, "verbose": 0, "sample_weight": weight}
    expected = theirs.fit(x, y, validation_data=(x, y), **common).history
    for engine in both_engines():
        ours.set_weights(start)
        ours.compile(optimizers.SGD(0.01, **how), "mse")
        history = ours.fit(x, y, validation_data=(x, y), **common).history
        for key in expected:
            np.testing.assert_allclose(history[key], expected[key], rtol=1e-4, err_msg=f"{engine} {key}")
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=engine)
    if not averaged:  # averages of steps before the constraint may lie outside it, in Keras, too
        assert (ours.layers[2].beta >= 0).all()


def test_a_setting_that_cannot_be_trained_is_refused_by_layer_and_name():
    with pytest.raises(
        ConfigError, match=r"layer 'wrong' .Dense.: kernel_regularizer: there is no regularizer 'l3'"
    ):
        layers.Dense(2, kernel_regularizer="l3", name="wrong")
    orthogonal = regularizers.OrthogonalRegularizer()
    for settings, message in (
        ({"bias_regularizer": orthogonal}, "'wrong', bias: OrthogonalRegularizer is for matrices"),
        (
            {"activity_regularizer": orthogonal},
            "layer 'wrong': OrthogonalRegularizer as activity_regularizer",
        ),
    ):
        model = Sequential([Input((3,)), layers.Dense(2, name="wrong", **settings)])
        model.compile("sgd", "mse")
        with pytest.raises(UnsupportedError, match=message):
            model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)


@pytest.mark.parametrize("by", ["names", "list"])
def test_exclude_from_weight_decay(by, both_engines):
    x, y = np.zeros((8, 3), np.float32), np.zeros((8, 2), np.float32)
    for engine in both_engines():
        model = Sequential([Input((3,)), layers.Dense(2, bias_initializer="ones")])
        kernel = model.layers[0].kernel.copy()
        optimizer = optimizers.SGD(0.1, weight_decay=0.5)
        bias = model.layers[0].bias
        optimizer.exclude_from_weight_decay(
            **({"var_names": ["bias"]} if by == "names" else {"var_list": [bias]})
        )
        model.compile(optimizer, "mse", loss_weights=[0.0])
        for _ in range(2):
            model.fit(x, y, verbose=0)
        np.testing.assert_allclose(model.layers[0].kernel, kernel * 0.95**2, rtol=1e-6, err_msg=engine)
        np.testing.assert_allclose(model.layers[0].bias, 1.0, err_msg=engine)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: layers.Bidirectional(layers.GRU(2)), lambda layer: layer.backward_layer),
        (lambda: layers.LSTM(2), lambda layer: layer.cell),
        (lambda: layers.TimeDistributed(layers.Dense(2)), lambda layer: layer.layer),
        (lambda: layers.RNN([layers.GRUCell(2), layers.SimpleRNNCell(2)]), lambda layer: layer.cell.cells[0]),
    ],
)
def test_a_part_frozen_after_a_fit_stays_as_it_is(make, part):
    """All else goes on, and the program is made anew."""
    layer = make()
    network = Sequential([Input((3, 4)), layer, layers.Flatten(), layers.Dense(1)])
    network.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 3, 4))
    network.fit(x, x[:, 0, :1], verbose=0)
    frozen = part(layer)
    frozen.trainable = False
    before, others = frozen.get_weights(), [w.numpy() for w in network.trainable_weights]
    network.fit(x, x[:, 0, :1], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(frozen.get_weights(), before, strict=True))
    assert len(others) == len(network.weights) - len(before)
    assert all((w.numpy() != old).any() for w, old in zip(network.trainable_weights, others, strict=True))
