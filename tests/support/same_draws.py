"""Live Keras on the random numbers that foldnet draws, so that what both make of images can be compared."""

import contextlib
from math import prod

import jax.numpy as jnp
import numpy as np
from keras.src.backend.jax import random

from foldnet.operations.batch import philox


class Numbers:
    """The numbers of a step, stream by stream, in the place of those that Keras's random functions give.

    Args:
        seed, step: of the numbers.
        rows: of the batch; numbers in other shapes are the same for all rows.
    """

    def __init__(self, seed, step, rows):
        self.seed, self.step, self.rows, self.stream = seed, step, rows, 0

    def _drawn(self, kind, shape):
        own = shape[:1] == (self.rows,)
        rows, width = (self.rows, prod(shape[1:])) if own else (1, 1)
        stream, self.stream = self.stream, self.stream + 1
        found = philox.of_rows(
            lambda count: philox.DISTRIBUTIONS[kind](self.seed, stream, self.step, count), rows, width
        )
        return found.astype(np.float32).reshape(shape if own else ())

    def _gamma_log(self, alpha, rows):
        """Logarithms of gamma numbers (Marsaglia and Tsang), one for each row, or one for all."""
        own = (rows,) if rows else ()
        x = self._drawn("normal", (*own, 6)) if rows else self._shared("normal", 6)
        u = 1 - (self._drawn("uniform", (*own, 7)) if rows else self._shared("uniform", 7))
        d = np.float32(alpha) + np.float32(2 / 3)
        v = (1 + x / np.sqrt(9 * d)) ** 3
        with np.errstate(all="ignore"):
            fits = (v > 0) & (np.log(u[..., :6]) < 0.5 * x * x + d - d * v + d * np.log(v))
        first = np.argmax(fits, axis=-1)
        taken = np.take_along_axis(v, first[..., None], -1)[..., 0]
        return np.log(d * taken) + np.log(u[..., 6]) / np.float32(alpha)

    def _shared(self, kind, count):
        stream, self.stream = self.stream, self.stream + 1
        return philox.DISTRIBUTIONS[kind](self.seed, stream, self.step, count).astype(np.float32)

    def gamma(self, shape, alpha, dtype=None, seed=None):
        return jnp.asarray(np.exp([self._gamma_log(alpha, 0) for _ in range(shape[0])]), jnp.float32)

    def beta(self, shape, alpha, beta, dtype=None, seed=None):
        assert alpha is beta or alpha == beta
        rows = shape[0] if shape else 0
        one, other = (self._gamma_log(alpha, rows) for _ in range(2))
        return jnp.asarray(1 / (1 + np.exp(other - one)), jnp.float32)

    def shuffle(self, x, axis=0, seed=None):
        assert axis == 0
        stream, self.stream = self.stream, self.stream + 1
        return x[philox.permutation(self.seed, stream, self.step, len(x))]

    def uniform(self, shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        shape = tuple(map(int, shape))
        if (
            shape[-1:] == (2,) and len(shape) < 3
        ):  # two numbers at once, which foldnet draws one after the other
            drawn = np.stack([self._drawn("uniform", shape[:-1]) for _ in range(2)], -1)
        else:
            drawn = self._drawn("uniform", shape)
        low, high = np.float32(minval), np.float32(maxval)
        return jnp.asarray(drawn * (high - low) + low)

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        assert (mean, stddev) == (0.0, 1.0)
        return jnp.asarray(self._drawn("normal", tuple(map(int, shape))))

    def randint(self, shape, minval, maxval, dtype="int32", seed=None):
        if shape[:1] != (self.rows,):
            drawn = [self._drawn("uniform", ()) for _ in range(shape[0])]
            return jnp.floor(jnp.asarray(drawn) * (maxval - minval) + minval).astype(dtype)
        return jnp.floor(self.uniform(shape, int(minval), int(maxval))).astype(dtype)


@contextlib.contextmanager
def same_draws(seed, rows, step=0):
    """Inside, Keras draws foldnet's numbers; gives them, so that their stream can be set."""
    numbers = Numbers(seed, step, rows)
    known = {name: getattr(random, name) for name in ("uniform", "normal", "randint", "gamma", "beta", "shuffle")}
    for name in known:
        setattr(random, name, getattr(numbers, name))
    try:
        yield numbers
    finally:
        for name, function in known.items():
            setattr(random, name, function)
