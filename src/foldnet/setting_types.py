"""Types of settings, with which layers, initializers, constraints and regularizers check their settings.

``kinds`` of a class has the type of each setting. Every setting is checked when an object is built and when it is set
later, and is stored in one form (NumPy's numbers as Python's, lists of sizes as tuples), so that no other code has to
check it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np

from foldnet.errors import ConfigError, FoldnetError, SettingTypeError, UnsupportedError
from foldnet.literals import DataFormat


@dataclass(frozen=True)
class Kind:
    """One kind of setting.

    Attributes:
        words: a description for errors: ``"a whole number of 1 or more"``.
        read: converts a value to its stored form; raises TypeError or ValueError for other values.
    """

    words: str
    read: Callable[[Any], Any]

    def __call__(self, value: Any, owner: str, setting: str) -> Any:
        """The value in its stored form.

        Raises:
            ConfigError: it is not of this kind; the message has owner, setting and value.
        """
        try:
            return self.read(value)
        except FoldnetError as error:
            raise type(error)(f"{owner}: {setting}: {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            cls = SettingTypeError if isinstance(error, TypeError) else ConfigError
            raise cls(f"{owner}: {setting} must be {self.words}, not {shown(value)}") from None

    def or_none(self) -> Kind:
        """The same, or None."""
        return Kind(f"{self.words}, or None", lambda value: None if value is None else self.read(value))


class Checked:
    """Base class of objects with settings: each setting in ``kinds`` is checked whenever it is set."""

    kinds: ClassVar[Mapping[str, Kind]] = {}
    """The kind of each setting; a subclass lists its own and inherits those of its bases."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known: dict[str, Kind] = {}
        for base in reversed(cls.__mro__):
            known |= vars(base).get("kinds", {})
        cls.kinds = known

    def described(self) -> str:
        """The owner of the settings, for errors."""
        return type(self).__name__

    def checked(self, setting: str, value: Any) -> Any:
        """The value in its stored form; see ``Kind``."""
        kind = self.kinds.get(setting)
        return value if kind is None else kind(value, self.described(), setting)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, self.checked(name, value))


def shown(value: object) -> str:
    """A value for an error message: never longer than a line."""
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


LONG_NAME = 200
"""Characters of a name that are compared with others: one from a stranger may have millions."""


def near(name: str, names: Sequence[str]) -> str:
    """Text for errors about an unknown name: similar names, and all names."""
    import difflib  # only errors need it

    by_small = {n.lower(): n for n in reversed(names)}
    found = difflib.get_close_matches(str(name)[:LONG_NAME].lower(), by_small, n=3, cutoff=0.6)
    known = ", ".join(names)
    meant = " or ".join(repr(by_small[n]) for n in found)
    return f"did you mean {meant}? All names: {known}" if found else f"it must be one of {known}"


LARGEST = float(np.finfo(np.float32).max)

# -- numbers ----------------------------------------------------------------------------------------------------


def _plain(value: object) -> Any:
    """A number from NumPy's types and from Keras 2's stored forms of them."""
    if isinstance(
        value, Mapping
    ):  # {"class_name": "__numpy__", "config": {"value": ...}}, {"type": "ndarray", ...}
        config = value.get("config", value)
        value = config.get("value") if isinstance(config, Mapping) else None
    if isinstance(value, np.generic) or (hasattr(value, "__array__") and np.ndim(value) == 0):
        value = np.asarray(value).item()
    return value


def _number(value: object) -> float | int:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return value


def number(
    low: float | None = None, high: float | None = None, *, above: bool = False, below: bool = False
) -> Kind:
    """A finite number from ``low`` (or above it) to ``high`` (or below it)."""

    def read(value: object) -> float | int:
        found = _number(value)
        if not math.isfinite(found) or abs(found) > LARGEST:
            raise ValueError
        if low is not None and (found <= low if above else found < low):
            raise ValueError
        if high is not None and (found >= high if below else found > high):
            raise ValueError
        return found

    words = "a number"
    if low is not None and high is not None:
        words += f" from {low:g} to {'below ' if below else ''}{high:g}"
    elif low is not None:
        words += f" above {low:g}" if above else f" of {low:g} or more"
    return Kind(words, read)


