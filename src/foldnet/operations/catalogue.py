"""Find an aspect of an operation in its family's folder; it is imported on first use.

Reading a network needs only the operations, so an aspect is imported when something first computes, compiles or
writes with it. The set of operations is closed: those in the folders.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal, overload

from foldnet import operations
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Op

if TYPE_CHECKING:
    from foldnet.codegen.writer import Rule as CRule
    from foldnet.operations.cases import Case
    from foldnet.operations.folds import Fold
    from foldnet.operations.gradients import Rule as GradientRule
    from foldnet.operations.kernels import Kernel
    from foldnet.operations.lifts import Rule as LiftRule
    from foldnet.operations.mistakes import Rule as MistakesRule
    from foldnet.operations.regions import Rule as RegionRule
    from foldnet.operations.texts import Text
    from foldnet.operations.turns import Rule as TurnRule

Aspect = Literal["cases", "numpy", "c", "text", "gradient", "fold", "region", "turn", "lift", "mistakes"]
"""The files of a family that hold something of each of its operations."""


@cache
def families() -> list[str]:
    """The names of the folders."""
    return sorted(module.name for module in pkgutil.iter_modules(operations.__path__) if module.ispkg)


COMMON = ("matrix", "elementwise", "affine", "structure", "windows")
"""Families that most networks have operations of, the most usual first."""


@cache
def _ops_of(family: str) -> dict[str, type[Op]]:
    """The operations of a family by their names."""
    module = import_module(f"{operations.__name__}.{family}.op")
    own = (v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Op))
    return {cls.__name__: cls for cls in own if cls.__module__ == module.__name__}


@cache
def every_op() -> dict[str, type[Op]]:
    """Every operation by its name."""
    found: dict[str, type[Op]] = {}
    for family in families():
        found |= _ops_of(family)
    return found


def op_named(name: str) -> type[Op] | None:
    """The operation of this name; None if there is none. Families that come after its own are not imported.

    >>> op_named("Dense").__name__, op_named("Densest")
    ('Dense', None)
    """
    order = (*COMMON, *(family for family in families() if family not in COMMON))
    return next((op for family in order if (op := _ops_of(family).get(name))), None)


@cache
def _table(aspect: Aspect, family: str) -> Mapping[type[Op], object]:
    """The rules in one of a family's files; none where the file does not exist."""
    name = f"{family}.{aspect}"
    try:
        found: Mapping[type[Op], object] = import_module(name).RULES
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    return found


@overload
def rules(aspect: Literal["cases"], op: type[Op]) -> Sequence[Case] | None: ...
@overload
def rules(aspect: Literal["numpy"], op: type[Op]) -> Kernel | None: ...
@overload
def rules(aspect: Literal["c"], op: type[Op]) -> CRule | None: ...
@overload
def rules(aspect: Literal["text"], op: type[Op]) -> Text | None: ...
@overload
def rules(aspect: Literal["gradient"], op: type[Op]) -> GradientRule | None: ...
@overload
def rules(aspect: Literal["fold"], op: type[Op]) -> Fold | None: ...
@overload
def rules(aspect: Literal["region"], op: type[Op]) -> RegionRule | None: ...
@overload
def rules(aspect: Literal["turn"], op: type[Op]) -> TurnRule | None: ...
@overload
def rules(aspect: Literal["lift"], op: type[Op]) -> LiftRule | None: ...
@overload
def rules(aspect: Literal["mistakes"], op: type[Op]) -> MistakesRule | None: ...


def rules(aspect: Aspect, op: type[Op]) -> object:
    """The entry of an operation in one of its family's files; None if there is none.

    Args:
        aspect: name of the file, such as ``"numpy"``; its table is called ``RULES``.
        op: an operation's class.
    """
    family = op.__module__.rpartition(".")[0]
    return _table(aspect, family).get(op) if family.startswith(f"{operations.__name__}.") else None


@overload
def find(aspect: Literal["numpy"], op: Op) -> Kernel: ...
@overload
def find(aspect: Literal["c"], op: Op) -> CRule: ...
@overload
def find(aspect: Literal["text"], op: Op) -> Text: ...
@overload
def find(aspect: Literal["gradient"], op: Op) -> GradientRule: ...


def find(aspect: Literal["numpy", "c", "text", "gradient"], op: Op) -> object:
    """An aspect of an operation.

    Raises:
        UnsupportedError: the operation has no such aspect; the message names both.
    """
    found = rules(aspect, type(op))
    if found is None:
        raise UnsupportedError(f"the operation {type(op).__name__} has no {aspect}")
    return found
