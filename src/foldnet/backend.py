"""What scripts ask of Keras's ``backend`` and ``config``: the numbers that foldnet computes with."""

from __future__ import annotations

from foldnet.errors import UnsupportedError
from foldnet.layers.naming import clear_session

__all__ = ["backend", "clear_session", "epsilon", "floatx", "set_floatx"]


def backend() -> str:
    """What computes: foldnet itself."""
    return "foldnet"


def epsilon() -> float:
    """The small number that losses and metrics add or cut off at."""
    return 1e-7


def floatx() -> str:
    """The dtype of weights and results."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accept ``"float32"``.

    Raises:
        UnsupportedError: another dtype.
    """
    if value != "float32":
        raise UnsupportedError(f"foldnet trains in float32; floatx {value!r} is not to be had")
