"""Which names a package of a network can have."""

from __future__ import annotations

import keyword
import sys

from foldnet.errors import ConfigError

NEEDED = ("numpy", "foldnet")
"""A package of such a name would hide the other one wherever both are found."""


def check_importable(module: str, given: str) -> None:
    """Refuse a name that Python cannot import, or imports something else by.

    Args:
        module: what the package is imported as.
        given: what the caller chose, for the error.

    Raises:
        ConfigError: it is such a name.

    >>> check_importable("wine_lib", "the folder is wine_lib")
    """
    taken = module in sys.stdlib_module_names or module in NEEDED
    if taken or not module.isidentifier() or keyword.iskeyword(module):
        why = "Python has another module of this name" if taken else "Python cannot import such a name"
        raise ConfigError(f"{given}, which would be imported as {module}: {why}; choose another one")
