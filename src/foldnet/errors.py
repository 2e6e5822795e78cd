"""The errors foldnet raises: each says what happened, what was expected, and how to correct it."""

from __future__ import annotations

from foldnet.escaping import escaped

LONGEST = 1000
"""Characters of a message; the middle of a longer one is left out."""


class FoldnetError(Exception):
    """Anything that foldnet refuses or cannot do; the base of every error it raises on purpose.

    Its text often quotes a file, so it is shown as ``escaped`` gives it: short, and without control characters.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(escaped(a, LONGEST) if isinstance(a, str) else a for a in args))


class FileFormatError(FoldnetError, ValueError):
    """A file is damaged, hostile, or not of the format it claims to be."""


class MissingFileError(FileFormatError, FileNotFoundError):
    """There is no file of this name: Python's FileNotFoundError, and a ValueError as in Keras."""

    def __init__(self, *args: object) -> None:
        FileNotFoundError.__init__(self, *args)  # errno, text and name of the file

    def __str__(self) -> str:
        return escaped(FileNotFoundError.__str__(self), LONGEST)


class UnsupportedError(FoldnetError):
    """A layer, setting or activation that foldnet cannot represent exactly, and so refuses by name."""


class ConfigError(FoldnetError, ValueError):
    """A layer or a network was given settings that contradict each other or Keras's rules."""


class SettingTypeError(ConfigError, TypeError):
    """A setting is of another type than is taken: a text where a number belongs."""


class NotYetError(ConfigError, AttributeError):
    """Something that a layer or network has only once it knows the shape of its input."""


class InputError(FoldnetError, ValueError):
    """The data handed to a prediction has the wrong shape, dtype or range of values."""


class InputTypeError(InputError, TypeError):
    """The data is of a type that holds no numbers."""


class GraphError(FoldnetError):
    """An intermediate graph breaks a rule of the checker: a fault in foldnet itself."""


class CompileError(FoldnetError):
    """The C compiler is missing, or refused what foldnet wrote."""
