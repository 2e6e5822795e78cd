"""Collect weights that were read, check their numbers, and set all of them in the layers at once."""

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
    """Inside this context, NaN and other unusable weights are read, so that the doctor can report them."""
    token = _any_numbers.set(True)
    try:
        yield
    finally:
        _any_numbers.reset(token)


@dataclass(frozen=True)
class Leniency:
    """Which weights may be missing in a file.

    Attributes:
        skip_mismatch: layers that the file does not fit keep their weights; a warning names them.
        skip: layers that keep their weights.
        by_name: layers whose names are not in the file keep their weights.
        in_order: where a legacy file has other names of layers than the network, their order decides, as in Keras.
    """

    skip_mismatch: bool = False
    skip: tuple[object, ...] = ()
    by_name: bool = False
    in_order: bool = False

    def skips(self, layer: object) -> bool:
        """Whether to skip this layer."""
        return any(layer is other for other in self.skip)

    @contextmanager
    def layer(self, layer: Layer) -> Iterator[None]:
        """Inside this context, with ``skip_mismatch``, errors of this layer become warnings."""
        try:
            yield
        except FileFormatError as error:
            if not self.skip_mismatch:
                raise
            warn(f"layer {layer.name!r} keeps its weights, since the file does not fit: {error}")


STRICT = Leniency()


class Values:
    """Weights by layer and name; layers do not change until ``fill``.

    Attributes:
        with_sigmoid: cells whose weights show that their gates are sigmoids.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[Layer, str], Array] = {}
        self.with_sigmoid: set[Layer] = set()

    @property
    def layers(self) -> list[Layer]:
        """The layers that get weights."""
        return list(dict.fromkeys(layer for layer, _ in self._values))

    def of(self, name: str) -> Iterator[tuple[Layer, Array]]:
        """The weights of one name, with their layers."""
        return ((layer, value) for (layer, own), value in self._values.items() if own == name)

    def add(self, layer: Layer, name: str, value: Array) -> None:
        """Add a weight, converted to float32.

        Raises:
            FileFormatError: it contains NaN or infinity.
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
        """Set all weights in their layers.

        Raises:
            FileFormatError: a moving variance plus epsilon is not positive.
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
