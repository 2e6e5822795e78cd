"""The training and validation rows, from the arguments of ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from foldnet.lowering.lower import check_can_evaluate
from foldnet.network import Network
from foldnet.training.batches import batches, can_repeat, is_stream
from foldnet.training.data import Rows, match_weight_shapes
from foldnet.training.fit_arguments import FitArguments
from foldnet.training.user_data import first_steps, gather, split_validation, validation_rows


@dataclass(frozen=True)
class FitData:
    """What a fit trains on and validates with.

    Attributes:
        rows: to train on; None if ``x`` yields batches.
        validation: rows to validate with, or a function that reads the next ones; None for no validation.
    """

    rows: Rows | None
    validation: Rows | Callable[[], Rows] | None


def fit_data(network: Network, given: FitArguments) -> FitData:
    """Read the training and validation data.

    Raises:
        ConfigError: invalid weights or an invalid split.
        InputError: data that does not fit the network.
        UnsupportedError: validation of a network that calls a layer with ``training=True``.
    """
    rows, validation = (None, None) if given.streamed else _split_rows(network, given)
    validation_source = validation if given.validation_data is None else _validation_data(network, given)
    if validation_source is not None:
        check_can_evaluate(network)
    if rows is not None and isinstance(validation_source, Rows):
        rows, validation_source = match_weight_shapes(rows, validation_source)
    return FitData(rows, validation_source)


def first_inputs(x: Any) -> Any:
    """The inputs of a stream's first batch; None for an iterator, which reading would use up."""
    if not can_repeat(x):
        return None
    first = next(batches(x), None)
    return first[0] if isinstance(first, tuple | list) else first


def _split_rows(network: Network, given: FitArguments) -> tuple[Rows, Rows | None]:
    """The rows to train on, and with ``validation_split`` the last rows, to validate with."""
    rows = gather(network, given.x, given.y, given.sample_weight, given.class_weight)
    if not given.validation_split or given.validation_data is not None:
        return rows, None
    cut = split_validation(len(rows), given.validation_split)
    # Class weights are for training only; sample weights also count in validation.
    every = rows if given.class_weight is None else gather(network, given.x, given.y)
    held_out = first_steps(every.part(cut, len(every)), None, given.validation_batch_size)
    return rows.part(0, cut), held_out


def _validation_data(network: Network, given: FitArguments) -> Rows | Callable[[], Rows]:
    data, steps = given.validation_data, given.validation_steps
    read = partial(validation_rows, network, data, steps, given.validation_batch_size)
    # An iterator continues from one validation to the next; everything else gives the same rows each time.
    goes_on = is_stream(data) and not can_repeat(data) and steps is not None
    return read if goes_on else read()
