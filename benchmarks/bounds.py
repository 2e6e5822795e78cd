"""Ratios that were recorded, and whether others are worse. Nothing is measured here.

Each kind of processor, by the floats in one of its vectors, has its own: peers and foldnet gain differently from wide
vectors. One without recorded ratios is held to those of another kind, with more room.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

PATH = Path(__file__).with_name("bounds.json")
WORSE = 1.25
"""How many times a recorded ratio another may be."""

ELSEWHERE = 2.5
"""The same where the recorded ones are of another kind of processor."""


@dataclass(frozen=True)
class Bounds:
    """What ratios are compared with.

    Attributes:
        recorded: ratios by the names of cases.
        factor: how many times as large others may be.
    """

    recorded: dict[str, float] = field(default_factory=dict)
    factor: float = WORSE

    def worse(self, ratios: dict[str, float]) -> list[str]:
        """The cases whose ratio is too large, and those without a recorded one."""
        limits = {name: self.factor * ratio for name, ratio in self.recorded.items()}
        return [name for name, ratio in ratios.items() if name not in limits or not ratio <= limits[name]]

    def missing(self, ratios: dict[str, float]) -> list[str]:
        """The recorded cases that were not measured."""
        return [name for name in self.recorded if name not in ratios]

    def table(self, ratios: dict[str, float]) -> str:
        """A line for each case: its ratio, the recorded one, and whether it is worse."""
        wrong = self.worse(ratios)
        wide = max(map(len, ratios), default=4)
        lines = [f"{'case':<{wide}}{'ratio':>9}{'recorded':>10}"]
        for name, ratio in ratios.items():
            recorded = f"{self.recorded[name]:.3f}" if name in self.recorded else "none"
            lines.append(f"{name:<{wide}}{ratio:>9.3f}{recorded:>10}{'  WORSE' if name in wrong else ''}")
        return "\n".join(lines)


def read(simd: int, path: Path = PATH) -> Bounds:
    """The recorded ratios for a kind of processor."""
    kinds = json.loads(path.read_text()) if path.is_file() else {}
    own = kinds.get(str(simd))
    if own is not None:
        return Bounds(own)
    return Bounds(next(iter(kinds.values()), {}), ELSEWHERE)


def write(ratios: dict[str, float], simd: int, path: Path = PATH) -> None:
    """Record ratios for a kind of processor, with three digits."""
    kinds = json.loads(path.read_text()) if path.is_file() else {}
    kinds[str(simd)] = {name: float(f"{r:.3g}") for name, r in ratios.items()}
    path.write_text(json.dumps(kinds, indent=1) + "\n")
