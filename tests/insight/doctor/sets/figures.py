"""What the doctor says of the sets: what it names, what it misses, and its false alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import foldnet as fn
from tests.insight.doctor.sets import (
    healthy_networks,
    healthy_tables,
    pairs_initial,
    pairs_inputs,
    pairs_learning,
    pairs_normalizations,
    pairs_outputs,
)
from tests.insight.doctor.sets.record import Healthy, Pair, Trained, half

PAIRS: tuple[Pair, ...] = (
    *pairs_outputs.PAIRS, *pairs_inputs.PAIRS, *pairs_initial.PAIRS, *pairs_learning.PAIRS,
    *pairs_normalizations.PAIRS,
)  # fmt: skip
HEALTHY: tuple[Healthy, ...] = (*healthy_tables.HEALTHY, *healthy_networks.HEALTHY)
HALVES = ("tuning", "held out")


def grave(trained: Trained) -> dict[str, str]:
    """The checks that say more than "note" of a network, and where."""
    report = fn.doctor(trained.model, trained.x, trained.y, **trained.more)
    return {
        f.check: f"{f.severity} at {f.layer!r}: {f.message}" for f in report.findings if f.severity != "note"
    }


@dataclass(frozen=True)
class Line:
    """What was said of one network.

    Attributes:
        kind: "sick", "mended" or "healthy".
        wanted: the checks that may name the fault; none for the other kinds.
        said: checks that said more than "note".
    """

    name: str
    kind: str
    wanted: tuple[str, ...]
    said: dict[str, str]

    @property
    def named(self) -> list[str]:
        """The wanted checks that spoke."""
        return [check for check in self.wanted if check in self.said]

    @property
    def right(self) -> bool:
        """Whether a fault was named, or nothing was said where there is none."""
        return bool(self.named) if self.kind == "sick" else not self.said


def lines() -> Iterator[Line]:
    """Train every network of the sets and examine it."""
    for pair in PAIRS:
        for kind, wanted in (("sick", pair.checks), ("mended", ())):
            yield Line(pair.name, kind, wanted, grave(pair.trained(kind)))
    for healthy in HEALTHY:
        yield Line(healthy.name, "healthy", (), grave(healthy.trained()))


def table(found: list[Line]) -> str:
    """The figures of both halves as a table, and those of each check that spoke."""
    rows = [f"{'half':10}{'faults':>8}{'named':>8}{'missed':>8}{'without fault':>15}{'false alarms':>14}"]
    for part in HALVES:
        sick = [line.right for line in found if half(line.name) == part and line.kind == "sick"]
        sound = [line.right for line in found if half(line.name) == part and line.kind != "sick"]
        counts = (
            f"{len(sick):8}{sum(sick):8}{len(sick) - sum(sick):8}{len(sound):15}{len(sound) - sum(sound):14}"
        )
        rows.append(f"{part:10}{counts}")
    rows += ["", f"{'check':34}{'names':>7}{'of':>5}{'false alarms':>14}"]
    names, of, false = Counter[str](), Counter[str](), Counter[str]()
    for line in found:
        names.update(line.named)
        of.update(line.wanted)
        false.update([] if line.kind == "sick" else list(line.said))
    rows += [f"{check:34}{names[check]:7}{of[check]:5}{false[check]:14}" for check in sorted(of | false)]
    return "\n".join(rows)


def wrong(found: list[Line]) -> str:
    """Each network that was not judged rightly, and what was said of it."""
    return "\n".join(
        f"{half(line.name)}: {line.kind} {line.name!r}: "
        + (f"not named by {', '.join(line.wanted)}; said: {', '.join(line.said) or 'nothing'}" if line.kind == "sick"
           else "; ".join(f"{check}: {said}" for check, said in line.said.items()))
        for line in found if not line.right
    )  # fmt: skip
