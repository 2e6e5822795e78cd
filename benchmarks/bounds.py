"""Ratios that were recorded, and whether others are worse. Nothing is measured here."""

from __future__ import annotations

import json
from pathlib import Path

PATH = Path(__file__).with_name("bounds.json")
WORSE = 1.25
"""How many times a recorded ratio another may be."""


def read(path: Path = PATH) -> dict[str, float]:
    """The recorded ratios by case."""
    return json.loads(path.read_text()) if path.is_file() else {}


def write(ratios: dict[str, float], path: Path = PATH) -> None:
    """Record ratios, with three digits."""
    path.write_text(json.dumps({name: float(f"{r:.3g}") for name, r in ratios.items()}, indent=1) + "\n")


def worse(ratios: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """The cases whose ratio is more than a quarter above the recorded one, and those without a recorded one."""
    return [name for name, r in ratios.items() if name not in recorded or not r <= WORSE * recorded[name]]


def missing(ratios: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """The recorded cases that were not measured."""
    return [name for name in recorded if name not in ratios]


def table(ratios: dict[str, float], recorded: dict[str, float]) -> str:
    """A line for each case: its ratio, the recorded one, and whether it is worse."""
    wrong = worse(ratios, recorded)
    wide = max(map(len, ratios), default=4)
    lines = [f"{'case':<{wide}}{'ratio':>9}{'bound':>9}"]
    for name, ratio in ratios.items():
        bound = f"{recorded[name]:.3f}" if name in recorded else "none"
        lines.append(f"{name:<{wide}}{ratio:>9.3f}{bound:>9}{'  WORSE' if name in wrong else ''}")
    return "\n".join(lines)
