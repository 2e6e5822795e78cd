"""Test whether mistakes explain a candidate's numbers: compute the network with them and compare.

First a few rows are compared with a large tolerance, because almost all hypotheses are far off. The rest are compared
with the tolerance for a right candidate: the float32 rounding of *that* network, including its mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.blocks import BROKEN, Patch, Patched
from foldnet.insight.oracle import UNIT, Oracle, difference, in_tolerances, row_max, row_scale
from foldnet.insight.sites import Site
from foldnet.insight.verify.comparison import Point, largest
from foldnet.insight.verify.mistakes.base import Mistake, Suspect, patches_of, shown_as
from foldnet.insight.verify.sight import VISIBLE, ExactValues

FEW = 12
"""Number of rows for the first comparison."""
LOOSE, TIGHTER = 1e-3, 1e-4
"""The tolerance of the first comparison, relative to the row's largest value: for one mistake, and for two."""
FAR = 256
"""How many times the distance of one run from the exact values no tolerance reaches."""
TOGETHER = 64
"""How many hypotheses are computed at once."""
SHARE = 0.9
"""The share of rows that must agree if results jump: rounding to float16 may go either way."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One mistake, in one layer or in several layers in the same way."""

    suspects: tuple[Suspect, ...]

    @property
    def of_batch(self) -> bool:
        """Whether a row's result depends on the other rows."""
        return any(m.of_batch for s in self.suspects for _, m in s.parts)

    @property
    def outputs(self) -> frozenset[str]:
        """The values that are computed differently."""
        return frozenset(site.output for s in self.suspects for site, _ in s.parts)


@dataclass(frozen=True, eq=False)
class State:
    """A network with mistakes.

    Attributes:
        hypotheses: the mistakes.
        values: all its values.
        reached: how many points, in computing order, it explains.
        residual: the largest difference at those, in tolerances.
        unknown: points without an explanation; the candidate's own values are used there.
    """

    hypotheses: tuple[Hypothesis, ...]
    values: Mapping[str, Array]
    reached: int
    residual: float
    unknown: tuple[tuple[str, Suspect], ...] = ()

    @property
    def suspects(self) -> list[Suspect]:
        """All differences from the right network."""
        return [s for d in self.hypotheses for s in d.suspects] + [s for _, s in self.unknown]


