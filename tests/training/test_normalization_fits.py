"""Whole fits of normalizing networks on both engines, against live Keras: weights, moving statistics, losses."""

import keras
import numpy as np
import pytest

from foldnet import Input, Model, layers, optimizers
from foldnet.errors import ConfigError, UnsupportedError
from tests.support.keras_pairs import random_weights

# Where a mask ends, Keras says so.
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not support masking")

EPOCHS = 20
RNG = np.random.default_rng(41)
TOKENS = RNG.integers(0, 7, (45, 6)).astype(np.int32) * (RNG.random((45, 6)) > 0.3)
WORDS = TOKENS.astype(np.int32)
NUMBERS = RNG.normal(2, 3, (45, 6)).astype(np.float32)
ROWS = RNG.normal(RNG.normal(0, 2, (2, 3, 4)), RNG.uniform(0.3, 3, (2, 3, 4)), (45, 2, 3, 4)).astype(
    np.float32
)
TARGETS = RNG.normal(size=(45, 2)).astype(np.float32)


def ending(k, x):
    """No mask reaches the loss, and no bias comes before a normalization, where it would learn from rounding."""
    return k.Dense(2)(k.Flatten()(k.Activation("tanh")(x)))


def embedded(k, x, **settings):
    return k.Embedding(7, 3, mask_zero=True, **settings)(x)


def nested(k, model, x):
    inside = k.Input((6, 3))
    return model(inside, k.BatchNormalization(momentum=0.8)(k.ReLU()(inside)))(x)


def shared(k, x, **settings):
    norm = k.BatchNormalization(momentum=0.7, **settings)
    return norm(k.Activation("tanh")(norm(x)))


MASKED = {
    "axis -1": lambda k, m, x: k.BatchNormalization(momentum=0.9)(embedded(k, x)),
    "axis 1": lambda k, m, x: k.BatchNormalization(axis=1, momentum=0.8)(embedded(k, x)),
    "neither scale nor center": lambda k, m, x: k.BatchNormalization(center=False, scale=False)(embedded(k, x)),
    "behind layers that hand the mask on": lambda k, m, x: k.BatchNormalization(momentum=0.8)(
        k.Dropout(0.0)(k.LayerNormalization()(k.Dense(4, activation="tanh", use_bias=False)(embedded(k, x))))
    ),
    "behind another": lambda k, m, x: k.BatchNormalization(momentum=0.8)(
        k.Activation("tanh")(k.BatchNormalization(momentum=0.6, epsilon=0.1)(embedded(k, x)))
    ),
    "rank 4, axis -1": lambda k, m, x: k.BatchNormalization(momentum=0.8)(
        embedded(k, k.Reshape((2, 3))(x))
    ),
    "rank 4, axis 2": lambda k, m, x: k.BatchNormalization(axis=2)(embedded(k, k.Reshape((2, 3))(x))),
    "Add": lambda k, m, x: k.BatchNormalization(momentum=0.8)(k.Add()([embedded(k, x), embedded(k, x)])),
    "Concatenate on another axis": lambda k, m, x: k.BatchNormalization(momentum=0.8)(
        k.Concatenate(axis=1)([embedded(k, x), k.Embedding(7, 3)(x)])
    ),
    "a nested network": lambda k, m, x: nested(k, m, embedded(k, x)),
    "called twice": lambda k, m, x: shared(k, embedded(k, x)),
    "renorm": lambda k, m, x: k.BatchNormalization(
        renorm=True, renorm_clipping={"rmax": 1.5, "dmax": 0.5}, momentum=0.8
    )(embedded(k, x)),
    "frozen": lambda k, m, x: k.BatchNormalization(trainable=False)(embedded(k, x)),
}  # fmt: skip


