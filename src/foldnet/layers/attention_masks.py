"""Masks of attention: which positions of the values each position of the query may attend to.

A mask is 0 where it may not and another number where it may, in the shape of the scores, or with size 1 where it is the
same along an axis. The last two axes of scores are the positions of the query and of the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from foldnet.errors import ConfigError
from foldnet.graph.op import Elementwise
from foldnet.layers.base import Layer
from foldnet.operations.along.op import CumulativeSum, Reduce
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.structure.op import reshape_to

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def with_axes(b: Lowering, x: str, places: Sequence[int]) -> str:
    """The value with axes of size 1 at these places of the result, in rising order; 0 is the batch axis."""
    shape = b.shape(x)
    sizes = iter(shape[1:])
    apart = [1 if a in places else next(sizes) for a in range(1, len(shape) + len(places))]
    return b.emit(reshape_to(shape, apart), x)


def all_of(b: Lowering, masks: Sequence[str | None]) -> str | None:
    """What all masks allow; None if there are none."""
    found = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else b.emit(Binary(kind="logical_and"), found, mask)
    return found


def by_position(
    b: Lowering,
    layer: Layer,
    query: str,
    value: str,
    rank: int,
    causal: bool,
    window: int | None = None,
    axis: int = 1,
) -> str | None:
    """A mask that depends only on the positions along an axis of query and value; None if nothing is asked.

    Args:
        b: to emit into.
        layer: that has the mask.
        query: its query.
        value: its value.
        rank: of the scores, with the batch axis.
        causal: whether no position may attend to later ones.
        window: if given, positions must be less than so far apart.
        axis: of the positions.
    """
    if not causal and window is None:
        return None
    rows, columns = b.shape(query)[axis], b.shape(value)[axis]
    if rows is None or columns is None:
        row, column = (
            with_axes(b, _positions(b, layer, x, axis), [a for a in range(1, rank) if a != own])
            for x, own in ((query, rank - 2), (value, rank - 1))
        )
        return _by_counted_position(b, layer, row, column, causal, window)
    apart = np.arange(rows)[:, np.newaxis] - np.arange(columns)
    allowed = apart >= 0 if causal else np.ones_like(apart, bool)
    if window is not None:
        allowed &= abs(apart) < window
    shape = (*(1,) * (rank - 3), rows, columns)
    return b.layer_constant(layer, "positions", allowed.astype(np.float64).reshape(shape))


def _by_counted_position(
    b: Lowering, layer: Layer, row: str, column: str, causal: bool, window: int | None
) -> str | None:
    masks = [b.emit(Binary(kind="greater_equal"), row, column)] if causal else []
    if window is not None:
        apart = b.emit(Unary(Elementwise("abs")), b.emit(Binary(kind="subtract"), row, column))
        masks.append(b.emit(Binary(kind="less"), apart, b.number(layer, "window", window)))
    return all_of(b, masks)


def _positions(b: Lowering, layer: Layer, x: str, axis: int) -> str:
    """1, 2, 3, ... along an axis of a value whose size is free."""
    others = tuple(a for a in range(1, len(b.shape(x))) if a != axis)
    ones = b.emit(
        Binary(kind="logical_or"), b.emit(Reduce("max", others), b.float(x)), b.number(layer, "one", 1)
    )
    return b.emit(CumulativeSum(1), ones)


def check_fits(layer: Layer, b: Lowering, mask: str, scores: str) -> None:
    """Check that a mask can be spread over scores.

    Raises:
        ConfigError: it cannot.
    """
    own, shape = b.shape(mask), b.shape(scores)
    own = own if mask not in b.constants else (None, *own)
    pairs = zip(own[1:], shape[1:], strict=False)
    if len(own) != len(shape) or any(None not in (m, n) and m not in (1, n) for m, n in pairs):
        raise ConfigError(
            f"layer {layer.name!r}: a mask of shape {own} does not fit attention scores of shape {shape}; its last two "
            "axes are the positions of the query and of the values"
        )
