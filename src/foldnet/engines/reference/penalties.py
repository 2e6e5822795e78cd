"""Penalties for weights that are large or not orthogonal: values and gradients."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.training import Orthogonal

LEAST_LENGTH = 1e-7
"""The smallest divisor when a row is scaled to length 1, as in Keras."""


def penalty(w: Array, l1: float, l2: float, orthogonal: Orthogonal | None) -> float:
    """The penalty for an array."""
    total = l1 * float(np.abs(w).sum()) + l2 * float(np.square(w).sum())
    if orthogonal is not None:
        unit, products = _products(w.T if orthogonal.columns else w)
        total += orthogonal.factor * float(np.abs(products).sum()) / _pairs(len(unit))
    return total


def slope(w: Array, l1: float, l2: float, orthogonal: Orthogonal | None) -> Array:
    """The penalty's gradient on the array."""
    kind = w.dtype.type
    gradient = kind(l1) * np.sign(w) + kind(2 * l2) * w
    if orthogonal is None:
        return np.asarray(gradient)
    rows = w.T if orthogonal.columns else w
    unit, products = _products(rows)
    # Each product of two rows occurs twice.
    on_unit = kind(2 * orthogonal.factor / _pairs(len(rows))) * (np.sign(products) @ unit)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    # Only the part of the gradient along the sphere of rows of length 1 counts.
    along = np.where(lengths > LEAST_LENGTH, (on_unit * unit).sum(axis=1, keepdims=True), kind(0))
    own = (on_unit - unit * along) / np.maximum(lengths, kind(LEAST_LENGTH))
    return np.asarray(gradient + (own.T if orthogonal.columns else own))


def _products(rows: Array) -> tuple[Array, Array]:
    """Rows scaled to length 1, and their products with each other; 0 for a row with itself."""
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    unit = rows / np.maximum(lengths, rows.dtype.type(LEAST_LENGTH))
    return unit, (unit @ unit.T) * (1 - np.eye(len(rows), dtype=rows.dtype))


def _pairs(count: int) -> float:
    """The number of pairs of different rows, in both orders; at least 1, because it is a divisor."""
    return float(max(count * (count - 1), 1))
