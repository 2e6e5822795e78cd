"""Weights and data of a random network: telling ones, of a size that keeps deep networks tame."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tests.soak.recipe import Recipe, Source
from tests.support.keras_pairs import weight_values


def give_weights(model: Any, seed: int) -> None:
    """Random weights for a live Keras model: statistics and scales as in `weight_values`, kernels by their fan-in."""
    rng = np.random.default_rng([seed, 1])
    values = []
    for weight in model.weights:
        name, shape = weight.path.split("/")[-1], tuple(weight.shape)
        value = weight_values(name, shape, rng)
        if "float" not in str(weight.dtype):  # the state of random numbers
            value = np.zeros(shape)
        elif len(shape) > 1 and "gamma" not in name:
            value = value * (1.4 / np.sqrt(prod(shape[:-1]))) if "embeddings" not in name else value
        values.append(value.astype(weight.dtype))
    model.set_weights(values)


def _padded(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With some steps of 0: at the end, or anywhere. The first row keeps all of its steps, the second has none."""
    steps = data.shape[1]
    for row in data[1:]:
        kept = (
            np.arange(steps) < rng.integers(1, steps + 1) if rng.random() < 0.5 else rng.random(steps) < 0.6
        )
        row[~kept] = 0
    return data


def rows_of(given: Source, rows: int, rng: np.random.Generator) -> np.ndarray:
    if given.tokens is not None:
        data = rng.integers(0, given.tokens, (rows, *given.sizes)).astype(np.int32)
    else:
        spread, centre = rng.uniform(0.3, 1.5, given.sizes[-1:]), rng.normal(0, 1, given.sizes[-1:])
        data = (centre + spread * rng.normal(size=(rows, *given.sizes))).astype(np.float32)
    return _padded(data, rng) if given.padded else data


def data_for(recipe: Recipe, seed: int, rows: int = 4) -> list[np.ndarray]:
    """Data of an input depend on its name alone, so that a smaller network gets the same."""
    return [rows_of(s, rows, np.random.default_rng([seed, *s.name.encode()])) for s in recipe.inputs]
