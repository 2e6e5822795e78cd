"""Recurrence in NumPy, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.kernels import Inside, Kernel
from foldnet.operations.matrix.numpy import in_order
from foldnet.operations.scan.cells import Product, States, step, walk
from foldnet.operations.scan.op import CellKind, Scan, ScanGradient, TrainedScan
from foldnet.operations.scan.training import scan_gradient, trained_scan

GATES: dict[CellKind, Sequence[str]] = {
    "simple": ["state"],
    "lstm": ["input gate", "forget gate", "candidate", "output gate"],
    "gru": ["update gate", "reset gate", "candidate"],
    "gru_reset_after": ["update gate", "reset gate", "candidate"],
}
"""What a step computes from its input and its state, in Keras's order."""


ALONE, FEWEST_ROWS = 2**18, 16
"""Multiply-adds of a product that OpenBLAS does not share between threads, and rows that such a part must have."""


def _product(h: Array, kernel: Array, first: int) -> Array:
    return in_order(h, kernel)


def _quick_product(h: Array, kernel: Array, first: int) -> Array:
    """The product in parts that are too small for threads, which would wait for each other in every step."""
    size = ALONE // max(kernel.size, 1)
    if h.ndim != 2 or not FEWEST_ROWS <= size < len(h):
        return np.asarray(h @ kernel)
    whole = len(h) - len(h) % size
    y = np.empty((len(h), kernel.shape[1]), np.result_type(h, kernel))
    np.matmul(
        h[:whole].reshape(-1, size, h.shape[1]), kernel, out=y[:whole].reshape(-1, size, kernel.shape[1])
    )
    np.matmul(h[whole:], kernel, out=y[whole:])
    return y


def _split(op: Scan, operands: Sequence[Array]) -> tuple[States, Array | None, Sequence[Array]]:
    """The initial states, the mask and the weights."""
    initial = operands[: op.form.states] if op.initial else ()
    return initial, operands[len(initial)] if op.masked else None, operands[-len(op.form.weights) :]


def scan(op: Scan, z: Array, *operands: Array) -> Array:
    """All steps."""
    return _scan(op, z, operands, _product)


def quick_scan(op: Scan, z: Array, *operands: Array) -> Array:
    """All steps, with sums in the order of NumPy's matrix product."""
    return _scan(op, z, operands, _quick_product)


def _scan(op: Scan, z: Array, operands: Sequence[Array], product: Product) -> Array:
    initial, mask, weights = _split(op, operands)

    def at(t: int, states: States) -> States:
        return step(op, z[..., t, :], states, weights, product)[0]

    return walk(op, z, initial, mask, at)


def gates(op: Scan, z: Array, *operands: Array) -> Inside:
    """The gates of all steps, and their ``state``: of an LSTM the second one, activated, which its output shows."""
    initial, mask, weights = _split(op, operands)
    names = GATES[op.cell]
    found = {name: np.zeros((*z.shape[:-1], op.units)) for name in (*names, "state")}

    def at(t: int, states: States) -> States:
        new, kept = step(op, z[..., t, :], states, weights, _quick_product)
        for name, values in zip(names, kept["gates"], strict=True):
            found[name][..., t, :] = values
        found["state"][..., t, :] = kept["shown"][0] if "shown" in kept else new[0]
        return new

    walk(op, z, initial, mask, at)
    functions = dict(zip(names, op.functions, strict=True)) | {"state": op.activation}
    return Inside(found, functions, None if mask is None else mask != 0)


RULES: dict[type[Op], Kernel] = {
    Scan: Kernel(scan, quick=quick_scan, inside=gates),
    TrainedScan: Kernel(None, trained_scan),
    ScanGradient: Kernel(None, scan_gradient),
}
