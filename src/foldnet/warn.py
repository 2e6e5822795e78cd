"""Warnings that point at the line of the caller of foldnet."""

from __future__ import annotations

import os
import sys
import warnings

_HOME = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120 - pathlib is slow to import


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn with the first line outside of foldnet as the place."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HOME):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
