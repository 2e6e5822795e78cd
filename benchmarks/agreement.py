"""Whether two programs computed the same: what is compared before anything is timed."""

from __future__ import annotations

from typing import Any

import numpy as np

CLOSE = 1e-4
"""How far results may be apart, as a part of the largest."""


class OtherResultsError(Exception):
    """A program's results are not foldnet's."""


def distance(result: Any, own: Any) -> float:
    """The largest difference between a program's result and foldnet's, as a part of foldnet's largest.

    Raises:
        OtherResultsError: it is too large, not a number, or the shapes differ.
    """
    result, own = np.asarray(result), np.asarray(own)
    far = float(np.abs(result - own).max() / np.abs(own).max()) if result.shape == own.shape else np.inf
    if not far < CLOSE:
        raise OtherResultsError(f"its results differ from foldnet's by {far:.1e} of the largest")
    return far
