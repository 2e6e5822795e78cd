"""The search for mistakes that explain a candidate's numbers.

The points at which the candidate's values are known are explained one after the other, in computing order. At the first
point that differs, all single mistakes before it are tried, in one layer or in all; then Dropout's random masks; then
pairs of mistakes. Mistakes that explain a point stay in the network, and the search continues with the next point that
differs. If nothing explains a point, the candidate's own value is used, and the search continues after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.blocks import Patched
from foldnet.insight.oracle import difference, in_tolerances, row_max
from foldnet.insight.verify.comparison import largest
from foldnet.insight.verify.hypotheses import LOOSE, TIGHTER, Hypothesis, HypothesisTester, State, shown
from foldnet.insight.verify.mistakes import Suspect
from foldnet.insight.verify.mistakes.base import patches_of
from foldnet.insight.verify.random_masks import dropped
from foldnet.insight.verify.sight import Sight

WIDTH = 8
"""The largest number of explanations of the points so far that are continued."""
COARSER = 2.0**13
"""The ratio of float16's to float32's rounding errors."""
NUMBERS = 8
"""How many numbers must be representable in float16 to rule out coincidence."""
ENOUGH = 3
"""How many wrong numbers are needed to search for pairs: some of thousands of pairs fits any single number."""


@dataclass
class SearchEffort:
    """How many mistakes and pairs were tried."""

    singles: int = 0
    pairs: int = 0
    all_pairs: int = 0
    too_few: bool = False

    def __str__(self) -> str:
        said = f"{self.singles} single mistakes"
        if self.all_pairs:
            done = "all" if self.pairs >= self.all_pairs else f"{self.pairs:,} of the"
            said += f" and {done} {self.all_pairs:,} pairs"
            if self.pairs < self.all_pairs:
                said += " (the time for pairs was up)"
        elif self.too_few:
            said += "; too few wrong numbers to tell pairs of mistakes apart"
        return said


@dataclass(frozen=True, eq=False)
class Start:
    """Mistakes that are made already, and the values with them: of the rows of the first look, and of all."""

    made: tuple[Hypothesis, ...]
    few: Mapping[str, Array]
    full: Mapping[str, Array]


class Search:
    """A search for the mistakes of one candidate.

    Args:
        sight: of the right network.
        tester: with the candidate's values.
        suspects: the mistakes to try.
        seconds: total time for pairs.
    """

    def __init__(
        self, sight: Sight, tester: HypothesisTester, suspects: Sequence[Suspect], seconds: float
    ) -> None:
        self.sight, self.tester, self.seconds = sight, tester, seconds
        self.hypotheses = hypotheses_of(suspects)
        self.effort = SearchEffort(singles=len(suspects))
        self._reached: dict[str, frozenset[str]] = {}
        self._made = {s.output: s for s in sight.sites}

    def explanations(self) -> list[State]:
        """The states that explain the most points, the most likely first."""
        tester = self.tester
        start = State((), tester.exact.values, 0, 0.0)
        start = State((), start.values, self._first_off(start), 0.0)
        states = [start]
        while states[0].reached < len(tester.names):
            after = [new for state in states for new in self._explained(state)]
            if not after:
                name = tester.names[states[0].reached]
                after = [
                    tester.as_given(s, self._made[name]) for s in states if tester.names[s.reached] == name
                ]
            furthest = max(s.reached for s in after)
            states = _leanest([s for s in after if s.reached == furthest])
            if furthest < len(tester.names):
                states = states[:WIDTH]
        return states

    def _first_off(self, state: State) -> int:
        tester = self.tester
        for i, name in enumerate(tester.names):
            error = row_max(difference(tester.given[name], state.values[name]))
            if (error > tester.exact.tolerances[name]).any():
                return i
        return len(tester.names)

    def _explained(self, state: State) -> list[State]:
        """The states with one or two more mistakes that explain the next point."""
        tester = self.tester
        start = Start((), tester.few(state.values), state.values)
        hypotheses = [d for d in self.hypotheses if self._concerns(d, tester.names[state.reached])]
        looked = zip(hypotheses, self._look_right(state, start, hypotheses, LOOSE), strict=True)
        found = [new for d, right in looked if right and (new := tester.confirmed(state, (d,)))]
        if found:
            return found
        for site in self.sight.sites:
            mask = dropped(
                tester, state, site, self._concerns_value(site.output, tester.names[state.reached])
            )
            if mask is not None and (new := tester.confirmed(state, (Hypothesis((Suspect(site, mask),)),))):
                return [new]
        if (in_half := self._in_half(state)) is not None:
            return [in_half]
        if tester.numbers_off(state) < ENOUGH:
            self.effort.too_few = True
            return []
        return list(self._pairs(state, start, hypotheses))

    def _in_half(self, state: State) -> State | None:
        """The whole network computed in float16, in an unknown order of steps.

        Then every value is representable in float16 and within float16 rounding of the right one.
        """
        halves = [d for d in self.hypotheses if d.suspects[0].mistake.name == "float16-rounding"]
        hypothesis = max(
            halves, key=lambda d: (d.suspects[0].mistake.variant == "all", len(d.suspects)), default=None
        )
        given = [v.astype(np.float64) for v in self.tester.given.values()]
        if state.hypotheses or hypothesis is None or sum(v.size for v in given) < NUMBERS:
            return None
        with np.errstate(over="ignore"):
            if not all(np.array_equal(v.astype(np.float16), v, equal_nan=True) for v in given):
                return None
        exact, residual = self.tester.exact, 0.0
        for name, value in self.tester.given.items():
            error = in_tolerances(value, exact.values[name], exact.tolerances[name] * COARSER)
            residual = max(residual, largest(error))
        names = self.tester.names
        return State((hypothesis,), state.values, len(names), residual) if residual <= 1 else None

    def _concerns(self, hypothesis: Hypothesis, point: str) -> bool:
        return any(self._concerns_value(output, point) for output in hypothesis.outputs)

    def _concerns_value(self, output: str, point: str) -> bool:
        if output not in self._reached:
            self._reached[output] = self.sight.reached_from(output)
        return point in self._reached[output]

    def _look_right(
        self, state: State, start: Start, hypotheses: Sequence[Hypothesis], loose: float
    ) -> Iterator[bool]:
        """For each hypothesis, added to where the search starts from, whether it passes the first comparison."""
        tester = self.tester
        networks = [
            Patched(
                patches_of([*state.suspects, *(s for made in (*start.made, d) for s in made.suspects)]),
                d.outputs,
            )
            for d in hypotheses
        ]
        mixed = [any(made.of_batch for made in (*start.made, d)) for d in hypotheses]
        apart = [network for network, mixes in zip(networks, mixed, strict=True) if not mixes]
        together = iter(tester.look_right(start.few, apart, state.reached, loose))
        for network, mixes in zip(networks, mixed, strict=True):
            if mixes:
                values = tester.with_mistakes(start.full, network, state.reached)
                yield values is not None and tester.looks_right(values, state.reached, False, loose)
            else:
                yield next(together)

    def _pairs(self, state: State, start: Start, hypotheses: Sequence[Hypothesis]) -> Iterator[State]:
        different = list(self._different(state, start, hypotheses))
        count = len(different)
        self.effort.all_pairs += count * (count - 1) // 2
        started = monotonic()
        for i, start in enumerate(different):
            if monotonic() - started > self.seconds:
                self.seconds = 0.0
                return
            (first,) = start.made
            self.effort.pairs += count - i - 1
            others = [
                second for later in different[i + 1 :] for second in later.made if _combine(first, second)
            ]
            for second, right in zip(others, self._look_right(state, start, others, TIGHTER), strict=True):
                if right and (new := self.tester.confirmed(state, (first, second))):
                    yield new
        self.seconds -= monotonic() - started

    def _different(self, state: State, start: Start, hypotheses: Sequence[Hypothesis]) -> Iterator[Start]:
        """The hypotheses that change the next point but no earlier one, without duplicates, with their values."""
        tester, names = self.tester, self.tester.names[: state.reached + 1]
        effects: set[bytes] = set()
        last = len(tester.names) - 1
        for hypothesis in sorted(hypotheses, key=lambda d: -len(d.suspects)):
            network = Patched(patches_of([*state.suspects, *hypothesis.suspects]), hypothesis.outputs)
            part = tester.with_mistakes(start.few, network, last)
            full = tester.with_mistakes(start.full, network, last) if part else None
            if part is None or full is None:
                continue
            effect = b"".join(
                np.ascontiguousarray(v).tobytes() for n in tester.names for v in (shown(part, n), part[n])
            ) + b"".join(o.encode() for o in sorted(hypothesis.outputs) if not _whole(hypothesis))
            same = all(np.array_equal(shown(part, n), start.few[n], equal_nan=True) for n in names)
            earlier = not names[:-1] or tester.looks_right(full, state.reached - 1, False, TIGHTER)
            if not same and earlier and effect not in effects:
                effects.add(effect)
                yield Start((hypothesis,), part, full)


def hypotheses_of(suspects: Sequence[Suspect]) -> list[Hypothesis]:
    """Each mistake in each layer, in all layers of a class at once, and in all at once."""
    groups: dict[tuple[str, ...], list[Suspect]] = {}
    for suspect in suspects:
        mistake = suspect.mistake
        for key in (
            (mistake.name, mistake.variant, type(suspect.site.layer).__name__),
            (mistake.name, mistake.variant),
        ):
            groups.setdefault(key, []).append(suspect)
    together: dict[frozenset[Suspect], Hypothesis] = {}
    for group in groups.values():
        if len({s.site.output for s in group}) == len(group) > 1:
            together.setdefault(frozenset(group), Hypothesis(tuple(group)))
    return [*(Hypothesis((s,)) for s in suspects), *together.values()]


def _whole(hypothesis: Hypothesis) -> bool:
    """Whether no part of it edits a formula; only such hypotheses are equal if their numbers are."""
    return all(m.edit is None for s in hypothesis.suspects for _, m in s.parts)


def _combine(first: Hypothesis, second: Hypothesis) -> bool:
    """Whether two hypotheses can be combined: in different layers, or in different parts of one layer's formula."""
    if not first.outputs & second.outputs:
        return True
    return not (_whole(first) or _whole(second)) and (
        first.suspects[0].mistake.name != second.suspects[0].mistake.name
    )


def _leanest(states: list[State]) -> list[State]:
    """Without explanations that contain another one; the most likely first."""
    keyed = [({(s.mistake.name, s.site.path) for s in state.suspects}, state) for state in states]
    kept: list[tuple[set[tuple[str, str]], State]] = []
    for key, state in sorted(
        keyed, key=lambda k: (len(k[1].unknown), len(k[1].hypotheses), len(k[0]), k[1].residual)
    ):
        if not any(other <= key for other, _ in kept):
            kept.append((key, state))
    return [state for _, state in kept]
