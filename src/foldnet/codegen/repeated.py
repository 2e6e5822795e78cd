"""Statements that a program repeats for other arrays, as functions, so that compilers work on them once.

Layers of the same shape have the same statements, but for the arrays that they name. A compiler's time would grow with
the number of layers; so it grows with the number of different ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OFTEN = 4
"""How often statements come at least to be a function; calls cost a small network time."""

_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


@dataclass(frozen=True)
class Pattern:
    """Statements with names in the place of what varies.

    Attributes:
        text: with ``given_0``, ``given_1`` and so on.
        kinds: their types, as parameters are declared.
        given: what stands there.
    """

    text: str
    kinds: tuple[str, ...]
    given: tuple[str, ...]


def pattern(
    text: str,
    words: re.Pattern[str],
    kind: Callable[[str], str | None],
    parts: Callable[[str], tuple[str, str]] = lambda word: (word, ""),
) -> Pattern:
    """The pattern of statements.

    Args:
        text: C.
        words: what may vary.
        kind: the type of a word that varies; None for one that does not.
        parts: of a word: what varies, and what comes behind it.

    >>> pattern("y[i] = x[i] + x[0];", re.compile("[xy]"), lambda word: "float *")
    Pattern(text='given_0[i] = given_1[i] + given_1[0];', kinds=('float *', 'float *'), given=('y', 'x'))
    """
    places: dict[str, int] = {}
    kinds: list[str] = []

    def place(found: re.Match[str]) -> str:
        word, end = parts(found[0])
        type_ = kind(word)
        if type_ is None:
            return found[0]
        if word not in places:
            places[word] = len(places)
            kinds.append(type_)
        return f"given_{places[word]}{end}"

    return Pattern(words.sub(place, text), tuple(kinds), tuple(places))


class Repeated:
    """The statements of a body, as functions where they come often.

    Args:
        parts: of the body; each is a function or stays as it is.
        arrays: type of what each array's name points to.
        name: what the functions' names begin with.
        kept: names that are not handed over: parts with one of them stay as they are.

    Attributes:
        functions: C of them.

    >>> parts = [["for (int i = 0; i < 8; i++)", f"  {a}[i] = -{a}[i];"] for a in "abcd"]
    >>> found = Repeated(parts, dict.fromkeys("abcd", "float"), "same", ())
    >>> found.of(parts[2])
    ['  same_1(c);']
    >>> print(found.functions.rstrip())
    static __attribute__((noinline)) void same_1(float *given_0) {
      for (int i = 0; i < 8; i++)
        given_0[i] = -given_0[i];
    }
    """

    def __init__(
        self, parts: Sequence[Sequence[str]], arrays: Mapping[str, str], name: str, kept: Sequence[str]
    ) -> None:
        self._arrays, self._kept = arrays, set(kept)
        counts = Counter((p.text, p.kinds) for part in parts if (p := self._pattern(part)))
        often = (key for key, count in counts.items() if count >= OFTEN)
        self._names = {key: f"{name}_{k}" for k, key in enumerate(often, 1)}

    @property
    def functions(self) -> str:
        """C of the functions."""
        return "".join(f"{_function(name, *key)}\n" for key, name in self._names.items())

    def of(self, part: Sequence[str]) -> list[str]:
        """The part, or a call of its function."""
        found = self._pattern(part)
        name = self._names.get((found.text, found.kinds)) if found else None
        if found is None or name is None:
            return list(part)
        return [*filter(_is_comment, part), f"  {name}({', '.join(found.given)});"]

    def _pattern(self, part: Sequence[str]) -> Pattern | None:
        """None if it must stay."""
        text = "\n".join(line for line in part if not _is_comment(line))
        if not text or self._kept.intersection(_WORD.findall(text)):
            return None
        return pattern(text, _WORD, lambda word: f"{self._arrays[word]} *" if word in self._arrays else None)


def _function(name: str, text: str, kinds: Sequence[str]) -> str:
    given = ", ".join(f"{kind}given_{k}" for k, kind in enumerate(kinds))
    return f"static __attribute__((noinline)) void {name}({given}) {{\n{_indented(text)}\n}}\n"


def divided(lines: Sequence[str]) -> list[list[str]]:
    """Statements by the comments before them."""
    parts: list[list[str]] = []
    for line in lines:
        if _is_comment(line) or not parts:
            parts.append([])
        parts[-1].append(line)
    return parts


def _is_comment(line: str) -> bool:
    return line.startswith("  /* ")


def _indented(text: str) -> str:
    """Moved to the indent of a function's body."""
    lines = text.split("\n")
    least = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join(f"  {line[least:]}" for line in lines)
