"""Random changes of images in training: Keras's, given the same random numbers."""

import keras
import numpy as np
import pytest
import scipy.stats

from foldnet import Model, layers
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.random import set_random_seed
from foldnet.training import eager
from tests.support.image_changes import IMAGE_CHANGES, MIXES
from tests.support.image_gradients import hold_gradients
from tests.support.same_draws import same_draws

SEED = 7
CASES = [
    *(("RandomFlip", {"mode": mode}) for mode in ("horizontal", "vertical", "horizontal_and_vertical")),
    ("RandomRotation", {"factor": 0.3}),
    ("RandomRotation", {"factor": (-0.1, 0.5), "fill_mode": "constant", "fill_value": 0.4}),
    ("RandomRotation", {"factor": 0.5, "fill_mode": "wrap", "interpolation": "nearest"}),
    ("RandomTranslation", {"height_factor": 0.9, "width_factor": (-0.2, 0.6)}),
    ("RandomTranslation", {"height_factor": -0.3, "width_factor": 1.0, "fill_mode": "wrap"}),
    ("RandomTranslation", {"height_factor": 0.4, "width_factor": 0.4, "fill_mode": "nearest"}),
    ("RandomTranslation", {"height_factor": 0.4, "width_factor": 0.4, "interpolation": "nearest"}),
    ("RandomZoom", {"height_factor": (-0.6, 0.9)}),
    ("RandomZoom", {"height_factor": -0.5, "width_factor": (0.2, 0.7), "fill_mode": "constant"}),
    ("RandomShear", {"x_factor": (0.2, 0.8)}),
    ("RandomShear", {"x_factor": 0.4, "y_factor": 0.9, "fill_mode": "wrap"}),
    ("RandomPerspective", {"factor": (0.7, 1.0), "fill_value": 30.0}),
    ("RandomPerspective", {"factor": 0.9, "scale": 0.6, "interpolation": "nearest"}),
    ("RandomBrightness", {"factor": 0.6}),
    ("RandomBrightness", {"factor": (-0.9, 0.2), "value_range": (0.2, 0.9)}),
    ("RandomContrast", {"factor": 0.8}),
    ("RandomContrast", {"factor": (0.3, 0.7), "value_range": (0.1, 0.8)}),
    ("RandomErasing", {"factor": (0.4, 0.9), "scale": (0.2, 0.6)}),
    ("RandomErasing", {"fill_value": 3.0, "value_range": (0.0, 0.5)}),
    ("RandomSaturation", {"factor": 0.7}),
    ("RandomHue", {"factor": 0.9, "value_range": (0, 1)}),
    ("RandomHue", {"factor": (0.2, 0.6)}),
    ("RandomSharpness", {"factor": 0.8}),
    ("RandomColorDegeneration", {"factor": (-0.3, 0.9)}),
    (
        "RandomColorJitter",
        {"brightness_factor": 0.2, "contrast_factor": 0.3, "saturation_factor": 0.4, "hue_factor": 0.5},
    ),
    ("RandomColorJitter", {"contrast_factor": (0.2, 0.5), "value_range": (0, 1)}),
    ("RandomGrayscale", {"factor": 0.6}),
    ("RandomInvert", {"factor": (0.3, 0.9), "value_range": (0, 1)}),
    ("RandomPosterization", {"factor": (2, 6)}),
    ("RandomPosterization", {"factor": (3, 3), "value_range": (0, 1)}),
    ("Solarization", {"addition_factor": (0.1, 0.4), "threshold_factor": (0.2, 0.8)}),
    ("Solarization", {"threshold_factor": 0.9, "value_range": (0.1, 0.9)}),
    ("RandomGaussianBlur", {"factor": (0.5, 1.0), "kernel_size": (3, 5), "sigma": (0.4, 1.0)}),
    ("MaxNumBoundingBoxes", {"max_number": 2}),
]  # fmt: skip
"""Every layer whose changes foldnet makes, with settings of each kind."""
BATCHES = {"channels_last": (6, 5, 8, 3), "channels_first": (6, 3, 5, 3), "one-row": (1, 8, 4, 3)}


def case_id(value):
    return value if isinstance(value, str) else "-".join(map(str, value.values()))


def both(name, settings, first):
    """The layer in Keras and here."""
    given = dict(settings)
    if first and name != "MaxNumBoundingBoxes":
        given["data_format"] = "channels_first"
    return [getattr(kit, name)(**given) for kit in (keras.layers, layers)]


