"""The two questions, point by point, as far as training answers them; each test has its point's number."""

import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

from foldnet import Input, Model, Sequential, freeze, layers, losses
from foldnet.errors import UnsupportedError
from foldnet.utils import set_random_seed

EXAMPLES = Path(__file__).parents[2] / "examples"
TABLE = np.array([[1, 10, 100, 1000], [2, 20, 200, 2000], [3, 30, 300, 3000]], np.float32)
RNG = np.random.default_rng(8)


def test_1_1_iris(capsys):
    set_random_seed(1)  # some first weights leave a hidden unit dead, in Keras as here
    names = runpy.run_path(str(EXAMPLES / "iris.py"))
    assert names["model"].layers[1].moving_mean.shape == (4,)
    history = names["history"].history
    assert len(history["loss"]) == 100
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    np.testing.assert_allclose(names["model"].layers[1].moving_mean, names["x"].mean(axis=0), rtol=0.05)


@pytest.mark.parametrize("axis", [1, -1])
def test_1_2_the_axis_that_is_kept_is_the_complement_of_numpys(axis):
    norm = layers.BatchNormalization(axis=axis, epsilon=0.0, momentum=0.0)
    y = norm(TABLE, training=True)
    np.testing.assert_allclose(y, (TABLE - TABLE.mean(axis=0)) / TABLE.std(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(norm.moving_mean, [2, 20, 200, 2000], rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, TABLE.var(axis=0), rtol=1e-6)
    np.testing.assert_allclose(norm(TABLE), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4, 2), (2, 3, 4)])
