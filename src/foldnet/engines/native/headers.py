"""The C that is written by hand: files beside this one."""

from __future__ import annotations

import os


def header(name: str) -> str:
    """The text of a file of C."""
    path = os.path.join(os.path.dirname(__file__), name)  # noqa: PTH118, PTH120
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
        return file.read()