def agree(theirs, ours, x, engines, *, batch=16, epochs=EPOCHS, rate=0.05, validation=False):
    """Both fits from the same telling weights; everything they leave behind agrees to 1e-4."""
    weights = random_weights(theirs, np.random.default_rng(7))
    rows = [np.asarray(a) for a in (x if isinstance(x, list) else [x])]
    given = [a[:37] for a in rows], [a[29:] for a in rows]
    one, other = ((part[0] if len(rows) == 1 else part) for part in given)
    settings = {"batch_size": batch, "epochs": epochs, "shuffle": False, "verbose": 0}
    if validation:
        settings["validation_data"] = (other, TARGETS[29:])
    theirs.compile(keras.optimizers.SGD(rate), "mse")
    expected = theirs.fit(one, TARGETS[:37], **settings).history
    for engine in engines():
        ours.set_weights([w.reshape(o.shape) for w, o in zip(weights, ours.get_weights(), strict=True)])
        ours.compile(optimizers.SGD(rate), "mse")
        history = ours.fit(one, TARGETS[:37], **settings).history
        assert history.keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(history[name], expected[name], rtol=1e-4, err_msg=f"{engine}, {name}")
        for variable, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
            b = np.asarray(b).reshape(a.shape)
            assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max() + 1e-7, (engine, variable.path)


def both(build, *shapes, dtype="float32"):
    """The network in Keras and in foldnet."""
    found = []
    for kit, model in ((keras.layers, keras.Model), (layers, Model)):
        inputs = [kit.Input(s, dtype=d) for s, d in zip(shapes, [dtype, "bool"], strict=False)]
        found.append(model(inputs if len(inputs) > 1 else inputs[0], build(kit, model, *inputs)))
    return found


@pytest.mark.parametrize("name", MASKED)
def test_masked_positions_do_not_count_in_the_statistics(both_engines, name):
    theirs, ours = both(lambda k, m, x: ending(k, MASKED[name](k, m, x)), (6,), dtype="int32")
    agree(theirs, ours, WORDS, both_engines)


def test_a_mask_moves_the_statistics_to_others_than_without():
    found = []
    for mask_zero in (True, False):
        x = Input((6,), dtype="int32")
        norm = layers.BatchNormalization(momentum=0.0)
        model = Model(x, ending(layers, norm(layers.Embedding(7, 3, mask_zero=mask_zero)(x))))
        model.set_weights(random_weights(model, np.random.default_rng(7)))
        model.compile("sgd", "mse")
        before = model.layers[1].embeddings[WORDS[:16]]
        model.fit(WORDS[:16], TARGETS[:16], batch_size=16, verbose=0)
        counted = before[WORDS[:16] != 0] if mask_zero else before.reshape(-1, 3)
        np.testing.assert_allclose(norm.moving_mean, counted.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, counted.var(axis=0), rtol=1e-5)
        found.append(norm.moving_mean)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_a_batch_in_which_nothing_counts(both_engines):
    theirs, ours = both(lambda k, m, x: ending(k, MASKED["axis -1"](k, m, x)), (6,), dtype="int32")
    words = WORDS.copy()
    words[16:32] = 0
    agree(theirs, ours, words, both_engines)


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (2, 1)])
def test_a_mask_handed_over(both_engines, shape):
    mask = RNG.random((45, *shape)) > 0.4
    theirs, ours = both(
        lambda k, m, x, mask: ending(k, k.BatchNormalization(momentum=0.8)(x, mask=mask)), (2, 3, 4), shape
    )
    agree(theirs, ours, [ROWS, mask], both_engines)


def test_a_mask_with_one_channel(both_engines):
    """Keras cannot: it squeezes the only channel away. The formula is the same."""
    for _ in both_engines():
        x = Input((6,), dtype="int32")
        norm = layers.BatchNormalization(momentum=0.5)
        model = Model(x, ending(layers, norm(layers.Embedding(7, 1, mask_zero=True)(x))))
        model.set_weights(random_weights(model, np.random.default_rng(7)))
        mean, variance = norm.moving_mean.copy(), norm.moving_variance.copy()
        counted = model.layers[1].embeddings[WORDS[:16]][WORDS[:16] != 0].astype(np.float64)
        model.compile("sgd", "mse")
        model.fit(WORDS[:16], TARGETS[:16], batch_size=16, verbose=0)
        np.testing.assert_allclose(norm.moving_mean, (mean + counted.mean()) / 2, rtol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, (variance + counted.var()) / 2, rtol=1e-5)


CLIPPED = {"rmax": 1.5, "rmin": 0.5, "dmax": 0.4}
RENORMED = [
    {}, {"renorm_clipping": CLIPPED, "renorm_momentum": 0.8}, {"axis": 1, "renorm_clipping": CLIPPED},
    {"axis": 2, "scale": False, "renorm_clipping": {"rmax": 2.0}}, {"center": False, "renorm_clipping": {"dmax": 1.0}},
    {"scale": False, "center": False, "renorm_clipping": {"rmin": 0.9}},
]  # fmt: skip


