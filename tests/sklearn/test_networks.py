"""The network that an estimator makes: its layers, its scaling of the input, its weights; and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

import foldnet
from foldnet import layers
from foldnet.errors import ConfigError
from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor
from foldnet.sklearn.design import batch_size_without_single_row, column_statistics


def table(rows=40, columns=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(rng.normal(0, 50, columns), rng.uniform(0.1, 9, columns), (rows, columns))
    return x, x[:, 0] - x[:, 0].mean()


def kinds(estimator):
    return [type(layer).__name__ for layer in estimator.model_.layers]


def test_the_plain_network():
    model = FoldnetRegressor((5, 4), epochs=1, input_normalization=False).fit(*table())
    assert kinds(model) == ["Dense", "Activation", "Dense", "Activation", "Dense"]
    assert [layer.units for layer in model.model_.layers if isinstance(layer, layers.Dense)] == [5, 4, 1]


@pytest.mark.parametrize(
    ("normalization", "place", "block"),
    [
        ("batch", "before", ["Dense", "BatchNormalization", "Activation", "Dropout"]),
        ("batch", "after", ["Dense", "Activation", "BatchNormalization", "Dropout"]),
        ("layer", "before", ["Dense", "LayerNormalization", "Activation", "Dropout"]),
        ("layer", "after", ["Dense", "Activation", "LayerNormalization", "Dropout"]),
    ],
)
def test_the_order_in_a_block(normalization, place, block):
    settings = {"normalization": normalization, "normalization_place": place, "dropout": 0.25}
    model = FoldnetRegressor((5,), epochs=1, **settings).fit(*table())
    assert kinds(model) == ["Normalization", *block, "Dense"]
    # A bias right before BatchNormalization would be taken off again.
    assert model.model_.get_layer("dense_1").use_bias == ((normalization, place) != ("batch", "before"))
    assert model.model_.get_layer("dropout_1").rate == 0.25


def test_momentum_and_penalty_arrive():
    model = FoldnetRegressor((5,), epochs=1, normalization="batch", normalization_momentum=0.7, l2=0.5).fit(
        *table()
    )
    assert model.model_.get_layer("batch_norm_1").momentum == 0.7
    assert [model.model_.get_layer(n).kernel_regularizer.l2 for n in ("dense_1", "output")] == [0.5, 0.5]


def test_a_penalty_makes_kernels_small():
    x, y = table(rows=64)
    settings = {"epochs": 40, "learning_rate": 0.03, "random_state": 0}
    models = [FoldnetRegressor((8,), l2=l2, **settings).fit(x, y) for l2 in (0.0, 1.0)]
    size = [np.square(model.model_.get_layer("dense_1").kernel).sum() for model in models]
    assert size[1] < 0.5 * size[0]


def test_the_input_is_scaled_as_by_standard_scaler():
    x, y = table()
    x32 = x.astype(np.float32)
    scaler = StandardScaler().fit(x32.astype(np.float64))
    scale = FoldnetRegressor((4,), epochs=1).fit(x, y).model_.get_layer("scale")
    np.testing.assert_allclose(scale.named_weights["mean"], scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(scale.named_weights["variance"], scaler.var_, rtol=1e-6)


def test_a_huge_mean_with_a_tiny_variance():
    rng = np.random.default_rng(3)
    x = 1e4 + rng.normal(0, 0.5, (100, 2))
    mean, variance = column_statistics(x, None)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3e5, 1e-30])
def test_a_column_that_says_nothing(constant):
    x, y = table()
    x[:, 1] = constant
    model = FoldnetRegressor((4,), epochs=2, random_state=0).fit(x, y)
    scale = model.model_.get_layer("scale")
    assert scale.named_weights["variance"][1] == 1
    moved = x.copy()
    moved[:, 1] += 0.01
    assert np.abs(model.predict(moved) - model.predict(x)).max() < 0.1


def test_the_same_seed_gives_the_same_bits():
    x, y = table()
    made = [
        FoldnetRegressor((6,), dropout=0.2, epochs=3, random_state=seed).fit(x, y).predict(x)
        for seed in (7, 7, 8)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 1e-6


@settings(max_examples=200, deadline=None)
@given(rows=st.integers(1, 3000), size=st.integers(1, 200))
def test_no_row_is_left_alone(rows, size):
    chosen = batch_size_without_single_row(rows, size)
    assert chosen >= size
    assert rows % chosen != 1 or size == 1 or rows == 1 or chosen >= rows
    assert size == 1 or rows % size == 1 or chosen == size


def test_the_optimizer_given_stays_as_it_was():
    x, y = table()
    optimizer = foldnet.optimizers.SGD(0.01, momentum=0.5)
    model = FoldnetRegressor((4,), optimizer=optimizer, epochs=3).fit(x, y)
    assert optimizer.iterations == 0
    assert model.model_.optimizer is not optimizer
    optimizer.iterations = 100  # used elsewhere meanwhile; a fit starts anew
    again = FoldnetRegressor((4,), optimizer=optimizer, epochs=3).fit(x, y)
    assert again.model_.optimizer.iterations == 6
    assert model.model_.optimizer.momentum == 0.5
    assert model.model_.optimizer.iterations == 6


def test_learning_rates():
    x, y = table()
    assert FoldnetRegressor((4,), epochs=1).fit(x, y).model_.optimizer.learning_rate == pytest.approx(0.001)
    given_rate = FoldnetRegressor((4,), epochs=1, optimizer="sgd", learning_rate=0.25).fit(x, y)
    assert given_rate.model_.optimizer.learning_rate == 0.25
    schedule = foldnet.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    halved = FoldnetRegressor((4,), epochs=1, learning_rate=schedule).fit(x, y)
    assert halved.model_.optimizer.learning_rate == pytest.approx(0.025)  # after two steps


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_layer_sizes", (0,)), ("hidden_layer_sizes", (2.5,)), ("hidden_layer_sizes", 10), ("dropout", 1.0),
        ("dropout", -0.1), ("dropout", float("nan")), ("normalization", "group"), ("normalization_place", "inside"),
        ("normalization_momentum", 1.0), ("l2", -1), ("l2", float("inf")), ("batch_size", 0), ("batch_size", True),
        ("epochs", 0), ("epochs", 1.5), ("patience", 0), ("min_delta", -1), ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
    ],
)  # fmt: skip
def test_settings_that_make_no_network(name, value):
    with pytest.raises(
        ConfigError, match=f"^{name} must be .*; got {value!r}".replace("(", r"\(").replace(")", r"\)")
    ):
        FoldnetRegressor(**{name: value}).fit(*table())


def test_other_refusals():
    x, y = table()
    with pytest.raises(ConfigError, match="no optimizer 'nonsense'"):
        FoldnetRegressor(optimizer="nonsense").fit(x, y)
    with pytest.raises(ConfigError, match="give the learning_rate to the optimizer itself"):
        FoldnetRegressor(optimizer=foldnet.optimizers.Adam(), learning_rate=0.1).fit(x, y)
    with pytest.raises(ConfigError, match="no loss 'nonsense'"):
        FoldnetRegressor(loss="nonsense").fit(x, y)
    with pytest.raises(ConfigError, match="class_weight must be a dict"):
        FoldnetClassifier(class_weight="balance").fit(x, y > 0)
