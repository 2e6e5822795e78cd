"""Settings of Keras 1 in today's words; whole files of it are in ``test_releases.py``."""

from __future__ import annotations

import json

import pytest

from foldnet.errors import UnsupportedError
from foldnet.files.keras1 import modern_settings, session_format
from foldnet.models import model_from_json

CONV = {
    "name": "c",
    "nb_filter": 4,
    "init": "glorot_uniform",
    "activation": "relu",
    "border_mode": "same",
    "bias": False,
}


@pytest.mark.parametrize(
    ("kind", "config", "modern", "expected"),
    [
        ("Convolution1D", {"filter_length": 3, "subsample_length": 2, "input_dim": 3, "input_length": 9},
         "Conv1D", {"kernel_size": 3, "strides": 2}),
        ("AtrousConvolution1D", {"filter_length": 3, "subsample_length": 1, "atrous_rate": 2},
         "Conv1D", {"kernel_size": 3, "strides": 1, "dilation_rate": 2}),
        ("Convolution2D", {"nb_row": 3, "nb_col": 2, "subsample": [2, 1], "dim_ordering": "th"},
         "Conv2D", {"kernel_size": [3, 2], "strides": [2, 1], "data_format": "channels_first"}),
        ("AtrousConvolution2D",
         {"nb_row": 3, "nb_col": 2, "subsample": [1, 1], "atrous_rate": [2, 2], "dim_ordering": "tf"},
         "Conv2D", {"kernel_size": [3, 2], "dilation_rate": [2, 2], "data_format": "channels_last"}),
        ("Convolution3D", {"kernel_dim1": 3, "kernel_dim2": 2, "kernel_dim3": 1, "subsample": [1, 1, 1]},
         "Conv3D", {"kernel_size": [3, 2, 1]}),
        ("SeparableConvolution2D", {"nb_row": 3, "nb_col": 2, "subsample": [1, 1], "depth_multiplier": 2},
         "SeparableConv2D", {"kernel_size": [3, 2], "depth_multiplier": 2}),
    ],
)  # fmt: skip
def test_convolutions(kind, config, modern, expected):
    found, settings = modern_settings(kind, {**CONV, **config}, "c")
    assert found == modern
    assert {key: settings[key] for key in expected} == expected
    assert settings["filters"] == 4
    assert settings["padding"] == "same"
    assert settings["use_bias"] is False
    old = {
        "nb_filter",
        "nb_row",
        "nb_col",
        "filter_length",
        "border_mode",
        "subsample",
        "subsample_length",
        "bias",
    }
    assert not old & set(settings)


@pytest.mark.parametrize(
    ("padding", "size", "expected"),
    [
        ("valid", 9, None),
        ("valid", 10, [1, 1]),
        ("same", 8, None),
        ("same", 9, "not a multiple"),
        ("valid", None, None),
    ],
)
def test_sizes_of_transposed_convolutions(padding, size, expected):
    """Keras 1 stored the size of the result: four positions of windows of three, two apart, cover nine."""
    config = {
        **CONV, "border_mode": padding, "nb_row": 3, "nb_col": 3, "subsample": [2, 2], "dim_ordering": "tf",
        "output_shape": [None, size, size, 4],
    }  # fmt: skip
    if isinstance(expected, str):
        with pytest.raises(UnsupportedError, match=rf"'c' \(Deconvolution2D\).*{expected}"):
            modern_settings("Deconvolution2D", config, "c")
        return
    kind, settings = modern_settings("Deconvolution2D", config, "c")
    assert kind == "Conv2DTranspose"
    assert settings.get("output_padding") == expected
    assert "output_shape" not in settings


def network(*records):
    text = {"class_name": "Sequential", "config": list(records), "keras_version": "1.2.2"}
    return model_from_json(json.dumps(text))


def record(kind, **config):
    return {"class_name": kind, "config": {"name": kind.lower(), **config}}


FIRST = {"batch_input_shape": [None, 6, 7, 2]}


@pytest.mark.parametrize(
    ("kind", "config", "shape"),
    [
        ("ZeroPadding2D", {"padding": [1, 2]}, (None, 8, 11, 2)),
        ("ZeroPadding2D", {"padding": [1, 0, 2, 3]}, (None, 7, 12, 2)),
        ("ZeroPadding2D", {"padding": {"top_pad": 1, "right_pad": 2}}, (None, 7, 9, 2)),
        ("Cropping2D", {"cropping": [[1, 2], [0, 3]]}, (None, 3, 4, 2)),
        ("UpSampling2D", {"size": [2, 3]}, (None, 12, 21, 2)),
        ("MaxPooling2D", {"pool_size": [2, 3], "strides": [2, 2], "border_mode": "valid", "dim_ordering": "tf"},
         (None, 3, 3, 2)),
    ],
)  # fmt: skip
def test_images(kind, config, shape):
    assert network(record(kind, **FIRST, **config)).output_shape == shape


@pytest.mark.parametrize(
    ("kind", "config", "shape"),
    [
        ("ZeroPadding1D", {"padding": 2}, (None, 13, 3)),
        ("ZeroPadding1D", {"padding": [1, 0]}, (None, 10, 3)),
        ("ZeroPadding1D", {"padding": {"left_pad": 1, "right_pad": 4}}, (None, 14, 3)),
        ("UpSampling1D", {"length": 3}, (None, 27, 3)),
        ("Cropping1D", {"cropping": [1, 2]}, (None, 6, 3)),
        ("AveragePooling1D", {"pool_length": 3, "stride": 2, "border_mode": "valid"}, (None, 4, 3)),
    ],
)
def test_sequences(kind, config, shape):
    assert network(record(kind, batch_input_shape=[None, 9, 3], **config)).output_shape == shape


def conv(order):
    return record("Convolution2D", nb_filter=4, nb_row=3, nb_col=3, dim_ordering=order, border_mode="valid")


def test_layers_without_a_data_format_have_the_one_of_the_others():
    """Keras 1 did not store it for padding: it was a setting of the session."""
    shape = {"batch_input_shape": [None, 2, 6, 7]}
    first = network(record("ZeroPadding2D", padding=[1, 1], **shape), conv("th"))
    assert first.layers[0].data_format == "channels_first"
    assert first.output_shape == (None, 4, 6, 7)
    last = network(record("ZeroPadding2D", padding=[1, 1], **FIRST), conv("tf"))
    assert last.layers[0].data_format == "channels_last"
    assert session_format([conv("th"), {"config": {"layers": [conv("th")]}}]) == "channels_first"
    assert session_format([conv("th"), conv("tf")]) is None
    assert session_format([]) is None


def test_regularizers_and_constraints():
    l2 = {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}
    limit = {"name": "MaxNorm", "m": 2, "axis": 0}
    layer = network(
        {
            **conv("tf"),
            "config": {**conv("tf")["config"], **FIRST, "W_regularizer": l2, "b_constraint": limit},
        }
    ).layers[0]
    assert layer.weight_losses()[0] == pytest.approx(
        0.01 * float((layer.get_weights()[0] ** 2).sum()), rel=1e-5
    )
    assert layer.get_config()["bias_constraint"]["config"]["max_value"] == 2


def test_full_padding_is_refused_by_name():
    config = {**conv("tf")["config"], **FIRST, "border_mode": "full"}
    with pytest.raises(Exception, match=r"'convolution2d' \(Conv2D\).*padding"):
        network({"class_name": "Convolution2D", "config": config})
