"""Recurrence in NumPy, step by step."""

from __future__ import annotations

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.kernels import Kernel
from foldnet.operations.matrix.numpy import in_order
from foldnet.operations.scan.cells import States, step, walk
from foldnet.operations.scan.op import Scan, ScanGradient, TrainedScan
from foldnet.operations.scan.training import scan_gradient, trained_scan


def _product(h: Array, kernel: Array, first: int) -> Array:
    return in_order(h, kernel)


def scan(op: Scan, z: Array, *operands: Array) -> Array:
    """All steps."""
    weights = operands[-len(op.form.weights) :]
    initial = operands[: op.form.states] if op.initial else ()
    mask = operands[len(initial)] if op.masked else None

    def at(t: int, states: States) -> States:
        return step(op, z[..., t, :], states, weights, _product)[0]

    return walk(op, z, initial, mask, at)


RULES: dict[type[Op], Kernel] = {
    Scan: Kernel(scan),
    TrainedScan: Kernel(None, trained_scan),
    ScanGradient: Kernel(None, scan_gradient),
}
