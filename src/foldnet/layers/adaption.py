"""Statistics of data, whole or in batches, for ``adapt`` of Normalization, Discretization and the lookups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from math import log
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError, InputTypeError
from foldnet.setting_types import shown


class Moments:
    """Count, mean and sum of squared deviations over some axes, batch by batch, in float64.

    Args:
        kept: the axes that keep separate statistics.
    """

    def __init__(self, kept: tuple[int, ...]) -> None:
        self.kept = kept
        self.count = 0
        self.mean: Array = np.zeros(())
        self._squares: Array = np.zeros(())

    def add(self, batch: Array) -> None:
        """Add a batch, combining the sums without cancellation (Chan, Golub and LeVeque, 1979)."""
        reduced = tuple(a for a in range(batch.ndim) if a not in self.kept)
        added = int(np.prod([batch.shape[a] for a in reduced], dtype=np.int64))
        if not added:
            return
        own = batch.mean(axis=reduced)
        spread = np.square(batch - np.expand_dims(own, reduced)).sum(axis=reduced)
        step, total = own - self.mean, self.count + added
        self._squares = self._squares + spread + step**2 * (self.count * added / total)
        self.mean, self.count = self.mean + step * (added / total), total

    @property
    def variance(self) -> Array:
        """The biased variance, as ``StandardScaler`` computes it."""
        return self._squares / self.count


class Quantiles:
    """Numbers that stand for many values each, batch by batch, as Keras keeps them, in float32.

    Args:
        epsilon: one divided by how many numbers are kept.
    """

    def __init__(self, epsilon: float) -> None:
        self._epsilon = epsilon
        self._numbers: Array = np.zeros(0, np.float32)
        self._counts: Array = np.zeros(0, np.float32)

    def add(self, batch: Array) -> None:
        """Add the values of a batch: every so many of them in rising order, so that ``1 / epsilon`` remain."""
        values = np.sort(batch.astype(np.float32), axis=None)
        step = max(values.size / (1.0 / self._epsilon), 1)
        chosen = values[int(step - 1) :: int(step)]
        numbers = np.concatenate([chosen, self._numbers])
        counts = np.concatenate([np.full(len(chosen), step, np.float32), self._counts])
        order = np.argsort(numbers)
        self._numbers, self._counts = _thinned(numbers[order], counts[order], self._epsilon)

    def boundaries(self, bins: int) -> Array:
        """The numbers between this many intervals that hold about as many values each."""
        return _thinned(self._numbers, self._counts, 1 / bins)[0][:-1]


def _thinned(numbers: Array, counts: Array, epsilon: float) -> tuple[Array, Array]:
    """One number for each share ``epsilon`` of all values, interpolated between those that are there."""
    if len(numbers) * epsilon < 1:
        return numbers, counts
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    up_to = counts.cumsum()
    reached = up_to / up_to[-1]
    totals = np.interp(shares, reached, up_to)
    thinned = np.interp(shares, reached, numbers), np.diff(totals, prepend=0)
    return thinned[0].astype(np.float32), thinned[1].astype(np.float32)


class Tokens:
    """How often each token occurs, a whole number or a text, and in how many rows, batch by batch."""

    def __init__(self) -> None:
        self.rows = 0
        self._counts: Counter[Any] = Counter()
        self._in_rows: Counter[Any] = Counter()

    def add(self, batch: Array) -> None:
        """Add a batch of rows."""
        self.rows += len(batch)
        self._counts.update(batch.ravel().tolist())
        for row in batch:
            self._in_rows.update(set(row.ravel().tolist()))

    def most(self, without: Collection[Any]) -> list[Any]:
        """The tokens by how often they occur, the most frequent first; of equally frequent ones the largest first."""
        found = [token for token in self._counts if token not in without]
        return sorted(found, key=lambda token: (self._counts[token], token), reverse=True)

    def rarity(self, tokens: Sequence[Any]) -> list[float]:
        """For each token ``log(1 + rows / (1 + rows with it))``, the inverse document frequency."""
        return [log(1 + self.rows / (1 + self._in_rows[token])) for token in tokens]


def token_batches(data: Any, steps: int | None, read: Callable[[Any], Array]) -> Iterator[Array]:
    """The batches of the data as tokens of rank 2 or more; a list is one batch.

    As in Keras each token of an array of rank 1 is a row, and each batch of rank 1 is one.

    Args:
        data: an array, a table, a list, a dataset whose batches are read by number (PyDataset), or an iterable of
            batches.
        steps: how many batches to take; None takes all.
        read: gives the tokens of a batch as an array; raises InputError if it holds something else.
    """
    if isinstance(data, list | tuple) or _is_table(data):
        whole = read(data)
        yield whole.reshape(-1, 1) if whole.ndim < 2 else whole
        return
    for batch in islice(_batches(data), steps):
        found = read(batch[0] if isinstance(batch, tuple) and batch else batch)
        yield found.reshape(1, -1) if found.ndim < 2 else found


def whole_batch(batch: Any) -> Array:
    """A batch as whole numbers.

    Raises:
        InputError: it holds something else.
    """
    try:
        array = np.asarray(batch.to_numpy() if hasattr(batch, "to_numpy") else batch)
        with np.errstate(invalid="ignore"):
            whole = array.astype(np.int64)
        if array.dtype.kind not in "iubf" or not np.array_equal(whole, array):
            raise ValueError(f"the data holds {array.dtype} that is no whole number")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"adapt takes whole numbers: {error}") from None
    return whole


def tables(data: Any, steps: int | None) -> Iterator[Array]:
    """The batches of the data as float64 arrays of rank 2 or more; of a batch ``(x, y, ...)`` only x.

    Args:
        data: an array or table, a dataset whose batches are read by number (PyDataset), or an iterable of batches.
        steps: how many batches to take; None takes all.

    Raises:
        InputError: there is no batch, or the data is not numbers.
    """
    if _is_table(data):
        yield _table(data)
        return
    found = _batches(data) if steps is None else islice(_batches(data), steps)
    first = next(found, None)
    if first is None:
        raise InputError("adapt was given an empty iterable: it needs at least one batch of rows")
    for batch in chain([first], found):
        x = batch[0] if isinstance(batch, tuple) and batch else batch
        if not hasattr(x, "shape"):
            raise InputTypeError(
                f"adapt takes arrays, or batches that are arrays (with a `.shape`), and was given {shown(x)}"
            )
        yield _table(x)


def _is_table(data: Any) -> bool:
    """Whether the data is one table rather than a series of batches."""
    if isinstance(data, list | tuple):
        # Lists of numbers, and lists of rows, are tables; tuples and larger arrays are batches.
        return bool(data) and not any(isinstance(v, tuple) or np.ndim(v) > 1 for v in data)
    return hasattr(data, "__array__") or hasattr(data, "to_numpy")


def _batches(data: Any) -> Iterator[Any]:
    numbered = (
        not isinstance(data, list | tuple) and hasattr(data, "__getitem__") and hasattr(data, "__len__")
    )
    if isinstance(data, str | bytes | dict) or not (numbered or isinstance(data, Iterable)):
        raise InputTypeError(
            f"adapt takes an array, a table, a PyDataset or an iterable of batches, not {type(data).__name__}"
        )
    if numbered:
        return (data[i] for i in range(len(data)))  # a PyDataset; iterating over it might never end
    spec = getattr(data, "element_spec", None)  # a tf.data.Dataset
    spec = spec[0] if isinstance(spec, tuple) else spec
    if len(getattr(spec, "shape", None) or (0, 0)) == 1:  # its elements are rows, not batches
        return (np.asarray(row[0] if isinstance(row, tuple) else row)[None] for row in data)
    return iter(data)


def _table(batch: Any) -> Array:
    try:
        array = np.asarray(batch.to_numpy() if hasattr(batch, "to_numpy") else batch)
        if array.dtype.kind in "OUS":
            raise ValueError(f"the data holds {array.dtype}")
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"adapt takes numbers: {error}") from None
    return array[:, None] if array.ndim == 1 else array
