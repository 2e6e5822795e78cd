"""Gradients of recurrence."""

from __future__ import annotations

from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.matrix.op import KernelGradient
from foldnet.operations.scan.op import ScanGradient, TrainedScan
from foldnet.operations.structure.op import JoinColumns, Reshape, Slice

WHOLE = (None, None, 1)


def trained_scan(b: GradientBuilder, node: Node[TrainedScan], g: str) -> Gradients:
    """One operation goes back through the steps; kernels get sums over rows and steps of what it gives.

    Raises:
        UnsupportedError: an activation was supplied as a plain function, so its derivative is unknown.
    """
    op = scan = node.op
    for function in (scan.activation, scan.recurrent_activation):
        if function.function is not None:
            raise UnsupportedError(
                f"the activation {function.name!r} was supplied as a function, so its derivative is not known and the "
                "network cannot be trained; use functools.partial of one of foldnet.activations, if one of them fits"
            )
    given = op.split(node.inputs)
    records = dict(zip(op.records, node.others, strict=True))
    kernels = [w for w, width in zip(given.weights, scan.form.weights, strict=True) if width]
    masks = [v for v in (given.mask, given.dropped) if v is not None]
    on_z, *others = b.emit_all(ScanGradient(op), g, *masks, *kernels, *records.values())
    on_own = others.pop(0) if scan.cell == "gru_reset_after" else on_z
    found: dict[str, str | None] = {given.z: on_z, **dict(zip(given.initial, others, strict=False))}
    first = 0
    for kernel in kernels:
        gates = int(b.shape(kernel)[-1] or 0) // scan.units
        if b.wants(kernel):
            source = records["held" if first else "before"]
            part = (
                on_own
                if gates == scan.form.gates
                else _units(b, on_own, first * scan.units, gates * scan.units)
            )
            found[kernel] = _on_kernel(b, op, source, part, given.dropped, first, gates)
        first += gates
    if scan.cell == "gru_reset_after" and b.wants(given.weights[1]):
        found[given.weights[1]] = b.gathered(on_own, given.weights[1])
    return [found.get(value) for value in node.inputs]


def _units(b: GradientBuilder, value: str, start: int, count: int) -> str:
    """Part of the last axis."""
    ahead = (WHOLE,) * (len(b.shape(value)) - 2)
    return b.emit(Slice((*ahead, (start, start + count, 1))), value)


def _on_kernel(
    b: GradientBuilder, op: TrainedScan, source: str, g: str, dropped: str | None, first: int, gates: int
) -> str:
    """The gradient on a kernel: of states with units dropped for each gate, gate by gate."""
    if dropped is None:
        return b.emit(KernelGradient(), source, g)
    n, parts = op.units, []
    for k in range(gates):
        mask = _units(b, dropped, (first + k) * n, n)
        row = tuple(int(size or 0) for size in b.shape(mask)[1:])
        one_step = b.emit(Reshape((*row[:-1], 1, n)), mask)
        seen = b.emit(Binary(kind="multiply"), source, one_step)
        parts.append(b.emit(KernelGradient(), seen, g if gates == 1 else _units(b, g, k * n, n)))
    return parts[0] if gates == 1 else b.emit(JoinColumns(), *parts)


RULES: dict[type[Op], Rule] = {TrainedScan: trained_scan}
