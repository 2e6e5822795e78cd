"""The C that is written by hand: files beside the modules that use them."""

from __future__ import annotations

import os


def header(module: str, name: str) -> str:
    """The text of a file of C.

    Args:
        module: ``__file__`` of a module in the same folder.
        name: of the file.
    """
    path = os.path.join(os.path.dirname(module), name)  # noqa: PTH118, PTH120
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
        return file.read()
