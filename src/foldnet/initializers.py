"""Initial values of weights, after Keras's initializers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np

from foldnet.errors import UnsupportedError

Array = np.ndarray[Any, Any]


def initialize(initializer: Any, shape: tuple[int, ...], seed: int | None = None) -> Array:
    """Float32 values for a new weight.

    Args:
        initializer: a Keras name (``"glorot_uniform"``, ``"zeros"``, ``"ones"``, ...) or its stored configuration.
        shape: of the weight.
        seed: for the same values each time.

    >>> initialize("ones", (2,)).tolist()
    [1.0, 1.0]
    """
    name = initializer
    if isinstance(initializer, Mapping):
        name = initializer.get("class_name")
    key = str(name).replace("_", "").lower()
    if key in ("zeros", "zero"):
        return np.zeros(shape, np.float32)
    if key in ("ones", "one"):
        return np.ones(shape, np.float32)
    generator = np.random.default_rng(seed)
    if key in ("glorotuniform", "none"):
        receptive = prod(shape[:-2])
        fan_in, fan_out = (shape[-2] * receptive, shape[-1] * receptive) if len(shape) > 1 else (shape * 2)[:2]
        limit = sqrt(6.0 / (fan_in + fan_out))
        return generator.uniform(-limit, limit, shape).astype(np.float32)
    if key == "randomuniform" or key == "uniform":
        return generator.uniform(-0.05, 0.05, shape).astype(np.float32)
    raise UnsupportedError(f"foldnet cannot initialize weights with {name!r} yet; load or set them instead")
