"""Live Keras on the random numbers that foldnet draws, so that what both make of images can be compared."""

import contextlib
from math import prod
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from keras.src.backend.jax import random
from keras.src.layers.preprocessing.image_preprocessing import aug_mix, equalization

from foldnet.operations.batch import philox

DRAWS = {
    "random_shear": 3, "random_translation": 2, "random_rotation": 1, "random_posterization": 1, "solarization": 2,
    "auto_contrast": 0, "equalization": 0, "random_brightness": 1, "random_color_degeneration": 1, "random_contrast": 1,
    "random_sharpness": 1, None: 0,
}  # fmt: skip
"""How many draws each change in a chain of AugMix makes: foldnet has numbers for all of them, Keras draws one's."""


RANDOM = ("uniform", "normal", "randint", "gamma", "beta", "shuffle")
"""Functions of Keras's random numbers."""


class Numbers:
    """The numbers of a step, stream by stream, in the place of those that Keras's random functions give.

    Args:
        seed, step: of the numbers.
        rows: of the batch; numbers in other shapes are the same for all rows.

    Attributes:
        stream: of the next draw.
        chosen: the kinds of changes that were drawn for all images: AugMix's names, RandAugment's numbers.
    """

    def __init__(self, seed, step, rows):
        self.seed, self.step, self.rows, self.stream = seed, step, rows, 0
        self._after, self._by_key = 0, {}
        self.chosen = []

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
            drawn = np.stack([self._drawn("uniform", ()) for _ in range(shape[0])])
            found = np.floor(drawn * np.float32(maxval - minval) + np.float32(minval)).astype(dtype)
            self.chosen += [int(n) for n in found]
            return jnp.asarray(found)
        return jnp.floor(self.uniform(shape, int(minval), int(maxval))).astype(dtype)

    def choice(self, options):
        """Python's ``random.choice``, of which AugMix makes one for each place in a chain."""
        self.stream = max(self.stream, self._after)
        taken = options[int(self._drawn("uniform", ()) * len(options))]
        self.chosen.append(taken)
        before = options[: options.index(taken)]
        self._after = self.stream + sum(DRAWS[name] for name in options)
        self.stream += sum(DRAWS[name] for name in before)
        return taken

    def normal_by_key(self, key, shape=(), dtype=None):
        """``jax.random.normal``: the same key gives the same numbers."""
        known = str(key)
        if known not in self._by_key:
            self._by_key[known] = self.normal(shape)
        return self._by_key[known]


@contextlib.contextmanager
def same_draws(seed, rows, step=0):
    """Inside, Keras draws foldnet's numbers; gives them, so that their stream can be set."""
    numbers = Numbers(seed, step, rows)
    patches = [(random, name, getattr(numbers, name)) for name in RANDOM]
    patches += [
        (jax.random, "normal", numbers.normal_by_key),
        (aug_mix, "py_random", SimpleNamespace(choice=numbers.choice)),
        # The way in which Keras counts on other backends: on JAX it compares all values with each of 256 levels.
        (
            equalization,
            "backend",
            SimpleNamespace(**{**vars(equalization.backend), "backend": lambda: "numpy"}),
        ),
    ]
    known = [(place, name, getattr(place, name)) for place, name, _ in patches]
    for place, name, function in patches:
        setattr(place, name, function)
    try:
        yield numbers
    finally:
        for place, name, function in known:
            setattr(place, name, function)
