"""What ``.h5`` files need so that tf_keras opens them: it lacks layers and settings of Keras 3.

What tf_keras opens is recorded by ``scripts/check_tf_keras_reads.py`` in ``tests/fixtures/tf_keras_opens.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.files.keras_objects import Dialect
from foldnet.layers.base import Layer
from foldnet.network import Network

NOT_THERE = frozenset({
    "GroupQueryAttention", "RMSNormalization", "ReversibleEmbedding", "SpectralNormalization",
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D",
    "AugMix", "AutoContrast", "CutMix", "MaxNumBoundingBoxes", "MixUp", "RandAugment", "RandomColorDegeneration",
    "RandomColorJitter", "RandomElasticTransform", "RandomErasing", "RandomGaussianBlur", "RandomGrayscale",
    "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomSaturation", "RandomSharpness",
    "RandomShear", "Solarization",
})  # fmt: skip
"""Layers that tf_keras does not have, or does not find when it opens a ``.h5`` file."""

_FORMAT = {"data_format": "channels_last"}
ONLY_IN_KERAS_3: dict[str, dict[str, Any]] = {
    "ZeroPadding1D": _FORMAT,
    "CenterCrop": _FORMAT,
    "Resizing": {
        "pad_to_aspect_ratio": False, "fill_mode": "constant", "fill_value": 0.0, "antialias": False, **_FORMAT,
    },
    **dict.fromkeys(
        ("RandomBrightness", "RandomCrop", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"), _FORMAT
    ),
    "RandomContrast": {"value_range": (0, 255), **_FORMAT},
    "MultiHeadAttention": {"flash_attention": None, "seed": None, "sliding_window": None, "use_gate": False},
}  # fmt: skip
"""Settings that tf_keras does not have, with Keras 3's defaults: a ``.h5`` leaves them out where they have these."""


def left_out(layer: Layer, name: str, key: str, value: object, dialect: Dialect) -> bool:
    """Whether a file has no such setting.

    Raises:
        UnsupportedError: the file is for tf_keras, which lacks the setting, and its value is not the default.
    """
    defaults = ONLY_IN_KERAS_3.get(name, {})
    if not dialect.is_old or key not in defaults:
        return False
    default = defaults[key]
    same = list(value) == list(default) if isinstance(value, list | tuple) else value == default
    if not same and dialect is Dialect.TF_KERAS:
        raise UnsupportedError(
            f"layer {layer.name!r}: tf_keras's {name} has no {key}, which is {value!r} here; save the network for "
            "Keras 3 as .keras"
        )
    return same


def own_settings(layer: Layer, name: str, dialect: Dialect) -> Mapping[str, Any]:
    """The settings that tf_keras stores and Keras 3 refuses: an attention's shapes, from which it makes its weights."""
    if dialect is not Dialect.TF_KERAS or name != "MultiHeadAttention":
        return {}
    call = layer.calls[0]
    value = call.given("value")[0].shape
    key = call.given("key")[0].shape if call.given("key") else value
    shapes = {"query_shape": call.given("query")[0].shape, "key_shape": key, "value_shape": value}
    return {role: list(shape) for role, shape in shapes.items()}


def check_for_tf_keras(network: Network) -> None:
    """Refuse a network with layers that tf_keras does not have.

    Raises:
        UnsupportedError: names the layer.
    """
    for layer in (inner for single in network.single_layers() for inner in single.with_inner_layers):
        name = type(layer).__name__
        if name in NOT_THERE:
            raise UnsupportedError(
                f"layer {layer.name!r}: tf_keras opens no {name} of Keras 3, so it could not go on; save the network "
                "for Keras 3 as .keras"
            )