def images(shape, settings):
    """Values of the range, and a few beyond it."""
    low, high = settings.get("value_range", (0, 255))
    return np.random.default_rng(len(shape)).uniform(low, high, shape).astype(np.float32)


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize(("name", "settings"), CASES, ids=case_id)
def test_images_are_keras_s(name, settings, kind, monkeypatch):
    shape, first = BATCHES[kind], kind == "channels_first" and name != "RandomColorJitter"
    theirs, ours = both(name, settings, first)
    monkeypatch.setattr(eager, "random_seed", lambda: SEED)
    x = images(shape, settings)
    with same_draws(SEED, len(x)):
        want = np.asarray(theirs(x, training=True))
    got = ours(x, training=True)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(x).max())
    if name != "MaxNumBoundingBoxes" and len(x) > 1:
        assert np.abs(got - x).max() > 0.01 * np.abs(x).max()
    np.testing.assert_array_equal(ours(x, training=False), x)


ROWS, SHAPE = 20, (4, 5, 3)
LEARNED = {name: settings for name, settings in reversed(CASES) if name != "MaxNumBoundingBoxes"}
"""The first case of each layer."""


def test_gradients_are_keras_s(both_engines):
    """Those of the images ahead of a change."""
    start = [images((ROWS, *SHAPE), settings) / 2 for settings in LEARNED.values()]
    hold_gradients(LEARNED, start, SEED, both_engines, flat=("RandomPosterization",))


def pictures(kit, model):
    """A small network that turns, moves and recolours pictures before it convolves them."""
    x = kit.Input((6, 5, 3))
    y = kit.RandomFlip("horizontal")(x)
    y = kit.RandomRotation(0.1)(y)
    y = kit.RandomContrast(0.4, value_range=(0, 1))(kit.RandomTranslation(0.3, 0.2, fill_mode="constant")(y))
    y = kit.RandomErasing(scale=(0.1, 0.3), value_range=(0, 1))(y)
    y = kit.Conv2D(4, 3, activation="tanh")(y)
    y = kit.RandomBrightness(0.4, value_range=(-1, 1))(kit.RandomZoom((-0.3, 0.4))(y))
    return model(x, kit.Dense(2)(kit.Flatten()(y)))


