"""Convert settings of Keras 1 to those of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import UnsupportedError

MERGES = {
    "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot",
}  # fmt: skip

_POOLING = {
    "pool_length": "pool_size", "stride": "strides", "border_mode": "padding", "dim_ordering": "data_format",
}  # fmt: skip
RENAMED: dict[str, dict[str, str]] = {
    "Dense": {
        "output_dim": "units",
        "init": "kernel_initializer",
        "bias": "use_bias",
        "W_regularizer": "kernel_regularizer",
        "b_regularizer": "bias_regularizer",
        "W_constraint": "kernel_constraint",
        "b_constraint": "bias_constraint",
    },
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "PReLU": {"init": "alpha_initializer"},
    "Dropout": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", "dim_ordering": "data_format"},
    "SpatialDropout3D": {"p": "rate", "dim_ordering": "data_format"},
    "GaussianNoise": {"sigma": "stddev"},
    **{
        f"{kind}Pooling{d}D": _POOLING
        for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
        for d in (1, 2, 3)
    },
}
"""For each class the settings that were renamed."""

DATA_FORMATS = {"tf": "channels_last", "th": "channels_first"}
"""Keras 1's names, after its backends TensorFlow and Theano."""

DROPPED = {
    "Dense": frozenset({"input_dim", "input_length"}),
    "Embedding": frozenset({"input_length", "dropout"}),
    "PReLU": frozenset({"weights"}),
}
"""For each class, settings that do not affect predictions, or follow from the network's shapes."""


def modern_settings(class_name: str, config: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """Convert class and settings of a Keras 1 layer to those of Keras 3.

    Raises:
        UnsupportedError: a merge mode for which Keras 3 has no layer.
    """
    if class_name == "Merge":
        return _merge(config, name)
    renamed, dropped = RENAMED.get(class_name, {}), DROPPED.get(class_name, frozenset())
    settings = {renamed.get(k, k): v for k, v in config.items() if k not in dropped}
    if "data_format" in settings and (stored := settings["data_format"]) in DATA_FORMATS:
        settings["data_format"] = DATA_FORMATS[stored]
    return class_name, settings


def _merge(config: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    mode = config.get("mode")
    if "layers" in config or not isinstance(mode, str) or mode not in MERGES:
        raise UnsupportedError(
            f"layer {name!r} merges by {mode!r} in a way of Keras 1 that has no layer today; foldnet reads the modes "
            f"{', '.join(MERGES)} between layers of a functional model"
        )
    settings: dict[str, Any] = {"name": name}
    if mode == "concat":
        settings["axis"] = config.get("concat_axis", -1)
    if mode == "dot":
        axes = config.get("dot_axes", -1)
        # Keras 1 wrote a list for each side, with one axis in it.
        flat = (
            [a[0] if isinstance(a, list) and len(a) == 1 else a for a in axes]
            if isinstance(axes, list)
            else axes
        )
        settings["axes"] = flat
    return MERGES[mode], settings
