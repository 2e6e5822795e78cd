"""Convert a user's string setting to the ``Literal`` value that equals it."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def member(value: object, members: tuple[T, ...]) -> T | None:
    """The member that equals the value; None if none does.

    >>> member("PR", ("ROC", "PR"))
    'PR'
    """
    return next((known for known in members if isinstance(value, type(known)) and known == value), None)
