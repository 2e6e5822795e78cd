"""Random numbers of a training step, in NumPy."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.batch import philox
from foldnet.operations.chance.op import Draw, InTraining
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


RULES: dict[type[Op], Kernel] = {Draw: Kernel(None, draw), InTraining: Kernel(None, in_training)}
