"""Operations that search, in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.op import Op
from foldnet.operations.kernels import Kernel
from foldnet.operations.search.op import Digitize, Hash, Lookup, digits_hash


def digitize(op: Digitize, x: Array, boundaries: Array) -> Array:
    """How many boundaries are not above the value."""
    return np.searchsorted(boundaries, x, side="right").astype(np.int32)


def lookup(op: Lookup, x: Array) -> Array:
    """The value of each key.

    Raises:
        InputError: a number that is no key, if such numbers have no value.
    """
    keys, values = np.array(op.keys, np.int32), np.array(op.values, np.int32)
    at = np.minimum(np.searchsorted(keys, x), len(keys) - 1)
    found = keys[at] == x
    if op.others == 0 and not found.all():
        raise InputError(f"a value that is not in a vocabulary of {len(keys)} has no index")
    return np.where(found, values[at], op.first + np.mod(x, max(op.others, 1))).astype(np.int32)


def hash_(op: Hash, x: Array) -> Array:
    """The fingerprint of each different number."""
    numbers, places = np.unique(x, return_inverse=True)
    bins = np.array([digits_hash(n) % op.bins for n in numbers.tolist()], np.int32)
    if op.masked is not None:
        bins = np.where(numbers == op.masked, 0, bins + 1).astype(np.int32)
    return bins[places].reshape(x.shape)


RULES: dict[type[Op], Kernel] = {Digitize: Kernel(digitize), Hash: Kernel(hash_), Lookup: Kernel(lookup)}
