"""The record of each Keras op, with its name in files, and how ops are called on symbolic tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from foldnet.layers.tensors import SymbolicTensor
from foldnet.signatures import parameters_of

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Record:
    """One op.

    Attributes:
        name: of the function in ``foldnet.ops``.
        function: that computes it on arrays and expressions.
        keras_class: its class in files.
        module: the module of that class.
        settings: arguments that files store in the op's configuration; the others are stored in the call.
    """

    name: str
    function: Callable[..., Any]
    keras_class: str
    module: str
    settings: tuple[str, ...] = ()

    def parameters(self) -> list[inspect.Parameter]:
        """The function's parameters."""
        return list(parameters_of(self.function).values())


RECORDS: dict[str, Record] = {}
"""Every op that can be used between the layers of a network, by its name."""


def by_class() -> dict[str, Record]:
    """``RECORDS`` by class name in files."""
    return {record.keras_class: record for record in RECORDS.values()}


def is_symbolic(value: Any) -> bool:
    """Whether an argument is or contains a symbolic tensor."""
    if isinstance(value, list | tuple):
        return any(is_symbolic(item) for item in value)
    return isinstance(value, SymbolicTensor)


def operation(
    keras_class: str, module: str = "numpy", settings: tuple[str, ...] = (), name: str | None = None
) -> Callable[[F], F]:
    """A decorator that lets a function take symbolic tensors; the call then becomes an operation of the network."""

    def wrap(function: F) -> F:
        own = name or function.__name__
        home = module if "." in module else f"keras.src.ops.{module}"
        record = Record(own, function, keras_class, home, settings)
        RECORDS[own] = record

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if any(is_symbolic(a) for a in args) or any(is_symbolic(a) for a in kwargs.values()):
                from foldnet.layers.operation import symbolic_call

                return symbolic_call(record, args, kwargs)
            return function(*args, **kwargs)

        return cast(F, call)

    return wrap
