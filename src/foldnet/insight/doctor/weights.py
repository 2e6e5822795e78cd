"""Sample weights and class weights as ``fit`` takes them: how much each row counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.nested_data import arranged
from foldnet.network import Network


@dataclass(frozen=True)
class Weights:
    """How much each row counts.

    Attributes:
        values: 0 or more, ``(rows,)``, or ``(rows, *positions)`` for outputs with steps or pixels.
        by_class: whether they were made of class weights, which count in training only.
    """

    values: Array
    by_class: bool = False

    @cached_property
    def by_row(self) -> Array:
        """One number a row: the mean over its positions."""
        return np.asarray(self.values.reshape(len(self.values), -1).mean(axis=1))

    @cached_property
    def counts(self) -> Array:
        """Whether each row counts at all."""
        return self.by_row > 0

    def spread(self, shape: Sequence[int]) -> Array:
        """One number for each row and position, ``shape`` being that of rows and positions."""
        values = self.values.reshape(self.values.shape + (1,) * (len(shape) - self.values.ndim))
        return np.broadcast_to(values, shape)


def mean_one(weights: Array) -> Array:
    """The same weights with a mean of 1, so that means of what they multiply are weighted means.

    >>> mean_one(np.array([1.0, 3.0])).tolist()
    [0.5, 1.5]
    """
    return np.asarray(weights / weights.mean()) if weights.size and weights.any() else weights


def read_weights(
    network: Network, sample_weight: object, class_weight: object, targets: Array | None, rows: int | None
) -> Weights | None:
    """The weights of rows; None if none are given.

    Args:
        network: that the rows are for.
        sample_weight: one number a row, or one for each position of the output; of several outputs a list or dict of
            them, too, and a row counts as much as for the output that it counts most for.
        class_weight: a dict from classes to weights.
        targets: of the rows, if they are numbers.
        rows: how many there are, if that is known.

    Raises:
        ConfigError: both are given, or class weights that are none.
        InputError: there are no rows that they are for, they do not fit the rows, or one is NaN, infinite or below 0.
    """
    from foldnet.training.arguments import class_weights

    table = class_weights(class_weight)
    if sample_weight is None and table is None:
        return None
    if sample_weight is not None and table is not None:
        raise ConfigError("give sample_weight or class_weight, not both")
    if rows is None:
        raise InputError(
            f"{'sample_weight' if table is None else 'class_weight'} is how much the rows of x count: give x, too"
        )
    if table is not None:
        return Weights(_of_classes(network, table, targets, rows), by_class=True)
    entries = [
        (given, output.shape)
        for given, output in zip(_entries(network, sample_weight), network.outputs, strict=True)
    ]
    found = [checked(given, rows, shape) if given is not None else np.ones(rows) for given, shape in entries]
    values = found[0] if len(found) == 1 else np.max([Weights(one).by_row for one in found], axis=0)
    return _some_count(values, "sample_weight")


def _entries(network: Network, given: object) -> list[object]:
    """The weights for each output: the same array for all, or nested like the outputs."""
    from foldnet.training.program import output_names

    names = output_names(network)
    nested = isinstance(given, Mapping) or (
        isinstance(given, list | tuple) and any(part is None or np.ndim(part) for part in given)
    )
    if len(names) > 1 and not nested:
        return [given] * len(names)
    return arranged(given, network.output_structure, names, "sample_weight")


def checked(given: object, rows: int, shape: Sequence[int | None], what: str = "sample_weight") -> Array:
    """The weights of one output as float64, read as ``fit`` reads them.

    Args:
        given: by the caller.
        rows: how many there are.
        shape: of the output.
        what: their name, for errors.

    Raises:
        InputError: they do not fit the rows and the output, or one is NaN, infinite or below 0.
    """
    from foldnet.training.data import sample_weights

    try:
        found = sample_weights(given, None, np.empty((0,)), rows, shape).astype(np.float64)
    except InputError as error:
        raise InputError(str(error).replace("sample_weight", what, 1)) from None
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{what} must be a finite number of 0 or more in every row; {int(bad.sum()):,} of {found.size:,} are not, "
            f"the first is {found[first]:g} in row {first[0]}"
        )
    return found


def _of_classes(network: Network, table: Mapping[int, float], targets: Array | None, rows: int) -> Array:
    from foldnet.training.data import sample_weights

    if len(network.outputs) > 1:
        raise ConfigError("class_weight is for networks with one output; give sample_weight for each output")
    labels = None if targets is None else targets.reshape(len(targets), -1)
    one_each = labels is not None and len(labels) == rows and np.isfinite(labels).all()
    if labels is None or not one_each or targets is None or targets.ndim > 2:
        raise InputError(
            "class_weight is for rows of one class each: give y with a class number or a one-hot row for each row of x"
        )
    if wrong := {k: v for k, v in table.items() if not (np.isfinite(v) and v >= 0)}:
        raise InputError(f"class_weight must be a finite number of 0 or more for every class; got {wrong}")
    found = sample_weights(None, table, labels, rows, network.outputs[0].shape)
    return _some_count(found.astype(np.float64), "class_weight").values


def _some_count(values: Array, what: str) -> Weights:
    if not values.any():
        raise InputError(
            f"{what} is 0 in every row, so no row counts: give a weight above 0 to the rows that do"
        )
    return Weights(values)
