"""Recurrence in training programs, in NumPy: steps that keep what gradients need, and gradients through time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.functions import of, parameters
from foldnet.operations.elementwise.slopes import on_arrays
from foldnet.operations.kernels import StepContext
from foldnet.operations.scan.cells import States, in_order_of, step, walk
from foldnet.operations.scan.op import ScanGradient, TrainedScan


def trained_scan(op: TrainedScan, context: StepContext, *operands: Array) -> tuple[Array, ...]:
    """The result of all steps, and their records, in float64 and then rounded."""
    given, n = op.split([np.asarray(a, np.float64) for a in operands]), op.units
    records = {k: np.zeros((*given.z.shape[:-1], count * n)) for k, count in op.records.items()}

    def product(h: Array, kernel: Array, first: int) -> Array:
        if given.dropped is None:
            return h @ kernel
        parts = range(kernel.shape[1] // n)
        seen = [h * given.dropped[..., (first + k) * n : (first + k + 1) * n] for k in parts]
        return np.concatenate(
            [x @ kernel[:, k * n : (k + 1) * n] for x, k in zip(seen, parts, strict=True)], axis=-1
        )

    def at(t: int, states: States) -> States:
        new, kept = step(op, given.z[..., t, :], states, given.weights, product)
        for name, array in records.items():
            array[..., t, :] = np.concatenate(kept[name], axis=-1)
        return new

    y = walk(op, given.z, given.initial, given.mask, at)
    return tuple(a.astype(operands[0].dtype) for a in (y, *records.values()))


class _Back:
    """The way back through one call's steps, in float64."""

    def __init__(self, op: ScanGradient, operands: Sequence[Array]) -> None:
        self.scan, self.n = op.of, op.of.units
        self.given = op.split([np.asarray(a, np.float64) for a in operands])
        self.records = self.given.records

    def slope(self, t: int, k: int, g: Array) -> Array:
        """The gradient on what gate ``k`` is the activation of."""
        at = slice(k * self.n, (k + 1) * self.n)
        y = self.records["gates"][..., t, at]
        sums = self.records.get("sums")
        x = np.full_like(y, np.nan) if sums is None else sums[..., t, at]
        return sloped(self.scan.functions[k], g, x, y)

    def turned(self, g: Array, kernel: Array, first: int) -> Array:
        """The gradient on the state that was multiplied by a kernel, whose first gate has this number."""
        dropped, n = self.given.dropped, self.n
        if dropped is None:
            return g @ kernel.T
        parts = range(kernel.shape[1] // n)
        seen = (
            (g[..., k * n : (k + 1) * n] @ kernel[:, k * n : (k + 1) * n].T)
            * dropped[..., (first + k) * n : (first + k + 1) * n]
            for k in parts
        )
        return np.sum(list(seen), axis=0)

    def step(self, t: int, grads: Sequence[Array]) -> tuple[Array, Array | None, list[Array]]:
        """The gradients on the products with the inputs, on the recurrent ones, and on the states before the step."""
        kernels = self.given.kernels
        on_h, *on_c = grads
        gates = np.split(self.records["gates"][..., t, :], self.scan.form.gates, axis=-1)
        before = self.records["before"][..., t, :]
        if self.scan.cell == "simple":
            on_z = self.slope(t, 0, on_h)
            return on_z, None, [self.turned(on_z, kernels[0], 0)]
        if self.scan.cell == "lstm":
            i, f, c, o = gates
            shown, carried = self.records["shown"][..., t, :], self.records["carried"][..., t, :]
            on_carry = on_c[0] + sloped(self.scan.activation, on_h * o, f * carried + i * c, shown)
            each = (on_carry * c, on_carry * carried, on_carry * i, on_h * shown)
            on_z = np.concatenate([self.slope(t, k, g) for k, g in enumerate(each)], axis=-1)
            return on_z, None, [self.turned(on_z, kernels[0], 0), on_carry * f]
        update, reset, candidate = gates
        on_update = self.slope(t, 0, on_h * (before - candidate))
        on_last = self.slope(t, 2, on_h * (1 - update))
        if self.scan.cell == "gru":
            on_held = self.turned(on_last, kernels[1], 2)
            on_reset = self.slope(t, 1, on_held * before)
            on_gates = np.concatenate([on_update, on_reset], axis=-1)
            on_before = on_h * update + on_held * reset + self.turned(on_gates, kernels[0], 0)
            return np.concatenate([on_gates, on_last], axis=-1), None, [on_before]
        on_reset = self.slope(t, 1, on_last * self.records["inner"][..., t, :])
        on_z = np.concatenate([on_update, on_reset, on_last], axis=-1)
        on_own = np.concatenate([on_update, on_reset, on_last * reset], axis=-1)
        return on_z, on_own, [on_h * update + self.turned(on_own, kernels[0], 0)]


def sloped(function: Elementwise, g: Array, x: Array, y: Array) -> Array:
    """The gradient through a function of one value."""
    if not of(function).slopes:
        return np.zeros_like(g)
    return on_arrays(of(function), parameters(function), 0, g, [x], y)


def scan_gradient(op: ScanGradient, context: StepContext, *operands: Array) -> tuple[Array, ...]:
    """The gradients on the products with the inputs, on the recurrent ones, and on initial states."""
    back, scan = _Back(op, operands), op.of
    g, mask = back.given.g, back.given.mask
    steps, form = back.records["gates"].shape[-2], scan.form
    on_z = np.zeros_like(back.records["gates"])
    on_own = np.zeros_like(on_z)
    places = steps if scan.sequences else 1
    after = [
        g[..., places + k, :] if scan.states else np.zeros_like(g[..., 0, :]) for k in range(form.states)
    ]
    order = list(in_order_of(scan, steps))
    for place in reversed(range(steps)):
        t = order[place]
        counts = True if mask is None else mask[..., t, np.newaxis] != 0
        if scan.sequences or place == steps - 1:
            own = g[..., place if scan.sequences else 0, :]
            after[0] = after[0] + (np.where(counts, own, 0) if scan.zeros else own)
        on_z[..., t, :], found, before = back.step(t, [np.where(counts, a, 0) for a in after])
        if found is not None:
            on_own[..., t, :] = found
        after = [b + np.where(counts, 0, a) for a, b in zip(after, before, strict=True)]
    inner = (on_own,) if scan.cell == "gru_reset_after" else ()
    results = (on_z, *inner, *(after if scan.initial else ()))
    return tuple(a.astype(operands[0].dtype) for a in results)
