"""Keras's ``backend`` and ``config``: constants and dtypes that foldnet computes with."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.tensors import SymbolicTensor
from foldnet.naming import clear_session

__all__ = [
    "backend", "clear_session", "epsilon", "floatx", "image_data_format", "is_float_dtype", "is_int_dtype",
    "is_keras_tensor", "max_epochs", "max_steps_per_epoch", "result_type", "set_epsilon", "set_floatx",
    "set_image_data_format", "set_max_epochs", "set_max_steps_per_epoch", "standardize_dtype",
]  # fmt: skip

_epsilon = 1e-7
_image_data_format = "channels_last"
_limits: dict[str, int | None] = {"max_epochs": None, "max_steps_per_epoch": None}


def backend() -> str:
    """The name of the backend: foldnet itself."""
    return "foldnet"


def epsilon() -> float:
    """The small number that losses, metrics and constraints add or clip to."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set the small number that losses, metrics and constraints compiled from now on add or clip to.

    Layers, OrthogonalRegularizer and masked sums keep Keras's default.

    Raises:
        ConfigError: it is not a positive number.
    """
    global _epsilon
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise ConfigError(f"epsilon is a number above 0 and below 1, not {value!r}")
    _epsilon = float(value)


def floatx() -> str:
    """The dtype of weights and results."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accept ``"float32"``.

    Raises:
        UnsupportedError: another dtype.
    """
    if value != "float32":
        raise UnsupportedError(f"foldnet trains in float32; it has no floatx {value!r}")


def image_data_format() -> str:
    """The default position of channels for layers: ``"channels_last"`` or ``"channels_first"``."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Accept ``"channels_last"``.

    Raises:
        UnsupportedError: ``"channels_first"``, which must be set for each layer.
        ConfigError: it is not a data format.
    """
    if data_format == "channels_first":
        raise UnsupportedError(
            "foldnet's layers have the channels last by default; give each layer "
            'data_format="channels_first"'
        )
    if data_format != "channels_last":
        raise ConfigError(f'the data format is "channels_last" or "channels_first", not {data_format!r}')


def max_epochs() -> int | None:
    """The largest number of epochs that a ``fit`` makes; None for no limit."""
    return _limits["max_epochs"]


def max_steps_per_epoch() -> int | None:
    """The largest number of steps of an epoch, an evaluation or a prediction; None for no limit."""
    return _limits["max_steps_per_epoch"]


def _limit(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(f"{name} is a whole number, at least 1, or None; got {value!r}")
    _limits[name] = value


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the epochs of every ``fit`` from now on, for a quick test of a script; None removes the limit.

    Raises:
        ConfigError: it is not such a number.
    """
    _limit("max_epochs", max_epochs)


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the batches of every epoch, evaluation and prediction from now on; None removes the limit.

    Raises:
        ConfigError: it is not such a number.
    """
    _limit("max_steps_per_epoch", max_steps_per_epoch)


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype; float32 for None.

    Raises:
        ConfigError: there is no such dtype.
    """
    if dtype is None:
        return "float32"
    try:
        return {float: "float32", int: "int32"}.get(dtype) or np.dtype(dtype).name
    except TypeError:
        raise ConfigError(f"there is no dtype {dtype!r}") from None


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is of floating-point numbers."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is of whole numbers."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def is_keras_tensor(x: Any) -> bool:
    """Whether a value is a tensor between layers."""
    return isinstance(x, SymbolicTensor)


def result_type(*dtypes: Any) -> str:
    """The dtype in which arrays of these dtypes are combined."""
    from foldnet.promotion import result_type as of_arrays

    plain = [d(0) if d in (int, float, bool) else np.zeros((1,), standardize_dtype(d)) for d in dtypes]
    return of_arrays(*plain).name
