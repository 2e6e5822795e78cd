"""Random numbers of a training step, in NumPy."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.batch import philox
from foldnet.operations.chance.op import Choose, ChosenGradient, Draw, InTraining
from foldnet.operations.kernels import Kernel, StepContext


def draw(op: Draw, context: StepContext, x: Array) -> Array:
    """Numbers for each row in training, zeros in evaluation."""
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    if not context.training:
        return np.zeros((len(x), *op.shape), kind)
    numbers = partial(philox.DISTRIBUTIONS[op.kind], context.seed, op.stream, context.step)
    rows = 1 if op.shared else len(x)
    found = philox.of_rows(numbers, rows, prod(op.shape)).reshape(rows, *op.shape)
    return np.repeat(found, len(x) // rows, axis=0).astype(kind)


def in_training(op: InTraining, context: StepContext, training: Array, evaluation: Array) -> Array:
    """One operand or the other."""
    return training if context.training else evaluation


def taken(which: Array, count: int) -> Array:
    """The number of the value that each row takes, see ``Choose``."""
    within = np.where(which >= 0, np.minimum(which, count - 1), 0)
    return within.reshape(-1).astype(np.int64)


def choose(op: Choose, context: StepContext, which: Array, *values: Array | None) -> Array:
    """Each row of its value; values that no row takes may be missing."""
    numbers = taken(which, len(values))
    first = values[numbers[0]] if len(numbers) else next(v for v in values if v is not None)
    assert first is not None
    found = np.array(first)
    for number, value in enumerate(values):
        rows = numbers == number
        if value is not None and rows.any():
            found[rows] = value[rows]
    return found


def chosen_gradient(op: ChosenGradient, context: StepContext, which: Array, g: Array) -> Array:
    """The gradient of the rows that take the value."""
    rows = taken(which, op.count) == op.number
    return np.where(rows.reshape(-1, *(1,) * (g.ndim - 1)), g, np.zeros_like(g))


RULES: dict[type[Op], Kernel] = {
    Choose: Kernel(None, choose),
    ChosenGradient: Kernel(None, chosen_gradient),
    Draw: Kernel(None, draw),
    InTraining: Kernel(None, in_training),
}