def whole(low: int | None = None) -> Kind:
    """A whole number, of ``low`` or more."""

    def read(value: object) -> int:
        found = _number(value)
        if not isinstance(found, int):
            raise TypeError
        if (low is not None and found < low) or abs(found) >= 2**63:
            raise ValueError
        return found

    return Kind("a whole number" + ("" if low is None else f" of {low} or more"), read)


def _limit(value: object) -> float | int:
    found = _number(value)
    if not found >= 0 or (found > LARGEST and found != math.inf):  # not NaN either
        raise ValueError
    return found


def _flag(value: object) -> bool:
    if isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError


def _strict_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _numbers(value: object, finite: bool = True) -> Any:
    if isinstance(value, Mapping):
        value = _plain(value)
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError
    array = array.astype(np.float64)
    if finite and not np.isfinite(array).all():
        raise ValueError
    return array.tolist()


NUMBER = number()
NOT_NEGATIVE = number(0)
FRACTION = number(0, 1)
LIMIT = Kind("a number of 0 or more", _limit)
"""Infinity is allowed and means no limit."""
WHOLE = whole()
COUNT = whole(1)
FLAG = Kind("True or False", _flag)
STRICT_FLAG = Kind("True or False", _strict_flag)
"""For settings for which Keras does not accept 1 as True."""
NUMBERS = Kind("a finite number or an array of them", _numbers)
ANY_NUMBERS = Kind("a number or an array of them", lambda value: _numbers(value, finite=False))
SEED = WHOLE.or_none()


# -- words, axes, shapes ----------------------------------------------------------------------------------------


def choice(*names: str, none: str | None = None, any_case: bool = False) -> Kind:
    """One of some names; with ``any_case`` also in upper case; None means the name given as ``none``, if any."""

    def read(value: object) -> str:
        if value is None and none is not None:
            return none
        if not isinstance(value, str):
            raise TypeError
        value = value.lower() if any_case else value
        if value not in names:
            raise ValueError
        return value

    return Kind(" or ".join([", ".join(map(repr, names[:-1])), repr(names[-1])]), read)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return str(value)


NAME = Kind("a text that is not empty", _name)
DATA_FORMAT = choice(*get_args(DataFormat), none="channels_last", any_case=True)


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, str | bytes | Mapping):
        raise TypeError
    return tuple(value)


def _axes(value: object) -> list[int]:
    return [WHOLE.read(axis) for axis in _items(value)]


def _axis_or_axes(value: Any) -> int | list[int]:
    if hasattr(value, "__iter__") and np.ndim(value):
        if not (axes := _axes(value)):
            raise ValueError
        return axes
    return int(WHOLE.read(value))


def sizes(low: int, free: bool = True) -> Kind:
    """A tuple of sizes of ``low`` or more, each of which may be None if ``free``."""
    size = whole(low).or_none() if free else whole(low)
    words = f"a tuple or list of whole numbers of {low} or more" + (" or None" if free else "")
    return Kind(words, lambda value: tuple(size.read(n) for n in _items(value)))


AXES = Kind("a whole number or a list of them", _axis_or_axes)
AXES_LISTED = Kind("a list of whole numbers", _axes)
SHAPE = sizes(0)


# -- objects that have settings themselves ----------------------------------------------------------------------


def _found(module: str) -> Callable[[Any], Any]:
    def read(value: object) -> Any:
        if value is None:
            return None
        from importlib import import_module  # here, because these modules import this one

        try:
            return import_module(f"foldnet.{module}").get(value)
        except UnsupportedError:
            if isinstance(value, Mapping):
                return (
                    value  # a class in a file that foldnet does not have: refused when it would be computed
                )
            raise

    return read


INITIALIZER = Kind("an initializer: its name, or an object of foldnet.initializers", _found("initializers"))
REGULARIZER = Kind("a regularizer: its name, or an object of foldnet.regularizers", _found("regularizers"))
CONSTRAINT = Kind("a constraint: its name, or an object of foldnet.constraints", _found("constraints"))
