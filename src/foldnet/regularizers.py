"""Keras's ``regularizers``: penalties for large weights (or large results of a layer)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from foldnet.errors import ConfigError
from foldnet.graph.training import Orthogonal
from foldnet.setting_types import NOT_NEGATIVE, Kind, choice
from foldnet.settings import Setting, by_name, find

FACTOR = Kind(NOT_NEGATIVE.words, lambda value: float(NOT_NEGATIVE.read(value)))


Rows = Literal["rows", "columns"]


class Regularizer(Setting):
    """Base class of regularizers: ``l1 * sum(|w|) + l2 * sum(w²)``, and a penalty for a matrix that is not orthogonal.

    Other penalties cannot be used as regularizers in training; write your own loss instead.

    Attributes:
        l1: factor of the absolute values.
        l2: factor of the squares.
        orthogonal: see OrthogonalRegularizer; None for no such penalty.
    """

    keras_module = "keras.regularizers"
    kinds = {  # noqa: RUF012 - typed in the base
        "l1": FACTOR, "l2": FACTOR, "factor": FACTOR, "mode": choice(*get_args(Rows)),
    }  # fmt: skip
    l1: float = 0.0
    l2: float = 0.0
    orthogonal: Orthogonal | None = None

    def __call__(self, x: Any) -> float:
        """The penalty for an array."""
        from foldnet.engines.reference.penalties import penalty

        if self.orthogonal is not None and np.ndim(x) != 2:
            raise ConfigError(
                f"OrthogonalRegularizer is for matrices, and was given an array of rank {np.ndim(x)}"
            )
        return penalty(np.asarray(x, np.float64), self.l1, self.l2, self.orthogonal)


class L1(Regularizer):
    """``l1 * sum(|w|)``.

    >>> L1(0.5)([1.0, -3.0])
    2.0
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = 0.01 if l1 is None else l1


class L2(Regularizer):
    """``l2 * sum(w²)``.

    >>> L2(0.5)([1.0, -3.0])
    5.0
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = 0.01 if l2 is None else l2


class L1L2(Regularizer):
    """``l1 * sum(|w|) + l2 * sum(w²)``; both factors are 0 by default."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = 0.0 if l1 is None else l1, 0.0 if l2 is None else l2


class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean of the absolute products of all pairs of a matrix's rows, each scaled to length 1.

    Args:
        factor: of the mean.
        mode: ``"rows"`` or ``"columns"``.

    >>> OrthogonalRegularizer(0.5)([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])  # one pair of three is parallel
    0.16666666666666666
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = factor
        self.mode: Rows = self.checked("mode", mode)
        self.orthogonal = Orthogonal(self.factor, self.mode == "columns")


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

_CLASSES = by_name({cls.__name__: cls for cls in (L1, L2, L1L2, OrthogonalRegularizer)}, {})


def get(identifier: Any) -> Regularizer | None:
    """The regularizer for an identifier: an object, a name, Keras's stored configuration, or None.

    Raises:
        ConfigError: there is no such name.
        UnsupportedError: a function, or a class foldnet does not have.

    >>> get("l2").l2
    0.01
    """
    return None if identifier is None else find(identifier, _CLASSES, Regularizer, "regularizer")


deserialize = get


def serialize(regularizer: Regularizer) -> dict[str, Any]:
    """The configuration as Keras stores it."""
    return regularizer.serialize()
