"""Keras's ``random``: seeds, and random arrays.

Random arrays are imported on first use, because networks need only seeds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from foldnet.random.seeds import SeedGenerator, random_seed, set_random_seed

if TYPE_CHECKING:
    from foldnet.random.draws import (
        beta,
        binomial,
        categorical,
        dropout,
        gamma,
        normal,
        randint,
        shuffle,
        truncated_normal,
        uniform,
    )  # fmt: skip

_DRAWS = (
    "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle", "truncated_normal",
    "uniform",
)  # fmt: skip

__all__ = [
    "SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "random_seed",
    "set_random_seed", "shuffle", "truncated_normal", "uniform",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _DRAWS:
        return getattr(import_module("foldnet.random.draws"), name)
    raise AttributeError(f"module 'foldnet.random' has no attribute {name!r}")
