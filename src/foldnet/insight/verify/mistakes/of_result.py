"""Mistakes with a prediction as a whole: the right numbers are changed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array

DIGITS = 7
"""Decimals to which a prediction may be rounded; more are beyond float32's precision."""
FEW = 3
"""How many numbers must fit to rule out coincidence."""
PARTS = 0.98
"""The share of numbers that must fit if rounding may go either way."""


@dataclass(frozen=True)
class ResultMistake:
    """A mistake that gives the candidate's numbers.

    Attributes:
        name: its stable id.
        residual: the largest difference left, in tolerances.
        note: a remark.
    """

    name: str
    residual: float
    note: str = ""


def of_result(given: Array, exact: Array, tolerance: Array) -> ResultMistake | None:
    """The mistake that turns the network's output into the candidate's.

    Args:
        given: the candidate's output, of any shape and dtype.
        exact: the network's output, of shape (rows, ...).
        tolerance: of each row.
    """
    if given.dtype.kind not in "fiub" or not exact.size:
        return None
    value = given.astype(np.float64)
    allowed = np.broadcast_to(tolerance.reshape(-1, *(1,) * (exact.ndim - 1)), exact.shape)
    with np.errstate(all="ignore"):
        for found in _in_other_shapes(value, exact, allowed):
            return found
        if value.shape != exact.shape:
            same = value.size == exact.size and value.shape[:1] == exact.shape[:1]
            if not same:
                return None
            value = value.reshape(exact.shape)
        for found in _in_its_own_shape(value, exact, allowed, given.dtype.kind in "iub"):
            return found
    return None


def _in_other_shapes(value: Array, exact: Array, allowed: Array) -> Iterator[ResultMistake]:
    if exact.ndim == 2 and value.shape == exact.T.shape and exact.shape[1] > 1 and len(exact) > 1:
        yield from _if_close("output-transposed", value.T, exact, allowed)
    if exact.ndim >= 2 and exact.shape[-1] > 1 and value.size == exact.size // exact.shape[-1]:
        classes = exact.argmax(axis=-1)
        clear = _clear(exact, allowed)
        fits = (value.reshape(classes.shape) == classes)[clear]
        if fits.size and fits.all():
            yield ResultMistake("class-instead-of-probabilities", 0.0)
    if len(exact) > 1 and value.size == exact[0].size:
        yield from _if_close("only-one-row", value.reshape(1, *exact.shape[1:]), exact[:1], allowed[:1])


def _in_its_own_shape(value: Array, exact: Array, allowed: Array, whole: bool) -> Iterator[ResultMistake]:
    if exact.shape[-1] > 1:
        hot = (exact == exact.max(axis=-1, keepdims=True)).astype(float)
        clear = _clear(exact, allowed)
        if clear.any() and np.array_equal(value[clear], hot[clear]) and not _close(value, exact, allowed):
            yield ResultMistake("one-hot-instead-of-probabilities", 0.0)
    elif ((exact > -1e-9) & (exact < 1 + 1e-9)).all() and np.isin(value, (0, 1)).all():
        clear = np.abs(exact - 0.5) > allowed
        if clear.sum() >= FEW and np.array_equal(value[clear], (exact > 0.5)[clear]):
            yield ResultMistake(
                "class-instead-of-probabilities", 0.0, "it is 1 where the network gives more than 0.5"
            )
    for name, change in CHANGES.items():
        right = change(exact)
        slack = _slack(change, exact, right, allowed)
        if np.isfinite(right).any():
            yield from _if_close(name, value, right, slack)
            yield from _rounded(name, value, right, slack, whole)
    yield from _rounded("", value, exact, allowed, whole)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


CHANGES: dict[str, Callable[[Array], Array]] = {
    "output-in-percent": lambda y: 100 * y,
    "output-as-share": lambda y: y / 100,
    "log-probabilities": np.log,
    "sigmoid-added": lambda y: 1 / (1 + np.exp(-y)),
    "softmax-added": _softmax,
}
"""Changes of right numbers; a softmax over one unit is reported as ``softmax-one-unit``."""


def _slack(change: Callable[[Array], Array], exact: Array, right: Array, allowed: Array) -> Array:
    """The tolerance of a changed value, given the tolerance of the value itself."""
    moved = [np.abs(change(exact + way * allowed) - right) for way in (-1, 1)]
    worst = np.where(np.isfinite(moved), moved, 0.0).max(axis=0)
    return worst + 8 * 2.0**-23 * np.maximum(np.abs(np.where(np.isfinite(right), right, 0.0)), 1e-30)


def _clear(exact: Array, allowed: Array) -> Array:
    """The rows in which the largest value leads by more than rounding."""
    ordered = np.sort(exact, axis=-1)
    return ordered[..., -1] - ordered[..., -2] > 2 * allowed.max(axis=-1)


def _errors(value: Array, right: Array, allowed: Array) -> Array:
    same = (value == right) | (np.isnan(value) & np.isnan(right))
    return np.where(same, 0.0, np.abs(value - right) / np.maximum(allowed, 1e-300))


def _close(value: Array, right: Array, allowed: Array) -> bool:
    errors = _errors(value, right, allowed)
    return bool((errors <= 1).all())


def _if_close(name: str, value: Array, right: Array, allowed: Array) -> Iterator[ResultMistake]:
    # If all values are the same, nothing can be seen.
    if _close(value, right, allowed) and np.ptp(right[np.isfinite(right)]) > 4 * allowed.max():
        yield ResultMistake(name, float(_errors(value, right, allowed).max()))


def _rounded(name: str, value: Array, right: Array, allowed: Array, whole: bool) -> Iterator[ResultMistake]:
    """The numbers rounded, or cut off, to so many decimals."""
    if value.size < FEW or not np.isfinite(value).all():
        return
    for digits in range(DIGITS):
        steps = value * 10.0**digits
        if not np.allclose(steps, np.round(steps), rtol=0, atol=1e-9 + 2.0**-22 * float(np.abs(steps).max())):
            continue
        unit = 10.0**-digits
        if (allowed > unit / 8).any() or np.allclose(right, value, rtol=0, atol=float(allowed.max())):
            return  # the numbers themselves have no more decimals
        off = value - right
        slack = allowed + 2.0**-22 * np.abs(value)
        nearest = np.abs(off) <= unit / 2 + slack
        cut = (np.abs(off) <= unit + slack) & (np.abs(value) <= np.abs(right) + slack)
        if nearest.mean() >= PARTS or cut.mean() >= PARTS:
            how = "rounded" if nearest.mean() >= PARTS else "cut off"
            where = "whole numbers" if digits == 0 else f"{digits} decimal{'s' * (digits > 1)}"
            note = f"they are {how} to {where}"
            note += ", as an integer dtype does" if whole else ""
            before = f"{name}, then " if name else ""
            yield ResultMistake(name or "output-rounded", 0.0, f"{before}{note}" if not name else note)
        return
