"""Keras's ``constraints``, applied to a weight after every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.backend import epsilon
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.training import Constraint as Rule
from foldnet.setting_types import AXES, FRACTION, NOT_NEGATIVE
from foldnet.settings import Setting, by_name, find


class Constraint(Setting):
    """Base class of constraints, which itself allows everything; called on an array it returns the constrained array.

    A subclass with its own ``__call__`` works on arrays, but cannot be used in training.
    """

    keras_module = "keras.constraints"
    kinds = {  # noqa: RUF012 - typed in the base
        "max_value": NOT_NEGATIVE, "min_value": NOT_NEGATIVE, "rate": FRACTION, "axis": AXES,
    }  # fmt: skip

    def rule(self, rank: int) -> Rule | None:
        """The rule for engines, for a weight of this rank; None if everything is allowed.

        Raises:
            UnsupportedError: the class computes in Python, which a compiled program cannot do.
        """
        if type(self).__call__ is not Constraint.__call__:
            raise UnsupportedError(
                f"class {type(self).__name__} defines __call__(). A training program cannot run this Python code; "
                "use NonNeg, MaxNorm, UnitNorm or MinMaxNorm, or set the weights in a callback"
            )
        return None

    def __call__(self, w: Any) -> Array:
        """The constrained array."""
        from foldnet.engines.reference.training import constrain

        array = np.asarray(w, np.float32)
        rule = self.rule(array.ndim)
        return array if rule is None else constrain(rule, array)


class NonNeg(Constraint):
    """Negative values become 0.

    >>> NonNeg()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    def rule(self, rank: int) -> Rule:
        """Keep what is not negative."""
        return Rule("non_neg")


class MaxNorm(Constraint):
    """Norms along ``axis`` above ``max_value`` are brought down to it.

    Args:
        max_value: the largest norm.
        axis: or axes that a norm is taken over; 0 for the weights that go into each unit of a Dense.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def rule(self, rank: int) -> Rule:
        """Limit from above."""
        return Rule("max_norm", _axes(self.axis, rank), high=float(self.max_value), epsilon=epsilon())


class UnitNorm(Constraint):
    """Norms along ``axis`` become 1."""

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axis

    def rule(self, rank: int) -> Rule:
        """Length 1."""
        return Rule("unit_norm", _axes(self.axis, rank), epsilon=epsilon())


class MinMaxNorm(Constraint):
    """Norms along ``axis`` are moved into an interval.

    Args:
        min_value: the smallest norm.
        max_value: the largest.
        rate: the share of the way moved in each step; 1 for all of it.
        axis: or axes that a norm is taken over.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis
        if self.min_value > self.max_value:
            raise ConfigError(f"MinMaxNorm: min_value={min_value} is above max_value={max_value}")

    def rule(self, rank: int) -> Rule:
        """Limit from both sides."""
        axes = _axes(self.axis, rank)
        limits = float(self.min_value), float(self.max_value)
        return Rule("min_max_norm", axes, *limits, float(self.rate), epsilon())


def _axes(axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if any(not -rank <= a < rank for a in axes):
        raise ConfigError(f"a constraint with axis={axis} does not fit a weight of rank {rank}")
    return tuple(a % rank for a in axes)


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

_CLASSES = by_name({cls.__name__: cls for cls in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)}, {})


def get(identifier: Any) -> Constraint | None:
    """The constraint for an identifier: an object, a name, Keras's stored configuration, or None.

    Raises:
        ConfigError: there is no such name.
        UnsupportedError: a function, or a class foldnet does not have.
    """
    return None if identifier is None else find(identifier, _CLASSES, Constraint, "constraint")


deserialize = get


def serialize(constraint: Constraint) -> dict[str, Any]:
    """The configuration as Keras stores it."""
    return constraint.serialize()
