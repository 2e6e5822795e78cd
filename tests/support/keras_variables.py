"""New weights of live Keras without compiling: JAX compiles each draw and each array of zeros once for every shape.

NumPy draws them instead, from the same distributions by the same seeds. No test may depend on which numbers a seed
gives. Initializers that a test calls itself stay Keras's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np


def install() -> None:
    """Let variables of Keras on JAX be initialized so, from now on."""
    import jax
    from keras.src.backend.jax import core

    if getattr(core.JaxVariable._initialize_with_initializer, "by_numpy", False):
        return
    initialize = core.JaxVariable._initialize_with_initializer

    def by_numpy(variable: Any, initializer: Any) -> None:
        def initial(shape: tuple[int, ...], dtype: Any) -> Any:
            with _drawn_by_numpy():
                return jax.device_put(initializer(shape, dtype=dtype))

        initialize(variable, initial)

    by_numpy.by_numpy = True  # type: ignore[attr-defined]
    core.JaxVariable._initialize_with_initializer = by_numpy


@contextlib.contextmanager
def _drawn_by_numpy() -> Iterator[None]:
    from keras.src.initializers import constant_initializers, random_initializers

    keras_ops, keras_random = constant_initializers.ops, random_initializers.random
    constant_initializers.ops = _Instead(keras_ops, zeros=np.zeros, ones=np.ones)
    random_initializers.ops = _Instead(keras_ops, **NUMPY)
    random_initializers.random = _Instead(
        keras_random,
        normal=_Draw(keras_random.normal, _normal),
        uniform=_Draw(keras_random.uniform, _uniform),
        truncated_normal=_Draw(keras_random.truncated_normal, _truncated_normal),
    )
    try:
        yield
    finally:
        constant_initializers.ops = random_initializers.ops = keras_ops
        random_initializers.random = keras_random


class _Instead(SimpleNamespace):
    """A module some of whose functions are others."""

    def __init__(self, module: Any, **functions: Any) -> None:
        super().__init__(module=module, **functions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


NUMPY = {
    "qr": np.linalg.qr, "diag": np.diag, "sign": np.sign, "transpose": np.transpose, "reshape": np.reshape,
}  # fmt: skip
"""What an orthogonal matrix is made with."""


class _Draw:
    """One of Keras's draws, by NumPy where its seed is a number."""

    def __init__(self, keras: Any, numpy: Any) -> None:
        self.keras, self.numpy = keras, numpy

    def __call__(self, shape: Sequence[int], *limits: float, dtype: str, seed: Any, **named: float) -> Any:
        if not isinstance(seed, int):
            return self.keras(shape, *limits, dtype=dtype, seed=seed, **named)
        return self.numpy(np.random.default_rng(seed), shape, *limits, **named).astype(dtype)


def _normal(rng: np.random.Generator, shape: Sequence[int], mean: float = 0, stddev: float = 1) -> np.ndarray:
    return rng.normal(mean, stddev, shape)


def _uniform(
    rng: np.random.Generator, shape: Sequence[int], minval: float = 0, maxval: float = 1
) -> np.ndarray:
    return rng.uniform(minval, maxval, shape)


def _truncated_normal(
    rng: np.random.Generator, shape: Sequence[int], mean: float = 0, stddev: float = 1
) -> np.ndarray:
    drawn = rng.normal(size=shape)
    while (far := np.abs(drawn) > 2).any():
        drawn[far] = rng.normal(size=far.sum())
    return drawn * stddev + mean
