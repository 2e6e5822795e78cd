"""Data, targets and validation data as the caller gives them, read as ``fit`` reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.insight.doctor.weights import checked
from foldnet.nested_data import arranged
from foldnet.network import Network
from foldnet.structure import flatten, is_nested


def check_given(network: Network, x: object, y: object) -> None:
    """Check that data are rows, and the names in a dict of them.

    Raises:
        InputError: they are batches that come one after the other, or names that are not those of the inputs.
    """
    for name, given in (("x", x), ("y", y)):
        for part in flatten(given) if is_nested(given) else [given]:
            if gives_batches(part):
                raise InputError(
                    f"{name} is a {type(part).__name__}, which gives one batch after the other; the doctor looks at "
                    "all rows several times. Give arrays: x, y = (np.concatenate(part) for part in zip(*batches)), "
                    "with the batches of one epoch"
                )
    if isinstance(x, Mapping):
        arranged(x, network.input_structure, network.input_names, "x")


def gives_batches(given: object) -> bool:
    """Whether data come as batches: a generator, a dataset of Keras, torch or TensorFlow.

    >>> gives_batches(x for x in "ab"), gives_batches([[1.0, 2.0]]), gives_batches(range(3))
    (True, False, False)
    """
    from foldnet.training.batches import is_stream

    return is_stream(given) and not isinstance(given, Sequence | Set)


def only_targets(network: Network, y: object) -> object:
    """The targets of a network's only output, without a list, tuple or dict of one around them.

    Raises:
        InputError: a dict without an entry for the output.
    """
    from foldnet.training.program import output_names

    names = output_names(network)
    return arranged(y, network.output_structure, names, "y")[0] if len(names) == 1 and y is not None else y


def numbers(y: object, shape: tuple[int | None, ...]) -> Array | None:
    """Targets as float64, if they are numbers and there are any.

    Args:
        y: of one output.
        shape: of the output. One more axis of size 1 is removed, as losses do.
    """
    try:
        found = np.asarray(y)
        if found.ndim == 0 or not found.size or found.dtype.kind not in "biufO":
            return None
        found = found.astype(np.float64)
    except (TypeError, ValueError):
        return None
    return found[..., 0] if found.ndim == len(shape) + 1 and found.shape[-1] == 1 else found


def row_count(network: Network, x: object) -> int | None:
    """The number of rows of data; None if they are not nested like the inputs, or no rows."""
    try:
        entries = arranged(x, network.input_structure, network.input_names, "x")
        return next((len(entry) for entry in entries if entry is not None), None)
    except (InputError, TypeError):
        return None


# -- validation data ----------------------------------------------------------------------------------------


def read_validation(network: Network, given: object, known_loss: bool = True) -> tuple[Any, ...] | None:
    """``(x, y)`` or ``(x, y, sample_weight)``, or None.

    Args:
        network: that the rows are for.
        given: by the caller.
        known_loss: whether the loss is one of Keras's; only the user's own takes targets of other shapes.

    Raises:
        InputError: it is neither; x, y and weights have different numbers of rows; the targets are not numbers or
            do not fit the output; or a weight is below 0.
    """
    if given is None:
        return None
    if not isinstance(given, tuple | list) or len(given) not in (2, 3) or given[0] is None:
        raise InputError(
            "validation_data must be (x, y) or (x, y, sample_weight), as in fit; "
            + (
                f"not {len(given)} values"
                if isinstance(given, tuple | list)
                else f"not a {type(given).__name__}"
            )
        )
    x, y, weights = (*given, None)[:3]
    if y is None:
        raise InputError(
            "validation_data must have targets, as in fit: (x, y) or (x, y, sample_weight); y is None"
        )
    rows = row_count(network, x)
    if len(network.outputs) == 1:
        y = _validation_targets(network, y, known_loss)
        _same_length(len(y), rows)
        if weights is not None:
            checked(weights, len(y), network.outputs[0].shape, "sample_weight of validation_data")
        return (x, y, *given[2:])
    for part in flatten(y) if is_nested(y) else ():
        if hasattr(part, "__len__"):
            _same_length(len(part), rows)
    return tuple(given)


def _validation_targets(network: Network, y: object, known_loss: bool) -> Array:
    from foldnet.insight.doctor.task import form_of
    from foldnet.training.data import as_array

    given = as_array(only_targets(network, y), "y of validation_data")
    shape = network.outputs[0].shape
    found = numbers(given, shape)
    found = given if found is None else found
    if known_loss and len(shape) > 1 and form_of(found, shape) is None:
        wanted = tuple(shape[1:])
        raise InputError(
            f"y of validation_data has the shape {found.shape}, which does not fit the output's: give one row of "
            f"shape {wanted} for each row of x, or one class number"
        )
    return found


def _same_length(targets: int, rows: int | None) -> None:
    if rows is not None and targets != rows:
        raise InputError(
            f"validation_data has {targets:,} targets for {rows:,} rows: give one target for each row"
        )