class HypothesisTester:
    """Computes networks with mistakes and compares them with a candidate's values.

    Args:
        oracle: of the right network.
        exact: its values for the candidate's rows.
        points: the candidate's values by the name of the value, in computing order, each with numbers.
        tolerance: the caller's own, if any.
    """

    def __init__(
        self, oracle: Oracle, exact: ExactValues, points: Mapping[str, Point], tolerance: float | None
    ) -> None:
        self.oracle, self.exact, self.tolerance = oracle, exact, tolerance
        self.names = list(points)
        self.given = {name: p.value for name, p in points.items() if p.value is not None}
        self._order = {node.output: i for i, node in enumerate(oracle.graph.nodes, 1)}
        # A value is known once the nodes up to its own have run.
        self.needed = np.maximum.accumulate([self._place(name) for name in self.names]).tolist()
        errors = [in_tolerances(v, exact.values[n], exact.tolerances[n]) for n, v in self.given.items()]
        worst = np.argsort(-np.max(errors, axis=0), kind="stable")
        self.rows = np.sort(worst[:: max(1, len(worst) // FEW)][:FEW])

    def few(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The values for the rows of the first comparison."""
        constants = self.oracle.graph.constants
        return {k: v if k in constants else v[self.rows] for k, v in values.items()}

    def with_mistakes(
        self, values: Mapping[str, Array], network: Patched, reached: int
    ) -> dict[str, Array] | None:
        """The values with further patches, up to a point; None if the network fails with them."""
        try:
            return self.oracle.patched(values, network, self.needed[reached])
        except BROKEN:
            return None

    def look_right(
        self, values: Mapping[str, Array], networks: Sequence[Patched], reached: int, loose: float
    ) -> list[bool]:
        """For each of the networks, whether all its points up to this one are near the candidate's.

        Args:
            values: to start from, of the rows of the first look.
            networks: none of which mixes rows.
            reached: the number of the last point.
            loose: how far values may differ, relative to the row's largest.
        """
        found = [False] * len(networks)
        # Those that differ late have much in common with what they start from: they are computed together.
        order = sorted(range(len(networks)), key=lambda k: min(map(self._place, networks[k].changed)))
        for start in range(0, len(order), TOGETHER):
            part = order[start : start + TOGETHER]
            for k, right in zip(
                part, self._right_together(values, [networks[k] for k in part], reached, loose), strict=True
            ):
                found[k] = right
        return found

    def _place(self, value: str) -> int:
        return self._order.get(value, 0)

    def _right_together(
        self, values: Mapping[str, Array], networks: Sequence[Patched], reached: int, loose: float
    ) -> Sequence[bool]:
        try:
            blocks = self.oracle.side_by_side(values, networks, self.needed[reached])
        except BROKEN:  # one of them breaks all
            alone = [self.with_mistakes(values, network, reached) for network in networks]
            return [v is not None and self.looks_right(v, reached, True, loose) for v in alone]
        right = np.ones(len(networks), bool)
        right[list(blocks.broken)] = False
        for name in self.names[: reached + 1][::-1]:
            if not right.any():
                break
            changed = name in blocks or shown_as(name) in blocks
            near = self._near(name, shown(blocks if changed else values, name), True, loose)
            right &= near.reshape(len(networks) if changed else 1, -1).mean(axis=1) >= SHARE
        return right.tolist()

    def looks_right(self, values: Mapping[str, Array], reached: int, few: bool, loose: float) -> bool:
        """Whether all points up to this one are close to the candidate's."""
        return all(
            self._near(name, shown(values, name), few, loose).mean() >= SHARE
            for name in self.names[: reached + 1][::-1]
        )

    def _near(self, name: str, value: Array, few: bool, loose: float) -> Array:
        """For each row of a point's value, of one network or several, whether it is near the candidate's."""
        rows = self.rows if few else slice(None)
        given, tolerances = self.given[name][rows], self.exact.tolerances[name][rows]
        blocks = value.reshape(-1, *given.shape)
        allowed = np.maximum(loose * row_scale(value).reshape(-1, len(given)), 64 * tolerances)
        off = difference(given, blocks).reshape(*allowed.shape, -1)
        return off.max(axis=2, initial=0.0) <= allowed

    def confirmed(self, state: State, hypotheses: Sequence[Hypothesis]) -> State | None:
        """The state with these hypotheses added, if it explains its next point to rounding."""
        new = State((*state.hypotheses, *hypotheses), {}, state.reached, 0.0, state.unknown)
        patches = patches_of(new.suspects)
        changed = [o for d in hypotheses for o in d.outputs]
        values = self.with_mistakes(state.values, Patched(patches, changed), len(self.names) - 1)
        if values is None or not self._may_be_rounding(values, patches, state.reached):
            return None
        tolerances = self._tolerances(values, patches)
        if tolerances is None:
            return None
        jumps = any(m.jumps for s in new.suspects for _, m in s.parts)
        reached, residual = 0, 0.0
        for name in self.names:
            error = in_tolerances(self.given[name], shown(values, name), tolerances[name])
            worst = (
                float(np.quantile(error, SHARE, method="higher")) if jumps and error.size else largest(error)
            )
            if worst > 1:
                break
            reached, residual = reached + 1, max(residual, worst)
        explains = reached > state.reached and self._is_evidence(state, values, tolerances)
        return State(new.hypotheses, values, reached, residual, state.unknown) if explains else None

    def _may_be_rounding(
        self, values: Mapping[str, Array], patches: Mapping[str, Patch], reached: int
    ) -> bool:
        """Whether rounding could be what is left at the points up to this one, as far as a single run can tell.

        A tolerance is a multiple of the largest of several runs' distances, so it takes several times as long to find.
        """
        if self.tolerance is not None:
            return True
        try:
            run = self.oracle.one_rounding(self.exact.inputs, patches, self.needed[reached])
        except BROKEN:
            return False
        for name in self.names[: reached + 1]:
            value = shown(values, name)
            scale = row_scale(value)
            with np.errstate(all="ignore"):
                distance = row_max(difference(shown(run, name), value)) / scale
            if not np.isfinite(distance).all():
                return True
            allowed = FAR * max(largest(distance), UNIT) * scale
            if (row_max(difference(self.given[name], value)) <= allowed).mean() < SHARE:
                return False
        return True

    def _tolerances(
        self, values: Mapping[str, Array], patches: Mapping[str, Patch]
    ) -> dict[str, Array] | None:
        keys = {name: shown_as(name) if shown_as(name) in values else name for name in self.names}
        if self.tolerance is not None:
            scales = {name: row_scale(values[key]) for name, key in keys.items()}
            return {name: self.tolerance * np.maximum(1.0, s) for name, s in scales.items()}
        try:
            found = self.oracle.tolerances(self.exact.inputs, values, keys.values(), patches)
        except BROKEN:
            return None
        return {name: found[key] for name, key in keys.items()}

    def _is_evidence(
        self, state: State, values: Mapping[str, Array], tolerances: Mapping[str, Array]
    ) -> bool:
        """Whether some row differed before by more than the tolerance allowed now, which may be large."""
        name = self.names[state.reached]
        before = in_tolerances(self.given[name], shown(state.values, name), tolerances[name])
        after = in_tolerances(self.given[name], shown(values, name), tolerances[name])
        return bool(((before > VISIBLE) & (after <= 1)).any())

    def numbers_off(self, state: State) -> int:
        """How many of the candidate's numbers at the next point differ from the state's."""
        name = self.names[state.reached]
        value = shown(state.values, name)
        tolerances = self.exact.tolerances[name].reshape(-1, *(1,) * (value.ndim - 1))
        return int((difference(self.given[name], value) > tolerances).sum())

    def as_given(self, state: State, site: Site) -> State:
        """The state continued with the candidate's own value at the next point, which nothing explains."""
        name = self.names[state.reached]
        taken = Suspect(site, self.fixed("unknown", self.given[name]))
        unknown = (*state.unknown, (name, taken))
        patches = patches_of([*state.suspects, taken])
        values = self.with_mistakes(state.values, Patched(patches, [name]), len(self.names) - 1)
        tolerances = None if values is None else self._tolerances(values, patches)
        if values is None or tolerances is None:  # nothing after it can be computed
            return State(state.hypotheses, state.values, len(self.names), state.residual, unknown)
        reached = 0
        while reached < len(self.names) and self._agrees(self.names[reached], values, tolerances):
            reached += 1
        return State(state.hypotheses, values, max(reached, state.reached + 1), state.residual, unknown)

    def _agrees(self, name: str, values: Mapping[str, Array], tolerances: Mapping[str, Array]) -> bool:
        return largest(in_tolerances(self.given[name], shown(values, name), tolerances[name])) <= 1

    def fixed(self, name: str, factors_or_value: Array, *, factor: bool = False) -> Mistake:
        """A mistake that gives these numbers for the candidate's rows, or multiplies by them."""

        def compute(operands: Sequence[Array], right: Array) -> Array:
            numbers = factors_or_value if len(right) == len(factors_or_value) else factors_or_value[self.rows]
            return right * numbers if factor else numbers.astype(np.float64)

        return Mistake(name, compute, of_batch=True)


def shown(values: Mapping[str, Array], name: str) -> Array:
    """The value that a candidate with these values would show under a name."""
    return values.get(shown_as(name), values[name])
