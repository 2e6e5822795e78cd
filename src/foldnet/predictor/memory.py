"""What predictions need in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """Bytes that predictions need; a call needs ``weights``, ``workspace`` for each thread, and ``row`` for each row.

    Attributes:
        weights: of all weights.
        workspace: in which a thread of a call computes, whatever the number of rows. It is planned when the code is
            written, so that values that are never needed at the same time share their place. None on the reference
            engine, which takes memory from NumPy as it goes: about 16 MB, or what one row needs.
        row: of the input and the result of one row.
    """

    weights: int
    workspace: int | None
    row: int

    def __str__(self) -> str:
        space = "" if self.workspace is None else f"{self.workspace:,} to work in for each thread, "
        return f"{self.weights:,} bytes of weights, {space}{self.row:,} for the input and result of each row"
