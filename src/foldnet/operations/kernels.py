"""What an operation's ``numpy.py`` says: how it computes, in prediction and in a training step.

Every exact kernel computes in float64, whatever its operands' precision, and its result is rounded once to the working
precision. A float32 result is therefore the exact one, rounded once for each operation.

A row's result must not depend on the rows beside it. So an exact kernel leaves the order of additions neither to NumPy,
which picks it by the shape of the whole array, nor to BLAS, whose blocking depends on the number of rows: sums run
``in_order``. And every operand is made contiguous, because NumPy's loops for ``exp`` and the like may take another
path, with another last bit, for strided data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.activations import in_order
from foldnet.arrays import Array
from foldnet.graph.op import Op


@dataclass(frozen=True)
class Moment:
    """When in a fit an operation runs: whether it is a training step, which one, and the seed."""

    training: bool
    seed: int = 0
    step: int = 0


@dataclass(frozen=True)
class Kernel:
    """How an operation computes on arrays with the batch axis first.

    Attributes:
        exact: of the operation and its operands, in float64; None for one that is in training programs alone.
        in_step: of the operation, the moment and its operands, in the working precision, for training programs; None
            where they compute as predictions do. An operation with several results gives a tuple.
        moved: of the operation and its operands, what the first operands after x are once a training step is over; None
            where they rest.
        quick: as ``exact``, with the terms of sums in any order, for measurements in float64; None where that is no
            quicker, and so is its result where it is not for these settings.
    """

    exact: Callable[..., Array] | None
    in_step: Callable[..., Any] | None = None
    moved: Callable[..., tuple[Array, ...]] | None = None
    quick: Callable[..., Array | None] | None = None

    def predict(self, op: Op, operands: Sequence[Array], dtype: np.dtype[Any]) -> Array:
        """The result in float64, rounded once to the working precision."""
        assert self.exact is not None, f"{type(op).__name__} is for training programs alone"
        wide = [np.asarray(a, np.float64 if a.dtype.kind == "f" else None, order="C") for a in operands]
        y = self.exact(op, *wide)
        return y.astype(dtype) if y.dtype.kind == "f" else y

    def train(
        self, op: Op, moment: Moment, operands: Sequence[Array], dtype: np.dtype[Any]
    ) -> tuple[Array, ...]:
        """The results in a training program."""
        if self.in_step is None:
            return (self.predict(op, operands, dtype),)
        found = self.in_step(op, moment, *operands)
        return found if isinstance(found, tuple) else (found,)


def sum_over(x: Array, axes: Sequence[int]) -> Array:
    """Sum over axes, which are kept with size 1, first over the last of them."""
    for axis in sorted(axes, reverse=True):
        x = in_order(x, axis)
    return x


def mean_over(x: Array, axes: Sequence[int]) -> Array:
    """Mean over axes, which are kept with size 1."""
    count = np.prod([x.shape[a] for a in axes], dtype=np.float64)
    return sum_over(x, axes) / count
