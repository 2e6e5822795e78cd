"""Random arrays as in ``keras.random``: Keras's distributions, but not its numbers.

The same seed gives the same array at every call, a ``SeedGenerator`` the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.promotion import as_array, dtype_of, floating
from foldnet.random.seeds import generator_of

Shape = Sequence[int]


def _floats(name: str, dtype: Any) -> np.dtype[Any]:
    found = dtype_of(dtype)
    if found.kind != "f":
        raise ConfigError(f"`keras.random.{name}` requires a floating point `dtype`. Received: dtype={dtype}")
    return found


def normal(
    shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Array:
    """Normal numbers.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    kind = _floats("normal", dtype)
    return (mean + stddev * generator_of(seed).standard_normal(tuple(shape))).astype(kind)


def truncated_normal(
    shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Array:
    """Normal numbers, drawn again where they are more than two standard deviations from the mean."""
    kind, generator = _floats("truncated_normal", dtype), generator_of(seed)
    drawn = generator.standard_normal(tuple(shape))
    while (far := np.abs(drawn) > 2).any():
        drawn[far] = generator.standard_normal(int(far.sum()))
    return (mean + stddev * drawn).astype(kind)


def uniform(
    shape: Shape, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Array:
    """Uniformly distributed numbers, at least ``minval`` and below ``maxval``.

    Raises:
        ConfigError: an integer dtype; use ``randint``.
    """
    kind = _floats("uniform", dtype)
    # 24 bits, which float32 holds, so that no number rounds up to maxval.
    drawn = generator_of(seed).integers(0, 1 << 24, tuple(shape)) / float(1 << 24)
    return np.minimum(
        (minval + (maxval - minval) * drawn).astype(kind), np.nextafter(kind.type(maxval), kind.type(minval))
    )


def randint(shape: Shape, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Array:
    """Uniformly distributed integers, at least ``minval`` and below ``maxval``.

    Raises:
        ConfigError: a dtype that is not an integer dtype.
    """
    kind = dtype_of(dtype)
    if kind.kind not in "iu":
        raise ConfigError(f"`keras.random.randint` requires an integer `dtype`. Received: dtype={dtype}")
    return generator_of(seed).integers(int(minval), int(maxval), tuple(shape)).astype(kind)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Array:
    """Class numbers drawn for each row by the softmax of its logits: an array (rows, num_samples).

    Raises:
        ConfigError: logits of another rank than 2.
    """
    logits = as_array(logits)
    if logits.ndim != 2:
        raise ConfigError(
            f"`logits` should be a 2-D tensor with shape [batch_size, num_classes]. Received: logits={logits}"
        )
    # The index of the largest logit with Gumbel noise is distributed by the softmax (Gumbel, 1954).
    noise = generator_of(seed).gumbel(size=(len(logits), num_samples, logits.shape[1]))
    return (logits[:, None, :] + noise).argmax(-1).astype(dtype_of(dtype))


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None
) -> Array:
    """Values set to 0 with probability ``rate``, the others divided by ``1 - rate``."""
    x = as_array(inputs)
    shape = (
        x.shape
        if noise_shape is None
        else tuple(n if m is None else m for m, n in zip(noise_shape, x.shape, strict=True))
    )
    if rate <= 0:
        return x
    kept = generator_of(seed).random(shape) >= rate
    with np.errstate(all="ignore"):
        return np.where(kept, x / (1 - rate) if rate < 1 else 0, 0).astype(floating(x))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Array:
    """The values in another order along an axis."""
    return generator_of(seed).permutation(as_array(x), axis=axis)


def gamma(shape: Shape, alpha: Any, dtype: Any = None, seed: Any = None) -> Array:
    """Numbers of the gamma distribution with shape ``alpha`` and scale 1."""
    return generator_of(seed).standard_gamma(as_array(alpha), tuple(shape)).astype(_floats("gamma", dtype))


def beta(shape: Shape, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Array:
    """Numbers of the beta distribution."""
    return (
        generator_of(seed).beta(as_array(alpha), as_array(beta), tuple(shape)).astype(_floats("beta", dtype))
    )


def binomial(shape: Shape, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Array:
    """The number of successes in ``counts`` trials with these probabilities."""
    drawn = generator_of(seed).binomial(
        as_array(counts).astype(np.int64), as_array(probabilities), tuple(shape)
    )
    return drawn.astype(_floats("binomial", dtype))
