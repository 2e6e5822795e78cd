"""The data of a fit: the rows to train on and those to validate with, from the arguments of ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from foldnet.lowering.lower import check_judged
from foldnet.network import Network
from foldnet.training.batches import batches, can_repeat, is_stream
from foldnet.training.data import Rows, weights_alike
from foldnet.training.fit_arguments import FitArguments
from foldnet.training.user_data import first_steps, gather, split_validation, validation_rows


@dataclass(frozen=True)
class FitData:
    """What a fit trains on and validates with.

    Attributes:
        rows: to train on; None where batches are given instead.
        validation: the rows to validate with, or what gives other ones each time; None for no validation.
    """

    rows: Rows | None
    validation: Rows | Callable[[], Rows] | None


def fit_data(network: Network, given: FitArguments) -> FitData:
    """Read the data.

    Raises:
        ConfigError: weights or a split that cannot be.
        InputError: data that does not fit the network.
        UnsupportedError: validation of a network that calls a layer with ``training=True``.
    """
    rows, validation = (None, None) if given.streamed else _split_rows(network, given)
    judging = validation if given.validation_data is None else _validation_data(network, given)
    if judging is not None:
        check_judged(network)
    if rows is not None and isinstance(judging, Rows):
        rows, judging = weights_alike(rows, judging)
    return FitData(rows, judging)


def first_inputs(x: Any) -> Any:
    """The inputs of a stream's first batch, if looking does not use it up."""
    if not can_repeat(x):
        return None
    first = next(batches(x), None)
    return first[0] if isinstance(first, tuple | list) else first


def _split_rows(network: Network, given: FitArguments) -> tuple[Rows, Rows | None]:
    """The rows to train on, and the last of them to validate with, where ``validation_split`` asks for it."""
    rows = gather(network, given.x, given.y, given.sample_weight, given.class_weight)
    if not given.validation_split or given.validation_data is not None:
        return rows, None
    cut = split_validation(len(rows), given.validation_split)
    # Weights of classes are for training; weights of rows also count where rows validate.
    every = rows if given.class_weight is None else gather(network, given.x, given.y)
    kept_back = first_steps(every.part(cut, len(every)), None, given.validation_batch_size)
    return rows.part(0, cut), kept_back


def _validation_data(network: Network, given: FitArguments) -> Rows | Callable[[], Rows]:
    data, steps = given.validation_data, given.validation_steps
    read = partial(validation_rows, network, data, steps, given.validation_batch_size)
    # An iterator goes on from one validation to the next; all else gives the same rows each time.
    goes_on = is_stream(data) and not can_repeat(data) and steps is not None
    return read if goes_on else read()
