"""Known mistakes with recurrence: the order of gates, where the reset comes, biases, directions, masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.mistakes import HARD
from foldnet.operations.mistakes import Rule, Wrong, computed
from foldnet.operations.scan.op import Scan

GATES = {"lstm": "ifco", "gru": "zrh", "gru_reset_after": "zrh"}
"""The names of the parts of each cell's weights, in Keras's order."""


def _scan(graph: Graph, node: Node[Scan]) -> Iterator[Wrong]:
    op = node.op
    steps = graph.types[node.inputs[0]].shape[-2]
    weights = [graph.constants.get(v) for v in node.inputs[-len(op.form.weights) :]]
    yield from _of_gates(op)
    if op.cell == "gru_reset_after":
        bias = weights[1]
        yield from _of_recurrent_bias(op, has_bias=bias is None or bool((bias != 0).any()))
    elif op.cell == "gru":
        yield Wrong("reset-after", _after(op), sight=True)
    yield from _of_activations(op)
    if steps != 1:
        yield from _of_direction(op)
        if op.masked and op.states:  # of all results at once
            yield Wrong("mask-ignored", _without_mask(op), "scan")


def _parts(op: Scan, operands: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """What comes before the weights, and the weights."""
    count = len(op.form.weights)
    return list(operands[:-count]), list(operands[-count:])


# -- gates ------------------------------------------------------------------------------------------------------


def _of_gates(op: Scan) -> Iterator[Wrong]:
    """The parts of all weights taken for other gates."""
    names = GATES.get(op.cell, "")
    for order in permutations(range(len(names))):
        if order != tuple(range(len(names))):
            letters = "".join(names[k] for k in order)
            yield Wrong("gates-order", _in_order(op, order), letters, sight=order[:2] == (1, 0))
    if op.cell.startswith("gru"):
        yield Wrong("update-gate-inverted", _inverted(op))


def _in_order(op: Scan, order: Sequence[int]) -> Callable[[Sequence[Array]], Array]:
    def compute(operands: Sequence[Array]) -> Array:
        (z, *others), weights = _parts(op, operands)
        if op.cell == "gru":
            joined = _blocks(np.concatenate(weights, axis=-1), order)
            weights = [np.ascontiguousarray(w) for w in np.split(joined, [2 * op.units], axis=-1)]
        else:
            weights = [_blocks(w, order) for w in weights]
        return computed(op, _blocks(z, order), *others, *weights)

    return compute


def _blocks(array: Array, order: Sequence[int]) -> Array:
    """The parts of the last axis in another order."""
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[k] for k in order], axis=-1)


def _inverted(op: Scan) -> Callable[[Sequence[Array]], Array]:
    """The update gate where 1 minus it belongs: that is the gate of the opposite values, if it is symmetric."""

    def compute(operands: Sequence[Array]) -> Array:
        (z, *others), weights = _parts(op, operands)
        return computed(op, _opposite(op, z), *others, *(_opposite(op, w) for w in weights))

    def _opposite(op: Scan, array: Array) -> Array:
        if array.shape[-1] < 2 * op.units:  # the candidate's own kernel
            return array
        changed = array.copy()
        changed[..., : op.units] *= -1
        return changed

    return compute


# -- GRU --------------------------------------------------------------------------------------------------------


def _after(op: Scan) -> Callable[[Sequence[Array]], Array]:
    """The reset gate after the product, without a bias there."""

    def compute(operands: Sequence[Array]) -> Array:
        before, weights = _parts(op, operands)
        kernel = np.concatenate(weights, axis=-1)
        return computed(replace(op, cell="gru_reset_after"), *before, kernel, np.zeros(3 * op.units))

    return compute


def _of_recurrent_bias(op: Scan, *, has_bias: bool) -> Iterator[Wrong]:
    """The reset gate before the product, and what becomes of the bias that comes after it."""

    def before(operands: Sequence[Array]) -> Array:
        (z, *others), (kernel, bias) = _parts(op, operands)
        parts = np.split(kernel, [2 * op.units], axis=-1)
        plain = replace(op, cell="gru")
        return computed(plain, z + bias, *others, *map(np.ascontiguousarray, parts))

    def with_bias(first: float, second: float) -> Callable[[Sequence[Array]], Array]:
        def compute(operands: Sequence[Array]) -> Array:
            (z, *others), (kernel, bias) = _parts(op, operands)
            return computed(op, z + first * bias, *others, kernel, second * bias)

        return compute

    yield Wrong("reset-after", before, sight=True)
    if has_bias:
        yield Wrong("biases-summed", with_bias(1.0, 0.0), sight=True)
        yield Wrong("recurrent-bias-missing", with_bias(0.0, 0.0), sight=True)


# -- activations ------------------------------------------------------------------------------------------------


def _of_activations(op: Scan) -> Iterator[Wrong]:
    def with_settings(**changed: Elementwise) -> Callable[[Sequence[Array]], Array]:
        other = replace(op, **changed)  # type: ignore[arg-type]
        return lambda operands: computed(other, *operands)

    gates = op.recurrent_activation
    if op.cell != "simple":
        for name in (*HARD, "sigmoid", "tanh"):
            if name != gates.name:
                known = "hard-sigmoid-version" if {name, gates.name} <= set(HARD) else "gate-activation"
                yield Wrong(known, with_settings(recurrent_activation=Elementwise(name)), name)
    for name in ("linear", "tanh", "relu", "sigmoid"):
        if name != op.activation.name:
            known = "activation-missing" if name == "linear" else "cell-activation"
            yield Wrong(known, with_settings(activation=Elementwise(name)), name)


# -- steps ------------------------------------------------------------------------------------------------------


def _of_direction(op: Scan) -> Iterator[Wrong]:
    other = replace(op, reverse=not op.reverse)
    yield Wrong("direction", lambda operands: computed(other, *operands), sight=True)
    if op.sequences:
        return

    def first_step(operands: Sequence[Array]) -> Array:
        whole = computed(replace(op, sequences=True), *operands)
        count = operands[0].shape[-2]
        return np.concatenate([whole[..., :1, :], whole[..., count:, :]], axis=-2)

    yield Wrong("first-step", first_step)


def _without_mask(op: Scan) -> Callable[[Sequence[Array]], Array]:
    place = 1 + (op.form.states if op.initial else 0)
    other = replace(op, masked=False)
    return lambda operands: computed(other, *operands[:place], *operands[place + 1 :])


RULES: dict[type[Op], Rule] = {Scan: _scan}
