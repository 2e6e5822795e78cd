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
        return jnp.floor(self.uniform(shape, int(minval), int(maxval))).astype(dtype)


@contextlib.contextmanager
def same_draws(seed, rows, step=0):
    """Inside, Keras draws foldnet's numbers; gives them, so that their stream can be set."""
    numbers = Numbers(seed, step, rows)
    known = {name: getattr(random, name) for name in ("uniform", "normal", "randint")}
    for name in known:
        setattr(random, name, getattr(numbers, name))
    try:
        yield numbers
    finally:
        for name, function in known.items():
            setattr(random, name, function)
