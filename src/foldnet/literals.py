"""Convert a user's string setting to the ``Literal`` value that equals it."""

from __future__ import annotations

from typing import Literal, TypeVar

Engine = Literal["auto", "native", "reference"]
"""The engine as asked for; ``"auto"`` is native where a compiler and the network allow it."""

Precision = Literal["float32", "float64"]
"""The dtype that a program computes in."""

DataFormat = Literal["channels_last", "channels_first"]
"""Where channels lie: on the last axis, or on the one after the batch axis."""

T = TypeVar("T")


def member(value: object, members: tuple[T, ...]) -> T | None:
    """The member that equals the value; None if none does.

    >>> member("PR", ("ROC", "PR"))
    'PR'
    """
    return next((known for known in members if isinstance(value, type(known)) and known == value), None)
