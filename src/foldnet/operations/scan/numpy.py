"""Recurrence in NumPy, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.elementwise.numpy import apply_elementwise
from foldnet.operations.kernels import Kernel
from foldnet.operations.matrix.numpy import in_order
from foldnet.operations.scan.op import Scan, ScanGradient, TrainedScan
from foldnet.operations.scan.training import scan_gradient, trained_scan


def step(op: Scan, z: Array, states: Sequence[Array], weights: Sequence[Array]) -> tuple[Array, ...]:
    """The states after a step; the first is the output.

    Sources: Elman, "Finding structure in time", 1990; Hochreiter and Schmidhuber, "Long short-term memory", 1997; Cho
    and others, "Learning phrase representations using RNN encoder-decoder", 2014. Their GRU has the reset gate before
    the product with the recurrent kernel; by default, Keras's has it after.
    """
    h = states[0]

    def gate(x: Array) -> Array:
        return apply_elementwise(op.recurrent_activation, x)

    def act(x: Array) -> Array:
        return apply_elementwise(op.activation, x)

    match op.cell:
        case "simple":
            return (act(z + in_order(h, weights[0])),)
        case "lstm":
            i, f, c, o = np.split(z + in_order(h, weights[0]), 4, axis=-1)
            carry = gate(f) * states[1] + gate(i) * act(c)
            return gate(o) * act(carry), carry
        case "gru":
            z, r, candidate = np.split(z, 3, axis=-1)
            own = np.split(in_order(h, weights[0]), 2, axis=-1)
            update, reset = gate(z + own[0]), gate(r + own[1])
            return (update * h + (1 - update) * act(candidate + in_order(reset * h, weights[1])),)
        case "gru_reset_after":
            z, r, candidate = np.split(z, 3, axis=-1)
            own = np.split(in_order(h, weights[0]) + weights[1], 3, axis=-1)
            update, reset = gate(z + own[0]), gate(r + own[1])
            return (update * h + (1 - update) * act(candidate + reset * own[2]),)
        case _:
            assert_never(op.cell)


def scan(op: Scan, z: Array, *operands: Array) -> Array:
    """All steps."""
    form, zeros = op.form, np.zeros((*z.shape[:-2], op.units))
    weights = operands[-len(form.weights) :]
    states: Sequence[Array] = operands[: form.states] if op.initial else (zeros,) * form.states
    mask = operands[form.states if op.initial else 0] if op.masked else None
    output, outputs = states[0], []
    for t in range(z.shape[-2])[:: -1 if op.reverse else 1]:
        new = step(op, z[..., t, :], states, weights)
        if mask is None:
            states, output = new, new[0]
        else:
            counts = mask[..., t, np.newaxis] != 0
            states = [np.where(counts, a, b) for a, b in zip(new, states, strict=True)]
            output = np.where(counts, new[0], zeros) if op.zeros else states[0]
        outputs.append(output)
    found = [*(outputs if op.sequences else [output]), *(states if op.states else ())]
    return np.stack(found, axis=-2) if found else zeros[..., np.newaxis, :][..., :0, :]


RULES: dict[type[Op], Kernel] = {
    Scan: Kernel(scan),
    TrainedScan: Kernel(None, trained_scan),
    ScanGradient: Kernel(None, scan_gradient),
}