class Steps(keras.callbacks.Callback):
    """Sets the step of the numbers that Keras is given."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers, self.numbers.step = numbers, -1

    def on_train_batch_begin(self, batch, logs=None):
        self.numbers.step, self.numbers.stream = self.numbers.step + 1, 0


def test_fits_are_keras_s(both_engines):
    """Three epochs, changes ahead of weights and between them, and validation on unchanged pictures."""
    theirs, ours = pictures(keras.layers, keras.Model), pictures(layers, Model)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(18, 6, 5, 3)).astype(np.float32), rng.normal(size=(18, 2)).astype(np.float32)
    start = [rng.normal(0, 0.3, w.shape).astype(np.float32) for w in ours.get_weights()]
    settings = {
        "batch_size": 9,
        "epochs": 3,
        "shuffle": False,
        "verbose": 0,
        "validation_data": (x[:7], y[:7]),
    }
    theirs.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    theirs.set_weights(start)
    with same_draws(SEED, 9) as numbers:
        want = theirs.fit(x, y, callbacks=[Steps(numbers)], **settings).history
    for engine in both_engines():
        ours.compile("sgd", "mse")
        ours.optimizer.learning_rate = 0.1
        ours.trainer.seed = SEED
        ours.set_weights(start)
        got = ours.fit(x, y, **settings).history
        for key in ("loss", "val_loss"):
            np.testing.assert_allclose(got[key], want[key], rtol=1e-4, err_msg=f"{key}, {engine}")
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=engine)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-4)


# -- how the numbers are distributed ------------------------------------------------------------------------------

COUNT = 4000


@pytest.mark.parametrize(
    ("name", "settings", "low", "high"),
    [
        ("RandomBrightness", {"factor": (-0.2, 0.5), "value_range": (-50, 50)}, -20, 50),
        ("RandomBrightness", {"factor": 0.1, "value_range": (-50, 50)}, -10, 10),
        ("RandomTranslation", {"height_factor": 0.0, "width_factor": (-0.1, 0.3)}, -180.3, 60.1),
        ("RandomZoom", {"height_factor": 0.0, "width_factor": (0.1, 0.4)}, -60, -15),
    ],
)
def test_strengths_are_spread_as_keras_s(name, settings, low, high):
    """Of thousands of pictures, which rise from left to right where they are moved."""
    width = 1 if name == "RandomBrightness" else 601
    shape = (COUNT, 1, 1, 1) if width == 1 else (COUNT // 4, 1, width, 1)
    x = np.broadcast_to(np.arange(width, dtype=np.float32)[:, None] - width // 2, shape).copy()
    found = []
    for kit in (keras.layers, layers):
        keras.utils.set_random_seed(2)
        set_random_seed(3)
        y = np.asarray(getattr(kit, name)(**settings)(x, training=True), np.float64)
        at = 0 if width == 1 else width // 4 if name == "RandomZoom" else width // 2
        found.append((y - x)[:, 0, at, 0])
    theirs, ours = found
    assert scipy.stats.ks_2samp(theirs, ours).pvalue > 1e-3
    assert scipy.stats.kstest((ours - low) / (high - low), "uniform").pvalue > 1e-3
    assert ours.min() >= low - 1e-3
    assert ours.max() <= high + 1e-3
    assert ours.max() - ours.min() > 0.99 * (high - low)


@pytest.mark.parametrize(
    ("name", "settings", "share"),
    [
        ("RandomFlip", {"mode": "horizontal"}, 0.5),
        ("RandomFlip", {}, 0.5),
        ("RandomGrayscale", {"factor": 0.2}, 0.2),
        ("RandomInvert", {"factor": (0.6, 0.8)}, 0.7),
        ("RandomErasing", {"factor": 0.5, "scale": (1.0, 1.0)}, 0.25),
    ],
)
def test_changes_happen_as_often_as_keras_s(name, settings, share):
    x = np.random.default_rng(0).uniform(0, 255, (COUNT, 2, 2, 3)).astype(np.float32)
    found = []
    for kit in (keras.layers, layers):
        keras.utils.set_random_seed(1)
        set_random_seed(1)
        found.append((np.asarray(getattr(kit, name)(**settings)(x, training=True)) != x).any(axis=(1, 2, 3)))
    for changed in found:
        assert abs(changed.mean() - share) < 4.5 * np.sqrt(share * (1 - share) / COUNT)
    # Whether a picture changes tells nothing about the next one.
    own = found[1] - found[1].mean()
    assert abs((own[1:] * own[:-1]).mean() / own.var()) < 4.5 / np.sqrt(COUNT)


# -- what is not changed, and what is refused ---------------------------------------------------------------------


def test_only_training_changes_images():
    network = pictures(layers, Model)
    network.compile("sgd", "mse")
    network.optimizer.learning_rate = 0.0
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(12, 6, 5, 3)).astype(np.float32), rng.normal(size=(12, 2)).astype(np.float32)
    history = network.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    plain = ((network.predict(x) - y) ** 2).mean()
    assert history["val_loss"] == pytest.approx([plain, plain], rel=1e-5)
    assert network.evaluate(x, y) == pytest.approx(plain, rel=1e-5)
    assert min(abs(loss - plain) for loss in history["loss"]) > 1e-3 * plain
    assert history["loss"][0] != history["loss"][1]


def test_a_call_with_training_false_changes_nothing_in_a_fit():
    x = layers.Input((4, 3, 1))
    network = Model(x, layers.Dense(1)(layers.Flatten()(layers.RandomRotation(0.5)(x, training=False))))
    network.compile("sgd", "mse")
    network.optimizer.learning_rate = 0.0
    rows, y = np.random.default_rng(0).normal(size=(8, 4, 3, 1)), np.zeros((8, 1))
    loss = network.fit(rows, y, verbose=0).history["loss"][0]
    assert loss == pytest.approx((network.predict(rows) ** 2).mean(), rel=1e-5)


def test_images_of_any_size(both_engines):
    """Maps are around the center of images whose size is known when a batch comes."""
    x = layers.Input((None, None, 2))
    y = layers.RandomSharpness(0.3)(layers.RandomTranslation(0.3, 0.2)(layers.RandomFlip()(x)))
    network = Model(x, layers.Dense(1)(layers.GlobalAveragePooling2D()(layers.RandomZoom(0.3)(y))))
    rng, losses = np.random.default_rng(0), []
    batches = [rng.uniform(0, 9, (4, *size, 2)).astype(np.float32) for size in [(5, 4), (3, 7)]]
    start = [rng.normal(size=w.shape) for w in network.get_weights()]
    for _ in both_engines():
        network.compile("sgd", "mse")
        network.trainer.seed = SEED
        network.set_weights(start)
        losses.append([network.train_on_batch(rows, np.zeros((4, 1))) for rows in batches])
    np.testing.assert_allclose(losses[0], losses[-1], rtol=1e-4)


def refusal(layer, shape=(4, 5, 3)):
    """What a fit through a layer called "mine" says."""
    x = layers.Input(shape)
    network = Model(x, layers.Flatten()(layer(x)))
    network.compile("sgd", "mse")
    rows = np.ones((2, *(n or 4 for n in shape)), np.float32)
    with pytest.raises((UnsupportedError, ConfigError)) as error:
        network.fit(rows, rows.reshape(2, -1), verbose=0)
    return str(error.value)


def test_what_cannot_be_trained_is_refused_by_name():
    assert {name for name, _ in CASES} | {*MIXES, "RandomCrop"} == set(IMAGE_CHANGES)
    cases = {
        "fourth axis": (layers.RandomFlip(name="mine"), (4, 3)),
        "3 channels": (layers.RandomSaturation(0.2, name="mine"), (4, 5, 2)),
        "Put a Resizing ahead": (layers.RandomCrop(5, 3, name="mine"), (4, 5, 3)),
        "two rows and two columns": (layers.RandomPerspective(name="mine"), (1, 5, 3)),
        "changes the wrong axis": (
            layers.RandomColorJitter(hue_factor=0.2, data_format="channels_first", name="mine"),
            (3, 4, 5),
        ),
    }
    for words, (layer, shape) in cases.items():
        text = refusal(layer, shape)
        assert words in text, text
        assert "mine" in text, text


CROPS = {
    "channels_last": ((6, 5, 8, 3), (3, 4)), "channels_first": ((6, 3, 5, 8), (4, 7)),
    "one-row": ((1, 8, 4, 1), (7, 2)), "same-width": ((3, 7, 4, 2), (4, 4)), "same-size": ((3, 4, 5, 2), (4, 5)),
}  # fmt: skip


@pytest.mark.parametrize("kind", CROPS)
def test_parts_are_keras_s(kind, monkeypatch):
    shape, size = CROPS[kind]
    data_format = "channels_first" if kind == "channels_first" else "channels_last"
    x, found = images(shape, {}), set()
    theirs, ours = (kit.RandomCrop(*size, data_format=data_format) for kit in (keras.layers, layers))
    for seed in range(5):
        monkeypatch.setattr(eager, "random_seed", lambda seed=seed: seed)
        with same_draws(seed, len(x)):
            want = np.asarray(theirs(x, training=True))
        got = ours(x, training=True)
        np.testing.assert_array_equal(got, want)
        found.add(got.tobytes())
    assert (len(found) > 1) == (not kind.startswith("same"))


def test_fits_on_parts_are_keras_s(both_engines):
    """Gradients go through the part to the layer before it."""

    def network(kit, model):
        x = kit.Input((6, 7, 2))
        y = kit.RandomCrop(3, 4)(kit.Conv2D(3, 2, activation="tanh")(x))
        return model(x, kit.Dense(1)(kit.GlobalMaxPooling2D()(y)))

    theirs, ours = network(keras.layers, keras.Model), network(layers, Model)
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(20, 6, 7, 2)).astype(np.float32), rng.normal(size=(20, 1)).astype(np.float32)
    start = [rng.normal(0, 0.3, w.shape).astype(np.float32) for w in ours.get_weights()]
    settings = {"batch_size": 20, "epochs": 3, "shuffle": False, "verbose": 0}
    theirs.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    theirs.set_weights(start)
    with same_draws(SEED, 20) as numbers:
        theirs.fit(x, y, callbacks=[Steps(numbers)], **settings)
    for engine in both_engines():
        ours.compile("sgd", "mse")
        ours.optimizer.learning_rate = 0.1
        ours.trainer.seed = SEED
        ours.set_weights(start)
        ours.fit(x, y, **settings)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, err_msg=engine)
