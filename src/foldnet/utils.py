"""Keras's ``utils`` module: the parts for data and seeds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError, UnsupportedError
from foldnet.naming import clear_session
from foldnet.random import set_random_seed

if TYPE_CHECKING:
    from foldnet.backend import is_keras_tensor
    from foldnet.drawing import model_to_dot, plot_model
    from foldnet.progbar import Progbar
    from foldnet.sequences import pad_sequences, split_dataset

_ELSEWHERE = {
    "Progbar": "progbar", "is_keras_tensor": "backend", "model_to_dot": "drawing", "pad_sequences": "sequences",
    "plot_model": "drawing", "split_dataset": "sequences",
}  # fmt: skip

__all__ = [
    "Progbar", "PyDataset", "Sequence", "clear_session", "get_file", "is_keras_tensor", "model_to_dot", "normalize",
    "pad_sequences", "plot_model", "set_random_seed", "split_dataset", "to_categorical",
]  # fmt: skip


def to_categorical(x: object, num_classes: int | None = None) -> Array:
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


def normalize(x: object, axis: int = -1, order: float = 2) -> Array:
    """Rows (or slices along ``axis``) divided by their norm; rows of 0 stay.

    Args:
        x: numbers.
        axis: along which the norm is taken.
        order: of the norm; 2 is the Euclidean one.

    >>> normalize([[3.0, 4.0]]).tolist()
    [[0.6, 0.8]]
    """
    array = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    return array / np.expand_dims(norms, axis)


def get_file(fname: object = None, origin: object = None, *args: Any, **kwargs: Any) -> str:
    """Refused: foldnet opens no connection.

    Raises:
        UnsupportedError: always, saying what to do.
    """
    raise UnsupportedError(
        f"utils.get_file would fetch {origin or fname!r} from the network, which foldnet does not do; download the "
        "file in another way and open it by its path"
    )


class PyDataset:
    """Batches by number: a subclass defines ``__len__`` and ``__getitem__``, which returns ``(x, y)`` of one batch.

    Instead of ``__len__`` it may have ``num_batches``, which is None for an infinite dataset.

    Args:
        workers: accepted as in Keras; batches are made one after the other.
        use_multiprocessing: likewise.
        max_queue_size: likewise.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = (
            workers,
            use_multiprocessing,
            max_queue_size,
        )

    @property
    def num_batches(self) -> int | None:
        """The number of batches."""
        return len(self)

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} must say how many batches it has: def __len__(self)")

    def __getitem__(self, index: int) -> Any:
        """The batch of a number: ``(x, y)`` or ``(x, y, sample_weight)``."""
        raise TypeError(f"{type(self).__name__} must give its batches: def __getitem__(self, index)")

    def on_epoch_begin(self) -> None:
        """Called before each epoch of a fit."""

    def on_epoch_end(self) -> None:
        """Called after each epoch of a fit."""


Sequence = PyDataset


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(f"foldnet.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module 'foldnet.utils' has no attribute {name!r}")
