"""The parameters of functions, looked up once: ``inspect.signature`` takes longer than most of what asks for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function, by name.

    >>> list(parameters_of(sorted))
    ['iterable', 'key', 'reverse']
    """
    return inspect.signature(function).parameters
