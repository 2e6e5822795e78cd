"""``trace``: record intermediate values of the user's own function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Traced = list[tuple[str, Any]]

_recording: ContextVar[Traced | None] = ContextVar("foldnet.trace", default=None)


def trace(name: str, value: T) -> T:
    """Record the value of a layer inside a prediction function for ``verify``; elsewhere it does nothing.

    Args:
        name: of the layer whose result this is, as in the network; of a layer that the network calls several
            times, trace each call in turn.
        value: the result, as an array.

    Returns:
        The value itself.

    >>> import numpy as np
    >>> trace("dense", np.ones(2)) + 1
    array([2., 2.])
    """
    traced = _recording.get()
    if traced is not None:
        traced.append((name, np.array(value)))  # a copy, because the function may change it in place later
    return value


@contextmanager
def recorded() -> Iterator[Traced]:
    """The values traced inside the context, in order."""
    traced: Traced = []
    token = _recording.set(traced)
    try:
        yield traced
    finally:
        _recording.reset(token)
