"""The parameters of functions, looked up once: ``inspect.signature`` takes longer than most of what asks for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function, by name.

    >>> list(parameters_of(sorted))
    ['iterable', 'key', 'reverse']
    """
    return inspect.signature(function).parameters


def given_to(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, str | None]:
    """The arguments that a call gives to a constructor, by name: each text, and None for any other value.

    >>> given_to(int.from_bytes.__call__, (), {"order": "little", "signed": True})
    {'order': 'little', 'signed': None}
    """
    by_place = dict(zip(list(parameters_of(function))[1:], args, strict=False)) if args else {}
    return {k: v if isinstance(v, str) else None for k, v in (*by_place.items(), *kwargs.items())}
