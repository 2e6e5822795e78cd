"""Texts as whole numbers: programs hold no texts, so those of an input become codes before it runs.

A text that a layer knows has its place among all such texts as its code, from 0. Any other text has a code below 0,
which says in which bin its hash is: ``hash mod bins - bins``. Where a layer needs the hash modulo another number, that
divides ``bins``, so it is the code modulo that number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import isnan

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.farmhash import fingerprint
from foldnet.setting_types import shown

MOST_BINS = 2**31
"""So many codes below 0 there are in 32 bits."""


@dataclass(frozen=True)
class Texts:
    """The texts that an input's layers know, and what they need to know of all others.

    Attributes:
        known: in rising order, each once.
        bins: how many codes there are for all other texts.

    Raises:
        ConfigError: they are in another order, or there are too many bins.
    """

    known: tuple[str, ...]
    bins: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.bins <= MOST_BINS:
            raise ConfigError(f"there are codes for 1 to {MOST_BINS} bins of texts, not {self.bins}")
        if any(a >= b for a, b in zip(self.known, self.known[1:], strict=False)):
            raise ConfigError("the known texts must be in rising order, each once")

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {text: code for code, text in enumerate(self.known)}

    def code(self, text: str) -> int:
        """The code of one text.

        >>> texts = Texts(("a", "b"), bins=10)
        >>> texts.code("b"), texts.code("c")
        (1, -7)
        """
        found = self._codes.get(text)
        return text_hash(text) % self.bins - self.bins if found is None else found

    def read(self, value: object, name: str) -> Array:
        """The codes of the caller's texts, an int32 array of the same shape.

        Args:
            value: an array, a table, or nested lists of texts, ``str`` or UTF-8 as ``bytes``.
            name: of the input, for errors.

        Raises:
            InputError: it holds something else.
        """
        empty = _as_array(value)
        if empty is not None and not empty.size:
            return np.zeros(empty.shape, np.int32)
        array = as_texts(value)
        if array is None:
            raise InputError(f"input {name!r} takes texts, and was given {_described(value)}")
        flat = array.ravel().tolist()
        seen: dict[str | bytes, int] = {}
        codes = np.empty(len(flat), np.int32)
        for place, text in enumerate(flat):
            code = seen.get(text) if isinstance(text, str | bytes) else None
            if code is None:
                code = seen[text] = self._read_one(text, name, np.unravel_index(place, array.shape))
            codes[place] = code
        return codes.reshape(array.shape)

    def _read_one(self, text: object, name: str, place: Iterable[object]) -> int:
        try:
            return self.code(plain_text(text))
        except (TypeError, ValueError) as error:
            where = ", ".join(str(i) for i in place)
            raise InputError(f"input {name!r} takes texts, and at [{where}] it holds {error}") from None


def plain_text(value: object) -> str:
    """A text, from its UTF-8 bytes if it is given as ``bytes``.

    Raises:
        TypeError: it is no text.
        ValueError: it is not Unicode.
    """
    try:
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, str):
            value.encode()  # fails for one half of a surrogate pair
            return str(value)
    except UnicodeError:
        raise ValueError(f"{shown(value)}, which is not UTF-8") from None
    missing = value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and isnan(value))
    instead = ': put a text in place of what is missing, such as ""' if missing else ", which is no text"
    raise TypeError(f"{shown(value)}{instead}")


def text_hash(text: str) -> int:
    """The fingerprint of a text's UTF-8 bytes."""
    return fingerprint(text.encode())


def as_texts(value: object) -> Array | None:
    """An array of texts as the caller gave it, of objects; None if it is no array, or one of something else."""
    array = _as_array(value)
    if array is None or array.dtype.kind not in "OUST":
        return None
    from_list = isinstance(value, list | tuple)
    if from_list and not any(isinstance(v, str | bytes) for v in array.ravel()):
        return None
    return array.astype(object)


def _as_array(value: object) -> Array | None:
    """An array; of lists one of objects, because NumPy makes texts of numbers beside texts."""
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()
    try:
        return np.array(value, object) if isinstance(value, list | tuple) else np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _described(value: object) -> str:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    return shown(value) if dtype is None else f"an array of {dtype} of shape {tuple(shape or ())}"
