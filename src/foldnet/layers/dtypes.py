"""Names of dtypes and dtype policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.setting_types import shown

_WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_PLAIN = ("float16", "bfloat16", "float32", "float64", *_WHOLE, "bool", "string", "complex64", "complex128")
DTYPES = frozenset([*_PLAIN, *(f"mixed_{name}" for name in _PLAIN)])
"""Dtypes that Keras knows. Most of them are refused later, when a network is computed."""


def policy_name(dtype: Any) -> str:
    """The name of a dtype policy, given by name, as Keras's stored configuration, or as None.

    Raises:
        ConfigError: the name is unknown.
    """
    given = dtype
    if isinstance(dtype, Mapping):
        kind, config = dtype.get("class_name"), dtype.get("config")
        name = config.get("name") if isinstance(config, Mapping) else dtype.get("name")
        plain = kind in (None, "DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1")
        if not plain:
            return str(kind)  # a quantized policy: its class name
        dtype = name
    if dtype is None:
        return "float32"
    name = getattr(dtype, "name", dtype)
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        name = dtype.__name__
    if not isinstance(name, str) or name not in DTYPES:
        raise ConfigError(f"dtype must be the name of a dtype, such as 'float32', not {shown(given)}")
    return name
