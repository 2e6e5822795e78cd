"""What a run over the parts of a data set did."""

from __future__ import annotations

from dataclasses import dataclass, field

from foldnet.errors import InputError

NAMED = 5
"""How many broken parts an error names."""


@dataclass
class Report:
    """What ``predict_parts`` did.

    Attributes:
        data: the folder or pattern of the rows.
        out: the folder of the results.
        parts: how many the data has.
        made: how many were made in this run.
        found: how many were there already.
        removed: how many old results were removed since the data does not have their part any more.
        rows: in the results, found ones included.
        columns: names of the columns of predictions.
        seconds: that the run took.
        working: seconds of work on parts, added up over all workers.
        predicting: of these, the seconds in the predictor; the rest went into reading and writing Parquet.
        broken: why parts are missing, by name.
    """

    data: str
    out: str
    parts: int = 0
    made: int = 0
    found: int = 0
    removed: int = 0
    rows: int = 0
    columns: list[str] = field(default_factory=list)
    seconds: float = 0.0
    working: float = 0.0
    predicting: float = 0.0
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many parts of the data have no part in the results."""
        return self.parts - self.made - self.found

    @property
    def complete(self) -> bool:
        """Whether every part of the data has its part in the results."""
        return self.missing == 0


class BrokenPartsError(InputError):
    """Some parts of a data set cannot be predicted; all others have been.

    Attributes:
        report: what was done; ``report.broken`` has the reason for each broken part.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        broken = report.broken
        named = [f"{name}: {reason}" for name, reason in sorted(broken.items())[:NAMED]]
        more = [f"and {len(broken) - NAMED} more"] if len(broken) > NAMED else []
        super().__init__(
            f"{report.missing} of {report.parts} parts could not be predicted; the others are in {report.out}. "
            + "; ".join([*named, *more])
        )

    def __reduce__(self) -> tuple[type[BrokenPartsError], tuple[Report]]:
        return BrokenPartsError, (self.report,)
