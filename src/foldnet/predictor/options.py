"""Options of freezing: the engine, the precision, and the structure of inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from foldnet.errors import ConfigError
from foldnet.literals import Engine, Precision, member

ENGINES: tuple[Engine, ...] = get_args(Engine)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Options:
    """How a network is frozen, and the structure of its inputs and outputs.

    Attributes:
        engine: as requested.
        dtype: the working precision.
        fold: whether the passes ran.
        input_names: of the inputs, in order.
        output_names: keys of the results if they are a dict of arrays; None for anything else.
        input_structure: how inputs are nested, if not as one array, a list, or a dict of arrays; each input is
            replaced by its index.
        output_structure: likewise, of the results.
    """

    engine: Engine = "auto"
    dtype: Precision = "float32"
    fold: bool = True
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] | None = None
    input_structure: Any = None
    output_structure: Any = None


def checked_engine(engine: str) -> Engine:
    """The engine of this name.

    Raises:
        ConfigError: there is no such engine.
    """
    found = member(engine, ENGINES)
    if found is not None:
        return found
    raise ConfigError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")


def checked_precision(dtype: str, engine: Engine) -> Precision:
    """The precision of this name.

    Raises:
        ConfigError: there is no such precision, or the engine does not have it.
    """
    found = member(dtype, PRECISIONS)
    if found == "float64" and engine == "native":
        raise ConfigError('the native engine computes in float32; for float64 use engine="reference"')
    if found is not None:
        return found
    raise ConfigError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
