"""Statements that a program repeats for other arrays, as functions, so that compilers work on them once.

Layers of the same shape have the same statements, but for the arrays that they name. A compiler's time would grow with
the number of layers; so it grows with the number of different ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

OFTEN = 4
"""How often statements come at least to be a function; calls cost a small network time."""

_WORD = re.compile(r"[A-Za-z_]\w*")


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
    static __attribute__((noinline)) void same_1(float *p0) {
      for (int i = 0; i < 8; i++)
        p0[i] = -p0[i];
    }
    """

    def __init__(
        self, parts: Sequence[Sequence[str]], arrays: Mapping[str, str], name: str, kept: Sequence[str]
    ) -> None:
        self._arrays, self._kept = arrays, set(kept)
        counts = Counter(key for part in parts if (key := self._key(part)) is not None)
        self._names = {
            key: f"{name}_{k}" for k, key in enumerate((k for k, n in counts.items() if n >= OFTEN), 1)
        }

    @property
    def functions(self) -> str:
        """C of the functions."""
        return "".join(f"{self._function(key, name)}\n" for key, name in self._names.items())

    def of(self, part: Sequence[str]) -> list[str]:
        """The part, or a call of its function."""
        key = self._key(part)
        if key is None or key not in self._names:
            return list(part)
        comments = [line for line in part if _is_comment(line)]
        return [*comments, f"  {self._names[key]}({', '.join(self._named(part))});"]

    def _named(self, part: Sequence[str]) -> list[str]:
        """The arrays in the order in which they come."""
        return list(
            dict.fromkeys(
                w for line in _without_comments(part) for w in _WORD.findall(line) if w in self._arrays
            )
        )

    def _key(self, part: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
        """Its text with other names, and the types of the arrays; None if it must stay."""
        lines, names = _without_comments(part), self._named(part)
        if not lines or self._kept.intersection(_WORD.findall("\n".join(lines))):
            return None
        places = {name: f"p{k}" for k, name in enumerate(names)}
        text = _WORD.sub(lambda m: places.get(m[0], m[0]), "\n".join(lines))
        return text, tuple(self._arrays[name] for name in names)

    def _function(self, key: tuple[str, tuple[str, ...]], name: str) -> str:
        text, types = key
        given = ", ".join(f"{kind} *p{k}" for k, kind in enumerate(types))
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


def _without_comments(part: Sequence[str]) -> list[str]:
    return [line for line in part if not _is_comment(line)]


def _indented(text: str) -> str:
    """Moved to the indent of a function's body."""
    lines = text.split("\n")
    least = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join(f"  {line[least:]}" for line in lines)