@pytest.mark.parametrize("settings", RENORMED, ids=str)
def test_renorm(both_engines, settings):
    settings = {"renorm": True, "momentum": 0.9, "epsilon": 0.01} | settings
    theirs, ours = both(lambda k, m, x: ending(k, k.BatchNormalization(**settings)(x)), (2, 3, 4))
    agree(theirs, ours, ROWS, both_engines, rate=0.01)


def test_renorm_called_twice_goes_on_from_its_first_call(both_engines):
    theirs, ours = both(
        lambda k, m, x: ending(k, shared(k, x, renorm=True, renorm_clipping=CLIPPED)), (2, 3, 4)
    )
    agree(theirs, ours, ROWS, both_engines, rate=0.01)


class FixedNorm(keras.Model):
    """As the network below; in a Functional network, Keras up to 3.15 forgets ``training=False`` when it fits."""

    def __init__(self, **settings):
        super().__init__()
        self.norm, self.activation = (
            keras.layers.BatchNormalization(**settings),
            keras.layers.Activation("tanh"),
        )
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(2)

    def call(self, x, training=None):
        return self.dense(self.flatten(self.activation(self.norm(x, training=False))))


@pytest.mark.parametrize(
    "settings", [{}, {"axis": 1}, {"axis": 2, "scale": False}, {"center": False}, {"scale": False, "center": False}]
)  # fmt: skip
def test_statistics_that_rest(both_engines, settings):
    theirs = FixedNorm(**settings)
    theirs(ROWS[:2])
    x = Input((2, 3, 4))
    y = layers.BatchNormalization(**settings)(x, training=False)
    agree(theirs, Model(x, ending(layers, y)), ROWS, both_engines, rate=0.02)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_a_frozen_layer(both_engines, axis):
    theirs, ours = both(
        lambda k, m, x: ending(k, k.BatchNormalization(axis=axis, trainable=False)(x)), (2, 3, 4)
    )
    agree(theirs, ours, ROWS, both_engines, rate=0.02)


@pytest.mark.parametrize(
    ("momentum", "batch"), [(0.0, 16), (1.0, 16), (0.9, 1), (0.0, 1), (0.7, 36), (0.9, 64)]
)
def test_momentum_and_batches_at_their_ends(both_engines, momentum, batch):
    """37 rows: a last batch of 5, of one row, one short batch alone, and batches of one row, whose variance is 0."""

    def build(k, m, x):
        settings = {"momentum": momentum, "renorm_momentum": momentum, "renorm_clipping": CLIPPED}
        y = k.BatchNormalization(renorm=True, **settings)(
            k.Activation("tanh")(k.BatchNormalization(momentum=momentum)(x))
        )
        return k.Dense(2)(y)

    theirs, ours = both(build, (6,))
    agree(theirs, ours, NUMBERS, both_engines, batch=batch, rate=0.002, epochs=5 if batch == 1 else EPOCHS)


def test_validation_uses_the_moving_statistics(both_engines):
    """Validation batches have masks, too, which then play no part."""

    def build(k, m, x):
        y = k.BatchNormalization(momentum=0.8)(embedded(k, x))
        y = k.BatchNormalization(renorm=True, momentum=0.8, renorm_clipping=CLIPPED)(k.Activation("tanh")(y))
        return ending(k, y)

    theirs, ours = both(build, (6,), dtype="int32")
    agree(theirs, ours, WORDS, both_engines, validation=True)


@pytest.mark.parametrize("axis", [-1, 1])
def test_a_mask_for_arrays(axis):
    theirs, ours = (k.BatchNormalization(axis=axis, momentum=0.7) for k in (keras.layers, layers))
    theirs.build((None, 2, 4))
    weights = random_weights(theirs, np.random.default_rng(7))
    ours.build((None, 2, 4))
    ours.set_weights(weights)
    x, mask = ROWS[:, :, 0], RNG.random((45, 2)) > 0.4
    for training in (True, False, None):
        expected = np.asarray(theirs(x, training=training, mask=keras.ops.convert_to_tensor(mask)))
        np.testing.assert_allclose(ours(x, training=training, mask=mask), expected, rtol=1e-4, atol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2,), (2, 2)])
