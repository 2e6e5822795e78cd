"""Convert settings of Keras 1 to those of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.files.old_recurrent import KERAS_1_SETTINGS

MERGES = {
    "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot",
}  # fmt: skip

_POOLING = {
    "pool_length": "pool_size", "stride": "strides", "border_mode": "padding", "dim_ordering": "data_format",
}  # fmt: skip
_KERNEL = {
    "init": "kernel_initializer",
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
}
_CONVOLUTION = {
    **_KERNEL,
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "dim_ordering": "data_format",
    "atrous_rate": "dilation_rate",
}
RENAMED: dict[str, Mapping[str, str]] = {
    "Dense": {"output_dim": "units", **_KERNEL},
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "PReLU": {"init": "alpha_initializer"},
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), KERAS_1_SETTINGS),
    "Dropout": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", "dim_ordering": "data_format"},
    "SpatialDropout3D": {"p": "rate", "dim_ordering": "data_format"},
    "GaussianNoise": {"sigma": "stddev"},
    "UpSampling1D": {"length": "size"},
    **{
        f"{kind}Pooling{d}D": _POOLING
        for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
        for d in (1, 2, 3)
    },
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "SeparableConv2D"), _CONVOLUTION),
    **{
        f"{kind}{d}D": {"dim_ordering": "data_format"}
        for kind in ("ZeroPadding", "Cropping", "UpSampling")
        for d in (2, 3)
    },
}
"""For each class the settings that were renamed."""

RENAMED_CLASSES = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D", "AtrousConv1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D", "AtrousConv2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose", "Deconv2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}  # fmt: skip
"""Classes that were renamed; the names of Keras 1 for its own aliases are among them."""

KERNEL_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
"""The settings that are the sizes of one kernel."""

WITHOUT_FORMAT = frozenset(
    f"{kind}{d}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for d in (2, 3)
)
"""Classes whose data format Keras 1 did not store: it was a setting of the session."""

DATA_FORMATS = {"tf": "channels_last", "th": "channels_first"}
"""Keras 1's names, after its backends TensorFlow and Theano."""

DROPPED = {
    "Dense": frozenset({"input_dim", "input_length"}),
    "Embedding": frozenset({"input_length", "dropout"}),
    "PReLU": frozenset({"weights"}),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), frozenset({"input_dim", "input_length"})),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), frozenset({"input_dim", "input_length", "consume_less"})),
}
"""For each class, settings that do not affect predictions, or follow from the network's shapes."""


def session_format(stored: object) -> str | None:
    """The data format of the session in which a network was saved, by its layers that store it.

    Returns:
        None if no layer stores one, or if they differ.
    """
    found: set[object] = set()
    pending = [stored]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            if isinstance(order := value.get("dim_ordering"), str):
                found.add(order)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return DATA_FORMATS.get(str(found.pop())) if len(found) == 1 else None


def modern_settings(class_name: str, config: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """Convert class and settings of a Keras 1 layer to those of Keras 3.

    Raises:
        UnsupportedError: a merge mode or a size of a result for which Keras 3 has no layer.
    """
    if class_name == "Merge":
        return _merge(config, name)
    class_name = RENAMED_CLASSES.get(class_name, class_name)
    renamed, dropped = RENAMED.get(class_name, {}), DROPPED.get(class_name, frozenset())
    settings = {renamed.get(k, k): v for k, v in config.items() if k not in dropped}
    for names in KERNEL_SIZES:
        if all(key in settings for key in names):
            settings["kernel_size"] = [settings.pop(key) for key in names]
    if "data_format" in settings and (stored := settings["data_format"]) in DATA_FORMATS:
        settings["data_format"] = DATA_FORMATS[stored]
    for key, value in settings.items():
        settings[key] = _object(value) if key.endswith(("regularizer", "constraint")) else value
    if "unit_forget_bias" in settings:  # the name of initial values
        settings["unit_forget_bias"] = settings["unit_forget_bias"] in ("one", "ones")
    if class_name == "GRU":
        settings["reset_after"] = False
    if class_name == "Conv2DTranspose":
        _set_output_padding(settings, name)
    if class_name == "ZeroPadding1D" or class_name == "ZeroPadding2D":
        settings["padding"] = _ends(settings.get("padding"))
    return class_name, settings


_OBJECTS = {
    "WeightRegularizer": ("L1L2", {"l1": "l1", "l2": "l2"}),
    "L1L2Regularizer": ("L1L2", {"l1": "l1", "l2": "l2"}),
    "ActivityRegularizer": ("L1L2", {"l1": "l1", "l2": "l2"}),
    "MaxNorm": ("MaxNorm", {"m": "max_value", "axis": "axis"}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {"axis": "axis"}),
}
"""Regularizers and constraints of Keras 1: today's class, and their settings under today's names."""


def _object(value: object) -> object:
    """A regularizer or constraint, which Keras 1 stored as its settings with its name among them."""
    found = _OBJECTS.get(str(value.get("name"))) if isinstance(value, Mapping) else None
    if found is None or not isinstance(value, Mapping):
        return value
    class_name, names = found
    return {
        "class_name": class_name,
        "config": {new: value[old] for old, new in names.items() if old in value},
    }


def _set_output_padding(settings: dict[str, Any], name: str) -> None:
    """Put the size of the result, which Keras 1 stored, in today's words."""
    shape = settings.pop("output_shape", None)
    kernel, steps = settings.get("kernel_size"), settings.get("strides", (1, 1))
    padding = settings.get("padding", "valid")
    first = 2 if settings.get("data_format") == "channels_first" else 1
    sizes = shape[first : first + 2] if isinstance(shape, list | tuple) else ()
    if not all(_two_numbers(value) for value in (sizes, kernel, steps)):
        return  # a size that was free is the usual one
    wanted = list(zip(sizes, kernel or (), steps, strict=True))
    if padding == "valid":
        more = [(n - k) % s for n, k, s in wanted]
        if more != [max(s - k, 0) for _, k, s in wanted]:
            settings["output_padding"] = more
    elif any(n % s for n, _, s in wanted):
        raise UnsupportedError(
            f"layer {name!r} (Deconvolution2D): its output_shape {list(shape or ())} with border_mode={padding!r} is "
            f"not a multiple of its subsample {steps}, which Keras 3 cannot express"
        )


def _two_numbers(value: object) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) == 2 and all(type(n) is int and n > 0 for n in value)
    )


def _ends(padding: object) -> object:
    """Zeros at each end in today's words: Keras 1 also had four numbers in a row, and names."""
    if isinstance(padding, Mapping):
        sides = [
            [padding.get(f"{end}_pad", 0) for end in ends] for ends in (("top", "bottom"), ("left", "right"))
        ]
        return sides if {"top_pad", "bottom_pad"} & set(padding) else sides[1]
    if isinstance(padding, list | tuple) and len(padding) == 4:
        return [padding[:2], padding[2:]]
    return padding


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
