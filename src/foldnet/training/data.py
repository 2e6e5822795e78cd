"""Rows to train on: arrays, tables and lists converted to the arrays that a program takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.graph.texts import as_texts
from foldnet.optional_inputs import Absent


@dataclass(frozen=True)
class Rows:
    """Inputs, targets and sample weights of some rows, in the program's order.

    ``inputs`` has one array per input that the data has, ``targets`` and ``weights`` one per output.
    """

    inputs: list[Array]
    targets: list[Array]
    weights: list[Array]
    absent: Absent = frozenset()

    @property
    def arrays(self) -> list[Array]:
        """All arrays, in the order in which an engine takes them."""
        return [*self.inputs, *self.targets, *self.weights]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Which inputs are missing, and the shapes of a row: rows of one kind can use the same program."""
        return self.absent, tuple(a.shape[1:] for a in (*self.inputs, *self.targets))

    def __len__(self) -> int:
        return len(self.inputs[0])

    def part(self, start: int, stop: int) -> Rows:
        """Some of the rows, as views."""
        return self._each(lambda a: a[start:stop])

    def pick(self, order: Array) -> Rows:
        """Rows by index, copied."""
        return self._each(lambda a: a[order])

    def _each(self, change: Callable[[Array], Array]) -> Rows:
        return replace(
            self,
            inputs=[change(a) for a in self.inputs],
            targets=[change(a) for a in self.targets],
            weights=[change(a) for a in self.weights],
        )


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, in order.

    Raises:
        InputError: some parts have an optional input and others do not.
    """
    absent = parts[0].absent
    if any(p.absent != absent for p in parts):
        raise InputError(
            "some batches of the validation data have an optional input, and others have None for it; give it in all "
            "or in none"
        )
    return Rows(
        [np.concatenate(a) for a in zip(*(p.inputs for p in parts), strict=True)],
        [np.concatenate(a) for a in zip(*(p.targets for p in parts), strict=True)],
        [np.concatenate(a) for a in zip(*(p.weights for p in parts), strict=True)],
        absent,
    )


def match_weight_shapes(a: Rows, b: Rows) -> tuple[Rows, Rows]:
    """Both with sample weights of the same shape, so that one program takes both; weights per row are repeated."""
    shapes = [
        tuple(max(pair) for pair in zip_longest(v.shape[1:], w.shape[1:], fillvalue=1))
        for v, w in zip(a.weights, b.weights, strict=True)
    ]
    return _spread_weights(a, shapes), _spread_weights(b, shapes)


def _spread_weights(rows: Rows, shapes: Sequence[tuple[int, ...]]) -> Rows:
    weights = []
    for weight, shape in zip(rows.weights, shapes, strict=True):
        padded = weight.reshape(*weight.shape, *(1,) * (1 + len(shape) - weight.ndim))
        weights.append(np.ascontiguousarray(np.broadcast_to(padded, (len(weight), *shape))))
    return replace(rows, weights=weights)


def is_arraylike(value: Any) -> bool:
    """Whether it is an array, a tensor or a table, not a plain Python structure."""
    return hasattr(value, "__array__") or hasattr(value, "to_numpy")


def as_array(value: Any, what: str) -> Array:
    """Convert lists, pandas and polars tables, or tensors to a numeric array.

    Raises:
        InputError: it holds something that is not a number.
    """
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not a table of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} holds {array.dtype}, not numbers; encode it as numbers first")
    if array.ndim == 0:
        raise InputError(f"{what} is the single number {value!r}, expected rows")
    return array


def as_rows(value: Any, dtype: str, what: str) -> Array:
    """The data of an input: numbers, or texts if that is its dtype.

    Raises:
        InputError: it holds something else.
    """
    if dtype != "string":
        return as_array(value, what)
    texts = as_texts(value)
    if texts is None or texts.ndim == 0:
        raise InputError(f"{what} takes texts, and was given {type(value).__name__} of something else")
    return texts


def split_structure(value: Any, names: Sequence[str], what: str) -> list[Any]:
    """Split data into one entry per name: a dict by name, a list or tuple in order, or a single value.

    Raises:
        InputError: names are missing, or the number of entries differs.
    """
    if isinstance(value, Mapping):
        if missing := [n for n in names if n not in value]:
            raise InputError(f"{what} has no entry for {missing}; expected {list(names)}")
        return [value[n] for n in names]
    if len(names) == 1:
        wrapped = isinstance(value, list | tuple) and len(value) == 1 and is_arraylike(value[0])
        return [value[0]] if wrapped and np.ndim(value[0]) > 0 else [value]
    if isinstance(value, list | tuple) and len(value) == len(names):
        return list(value)
    raise InputError(f"{what} must be a list or dict of {len(names)} entries: {', '.join(names)}")


def fit_shape(array: Array, shape: Sequence[int | None], what: str) -> Array:
    """The array in the shape of a network's input; a last axis of size 1 is added or removed if needed.

    Raises:
        InputError: it does not fit.
    """
    expected = tuple(shape[1:])
    if array.ndim == len(expected) and expected and expected[-1] in (1, None):
        array = array[..., None]
    if array.ndim == len(expected) + 2 and array.shape[-1] == 1:
        array = array[..., 0]
    row = array.shape[1:]
    if array.ndim != len(expected) + 1 or any(
        e is not None and e != n for e, n in zip(expected, row, strict=True)
    ):
        single = array.ndim == len(expected) and all(
            e in (None, n) for e, n in zip(expected, array.shape, strict=True)
        )
        hint = (
            "; it looks like a single row: give batches of rows, as dataset.batch(32) makes them, or x[None]"
        )
        raise InputError(
            f"{what} has rows of shape {row}, expected {expected}{hint if single and array.ndim else ''}"
        )
    return array


def sample_weights(
    weight: Any,
    class_weight: Mapping[int, float] | None,
    target: Array,
    rows: int,
    output: Sequence[int | None],
) -> Array:
    """One float32 weight per row or timestep, from sample weights or from class weights.

    Args:
        weight: None for 1, one per row, or one for each of the output's positions before its last axis.
        class_weight: weight of each class, instead of ``weight``.
        target: labels of the classes.
        rows: how many.
        output: shape of the output.

    Raises:
        ConfigError: both ``weight`` and ``class_weight`` are given.
        InputError: the weights do not fit the rows and the output.
    """
    if weight is not None and class_weight is not None:
        raise ConfigError("give sample_weight or class_weight, not both")
    if class_weight is not None:
        labels = target.argmax(axis=-1) if target.ndim > 1 and target.shape[-1] > 1 else target.reshape(rows)
        table = dict(class_weight)
        return np.array([table.get(int(label), 1.0) for label in np.round(labels)], np.float32)
    if weight is None:
        return np.ones(rows, np.float32)
    array = as_array(weight, "sample_weight")
    if array.ndim == len(output) and array.shape[-1] == 1:
        array = array[..., 0]
    positions = tuple(output[1:-1])
    own = zip(array.shape[1:], positions, strict=False)
    if len(array) != rows or array.ndim > 1 + len(positions) or any(m not in (1, n) for m, n in own if n):
        each = f", or one for each timestep: {(rows, *positions)}" if positions else ""
        raise InputError(
            f"sample_weight has shape {array.shape}, expected ({rows},): one weight per row{each}"
        )
    return np.ascontiguousarray(array, np.float32)


def same_length(named: Sequence[tuple[str, Array]]) -> int:
    """The number of rows, which must be the same in all arrays.

    Raises:
        InputError: they differ, or there are none.
    """
    counts = {name: len(array) for name, array in named}
    if len(set(counts.values())) != 1:
        raise InputError(f"all data must have the same number of rows, got {counts}")
    rows = next(iter(counts.values()))
    if rows == 0:
        raise InputError("the data has no rows")
    return rows
