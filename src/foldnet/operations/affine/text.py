"""A scaling and an offset as NumPy source."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.texts import Operands, Text


def _affine(op: Affine, o: Operands) -> str:
    x, scale, offset, *shift = o.texts
    if shift and not o.neutral[3]:
        x = f"({x} - {shift[0]})"
    if not o.neutral[1]:
        x = f"{x} * {scale}"
    return x if o.neutral[2] else f"{x} + {offset}"


def _formula(op: Affine, operands: Sequence[str]) -> str:
    x = operands[0]
    return (f"({x} - mean)" if len(operands) > 3 else x) + " * scale + offset"


def _changes_nothing(index: int, array: Array) -> bool:
    return bool((array == (1 if index == 1 else 0)).all())


RULES: dict[type[Op], Text] = {
    Affine: Text(
        _affine,
        "scale and offset",
        ("x", "scale", "offset", "shift"),
        _changes_nothing,
        spread=True,
        formula=_formula,
    ),
}
