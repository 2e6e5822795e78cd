"""The search for mistakes that explain a candidate's numbers.

The points where the candidate's values are known are explained one after the other, in computing order: at the
first that departs, every single mistake before it is tried, made in one layer or in all; then Dropout's random
masks; then pairs. What explains a point stays in the network, and the search goes on to the next that departs.
A point that nothing explains is taken as the candidate has it, and the search goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.oracle import difference, in_tolerances, row_max
from foldnet.insight.verify.comparison import largest
from foldnet.insight.verify.hypotheses import LOOSE, TIGHTER, Bench, Deed, State, shown
from foldnet.insight.verify.mistakes import Suspect
from foldnet.insight.verify.mistakes.base import patches_of
from foldnet.insight.verify.random_masks import dropped
from foldnet.insight.verify.sight import Watch

WIDTH = 8
"""How many explanations of the points so far are followed further."""
COARSER = 2.0**13
"""How much coarser float16 rounds than float32."""
NUMBERS = 8
"""Numbers that float16 has exactly, of which so many are no coincidence."""
ENOUGH = 3
"""Wrong numbers that it takes to look for pairs: there are thousands, and some pair gives any one number."""


@dataclass
class Effort:
    """What was tried."""

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


class Search:
    """A search over one candidate's values.

    Args:
        watch: over the right network.
        bench: with the candidate's values.
        suspects: the mistakes to try.
        seconds: for pairs, in all.
    """

    def __init__(self, watch: Watch, bench: Bench, suspects: Sequence[Suspect], seconds: float) -> None:
        self.watch, self.bench, self.seconds = watch, bench, seconds
        self.deeds = deeds_of(suspects)
        self.effort = Effort(singles=len(suspects))
        self._reached = {s.output: watch.reached_from(s.output) for s in watch.sites}
        self._made = {s.output: s for s in watch.sites}

    def explanations(self) -> list[State]:
        """The states that explain most of the points, the likeliest first."""
        bench = self.bench
        start = State((), bench.exact.values, 0, 0.0)
        start = State((), start.values, self._first_off(start), 0.0)
        states = [start]
        while states[0].reached < len(bench.names):
            after = [new for state in states for new in self._explained(state)]
            if not after:
                name = bench.names[states[0].reached]
                after = [
                    bench.as_given(s, self._made[name]) for s in states if bench.names[s.reached] == name
                ]
            furthest = max(s.reached for s in after)
            states = _leanest([s for s in after if s.reached == furthest])
            if furthest < len(bench.names):
                states = states[:WIDTH]
        return states

    def _first_off(self, state: State) -> int:
        bench = self.bench
        for i, name in enumerate(bench.names):
            error = row_max(difference(bench.given[name], state.values[name]))
            if (error > bench.exact.tolerances[name]).any():
                return i
        return len(bench.names)

    def _explained(self, state: State) -> list[State]:
        """What the state becomes with one more mistake, or two, that explain its next point."""
        bench, few = self.bench, self.bench.few(state.values)
        deeds = [d for d in self.deeds if self._concerns(d, bench.names[state.reached])]
        found = [
            new for d in deeds if self._looks(state, few, (d,)) and (new := bench.confirmed(state, (d,)))
        ]
        if found:
            return found
        for site in self.watch.sites:
            mask = dropped(bench, state, site, self._concerns_value(site.output, bench.names[state.reached]))
            if mask is not None and (new := bench.confirmed(state, (Deed((Suspect(site, mask),)),))):
                return [new]
        if (in_half := self._in_half(state)) is not None:
            return [in_half]
        if bench.numbers_off(state) < ENOUGH:
            self.effort.too_few = True
            return []
        return list(self._pairs(state, few, deeds))

    def _in_half(self, state: State) -> State | None:
        """The whole computed in float16, in an order of steps that nobody knows.

        Then every value is one that float16 has, and as near as float16 rounding leads.
        """
        halves = [d for d in self.deeds if d.suspects[0].mistake.name == "float16-rounding"]
        deed = max(
            halves, key=lambda d: (d.suspects[0].mistake.variant == "all", len(d.suspects)), default=None
        )
        given = [v.astype(np.float64) for v in self.bench.given.values()]
        if state.deeds or deed is None or sum(v.size for v in given) < NUMBERS:
            return None
        with np.errstate(over="ignore"):
            if not all(np.array_equal(v.astype(np.float16), v, equal_nan=True) for v in given):
                return None
        exact, residual = self.bench.exact, 0.0
        for name, value in self.bench.given.items():
            error = in_tolerances(value, exact.values[name], exact.tolerances[name] * COARSER)
            residual = max(residual, largest(error))
        names = self.bench.names
        return State((deed,), state.values, len(names), residual) if residual <= 1 else None

    def _concerns(self, deed: Deed, point: str) -> bool:
        return any(self._concerns_value(output, point) for output in deed.outputs)

    def _concerns_value(self, output: str, point: str) -> bool:
        return point in self._reached[output]

    def _looks(self, state: State, few: dict[str, Array], deeds: Sequence[Deed]) -> bool:
        """Whether the deeds pass the first look."""
        of_batch = any(d.of_batch for d in deeds)
        patches = patches_of([*state.suspects, *(s for d in deeds for s in d.suspects)])
        changed = [o for d in deeds for o in d.outputs]
        values = self.bench.with_deeds(state.values if of_batch else few, patches, changed, state.reached)
        return values is not None and self.bench.looks_right(values, state.reached, not of_batch, LOOSE)

    def _pairs(self, state: State, few: dict[str, Array], deeds: Sequence[Deed]) -> Iterator[State]:
        bench, point = self.bench, self.bench.names[state.reached]
        different = list(self._different(state, few, deeds))
        count = len(different)
        self.effort.all_pairs += count * (count - 1) // 2
        started = monotonic()
        for i, (first, full, part) in enumerate(different):
            for second, _, _ in different[i + 1 :]:
                if monotonic() - started > self.seconds:
                    self.seconds = 0.0
                    return
                self.effort.pairs += 1
                if not _combine(first, second):
                    continue
                of_batch = first.of_batch or second.of_batch
                patches = patches_of([*state.suspects, *first.suspects, *second.suspects])
                values = bench.with_deeds(full if of_batch else part, patches, second.outputs, state.reached)
                if values is None or not bench.looks_right(values, state.reached, not of_batch, TIGHTER):
                    continue
                new = bench.confirmed(state, (first, second))
                if new is not None and point in bench.names:
                    yield new
        self.seconds -= monotonic() - started

    def _different(
        self, state: State, few: dict[str, Array], deeds: Sequence[Deed]
    ) -> Iterator[tuple[Deed, dict[str, Array], dict[str, Array]]]:
        """The deeds that change the next point and no earlier one, each effect once, with their values."""
        bench, names = self.bench, self.bench.names[: state.reached + 1]
        effects: set[bytes] = set()
        last = len(bench.names) - 1
        for deed in sorted(deeds, key=lambda d: -len(d.suspects)):
            patches = patches_of([*state.suspects, *deed.suspects])
            part = bench.with_deeds(few, patches, deed.outputs, last)
            full = bench.with_deeds(state.values, patches, deed.outputs, last) if part else None
            if part is None or full is None:
                continue
            effect = b"".join(
                np.ascontiguousarray(v).tobytes() for n in bench.names for v in (shown(part, n), part[n])
            ) + b"".join(o.encode() for o in sorted(deed.outputs) if not _whole(deed))
            same = all(np.array_equal(shown(part, n), few[n], equal_nan=True) for n in names)
            earlier = not names[:-1] or bench.looks_right(full, state.reached - 1, False, TIGHTER)
            if not same and earlier and effect not in effects:
                effects.add(effect)
                yield deed, full, part


def deeds_of(suspects: Sequence[Suspect]) -> list[Deed]:
    """Each mistake in each layer, in all layers of a class at once, and in all at once."""
    groups: dict[tuple[str, ...], list[Suspect]] = {}
    for suspect in suspects:
        mistake = suspect.mistake
        for key in (
            (mistake.name, mistake.variant, type(suspect.site.layer).__name__),
            (mistake.name, mistake.variant),
        ):
            groups.setdefault(key, []).append(suspect)
    together: dict[frozenset[Suspect], Deed] = {}
    for group in groups.values():
        if len({s.site.output for s in group}) == len(group) > 1:
            together.setdefault(frozenset(group), Deed(tuple(group)))
    return [*(Deed((s,)) for s in suspects), *together.values()]


def _whole(deed: Deed) -> bool:
    """Whether nothing of it is a formula's edit; only such deeds are alike when their numbers are."""
    return all(m.edit is None for s in deed.suspects for _, m in s.parts)


def _combine(first: Deed, second: Deed) -> bool:
    """Whether two deeds can be done at once: in other layers, or with other parts of one layer's formula."""
    if not first.outputs & second.outputs:
        return True
    return not (_whole(first) or _whole(second)) and (
        first.suspects[0].mistake.name != second.suspects[0].mistake.name
    )


def _leanest(states: list[State]) -> list[State]:
    """Without the explanations that hold another one and something besides; the likeliest first."""
    keyed = [({(s.mistake.name, s.site.path) for s in state.suspects}, state) for state in states]
    kept: list[tuple[set[tuple[str, str]], State]] = []
    for key, state in sorted(
        keyed, key=lambda k: (len(k[1].unknown), len(k[1].deeds), len(k[0]), k[1].residual)
    ):
        if not any(other <= key for other, _ in kept):
            kept.append((key, state))
    return [state for _, state in kept]
