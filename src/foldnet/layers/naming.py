"""Names that layers get when they are given none, as Keras makes them."""

from __future__ import annotations

import re

_names_given: dict[str, int] = {}


def snake_case(name: str) -> str:
    """Keras's rule from class name to group and default layer name: ``ReLU`` gives ``re_lu``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """``prefix``, then ``prefix_1``, ``prefix_2``: one more at each call in this process, as Keras counts."""
    count = _names_given.get(prefix, 0)
    _names_given[prefix] = count + 1
    return prefix if count == 0 else f"{prefix}_{count}"


def clear_session() -> None:
    """Forget the automatic names given so far, as ``keras.backend.clear_session`` does."""
    _names_given.clear()
