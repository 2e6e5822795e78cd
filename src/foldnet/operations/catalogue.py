"""Find an aspect of an operation in its family's folder; it is imported on first use.

Reading a network needs only the operations, so an aspect is imported when something first computes, compiles or
writes with it. The set of operations is closed: those in the folders.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from foldnet import operations
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Op


def families() -> list[str]:
    """The names of the folders."""
    return sorted(module.name for module in pkgutil.iter_modules(operations.__path__) if module.ispkg)


@cache
def every_op() -> dict[str, type[Op]]:
    """Every operation by its name."""
    found: dict[str, type[Op]] = {}
    for family in families():
        module = import_module(f"{operations.__name__}.{family}.op")
        own = (v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Op))
        found |= {cls.__name__: cls for cls in own if cls.__module__ == module.__name__}
    return found


@cache
def _table(aspect: str, family: str) -> Mapping[type[Op], Any]:
    """The rules in one of a family's files; none where the file does not exist."""
    name = f"{family}.{aspect}"
    try:
        found: Mapping[type[Op], Any] = import_module(name).RULES
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    return found


def rules(aspect: str, op: type[Op]) -> Any:
    """The entry of an operation in one of its family's files; None if there is none.

    Args:
        aspect: name of the file, such as ``"numpy"``; its table is called ``RULES``.
        op: an operation's class.
    """
    family = op.__module__.rpartition(".")[0]
    return _table(aspect, family).get(op) if family.startswith(f"{operations.__name__}.") else None


def find(aspect: str, op: Op) -> Any:
    """An aspect of an operation.

    Raises:
        UnsupportedError: the operation has no such aspect; the message names both.
    """
    found = rules(aspect, type(op))
    if found is None:
        raise UnsupportedError(f"the operation {type(op).__name__} has no {aspect}")
    return found
