"""Sight: which mistakes would be visible in the compared values, and how large their errors are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from foldnet.arrays import Array
from foldnet.insight.blocks import Patched
from foldnet.insight.oracle import Oracle, in_tolerances
from foldnet.insight.sites import Site
from foldnet.insight.verify.mistakes import Suspect, suspects_of
from foldnet.insight.verify.mistakes.base import patches_of

VISIBLE = 2.0
"""A mistake is visible if it changes a compared value by more than this many tolerances. A candidate that makes it and
is also off by a whole tolerance is then still outside the tolerance."""


@dataclass(frozen=True)
class ExactValues:
    """The float64 values for some rows, and the tolerance of each row at each compared value."""

    inputs: Sequence[Array]
    values: Mapping[str, Array]
    tolerances: Mapping[str, Array]


class Sight:
    """Every mistake that must be visible, and its effect."""

    def __init__(self, oracle: Oracle, sites: Sequence[Site]) -> None:
        self.oracle = oracle
        self.sites = sites
        self.suspects = [s for s in suspects_of(sites, oracle.graph) if s.mistake.sight]

    def exact(self, inputs: Sequence[Array], names: Iterable[str]) -> ExactValues:
        """The reference for these rows, with tolerances for the named values."""
        values = self.oracle.values(inputs)
        return ExactValues(inputs, values, self.oracle.tolerances(inputs, values, names))

    def wrong_values(self, suspect: Suspect, exact: ExactValues) -> dict[str, Array]:
        """Every value of the network with this mistake."""
        patches = patches_of([suspect])
        return self.oracle.patched(exact.values, Patched(patches, patches), len(self.oracle.graph.nodes))

    def visible(self, suspect: Suspect, exact: ExactValues, names: Iterable[str]) -> dict[str, Array]:
        """For each named value, and each row, the error this mistake causes, in units of the tolerance."""
        wrong = self.wrong_values(suspect, exact)
        return {n: in_tolerances(wrong[n], exact.values[n], exact.tolerances[n]) for n in names}

    def reached_from(self, value: str) -> frozenset[str]:
        """A value and all values that depend on it."""
        reached = {value}
        for node in self.oracle.graph.nodes:
            if reached.intersection(node.inputs):
                reached.add(node.output)
        return frozenset(reached)
