"""Statistics of a batch and randomness along one more axis.

As in Keras, every position has statistics of its own, which move the moving ones in turn, and random numbers of its
own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foldnet.graph.op import Op, Shape
from foldnet.operations.batch.op import BatchNorm, BatchRenorm, Drop, FixedNorm
from foldnet.operations.lifts import Lifted, Rule, in_turn, spread


def _drop(op: Drop, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    rows, *others = op.shared or (False,)
    return Lifted((replace(op, shared=(rows, False, *others)),))


RULES: dict[type[Op], Rule] = {
    BatchNorm: in_turn,
    BatchRenorm: in_turn,
    FixedNorm: spread,
    Drop: _drop,
}
