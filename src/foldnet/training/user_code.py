"""Call the user's losses and metrics with expressions, and explain what goes wrong."""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from foldnet.errors import ConfigError, FoldnetError
from foldnet.ops import Expression

_PACKAGE = str(Path(__file__).parent.parent)

HOW_TO = (
    "foldnet compiles it, for which it is called once with expressions that have no values yet: write it with "
    "foldnet.ops (ops.mean, ops.where, + - * /), not with NumPy, TensorFlow, or Python's if"
)


def traced(
    what: str, name: str, function: Callable[..., Any], y_true: Any, y_pred: Any, **settings: Any
) -> Any:
    """Call a function with expressions or arrays.

    Args:
        what: ``"loss"`` or ``"metric"``, for messages.
        name: of the loss or metric, for messages.
        function: of ``y_true``, ``y_pred`` and the settings.
        y_true: targets.
        y_pred: outputs.
        settings: further arguments.

    Raises:
        ConfigError: a user's function fails on expressions, or does not return an expression; the message
            names the line.
    """
    if not isinstance(y_pred, Expression) or not _is_users(function):
        return function(y_true, y_pred, **settings)
    try:
        found = function(y_true, y_pred, **settings)
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if not isinstance(error, FoldnetError) else str(error)
        at = _line(error, function)
        raise ConfigError(f"the {what} {name!r} fails{at}: {said[:600]}\n{HOW_TO}") from error
    if found is None:
        raise ConfigError(
            f"the {what} {name!r}{_where(function)} returns nothing; return its value, one number per row"
        )
    if isinstance(found, Expression):
        return found
    if isinstance(found, bool | int | float):
        return float(found)
    raise ConfigError(
        f"the {what} {name!r}{_where(function)} gives {type(found).__name__}, which is not an expression of "
        f"foldnet.ops\n{HOW_TO}"
    )


def _is_users(function: Callable[..., Any]) -> bool:
    code = _code(function)
    return code is None or not code.co_filename.startswith(_PACKAGE)


def _code(function: Callable[..., Any]) -> CodeType | None:
    function = inspect.unwrap(function)
    function = getattr(function, "func", function)  # functools.partial
    own = getattr(function, "__func__", function)
    return getattr(own, "__code__", None) or getattr(type(own).__call__, "__code__", None)


def _where(function: Callable[..., Any]) -> str:
    code = _code(function)
    return "" if code is None else f" ({Path(code.co_filename).name}, line {code.co_firstlineno})"


def _line(error: BaseException, function: Callable[..., Any]) -> str:
    """The last line of the user's file in the traceback."""
    code = _code(function)
    if code is None:
        return ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == code.co_filename]
    if not frames:
        return ""
    line = (frames[-1].line or linecache.getline(code.co_filename, frames[-1].lineno or 0)).strip()
    return f" in {Path(code.co_filename).name}, line {frames[-1].lineno}, at `{line}`"
