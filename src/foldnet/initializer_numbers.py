"""Helpers of initializers: truncated normal numbers, and the fans of a weight."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError

Shape = tuple[int, ...]

TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal distribution truncated to -2 and 2."""


def fans(shape: Shape, inputs: Sequence[int] | None, outputs: Sequence[int] | None) -> tuple[int, int]:
    """Number of units before and after a weight of this shape, as in Keras."""
    if inputs is not None and outputs is not None:
        for axis in (*inputs, *outputs):
            if not -len(shape) <= axis < len(shape):
                raise ConfigError(
                    f"input_axes and output_axes name axis {axis}, and the weight's shape is {shape}"
                )
        return prod(shape[a] for a in inputs), prod(shape[a] for a in outputs)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def truncated_numbers(generator: np.random.Generator, shape: Shape) -> Array:
    """Standard normal numbers between -2 and 2."""
    found = generator.normal(size=shape)
    while (beyond := np.abs(found) > 2).any():
        found[beyond] = generator.normal(size=int(beyond.sum()))
    return found
