"""Statements that a program repeats, as functions of the arrays that they work on.

Layers of the same shape have the same C but for the names of arrays, for numbers that the program is given, and for the
streams of random numbers. What is written once and called compiles once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from foldnet.codegen.repeated import Pattern, pattern
from foldnet.engines.native.training.functions import Function, indented

Group = Sequence[str]
"""The statements of an operation, a line each."""

_VARYING = re.compile(r"\bN\[\d+\]|\b\d+u\b|\b[a-z]\w*|(?<![\w.])\d+(?![\w.])")
_COMMENT = re.compile(r"/\*.*?\*/")
_OWN = re.compile(r"(\w+?)(_(?:at|here)(?:_\d+)?)$")
"""Names that loops give to elements, made from those of arrays."""

_NEEDS_NUMBERS = re.compile(r"\[\] = \{|#pragma")


def _pattern(group: Group, declared: Mapping[str, str], sizes: bool) -> Pattern:
    text = "\n".join(line for line in (_COMMENT.sub("", line).strip() for line in group) if line)
    sizes = sizes and not _NEEDS_NUMBERS.search(text)

    def parts(word: str) -> tuple[str, str]:
        own = None if word in declared else _OWN.fullmatch(word)
        return (own[1], own[2]) if own and own[1] in declared else (word, "")

    return pattern(text, _VARYING, lambda word: _kind(word, declared, sizes), parts)


def _kind(word: str, declared: Mapping[str, str], sizes: bool) -> str | None:
    """The C type of what varies, as a parameter is declared; None for a word that does not vary."""
    if word.isdecimal():
        return "const long " if sizes else None
    if word[0].islower():
        return declared[word].partition("const ")[0] if word in declared else None
    return "const double " if word.startswith("N[") else "const uint32_t "


def once(functions: Sequence[Function], sizes: bool = False) -> tuple[list[str], list[Function]]:
    """C of functions for all statements that are repeated, and the given functions, which call them.

    Args:
        functions: of a program.
        sizes: whether whole numbers may differ, too: for code that must not be as fast as it can be.
    """
    patterns = [[_pattern(group, f.declared, sizes) for group in f.groups] for f in functions]
    uses: dict[str, list[Pattern]] = {}
    for own in (p for found in patterns for p in found if "\n" in p.text.replace("\nBARRIER", "")):
        uses.setdefault(own.text, []).append(own)
    repeated = {text: _Repeated(f"repeated_{k + 1}", same) for k, (text, same) in enumerate(
        (text, same) for text, same in uses.items() if len(same) > 1
    )}  # fmt: skip
    called = [
        replace(f, groups=[
            repeated[p.text].called(p, group) if p.text in repeated else group
            for p, group in zip(found, f.groups, strict=True)
        ])
        for f, found in zip(functions, patterns, strict=True)
    ]  # fmt: skip
    return [r.function() for r in repeated.values()], called


class _Repeated:
    """One function for statements of the same pattern."""

    def __init__(self, name: str, uses: Sequence[Pattern]) -> None:
        self._name, self._pattern = name, uses[0]
        #: Whole numbers that are the same in all uses stay where they are.
        self._same = {
            k
            for k, kind in enumerate(uses[0].kinds)
            if kind == "const long " and len({use.given[k] for use in uses}) == 1
        }

    def _varying(self, values: Sequence[str]) -> list[str]:
        return [value for k, value in enumerate(values) if k not in self._same]

    def function(self) -> str:
        """The function."""
        own = self._pattern
        training = [f"const int {name}" for name in _training(own)]
        parameters = ["Job *job", "Block *block", "long ME", *training]
        parameters += self._varying([f"{kind}given_{k}" for k, kind in enumerate(own.kinds)])

        def number(found: re.Match[str]) -> str:
            return own.given[int(found[1])] if int(found[1]) in self._same else found[0]

        text = re.sub(r"\bgiven_(\d+)\b", number, own.text)
        head = f"static __attribute__((noinline)) void {self._name}({', '.join(parameters)}) {{"
        return "\n".join([head, *indented(["UNPACK", *text.split("\n")], 1), "}", ""])

    def called(self, use: Pattern, group: Group) -> Group:
        """A call of it in the place of a group of statements."""
        given = ["job", "block", "ME", *_training(use), *self._varying(use.given)]
        return [*_first_comment(group), f"{self._name}({', '.join(given)});"]


def _training(own: Pattern) -> list[str]:
    """The name of the number that says whether this is a training step, if it matters here."""
    return ["TRAINING"] if "TRAINING" in own.text else []


def _first_comment(lines: Iterable[str]) -> list[str]:
    return next(([found[0]] for line in lines if (found := _COMMENT.search(line))), [])