def test_1_3_a_list_of_axes_keeps_them_all(both_engines, shape):
    x = RNG.normal(2, 3, (24, *shape)).astype(np.float32)
    for engine in both_engines():
        norm = layers.BatchNormalization(axis=[1, 2, 3], momentum=0.5)
        model = Sequential([Input(shape), norm, layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse", loss_weights=[0.0])
        model.fit(x, x[:, 0, 0, 0], batch_size=24, verbose=0)
        assert norm.moving_mean.shape == norm.gamma.shape == (1, *shape)
        np.testing.assert_allclose(
            norm.moving_mean, 0.5 * x.mean(axis=0)[None], rtol=1e-4, atol=1e-5, err_msg=engine
        )
        variance = 0.5 + 0.5 * x.var(axis=0)[None]
        np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-4, err_msg=engine)
        expected = (x - norm.moving_mean) / np.sqrt(norm.moving_variance + 1e-3)
        np.testing.assert_allclose(
            Model(model.inputs, norm.output).predict(x), expected, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(("axis", "reduced"), [(-1, (0, 1, 2)), (3, (0, 1, 2)), (1, (0, 2, 3))])
def test_1_4_the_papers_recipe_for_images_in_both_layouts(both_engines, axis, reduced):
    x = RNG.normal(1, 2, (10, 4, 5, 4)).astype(np.float32)
    mean, variance = x.mean(axis=reduced, keepdims=True), x.var(axis=reduced, keepdims=True)
    gamma, beta = RNG.uniform(0.5, 2, 4), RNG.normal(size=4)
    spread = [1, 1, 1, 1]
    spread[axis] = 4
    norm = layers.BatchNormalization(axis=axis, momentum=0.9)
    norm.build((None, 4, 5, 4))
    norm.set_weights([gamma, beta, np.zeros(4), np.ones(4)])
    expected = (x - mean) / np.sqrt(variance + 1e-3) * gamma.reshape(spread) + beta.reshape(spread)
    np.testing.assert_allclose(norm(x, training=True), expected, rtol=1e-4, atol=1e-5)
    for engine in both_engines():
        norm.set_weights([gamma, beta, np.zeros(4), np.ones(4)])
        model = Sequential([Input((4, 5, 4)), norm, layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse", loss_weights=[0.0])
        model.fit(x, x[:, 0, 0, 0], batch_size=10, verbose=0)
        np.testing.assert_allclose(norm.moving_mean, 0.1 * mean.ravel(), rtol=1e-4, atol=1e-6, err_msg=engine)
        np.testing.assert_allclose(
            norm.moving_variance, 0.9 + 0.1 * variance.ravel(), rtol=1e-4, err_msg=engine
        )


def test_2_1_the_network_of_eleven_features(capsys):
    names = runpy.run_path(str(EXAMPLES / "wine_question.py"))
    history = names["history"].history
    assert sorted(history) == ["loss", "val_loss"]
    assert len(history["loss"]) == len(history["val_loss"]) == 100
    # Softmax over one unit is 1 whatever goes in, so nothing was learned.
    assert (names["model"].predict(names["x"]) == 1).all()
    assert history["val_loss"][-1] == pytest.approx(
        np.abs(names["quality"][names["valid"]] - 1).mean(), rel=1e-5
    )


def trained():
    model = Sequential([layers.Dense(10, activation="relu", input_shape=[11]), layers.Dropout(0.3),
                        layers.BatchNormalization(), layers.Dense(1)])  # fmt: skip
    model.compile(optimizer="adam", loss="mae")
    x = RNG.normal(size=(300, 11)).astype(np.float32)
    model.fit(x, x[:, 0], batch_size=32, epochs=5, verbose=0)
    return model, x


def test_2_2_every_weight_by_name():
    model, _ = trained()
    dense, _, norm, last = model.layers
    assert [*dense.named_weights, *norm.named_weights, *last.named_weights] == [
        "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "kernel", "bias",
    ]  # fmt: skip
    assert norm.epsilon == 1e-3
    assert (norm.moving_mean == norm.get_weights()[2]).all()


def test_2_3_prediction_by_hand():
    model, x = trained()
    dense, _, norm, last = model.layers
    h = np.maximum(x @ dense.kernel + dense.bias, 0)
    h = (h - norm.moving_mean) / np.sqrt(norm.moving_variance + norm.epsilon) * norm.gamma + norm.beta
    np.testing.assert_allclose(model.predict(x), h @ last.kernel + last.bias, rtol=1e-4, atol=1e-5)


def test_2_4_a_row_alone_gives_the_same_bits():
    model, x = trained()
    predict = freeze(model)
    whole = predict(x)
    assert all(predict(x[i : i + 1])[0] == whole[i] for i in (0, 17, 299))


def test_2_5_four_vectors_two_of_them_trained():
    model, _ = trained()
    norm = model.layers[2]
    assert [w.shape for w in norm.trainable_weights] == [(10,), (10,)]
    assert [w.shape for w in norm.non_trainable_weights] == [(10,), (10,)]


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_2_6_the_update_rule(both_engines, scale, center):
    x = RNG.normal(3, 2, (64, 5)).astype(np.float32)
    for engine in both_engines():
        norm = layers.BatchNormalization(momentum=0.9, scale=scale, center=center)
        model = Sequential([Input((5,)), norm, layers.Dense(1)])
        model.compile("sgd", "mse")
        mean, variance = np.zeros(5), np.ones(5)
        model.fit(x, x[:, 0], batch_size=16, epochs=2, shuffle=False, verbose=0)
        for start in [*range(0, 64, 16)] * 2:
            batch = x[start : start + 16].astype(float)
            mean = mean * 0.9 + batch.mean(axis=0) * 0.1
            variance = variance * 0.9 + batch.var(axis=0) * 0.1  # biased, as the batch is normalized by
        np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-5, err_msg=engine)
        np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5, err_msg=engine)
        assert list(norm.named_weights)[:-2] == ["gamma"] * scale + ["beta"] * center


def test_2_6_not_trainable_is_inference():
    norm = layers.BatchNormalization()
    norm.build((None, 4))
    norm.set_weights([np.full(4, 2.0), np.full(4, 1.0), np.arange(4.0), np.full(4, 3.0)])
    norm.trainable = False
    assert (norm(TABLE, training=True) == norm(TABLE)).all()
    assert (norm.moving_mean == np.arange(4.0)).all()


def test_2_6_training_true_on_arrays_moves_the_statistics_as_in_keras():
    theirs, ours = keras.layers.BatchNormalization(momentum=0.7), layers.BatchNormalization(momentum=0.7)
    for _ in range(3):
        np.testing.assert_allclose(
            ours(TABLE, training=True), theirs(TABLE, training=True), rtol=1e-4, atol=1e-5
        )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(ours(TABLE), theirs(TABLE), rtol=1e-4)
    np.testing.assert_allclose(ours(TABLE, training=False), theirs(TABLE, training=False), rtol=1e-4)
    dropout = layers.Dropout(0.5)
    assert (dropout(TABLE) == TABLE).all()
    assert set(np.unique(dropout(np.ones((50, 50)), training=True))) == {0.0, 2.0}


def test_2_6_training_false_on_a_node_rests_the_statistics_and_trains_gamma_and_beta(both_engines):
    for _ in both_engines():
        norm = layers.BatchNormalization()
        inputs = Input((4,))
        model = Model(inputs, layers.Dense(1)(norm(inputs, training=False)))
        model.compile("sgd", "mse")
        model.fit(RNG.normal(size=(32, 4)), RNG.normal(size=32), epochs=2, verbose=0)
        assert (norm.moving_mean == 0).all()
        assert (norm.gamma != 1).all()
        assert (norm.beta != 0).all()
    inputs = Input((4,))
    model = Model(inputs, layers.BatchNormalization()(inputs, training=True))
    with pytest.raises(UnsupportedError, match="training=True"):
        model.predict(TABLE)


RENORM = [{}, {"renorm_clipping": {"rmax": 1.5, "rmin": 0.5, "dmax": 0.4}, "renorm_momentum": 0.8},
          {"scale": False, "epsilon": 0.1}, {"center": False, "axis": 1}]  # fmt: skip


@pytest.mark.parametrize("settings", RENORM)
def test_renorm_trains_as_keras_has_it(settings):
    def network(lib, model):
        inputs = lib.Input((5,))
        x = lib.BatchNormalization(renorm=True, momentum=0.9, **settings)(
            lib.Dense(5, activation="tanh")(inputs)
        )
        return model(inputs, lib.Dense(2)(x))

    theirs, ours = network(keras.layers, keras.Model), network(layers, Model)
    ours.set_weights(theirs.get_weights())
    x, y = RNG.normal(1, 2, (60, 5)).astype("f4"), RNG.normal(size=(60, 2)).astype("f4")
    histories = []
    for model in (theirs, ours):
        model.compile("adam", "mse")
        histories.append(model.fit(x, y, batch_size=16, epochs=10, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-3, atol=1e-4)


def test_a_loss_by_hand():
    assert losses.mean_absolute_error(np.array([[1.0], [3.0]]), np.array([[2.0], [5.0]])).tolist() == [
        1.0,
        2.0,
    ]
