"""What a network takes from tables, and its predictions as columns of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.tables.select import describe
from foldnet.tables.table import Table

if TYPE_CHECKING:
    from foldnet.predictor import Predictor


def text_inputs(predictor: Predictor) -> list[str]:
    """The names of the inputs that take texts."""
    graph = predictor.graph
    return [n for n, value in zip(predictor.input_names, graph.inputs, strict=True) if value in graph.texts]


def column_names(predictor: Predictor) -> list[str] | None:
    """Names for the columns of the predictions; None if the result has more than one axis per row.

    Raises:
        InputError: several results, one of which has more than one axis per row.
    """
    shapes = [shape[1:] for shape in predictor.output_shapes]
    numbered = [f"prediction_{k}" for k in range(1, len(shapes) + 1)] if len(shapes) > 1 else ["prediction"]
    stems = predictor.options.output_names or numbered
    names: list[str] = []
    for stem, shape in zip(stems, shapes, strict=True):
        if len(shape) == 1 and shape[0] is not None:
            names += [stem] if shape[0] == 1 else [f"{stem}_{k}" for k in range(1, shape[0] + 1)]
        elif len(shapes) == 1:
            return None
        else:
            raise InputError(
                f"the result {stem} has rows of shape {shape}; a table holds several results only if flat"
            )
    return names


CHOOSE = "Choose with --columns or --drop."


def flat(y: Array | list[Array] | dict[str, Array]) -> Array:
    """The results side by side, if there are several."""
    parts = list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def fitted(table: Table, name: str, shape: Sequence[int | None], choose: str = CHOOSE) -> tuple[int, ...]:
    """Shape of one row of the table for the network; flat rows are reshaped to the network's shape.

    Raises:
        InputError: the rows have another number of values.
    """
    if len(table.row_shape) == len(shape) and all(
        b in (None, a) for a, b in zip(table.row_shape, shape, strict=True)
    ):
        return table.row_shape
    known = tuple(n for n in shape if n is not None)
    if len(known) == len(shape) and len(table.row_shape) == 1 and math.prod(known) == table.row_shape[0]:
        return known
    if len(shape) == len(table.row_shape) == 1:
        raise InputError(
            f"{table.name}: the input {name!r} takes {shape[0]} values per row, and the table has "
            f"{describe(table.row_shape[0], table.columns)}. {choose}"
        )
    raise InputError(
        f"{table.name}: the input {name!r} takes rows of shape {tuple(shape)}, not {table.row_shape}"
    )
