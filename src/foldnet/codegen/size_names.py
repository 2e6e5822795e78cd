"""Sizes in C that are known only when it runs: each gets a name, and is computed before the code that uses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from foldnet.codegen.expressions import composed, plus, times
from foldnet.graph.graph import Graph
from foldnet.graph.sizes import Atom, Condition, Lengths, Relation, Terms, free


def lengths_of(graph: Graph) -> Lengths | None:
    """The lengths that a graph's sizes depend on; None if they are all known."""
    sizes = (free(n) for name in graph.inputs for n in graph.types[name].shape)
    return next((size.lengths for size in sizes if size is not None), None)


class SizeNames:
    """The sizes that a piece of C uses, by name.

    Args:
        lengths: that sizes depend on.
        given: C of each length.
        kind: type of the sizes. In 64 bits nothing overflows, whatever the lengths up to ``LONGEST``.
    """

    def __init__(self, lengths: Lengths, given: Sequence[str], kind: str = "long") -> None:
        self._lengths, self._given, self._kind = lengths, given, kind
        self._names: dict[Terms, str] = {}
        self._definitions: list[tuple[str, str]] = []

    def __call__(self, terms: Terms) -> str:
        """The name of a size; it is computed from now on."""
        return self._names.get(terms) or self._named(terms, self._sum(terms))

    def _named(self, terms: Terms, text: str) -> str:
        if not text.isidentifier():
            name = f"n_{len(self._definitions) + 1}"
            self._definitions.append((name, text))
            text = name
        self._names[terms] = text
        return text

    def definitions(self, code: Iterable[str]) -> list[str]:
        """Statements that compute the sizes that the code uses, each before those that depend on it."""
        used = {name for line in code for name in re.findall(r"\bn_\d+\b", line)}
        found = []
        for name, text in reversed(self._definitions):
            if name in used:
                used.update(re.findall(r"\bn_\d+\b", text))
                found.append(f"  const {self._kind} {name} = {text};")
        return found[::-1]

    def test(self, condition: Condition) -> str:
        """C of a condition."""
        return self._compared(condition.terms, condition.relation)

    def _compared(self, terms: Terms, relation: Relation) -> str:
        """C of how a polynomial compares with 0."""
        positive = tuple((atoms, factor) for atoms, factor in terms if factor > 0)
        negative = tuple((atoms, -factor) for atoms, factor in terms if factor < 0)
        return f"{self._sum(positive)} {relation} {self._sum(negative)}"

    def _sum(self, terms: Terms, wide: bool = False) -> str:
        added = plus(*(self._product(atoms, factor, wide) for atoms, factor in terms if factor > 0))
        for atoms, factor in terms:
            if factor < 0:
                taken = self._product(atoms, -factor)
                added = composed("-{0}", taken) if added == "0" else composed("{0} - {1}", added, taken)
        return added

    def _product(self, atoms: tuple[int, ...], factor: int, wide: bool = False) -> str:
        """C of a product; if it may be larger than any size, in 64 bits also where ``long`` has 32."""
        names = [self._atom(number) for number in atoms]
        if names and wide and factor > 1 and self._kind == "long":
            names[0] = composed("(int64_t){0}", names[0])
        text = str(factor)
        for name in reversed(names):
            text = times(name, text)
        return text

    def _atom(self, number: int) -> str:
        """The name of a length, quotient or larger number."""
        terms: Terms = (((number,), 1),)
        known = self._names.get(terms)
        return known or self._named(terms, self._computed(self._lengths.atom(number)))

    def _computed(self, atom: Atom) -> str:
        if atom.kind == "length":
            return self._given[atom.number]
        if atom.kind == "quotient":
            return composed("{0} / {1}", self._sum(atom.terms[0], wide=True), str(atom.number))
        a, b = (
            self(terms) if any(atoms for atoms, _ in terms) else self._sum(terms) for terms in atom.terms[-2:]
        )
        test = self._compared(atom.terms[0], ">=") if atom.kind == "chosen" else f"{a} > {b}"
        return f"{test} ? {a} : {b}"


@contextmanager
def writing(lengths: Lengths | None, names: SizeNames | None) -> Iterator[None]:
    """While C is written, sizes have these names."""
    if lengths is None:
        yield
        return
    was = lengths.is_writing, lengths.printed
    lengths.is_writing, lengths.printed = True, names
    try:
        yield
    finally:
        lengths.is_writing, lengths.printed = was
