"""Statements that a program repeats, as functions of the arrays that they work on.

Layers of the same shape have the same C but for the names of arrays, for numbers that the program is given, and for the
streams of random numbers. What is written once and called compiles once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from foldnet.engines.native.training.functions import Function, indented

Group = Sequence[str]
"""The statements of an operation, a line each."""

_VARYING = re.compile(r"\bN\[\d+\]|\b\d+u\b|\b[a-z]\w*")
_COMMENT = re.compile(r"/\*.*?\*/")


@dataclass(frozen=True)
class _Pattern:
    """Statements with ``?`` in the place of what varies, and what stands there."""

    text: str
    kinds: tuple[str, ...]
    given: tuple[str, ...]

    @property
    def training(self) -> str:
        """The name of the number that says whether this is a training step, if it matters here."""
        return "TRAINING" if "TRAINING" in self.text else ""


def _pattern(group: Group, declared: Mapping[str, str]) -> _Pattern:
    places: dict[str, int] = {}
    kinds: list[str] = []

    def place(found: re.Match[str]) -> str:
        word = found[0]
        if word[0].islower() and word not in declared:
            return word
        if word not in places:
            places[word] = len(places)
            kinds.append(_kind(word, declared))
        return f"given_{places[word]}"

    text = "\n".join(line for line in (_COMMENT.sub("", line).strip() for line in group) if line)
    return _Pattern(_VARYING.sub(place, text), tuple(kinds), tuple(places))


def _kind(word: str, declared: Mapping[str, str]) -> str:
    """The C type of what varies."""
    if word in declared:
        return declared[word].partition("const ")[0]
    return "double " if word.startswith("N[") else "uint32_t "


def once(functions: Sequence[Function]) -> tuple[list[str], list[Function]]:
    """C of functions for all statements that are repeated, and the given functions, which call them."""
    patterns = [[_pattern(group, f.declared) for group in f.groups] for f in functions]
    counts = Counter(p.text for found in patterns for p in found if "\n" in p.text)
    names: dict[str, str] = {}
    code: list[str] = []
    for pattern in (p for found in patterns for p in found):
        if counts[pattern.text] > 1 and pattern.text not in names:
            names[pattern.text] = f"repeated_{len(names) + 1}"
            code.append(_function(names[pattern.text], pattern))
    return code, [
        replace(f, groups=[_called(names.get(p.text), p, g) for p, g in zip(found, f.groups, strict=True)])
        for f, found in zip(functions, patterns, strict=True)
    ]


def _function(name: str, pattern: _Pattern) -> str:
    given = ["Job *job", "Block *block", "long ME", *(["const int TRAINING"] if pattern.training else [])]
    given += [
        f"{kind}{'' if kind.endswith('*') else 'const '}given_{k}" for k, kind in enumerate(pattern.kinds)
    ]
    lines = indented(["UNPACK", *pattern.text.split("\n")], 1)
    return "\n".join(
        [f"static __attribute__((noinline)) void {name}({', '.join(given)}) {{", *lines, "}", ""]
    )


def _called(name: str | None, pattern: _Pattern, group: Group) -> Group:
    if name is None:
        return group
    given = ["job", "block", "ME", *filter(None, [pattern.training]), *pattern.given]
    return [*_first_comment(group), f"{name}({', '.join(given)});"]


def _first_comment(lines: Iterable[str]) -> list[str]:
    return next(([found[0]] for line in lines if (found := _COMMENT.search(line))), [])
