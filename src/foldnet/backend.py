"""What scripts ask of Keras's ``backend`` and ``config``: the numbers and dtypes that foldnet computes with."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.naming import clear_session
from foldnet.layers.tensors import SymbolicTensor

__all__ = [
    "backend", "clear_session", "epsilon", "floatx", "image_data_format", "is_float_dtype", "is_int_dtype",
    "is_keras_tensor", "max_epochs", "max_steps_per_epoch", "result_type", "set_epsilon", "set_floatx",
    "set_image_data_format", "set_max_epochs", "set_max_steps_per_epoch", "standardize_dtype",
]  # fmt: skip

_epsilon = 1e-7
_image_data_format = "channels_last"


def backend() -> str:
    """What computes: foldnet itself."""
    return "foldnet"


def epsilon() -> float:
    """The small number that losses and metrics add or cut off at."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Let losses and metrics that are compiled from now on add or cut off at another small number.

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
        raise UnsupportedError(f"foldnet trains in float32; floatx {value!r} is not to be had")


def image_data_format() -> str:
    """Where channels lie unless a layer says so: ``"channels_last"`` or ``"channels_first"``."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Accept ``"channels_last"``.

    Raises:
        UnsupportedError: ``"channels_first"``, which each layer must say for itself.
        ConfigError: no data format.
    """
    if data_format == "channels_first":
        raise UnsupportedError(
            "foldnet's layers take channels last unless they are told otherwise; give each layer "
            'data_format="channels_first"'
        )
    if data_format != "channels_last":
        raise ConfigError(f'the data format is "channels_last" or "channels_first", not {data_format!r}')


def max_epochs() -> int | None:
    """The largest number of epochs of a fit: none is set."""
    return None


def max_steps_per_epoch() -> int | None:
    """The largest number of steps of an epoch: none is set."""
    return None


def _no_limit(name: str, value: int | None, argument: str) -> None:
    if value is not None:
        raise UnsupportedError(f"foldnet has no {name}; give fit the number, {argument}={value}")


def set_max_epochs(max_epochs: int | None) -> None:
    """Accept None.

    Raises:
        UnsupportedError: a number, which ``fit`` takes.
    """
    _no_limit("set_max_epochs", max_epochs, "epochs")


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Accept None.

    Raises:
        UnsupportedError: a number, which ``fit`` takes.
    """
    _no_limit("set_max_steps_per_epoch", max_steps_per_epoch, "steps_per_epoch")


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
    from foldnet.ops.dtypes import result_type as of_arrays

    plain = [d(0) if d in (int, float, bool) else np.zeros((1,), standardize_dtype(d)) for d in dtypes]
    return of_arrays(*plain).name
