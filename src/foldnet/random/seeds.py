"""Seeds: ``set_random_seed`` makes initial weights, shuffles and Dropout the same in every run; ``SeedGenerator``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError

_generator = np.random.default_rng()


def set_random_seed(seed: int) -> None:
    """Reset the generator from which all seeds are drawn, as ``keras.utils.set_random_seed`` does.

    >>> set_random_seed(1)
    >>> first = random_seed()
    >>> set_random_seed(1)
    >>> first == random_seed()
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)


def random_seed() -> int:
    """A new 32-bit seed."""
    return int(_generator.integers(0, 2**32))


class SeedGenerator:
    """A sequence of seeds, determined by the first, as ``keras.random.SeedGenerator``.

    Args:
        seed: whole number to start from; random if None.
        name: by default ``seed_generator``.

    Attributes:
        state: the seed and the number of seeds taken, as two uint32.

    Raises:
        ConfigError: a seed that is not a whole number of 0 or more, or another argument.

    >>> generator = SeedGenerator(7)
    >>> generator.next().tolist(), generator.next().tolist()
    ([7, 0], [7, 1])
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **unknown: Any) -> None:
        from foldnet.naming import unique_name

        if unknown:
            raise ConfigError(
                f"Unrecognized keyword arguments of SeedGenerator: {', '.join(unknown)}; it takes seed and name"
            )
        if seed is not None and (
            isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0
        ):
            raise ConfigError(f"Argument `seed` must be an integer, from 0 on, not {seed!r}")
        self.name = name or unique_name("seed_generator")
        self.seed = random_seed() if seed is None else int(seed)
        self.state = np.array([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF], np.uint32)

    def next(self, ordered: bool = True) -> Array:
        """The next seed; ``ordered`` changes nothing."""
        seed = self.state.copy()
        self.state = self.state + np.array([0, 1], np.uint32)
        return seed

    def get_config(self) -> dict[str, Any]:
        """The seed; the number of seeds taken is not included, as in Keras."""
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A generator from the result of ``get_config``."""
        return cls(**config)


def generator_of(seed: Any) -> np.random.Generator:
    """NumPy's generator for a seed: a whole number, a pair of them, a SeedGenerator, or None for a new one each time.

    Raises:
        ConfigError: another seed.
    """
    if seed is None:
        return np.random.default_rng([random_seed(), random_seed()])
    if isinstance(seed, SeedGenerator):
        return np.random.default_rng(seed.next().tolist())
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0:
        return np.random.default_rng([int(seed) & 0xFFFFFFFF, int(seed) >> 32 & 0xFFFFFFFF])
    if isinstance(seed, np.ndarray | list | tuple) and np.shape(seed) == (2,):
        return np.random.default_rng([int(s) for s in seed])
    raise ConfigError(f"a seed is a whole number from 0 on, or a SeedGenerator, not {seed!r}")
