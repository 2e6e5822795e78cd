"""The fallback from the native engine to the reference engine, with one warning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from foldnet.errors import CompileError, UnsupportedError
from foldnet.literals import Engine
from foldnet.warn import warn

T = TypeVar("T")

_said: set[str] = set()


def native_or_none(make: Callable[[], T], engine: Engine, what: str) -> T | None:
    """The program compiled by the native engine; None if the reference engine must be used instead.

    Args:
        make: imports the native engine and makes the program.
        engine: ``"native"`` or ``"auto"``, as the user asked for.
        what: what is to be computed, for the warning.

    Raises:
        CompileError: the native engine was asked for, and its code cannot be compiled or loaded.
        UnsupportedError: the native engine was asked for, and something in the program has no compiled form.
        RuntimeWarning: if the user's filters turn the warning into an error; nothing has changed then.
    """
    try:
        try:
            return make()
        except ImportError as error:  # a Python that was built without ctypes
            raise CompileError(f"this Python cannot load compiled code: {error}") from error
    except (CompileError, UnsupportedError) as error:
        if engine == "native":
            raise
        # A failure of the compiler concerns all programs, so it is reported once; a missing compiled form each time.
        reason = CompileError.__name__ if isinstance(error, CompileError) else str(error)
        if reason not in _said:
            warn(f"{what} run on the slower reference engine: {error}", RuntimeWarning)
            _said.add(reason)
        return None
