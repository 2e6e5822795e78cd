"""NumPy kernels of operations (``numpy.py`` of each family), for prediction and for training steps.

Every exact kernel computes in float64, whatever its operands' precision, and its result is rounded once to the working
precision. A float32 result is therefore the exact one, rounded once for each operation.

A row's result must not depend on the other rows. NumPy chooses the order of additions by the shape of the whole array,
and BLAS's blocking depends on the number of rows, so an exact kernel uses neither for sums: they run ``in_order``.
Every operand is made contiguous, because NumPy's loops for ``exp`` and others may use another code path, with another
last bit, for strided data.
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
class StepContext:
    """When in a fit an operation runs: whether it is a training step, which one, and the seed."""

    training: bool
    seed: int = 0
    step: int = 0


@dataclass(frozen=True)
class Kernel:
    """How an operation computes on arrays with the batch axis first.

    Attributes:
        exact: of the operation and its operands, in float64; None for operations of training programs only.
        in_step: of the operation, the step's context and its operands, in the working precision, for training
            programs; None if they use ``exact``. An operation with several results returns a tuple.
        moved: of the operation and its operands, the values of the first operands after x at the end of a training
            step; None if they do not change.
        quick: as ``exact``, but the terms of sums may be added in any order, for measurements in float64; None if that
            is not faster. Its result is None if it is not faster for these settings.
    """

    exact: Callable[..., Array] | None
    in_step: Callable[..., Array | tuple[Array, ...]] | None = None
    moved: Callable[..., tuple[Array, ...]] | None = None
    quick: Callable[..., Array | None] | None = None

    def predict(self, op: Op, operands: Sequence[Array], dtype: np.dtype[Any]) -> Array:
        """The result in float64, rounded once to the working precision."""
        assert self.exact is not None, f"{type(op).__name__} is for training programs only"
        wide = [np.asarray(a, np.float64 if a.dtype.kind == "f" else None, order="C") for a in operands]
        y = self.exact(op, *wide)
        if y.dtype.kind != "f":
            return y
        # A result of its own need not be copied; callers may change what they get.
        return y.astype(dtype, copy=any(np.may_share_memory(y, a) for a in operands))

    def train(
        self, op: Op, context: StepContext, operands: Sequence[Array], dtype: np.dtype[Any]
    ) -> tuple[Array, ...]:
        """The results in a training program."""
        if self.in_step is None:
            return (self.predict(op, operands, dtype),)
        found = self.in_step(op, context, *operands)
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
