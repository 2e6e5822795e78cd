"""What ``foldnet.sweep`` returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.escaping import escaped

SHOWN = 20
"""Rows of the table that ``print`` shows."""

WIDEST = 30
"""Characters of a setting that are shown."""


@dataclass(frozen=True)
class SweepRow:
    """One setting of a sweep.

    Attributes:
        number: its place among the settings, from 0.
        settings: its entries.
        scores: of each fit: the folds of the first seed, then those of the next.
        logs: each log's mean over the fits, on the rows that a fit was not trained on.
        seconds: that its fits took together, each in its own thread.
    """

    number: int
    settings: dict[str, Any]
    scores: list[float]
    logs: dict[str, float]
    seconds: float

    @property
    def score(self) -> float:
        """The mean of the scores."""
        return float(np.mean(self.scores))

    @property
    def spread(self) -> float:
        """The standard deviation of the scores."""
        return float(np.std(self.scores))


class SweepResult:
    """The settings of a sweep and their scores; iterates over them in the order in which they were tried.

    Args:
        rows: one for each setting.
        name: of the score.
        largest: whether the largest score is the best.

    Attributes:
        rows: as given.
        name: as given.

    >>> rows = [SweepRow(0, {"units": 4}, [0.5, 0.25], {}, 0.1), SweepRow(1, {"units": 8}, [1.0], {}, 0.2)]
    >>> result = SweepResult(rows, "loss")
    >>> result.best.settings, result.best.score
    ({'units': 4}, 0.375)
    >>> print(result)
    2 settings, best loss 0.375:
    units   loss  spread  seconds
        4  0.375   0.125     0.10
        8      1       0     0.20
    """

    def __init__(self, rows: list[SweepRow], name: str, largest: bool = False) -> None:
        self.rows, self.name, self._largest = rows, name, largest

    @property
    def best(self) -> SweepRow:
        """The setting with the best score; the first of them if several have it."""
        return self.ranked()[0]

    def ranked(self) -> list[SweepRow]:
        """The rows from the best to the worst; those whose score is no number are last."""

        def place(row: SweepRow) -> tuple[bool, float]:
            return bool(np.isnan(row.score)), -row.score if self._largest else row.score

        return sorted(self.rows, key=place)

    def columns(self) -> dict[str, list[Any]]:
        """Settings, score, spread, logs and seconds as lists by name: what a table of any library is made of."""
        names = list(dict.fromkeys(name for row in self.rows for name in row.settings))
        found: dict[str, list[Any]] = {name: [row.settings.get(name) for row in self.rows] for name in names}
        # A setting may have the name of a log; its own column comes first.
        for name in dict.fromkeys(log for row in self.rows for log in row.logs):
            found.setdefault(name, [row.logs.get(name) for row in self.rows])
        for name in ("score", "spread", "seconds"):
            found.setdefault(name, [getattr(row, name) for row in self.rows])
        return found

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with a line for each setting.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self.columns())

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[SweepRow]:
        return iter(self.rows)

    def __getitem__(self, number: int) -> SweepRow:
        return self.rows[number]

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row.settings))
        lines = [[*(escaped(name, WIDEST) for name in names), self.name, "spread", "seconds"]]
        for row in self.ranked()[:SHOWN]:
            values = [escaped(str(row.settings.get(name, "")), WIDEST) for name in names]
            lines.append([*values, f"{row.score:.4g}", f"{row.spread:.4g}", f"{row.seconds:.2f}"])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(t.rjust(w) for t, w in zip(line, widths, strict=True)) for line in lines]
        left = f"\n... {len(self) - SHOWN} more" if len(self) > SHOWN else ""
        title = f"{len(self)} settings, best {self.name} {self.best.score:.4g}:"
        return "\n".join([title, *table]) + left

    __repr__ = __str__
