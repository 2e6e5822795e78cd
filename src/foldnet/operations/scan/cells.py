"""Recurrent cells in NumPy, and the walk through their steps; predictions and training steps share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.operations.elementwise.numpy import apply_elementwise
from foldnet.operations.scan.op import Scan

States = Sequence[Array]
Product = Callable[[Array, Array, int], Array]
"""A state times a recurrent kernel, whose first gate has this number."""
Record = Mapping[str, Sequence[Array]]
"""What a step keeps for its gradient, see ``TrainedScan.records``: parts of the last axis."""


def step(
    op: Scan, z: Array, states: States, weights: Sequence[Array], product: Product
) -> tuple[States, Record]:
    """The states after a step, the first of which is the output, and what it keeps.

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
            total = z + product(h, weights[0], 0)
            new = act(total)
            return (new,), {"before": [h], "gates": [new], "sums": [total]}
        case "lstm":
            sums = np.split(z + product(h, weights[0], 0), 4, axis=-1)
            i, f, c, o = gate(sums[0]), gate(sums[1]), act(sums[2]), gate(sums[3])
            carry = f * states[1] + i * c
            shown = act(carry)
            kept = {
                "before": [h],
                "gates": [i, f, c, o],
                "carried": [states[1]],
                "shown": [shown],
                "sums": sums,
            }
            return (o * shown, carry), kept
        case "gru":
            z_update, z_reset, z_last = np.split(z, 3, axis=-1)
            own = np.split(product(h, weights[0], 0), 2, axis=-1)
            sums = [z_update + own[0], z_reset + own[1]]
            update, reset = gate(sums[0]), gate(sums[1])
            inner = reset * h
            last = z_last + product(inner, weights[1], 2)
        case "gru_reset_after":
            z_update, z_reset, z_last = np.split(z, 3, axis=-1)
            own = np.split(product(h, weights[0], 0) + weights[1], 3, axis=-1)
            sums = [z_update + own[0], z_reset + own[1]]
            update, reset, inner = gate(sums[0]), gate(sums[1]), own[2]
            last = z_last + reset * inner
        case _:
            assert_never(op.cell)
    candidate = act(last)
    kept = {"before": [h], "gates": [update, reset, candidate], "held": [inner], "inner": [inner]}
    return (update * h + (1 - update) * candidate,), kept | {"sums": [*sums, last]}


def in_order_of(op: Scan, steps: int) -> Sequence[int]:
    """The steps, in the order in which they come."""
    return range(steps)[:: -1 if op.reverse else 1]


def walk(
    op: Scan, z: Array, initial: States, mask: Array | None, at: Callable[[int, States], States]
) -> Array:
    """The result of all steps.

    Args:
        op: the steps.
        z: products of the inputs with their kernel.
        initial: the states at first; none for zeros.
        mask: of the steps that count; None if all do.
        at: the states after a step, given its number and those before it.
    """
    zeros = np.zeros((*z.shape[:-2], op.units))
    states: States = initial or (zeros,) * op.form.states
    output, outputs = states[0], []
    for t in in_order_of(op, z.shape[-2]):
        new = at(t, states)
        if mask is None:
            states, output = new, new[0]
        else:
            counts = mask[..., t, np.newaxis] != 0
            states = [np.where(counts, a, b) for a, b in zip(new, states, strict=True)]
            output = np.where(counts, new[0], zeros) if op.zeros else states[0]
        outputs.append(output)
    found = [*(outputs if op.sequences else [output]), *(states if op.states else ())]
    return np.stack(found, axis=-2) if found else zeros[..., np.newaxis, :][..., :0, :]
