"""Keras's ``utils`` module, as far as it is about data and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.errors import InputError
from foldnet.layers.base import clear_session
from foldnet.random import set_random_seed

__all__ = ["clear_session", "set_random_seed", "to_categorical"]

Array = np.ndarray[Any, Any]


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers as rows of 0 and 1.

    Args:
        x: whole numbers from 0 on, of any shape; a last axis of size 1 is dropped, as in Keras.
        num_classes: width of the rows; one more than the largest class if None.

    Returns:
        Float32 array of shape ``(*x.shape, num_classes)``.

    Raises:
        InputError: a class below 0 or not below ``num_classes``.

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    classes = np.asarray(x).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    count = int(classes.max(initial=-1)) + 1 if num_classes is None else num_classes
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise InputError(f"classes run from {classes.min()} to {classes.max()}, expected 0 up to {count - 1}")
    return (classes[..., None] == np.arange(count)).astype(np.float32)
