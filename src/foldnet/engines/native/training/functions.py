"""A function of C in parts, from which it is written for batches of any size and for those of the usual one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from foldnet.codegen.loops import laid_out

PART_LINES = 130
"""Statements from which a function is divided at the next op."""


def indented(lines: Iterable[str], depth: int = 0) -> list[str]:
    """Lines of C, each as far to the right as the braces and the loops without braces that it is in."""
    found: list[str] = []
    inside: list[int] = []
    heads = 0  # loops and conditions whose one statement is still to come
    for line in lines:
        text = line.strip()
        if text.startswith("}"):
            heads = inside.pop()
        found.append(f"{'  ' * (depth + len(inside) + sum(inside) + heads)}{text}")
        if text.endswith("{"):
            inside.append(heads)
            heads = 0
        elif re.match(r"(for|if|ROWS|FREELY)\b.*\)$|else$", text):
            heads += 1
        else:
            heads = 0
    return found


class JointLoop:
    """One loop over rows for one statement, or for several that read and write the same elements of it."""

    def __init__(self, heads: list[str], statements: list[str]) -> None:
        self.heads, self.statements = heads, statements

    def lines(self) -> list[str]:
        """The C."""
        if len(self.statements) == 1:
            return laid_out(self.heads, self.statements[0])
        body = [line for s in self.statements for line in laid_out([], s, "  ")]
        return [*self.heads[:-1], f"{self.heads[-1]} {{", *body, "}"]


def written(part: str | JointLoop) -> list[str]:
    """The C of a statement, a line each."""
    return [part] if isinstance(part, str) else part.lines()


@dataclass(frozen=True)
class Part:
    """Statements, a line each, and the declarations of the arrays that they name."""

    declared: Sequence[str]
    statements: Sequence[str]


@dataclass(frozen=True)
class Function:
    """A function whose statements are written.

    A long one is divided into parts: compilers take more than twice as long for a function of twice the length.

    Attributes:
        name: of the function.
        parameters: as C declares them.
        arguments: the same as a call hands them on.
        groups: the statements of each operation.
        declared: declarations of arrays by their names.
    """

    name: str
    parameters: str
    arguments: str
    groups: Sequence[Sequence[str]]
    declared: Mapping[str, str]

    @property
    def parts(self) -> list[Part]:
        """Its body in parts."""
        parts: list[list[str]] = [[]]
        for group in self.groups:
            if len(parts[-1]) >= PART_LINES and group:
                parts.append([])
            parts[-1] += group
        return [self._part(lines) for lines in parts]

    def _part(self, statements: list[str]) -> Part:
        code = re.sub(r"/\*.*?\*/", "", "\n".join(statements))
        used = dict.fromkeys(re.findall(r"\b[a-z]\w*", code))
        return Part([self.declared[name] for name in used if name in self.declared], statements)

    def text(
        self, unpack: str, suffix: str = "", parameters: str | None = None, known: Sequence[str] = ()
    ) -> str:
        """The function.

        Args:
            unpack: the macro that declares what all statements use.
            suffix: after its name.
            parameters: others than its own.
            known: statements that come before all others.
        """
        name, given = f"{self.name}{suffix}", self.parameters if parameters is None else parameters
        parts = self.parts
        if len(parts) == 1:
            return self._one(f"static void {name}({given})", [*known, unpack], parts[0])
        whole = "static __attribute__((noinline)) void"
        texts = [
            self._one(f"{whole} {name}_part{k}({given})", [*known, unpack], part)
            for k, part in enumerate(parts)
        ]
        calls = [f"{name}_part{k}({self.arguments});" for k in range(len(parts))]
        lines = "\n".join(f"  {line}" for line in [*known, *calls])
        return "\n".join([*texts, f"static void {name}({given}) {{\n{lines}\n}}\n"])

    @staticmethod
    def _one(head: str, first: Sequence[str], part: Part) -> str:
        return "\n".join([f"{head} {{", *indented([*first, *part.declared, *part.statements], 1), "}", ""])

    @property
    def lines(self) -> int:
        """How many lines of C it takes, roughly."""
        return sum(len(p.declared) + len(p.statements) + 3 for p in self.parts)