def test_a_mask_of_another_shape_is_named(shape):
    x, mask = Input((2, 3, 4)), Input(shape, dtype="bool")
    model = Model([x, mask], layers.Flatten()(layers.BatchNormalization(name="norm")(x, mask=mask)))
    model.compile("sgd", "mse")
    data = [ROWS, np.ones((45, *shape), bool)]
    with pytest.raises(ConfigError, match="layer 'norm': a mask of shape"):
        model.fit(data, np.zeros((45, 24)), verbose=0)


def test_other_layers_take_no_mask_for_arrays():
    with pytest.raises(UnsupportedError, match="leave mask out"):
        layers.Dense(2)(ROWS, mask=ROWS[..., 0])


@pytest.mark.parametrize("axis", [[1, 2, 3], [2, 3]], ids=str)
def test_renorm_of_a_list_of_axes(both_engines, axis):
    """Keras 3 has no lists; the kept axes made one are the same to it."""
    settings = {"renorm": True, "renorm_clipping": CLIPPED, "momentum": 0.8}

    def build(k, m, x):
        if k is layers:
            return ending(k, k.BatchNormalization(axis=axis, **settings)(x))
        one = k.Reshape((*ROWS.shape[1 : axis[0]], int(np.prod([ROWS.shape[a] for a in axis]))))(x)
        return ending(k, k.BatchNormalization(**settings)(one))

    theirs, ours = both(build, (2, 3, 4))
    agree(theirs, ours, ROWS, both_engines, rate=0.01)


def test_one_step_of_renorm_is_its_formula(both_engines):
    """Ioffe (2017), written out in float64."""
    for engine in both_engines():
        one_step(engine)


def one_step(engine):
    x = Input((6,))
    norm = layers.BatchNormalization(
        renorm=True, momentum=0.6, renorm_momentum=0.7, renorm_clipping=CLIPPED, epsilon=0.01
    )
    model = Model(x, norm(x))
    random_weights(model, np.random.default_rng(5))
    before = {k: v.astype(np.float64) for k, v in norm.named_weights.items()}
    model.compile(optimizers.SGD(0.1), "mse")
    batch, y = NUMBERS[:16].astype(np.float64), RNG.normal(size=(16, 6))
    loss = model.fit(batch, y, batch_size=16, verbose=0).history["loss"][0]
    mean, deviation = batch.mean(axis=0), np.sqrt(batch.var(axis=0) + 0.01)
    r = np.clip(deviation / before["renorm_stddev"], 0.5, 1.5)
    d = np.clip((mean - before["renorm_mean"]) / before["renorm_stddev"], -0.4, 0.4)
    result = ((batch - mean) / deviation * r + d) * before["gamma"] + before["beta"]
    slope = 2 * (result - y) / result.size
    moving_stddev = before["moving_stddev"] * 0.6 + deviation * 0.4
    expected = {
        "gamma": before["gamma"] - 0.1 * (slope * ((batch - mean) / deviation * r + d)).sum(axis=0),
        "beta": before["beta"] - 0.1 * slope.sum(axis=0),
        "moving_mean": before["moving_mean"] * 0.6 + mean * 0.4,
        "moving_variance": moving_stddev**2 - 0.01,
        "moving_stddev": moving_stddev,
        "renorm_mean": before["renorm_mean"] * 0.7 + mean * 0.3,
        "renorm_stddev": before["renorm_stddev"] * 0.7 + deviation * 0.3,
    }
    np.testing.assert_allclose(loss, ((result - y) ** 2).mean(), rtol=1e-5)
    for name, value in expected.items():
        np.testing.assert_allclose(
            norm.named_weights[name], value, rtol=1e-5, atol=1e-6, err_msg=f"{engine}, {name}"
        )


@pytest.mark.parametrize("limits", [{"rmin": 2.0, "rmax": 1.0}, {"dmax": -0.1}, {"rmean": 1.0}])
def test_limits_of_renorm_that_contradict_each_other(limits):
    with pytest.raises(ValueError, match="renorm_clipping"):
        keras.layers.BatchNormalization(renorm=True, renorm_clipping=limits)
    with pytest.raises(ConfigError, match="renorm_clipping"):
        layers.BatchNormalization(renorm=True, renorm_clipping=limits)
