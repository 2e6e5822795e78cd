"""Weights read from somewhere, checked as numbers and put into their layers all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.layers.base import Layer
from foldnet.warn import warn

_any_numbers: ContextVar[bool] = ContextVar("any_numbers", default=False)


@contextmanager
def any_numbers() -> Iterator[None]:
    """Inside, weights that no prediction can be made with are read all the same, so that one can say which."""
    token = _any_numbers.set(True)
    try:
        yield
    finally:
        _any_numbers.reset(token)


@dataclass(frozen=True)
class Leniency:
    """What weights may be missing from a file.

    Attributes:
        skip_mismatch: those of layers that the file does not fit; a warning names them.
        skip: those of these layers.
        by_name: those of layers whose names the file does not have.
    """

    skip_mismatch: bool = False
    skip: tuple[object, ...] = ()
    by_name: bool = False

    def skips(self, layer: object) -> bool:
        """Whether this layer is one of those to skip."""
        return any(layer is other for other in self.skip)

    @contextmanager
    def layer(self, layer: Layer) -> Iterator[None]:
        """Inside, what does not fit is passed over where that is wanted."""
        try:
            yield
        except FileFormatError as error:
            if not self.skip_mismatch:
                raise
            warn(f"layer {layer.name!r} keeps its weights, since the file does not fit: {error}")


STRICT = Leniency()


class Values:
    """Weights by layer and name; nothing changes in the layers until ``fill``."""

    def __init__(self) -> None:
        self._values: dict[tuple[Layer, str], Array] = {}

    def add(self, layer: Layer, name: str, value: Array) -> None:
        """Keep a weight as float32.

        Raises:
            FileFormatError: it has NaN or infinity in it.
        """
        with np.errstate(over="ignore"):
            single = np.asarray(value, dtype=np.float32)
        if not _any_numbers.get() and not np.isfinite(single).all():
            bad = int(single.size - np.isfinite(single).sum())
            raise FileFormatError(
                f"layer {layer.name!r}: weight {name!r} holds {bad} of {single.size} values that are NaN, infinite "
                "or beyond float32; the training diverged, or the file is damaged"
            )
        self._values[layer, name] = single

    def fill(self) -> None:
        """Put all weights into their layers.

        Raises:
            FileFormatError: a moving variance is so negative that no square root can be taken.
        """
        for (layer, name), value in self._values.items():
            if name == "moving_variance" and not _any_numbers.get():
                _check_variance(layer, value)
        for (layer, name), value in self._values.items():
            layer.set_weight(name, value)


def _check_variance(layer: Layer, variance: Array) -> None:
    epsilon = getattr(layer, "epsilon", 0.0)
    if not isinstance(epsilon, int | float):
        raise FileFormatError(f"layer {layer.name!r}: epsilon is {epsilon!r}, expected a number")
    lowest = variance.min(initial=np.inf) + epsilon
    if not lowest > 0:
        raise FileFormatError(
            f"layer {layer.name!r}: moving_variance + epsilon is {lowest:.3g} in some channel, and must be positive. "
            "Train the layer again, or re-estimate its statistics."
        )
