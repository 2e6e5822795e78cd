"""When folding would cost precision: cancellation, and values outside float32's range."""

from __future__ import annotations

from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.operations.folds import Folded

LARGEST_RATIO = 64.0
"""The largest mean, in standard deviations, whose subtraction may be folded away.

``x * scale - mean * scale`` rounds two numbers of size ``|mean| * scale`` where ``(x - mean) * scale`` rounds one
of size ``|x - mean| * scale``, so folding adds an error of about ``2^-24 * |mean| / std`` standard deviations. 64
is 2^6: a fold may cost 6 of float32's 24 bits, which leaves 4e-6 of a standard deviation.
"""

_FLOAT32 = np.finfo(np.float32)
_SMALLEST = float(_FLOAT32.tiny) / float(_FLOAT32.eps)


def costs_precision(folded: Folded) -> str | None:
    """Why folded weights must not be used, as text; None if they may be."""
    reason = None
    if folded.mean is not None and folded.spread is not None:
        reason = cancels(folded.mean, folded.spread)
    return reason or leaves_float32(*(_by_unit(array) for array in folded.weights.values()))


def _by_unit(array: Array) -> Array:
    """Weights with a column for each unit, which are on the last axis."""
    return array if array.ndim < 3 else array.reshape(prod(array.shape[:-1]), array.shape[-1])


def cancels(mean: Array, spread: Array) -> str | None:
    """Why the subtraction of a mean must stay, as text; None if it may be folded."""
    with np.errstate(all="ignore"):
        ratio = np.where(mean == 0, 0.0, np.abs(mean.astype(np.float64)) / spread)
    worst = float(np.max(ratio, initial=0.0))
    if worst <= LARGEST_RATIO:
        return None
    return (
        f"a mean lies {worst:.3g} standard deviations from zero (at most {LARGEST_RATIO:g} may be folded); "
        f"float32 would lose about {worst * 2.0**-24:.1g} of a standard deviation"
    )


def leaves_float32(*arrays: Array) -> str | None:
    """Why folded weights cannot be rounded to float32, as text; None if they can.

    Single tiny weights may underflow among larger ones, but not a whole column of tiny weights.
    """
    for array in arrays:
        if not np.isfinite(array).all() or np.abs(array).max(initial=0.0) > float(_FLOAT32.max):
            return "a folded weight would be beyond float32's range"
        if array.ndim > 1:
            column = np.abs(array).max(axis=0, initial=0.0)
            if ((column > 0) & (column < _SMALLEST)).any():
                return "folded weights would be too small for float32"
    return None
