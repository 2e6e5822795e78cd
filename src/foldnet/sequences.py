"""``utils.pad_sequences`` and ``utils.split_dataset``: bring data into the shape that a network takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.literals import member

End = Literal["pre", "post"]
"""Which end of a sequence is filled or cut: its beginning or its end."""


def pad_sequences(
    sequences: Any, maxlen: int | None = None, dtype: Any = "int32", padding: str = "pre", truncating: str = "pre",
    value: object = 0.0,
) -> Array:  # fmt: skip
    """Sequences as one array: short ones are padded, long ones are cut.

    Args:
        sequences: a list of lists of numbers, of texts, or of vectors of one length.
        maxlen: steps of the result; those of the longest if None.
        dtype: of the result; ``object`` or such as ``"<U3"`` for texts.
        padding: ``"pre"`` fills in front, ``"post"`` behind.
        truncating: ``"pre"`` cuts in front, ``"post"`` behind.
        value: for padding.

    Returns:
        An array of shape ``(sequences, maxlen, *vector)``.

    Raises:
        InputError: not sequences, vectors of different shapes, or a value that the dtype cannot hold.

    >>> pad_sequences([[1], [2, 3]]).tolist()
    [[0, 1], [2, 3]]
    """
    filled, cut = _end("padding", padding), _end("truncating", truncating)
    if not hasattr(sequences, "__len__") or any(not hasattr(s, "__len__") for s in sequences):
        raise InputError("`sequences` must be a list of lists; a number or a generator is not one")
    longest = max((len(s) for s in sequences), default=0) if maxlen is None else maxlen
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OUS":
        raise InputError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}. You should set `dtype=object` for "
            "strings of any length"
        )
    vector: tuple[int, ...] = next((np.asarray(s).shape[1:] for s in sequences if len(s)), ())
    result = np.full((len(sequences), longest, *vector), value, dtype=kind)
    for row, sequence in zip(result, sequences, strict=True):
        kept = sequence[max(len(sequence) - longest, 0) :] if cut == "pre" else sequence[:longest]
        if not len(kept):
            continue
        array = np.asarray(kept, dtype=kind)
        if array.shape[1:] != vector:
            raise InputError(
                f"a step has shape {array.shape[1:]}, and the steps of the first sequence {vector}"
            )
        part = row[longest - len(kept) :] if filled == "pre" else row[: len(kept)]
        part[...] = array
    return result


def _end(name: str, given: str) -> End:
    end: End | None = member(given, get_args(End))
    if end is None:
        raise InputError(f'{name} is "pre" or "post", not {given!r}')
    return end


def _mapped(function: Callable[[Array], Array], structure: object) -> Any:
    if isinstance(structure, Mapping):
        return {key: _mapped(function, item) for key, item in structure.items()}
    if isinstance(structure, tuple | list):
        return type(structure)(_mapped(function, item) for item in structure)
    return function(np.asarray(structure))


def _leaves(structure: object) -> list[Array]:
    found: list[Array] = []

    def note(array: Array) -> Array:
        found.append(array)
        return array

    _mapped(note, structure)
    return found


def _count(name: str, size: int | float | None, rows: int) -> int | None:
    if size is None:
        return None
    whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
    if not whole and not (isinstance(size, float) and 0 < size < 1):
        raise InputError(f"`{name}` is a whole number of samples or a share between 0 and 1, not {size!r}")
    count = int(size) if whole else round(size * rows)
    if not 0 < count < rows:
        raise InputError(f"`{name}`={size!r} leaves nothing of {rows} samples on one side")
    return count


def split_dataset(
    dataset: Any, left_size: int | float | None = None, right_size: int | float | None = None, shuffle: bool = False,
    seed: int | None = None, preferred_backend: object = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Split a data set into two parts of the same structure: arrays, or a list, tuple or dict of them.

    Keras gives ``tf.data`` or torch data sets here; foldnet's ``fit`` takes the arrays as they are.

    Args:
        dataset: arrays of one length in any structure, or an object with ``len`` and numbered samples.
        left_size: samples of the first part, or their share.
        right_size: of the second; the rest if None.
        shuffle: whether samples are shuffled first.
        seed: for shuffling.
        preferred_backend: not used.

    Raises:
        InputError: sizes that do not fit, arrays of different lengths, or no data.
    """
    numbered = not isinstance(dataset, list | tuple | Mapping | np.ndarray)
    if numbered and not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise InputError(
            "`dataset` must be arrays, or an object with numbered samples; collect the samples of a generator first"
        )
    if numbered:
        samples = [dataset[i] for i in range(len(dataset))]
        columns = list(zip(*(_leaves(s) for s in samples), strict=True))
        stacked = iter([np.stack(c) for c in columns])
        dataset = _mapped(lambda _: next(stacked), samples[0])
    lengths = {len(a) if a.ndim else -1 for a in _leaves(dataset)}
    if len(lengths) != 1 or -1 in lengths:
        raise InputError(f"the arrays of a dataset must have the same length; these have {sorted(lengths)}")
    rows = lengths.pop()
    left, right = _count("left_size", left_size, rows), _count("right_size", right_size, rows)
    if left is None and right is None:
        raise InputError("give `left_size` or `right_size`: at least one of them")
    if left is not None and right is not None and left + right > rows:
        raise InputError(f"{left} and {right} samples are more than the {rows} samples of the dataset")
    first = rows - (right or 0) if left is None else left
    last = rows - first if right is None else right
    order = np.arange(rows)
    if shuffle:
        from foldnet.random.seeds import generator_of

        order = generator_of(seed).permutation(rows)
    parts = order[:first], order[first : first + last]
    return _mapped(lambda a: a[parts[0]], dataset), _mapped(lambda a: a[parts[1]], dataset)
