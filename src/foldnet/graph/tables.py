"""Which values of a graph are used as indices or looked up, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

from foldnet.graph.graph import Graph
from foldnet.graph.sample_texts import sample_texts
from foldnet.graph.texts import Texts


def smallest_tables(graph: Graph) -> dict[str, int]:
    """For each value whose elements become indices, the size of the smallest table they are used on."""
    sizes: dict[str, int] = {}
    for node in reversed(graph.nodes):
        limit = node.op.table_rows(*(graph.types[v].shape for v in node.inputs))
        indices = node.inputs[:1]
        if limit is None and node.op.keeps_values:
            limit, indices = sizes.get(node.output), node.inputs
        for value in indices:
            if limit is not None:
                sizes[value] = min(limit, sizes.get(value, limit))
    return sizes


@dataclass(frozen=True)
class LookedUp:
    """What the elements of a value may be, because they are looked up.

    Attributes:
        known: the whole numbers that are known.
        others: whether all others are taken, too.
    """

    known: frozenset[int]
    others: bool

    def __and__(self, other: LookedUp) -> LookedUp:
        """What two readers of a value take."""
        if self.others and other.others:
            return LookedUp(self.known | other.known, True)
        strict = [each.known for each in (self, other) if not each.others]
        return LookedUp(frozenset.intersection(*strict), False)


def looked_up(graph: Graph) -> dict[str, LookedUp]:
    """For each value whose elements are looked up, what they may be."""
    found: dict[str, LookedUp] = {}
    for node in reversed(graph.nodes):
        own = node.op.looks_up
        here = None if own is None else LookedUp(frozenset(own[0]), own[1])
        if here is None and node.op.keeps_values:
            here = found.get(node.output)
        if here is not None:
            found |= {value: found[value] & here if value in found else here for value in node.inputs}
    return found


OTHERS = range(10)
"""Whole numbers to try besides those that are known."""


def sample_numbers(graph: Graph) -> dict[str, list[int]]:
    """For each input whose elements are looked up, whole numbers to try it with: all known ones, and others.

    For an input of texts they are the codes of ``sample_texts``.
    """
    numbers: dict[str, list[int]] = {}
    searched = looked_up(graph)
    for name in graph.inputs:
        found = searched.get(name)
        if name in graph.texts:
            table = graph.texts[name]
            numbers[name] = sorted({table.code(text) for text in texts_to_try(table, found)})
        elif found is not None:
            numbers[name] = sorted(found.known | (set(OTHERS) if found.others else set()))
    return numbers


def texts_to_try(table: Texts, found: LookedUp | None) -> list[str]:
    """Texts that a network takes, given what it takes of their codes; None if nothing reads them."""
    return sample_texts(table, None if found is None or found.others else found.known)
