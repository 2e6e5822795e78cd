"""Images of any size that get another one, against live Keras, which is given the size where it needs it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, layers
from foldnet.layers import Input
from tests.support.same_as_keras import assert_close, results

RNG = np.random.default_rng(8)
SIZES = [(4, 5), (3, 6), (9, 7), (1, 2), (13, 4)]

LAYERS = {
    "bilinear": ("Resizing", {"height": 4, "width": 5}),
    "nearest": ("Resizing", {"height": 4, "width": 5, "interpolation": "nearest"}),
    "bicubic": ("Resizing", {"height": 4, "width": 5, "interpolation": "bicubic"}),
    "lanczos": ("Resizing", {"height": 4, "width": 5, "interpolation": "lanczos3"}),
    "antialias": ("Resizing", {"height": 4, "width": 3, "antialias": True}),
    "cut to shape": ("Resizing", {"height": 4, "width": 3, "crop_to_aspect_ratio": True}),
    "padded to shape": (
        "Resizing",
        {"height": 4, "width": 3, "pad_to_aspect_ratio": True, "fill_value": 2.0},
    ),
    "middle": ("CenterCrop", {"height": 4, "width": 4}),
    "enlarged": ("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"}),
    "means": ("AdaptiveAveragePooling2D", {"output_size": (3, 2)}),
    "largest": ("AdaptiveMaxPooling2D", {"output_size": (3, 2)}),
}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", LAYERS)
def test_one_predictor_serves_images_of_any_size(name, data_format):
    kind, settings = LAYERS[name]
    first = data_format == "channels_first"

    def shape(rows, columns):
        return (2, rows, columns) if first else (rows, columns, 2)

    x = Input(shape(None, None))
    ours = Model(x, getattr(layers, kind)(**settings, data_format=data_format)(x))
    predictors = [foldnet.freeze(ours, engine=engine) for engine in ("native", "reference")]
    for sizes in SIZES:
        data = RNG.normal(size=(3, *shape(*sizes))).astype(np.float32)
        x = keras.Input(data.shape[1:])
        theirs = keras.Model(x, getattr(keras.layers, kind)(**settings, data_format=data_format)(x))
        expected = results(theirs, [data])
        for predict in predictors:
            assert_close([predict(data)], expected)
