"""Random changes of images in training: Keras's, given the same random numbers."""

import keras
import numpy as np
import pytest

from foldnet import layers
from foldnet.training import eager
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
    ("RandomColorJitter", {"brightness_factor": 0.2, "contrast_factor": 0.3, "saturation_factor": 0.4, "hue_factor": 0.5}),
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
BATCHES = {"channels_last": (6, 5, 8, 3), "channels_first": (6, 3, 5, 8), "one-row": (1, 8, 4, 3)}


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


@pytest.mark.parametrize("shape", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize(("name", "settings"), CASES, ids=case_id)
def test_images_are_keras_s(name, settings, shape, monkeypatch):
    first = shape == BATCHES["channels_first"]
    if first and name == "RandomColorJitter":
        return
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
