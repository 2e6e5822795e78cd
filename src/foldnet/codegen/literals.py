"""Numbers as text that reads back to the same bits."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from foldnet.arrays import Array

WIDTH = 88


def number(value: Any) -> str:
    """The shortest Python text for a NumPy float32 or integer.

    >>> number(np.float32(0.1)), number(np.float32("inf"))
    ('0.1', 'np.inf')
    """
    if isinstance(value, np.integer):
        return str(int(value))
    if not np.isfinite(value):
        return "np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    text = str(value)
    # Python reads the text as a double, which is then rounded; twice rounding must not miss.
    return text if np.float32(float(text)) == value else repr(float(value))


def assignment(name: str, array: Array) -> str:
    """A statement that makes the array, wrapped to a readable width.

    >>> assignment("bias_1", np.array([0.1, 2], np.float32))
    'bias_1 = np.array([0.1, 2.0], dtype=np.float32)'
    """
    dtype = f"np.{array.dtype.name}"
    if array.ndim == 0:
        return f"{name} = {dtype}({number(array[()])})"
    if array.size == 0:
        return f"{name} = np.zeros({array.shape}, dtype={dtype})"
    short = f"{name} = np.array({_flat(array)}, dtype={dtype})" if array.size <= 64 else ""
    if 0 < len(short) <= WIDTH:
        return short
    return f"{name} = np.array(\n{_nested(array, 4)},\n    dtype={dtype},\n)"


def _flat(array: Array) -> str:
    if array.ndim == 0:
        return number(array[()])
    return "[" + ", ".join(_flat(part) for part in array) + "]"


def _nested(array: Array, indent: int) -> str:
    margin = " " * indent
    if array.ndim == 1:
        line = margin + "[" + ", ".join(number(v) for v in array) + "]"
        if len(line) < WIDTH:
            return line
        body = textwrap.fill(
            ", ".join(number(v) for v in array) + ",",
            WIDTH - 1,
            initial_indent=margin + "    ",
            subsequent_indent=margin + "    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        return f"{margin}[\n{body}\n{margin}]"
    parts = ",\n".join(_nested(part, indent + 4) for part in array)
    return f"{margin}[\n{parts},\n{margin}]"


def plain_float(value: float) -> str:
    """A setting as Python text; whole numbers without a fraction.

    >>> plain_float(6.0), plain_float(0.1), plain_float(float("-inf"))
    ('6', '0.1', '-np.inf')
    """
    if value != value:
        return "np.nan"
    if value in (float("inf"), float("-inf")):
        return "np.inf" if value > 0 else "-np.inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
