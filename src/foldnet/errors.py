"""The errors foldnet raises: each says what happened, what was expected, and how to correct it."""

from __future__ import annotations

from foldnet.escaping import escaped

LONGEST = 1000
"""Characters of a message; the middle of a longer one is left out."""


class FoldnetError(Exception):
    """Base class of all errors that foldnet raises on purpose.

    Its text often quotes a file, so it is escaped: short, and without control characters.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(escaped(a, LONGEST) if isinstance(a, str) else a for a in args))


class FileFormatError(FoldnetError, ValueError):
    """A file is damaged, malicious, or not of the format it claims to be."""


class MissingFileError(FileFormatError, FileNotFoundError):
    """There is no file of this name: Python's FileNotFoundError, and a ValueError as in Keras."""

    def __init__(self, *args: object) -> None:
        FileNotFoundError.__init__(self, *args)  # errno, text and name of the file

    def __str__(self) -> str:
        return escaped(FileNotFoundError.__str__(self), LONGEST)


class UnsupportedError(FoldnetError):
    """A layer, setting or activation that foldnet cannot represent exactly; the message names it."""


class ConfigError(FoldnetError, ValueError):
    """A layer or a network was given settings that contradict each other or Keras's rules."""


class SettingTypeError(ConfigError, TypeError):
    """A setting has the wrong type, such as a text instead of a number."""


class NotYetError(ConfigError, AttributeError):
    """Something that a layer or network only has after it knows the shape of its input."""


class InputError(FoldnetError, ValueError):
    """Data has the wrong shape, dtype or range of values."""


class InputTypeError(InputError, TypeError):
    """The data has a type that does not hold numbers."""


class GraphError(FoldnetError):
    """An intermediate graph breaks a rule of the checker: a bug in foldnet."""


class CompileError(FoldnetError):
    """The C compiler is missing, or rejected the generated code."""
