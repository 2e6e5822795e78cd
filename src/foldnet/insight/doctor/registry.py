"""A check: an id, what it needs, and its function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal

from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding

Need = Literal["file", "loss", "data", "targets", "given", "history", "validation", "script", "candidate"]

Excuse = Literal["none", "learned", "all", "curves"]
"""What refutes the warnings and errors of a check, which are then notes.

Nothing, for facts that no score can show; that the network has learned its task; that it does all of it, for what makes
learning worse without preventing it; for missing curves also that curves would not help.
"""

FILE: Final = "file"
LOSS: Final = "loss"
DATA: Final = "data"
TARGETS: Final = "targets"
GIVEN: Final = "given"
HISTORY: Final = "history"
VALIDATION: Final = "validation"
SCRIPT: Final = "script"
CANDIDATE: Final = "candidate"

NEEDS: dict[str, tuple[str, Callable[[Context], bool]]] = {
    FILE: ("nothing", lambda p: True),
    LOSS: ("needs a compiled network", lambda p: any(p.losses)),
    DATA: ("needs data", lambda p: p.x is not None),
    TARGETS: ("needs data and targets", lambda p: p.x is not None and p.targets is not None),
    GIVEN: ("needs data and targets", lambda p: p.x is not None and p.y is not None and len(p.outputs) == 1),
    HISTORY: ("needs the history of the training", lambda p: p.history is not None),
    VALIDATION: (
        "needs validation data, or a history with a val_loss that is a number",
        lambda p: (
            (p.validation_data is not None and len(p.outputs) == 1)
            or any(map(isfinite, (p.history or {}).get("val_loss", ())))
        ),
    ),
    SCRIPT: ("needs the training script", lambda p: p.script is not None),
    CANDIDATE: (
        "needs data and a prediction function",
        lambda p: p.x is not None and p.candidate is not None,
    ),
}
"""What a check may need: a description, and whether it is available."""


def lacking(need: Need, context: Context) -> str | None:
    """Why a check with this need cannot be made; None if it can."""
    words, has = NEEDS[need]
    if has(context):
        return None
    both = context.x is not None and context.y is not None
    given = context.validation_data is not None if need == VALIDATION else both
    if need not in (TARGETS, GIVEN, VALIDATION) or not given:
        return words
    if len(context.outputs) != 1:
        return "does not look at networks with several outputs"
    return "needs targets that are numbers, one for each row"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: stable; also the name of its page in the documentation.
        needs: a key of NEEDS; optional data does not count.
        title: what it looks for, in a few words.
        look: yields its findings, without the id.
        measures: whether the network must be computed on the data.
        excuse: what refutes its warnings and errors; those of checks that ask for it themselves are as they say.
    """

    id: str
    needs: Need
    title: str
    look: Callable[[Context], Iterator[Finding]]
    measures: bool = False
    excuse: Excuse = "none"
