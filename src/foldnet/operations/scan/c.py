"""Recurrence in C, step by step, for one row."""

from __future__ import annotations

from math import prod
from typing import assert_never

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import loop
from foldnet.codegen.writer import RowWriter, Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.elementwise.c import activated
from foldnet.operations.scan.back_c import scan_gradient
from foldnet.operations.scan.op import Scan, ScanGradient, TrainedScan
from foldnet.operations.scan.step_c import trained_scan


def scan(w: RowWriter, node: Node[Scan]) -> None:
    """All steps, for every position ahead of them."""
    op, shape = node.op, w.shape(node.inputs[0])
    if 0 in w.shape(node.output):
        return
    with w.inside("{"):
        at = 0
        for name, size in op.arrays.items():
            w.add(f"float *const {name} = {w.scratch(node, at)};")
            at += size
        places = prod(shape[:-2])
        with w.loop("p", places) as p:
            _Steps(w, node, p).write()


class _Steps:
    """The steps at one position; ``p`` is its number."""

    def __init__(self, w: RowWriter, node: Node[Scan], p: Number) -> None:
        self._w, self._op, self._p = w, node.op, p
        form, operands = node.op.form, list(node.inputs)
        self._z = operands.pop(0)
        self._initial = [operands.pop(0) for _ in range(form.states if node.op.initial else 0)]
        self._mask = operands.pop(0) if node.op.masked else ""
        self._weights, self._y = operands, node.output
        self._steps = w.shape(self._z)[-2]
        self._states = ["h", "c"][: form.states]
        self._output = "out" if "out" in node.op.arrays else "h"
        self._back = ""

    def _place(self, value: str, size: int) -> str:
        return plus(self._w.base(value), times(self._p, size))

    def _each(self, text: str, count: int | None = None) -> None:
        self._w.add(f"{loop('k', 0, self._op.units if count is None else count)}", f"  {text}")

    def _copied(self, to: str, source: str, count: int | None = None) -> None:
        self._each(f"{to}[k] = {source}[k];", count)

    def write(self) -> None:
        """The states at first, the steps, and what comes after them."""
        op, w = self._op, self._w
        for k, state in enumerate(self._states):
            if op.initial:
                w.add(f"const float *first_{state} = {self._place(self._initial[k], op.units)};")
                self._copied(state, f"first_{state}")
            else:
                self._each(f"{state}[k] = 0.0f;")
        if self._output != "h":
            self._each("out[k] = 0.0f;")
        positions = w.shape(self._y)[-2]
        w.add(f"float *y = {self._place(self._y, positions * op.units)};")
        width = op.form.gates * op.units
        w.add(f"const float *x = {self._place(self._z, self._steps * width)};")
        if op.masked:
            w.add(f"const float *mask = {self._place(self._mask, self._steps)};")
        with w.loop("t", self._steps) as t:
            self._back = f"{t} % 2" if t else ""
            self._one(minus(self._steps - 1, t) if op.reverse else t, width)
        if not op.sequences:
            self._out()
        for state in self._states if op.states else ():
            self._copied("y", state)
            w.add(f"y += {op.units};")

    def _one(self, t: Number, width: int) -> None:
        op, w = self._op, self._w
        w.add(f"const float *z = {plus('x', times(t, width))};")
        if op.masked:
            with w.inside(f"if (mask[{t}] != 0.0f) {{"):
                self._cell()
                if op.zeros:
                    self._copied("out", "h")
            if op.zeros:
                with w.inside("else {"):
                    self._each("out[k] = 0.0f;")
        else:
            self._cell()
        if op.sequences:
            self._out()

    def _out(self) -> None:
        self._copied("y", self._output)
        if self._op.sequences or self._op.states:
            self._w.add(f"y += {self._op.units};")

    def _cell(self) -> None:
        """A step of the cell: see ``step`` in ``numpy.py``."""
        op, n, width = self._op, self._op.units, self._op.form.gates * self._op.units

        def gate(x: str) -> str:
            return activated(op.recurrent_activation, x)

        def act(x: str) -> str:
            return activated(op.activation, x)

        def second(array: str) -> str:
            return f"{array}[{n} + k]"

        def third(array: str) -> str:
            return f"{array}[{2 * n} + k]"

        match op.cell:
            case "simple":
                self._product("h", 0, self._from_z(width), "gates")
                self._each(f"h[k] = {act('gates[k]')};")
            case "lstm":
                self._product("h", 0, self._from_z(width), "gates")
                forgotten = f"{gate(second('gates'))} * c[k]"
                self._each(f"c[k] = {forgotten} + {gate('gates[k]')} * {act(third('gates'))};")
                self._each(f"h[k] = {gate(f'gates[{3 * n} + k]')} * {act('c[k]')};")
            case "gru":
                self._copied("gates", "z", width)
                self._product("h", 0, "gates", "own")
                self._each(f"held[k] = {gate(second('own'))} * h[k];")
                self._product("held", 1, f"gates + {2 * n}", "inner")
                self._mixed(gate("own[k]"), act("inner[k]"))
            case "gru_reset_after":
                self._product("h", 0, self._weights[1], "own")
                reset = gate(f"{second('z')} + {second('own')}")
                self._mixed(gate("z[k] + own[k]"), act(f"{third('z')} + {reset} * {third('own')}"))
            case _:
                assert_never(op.cell)

    def _mixed(self, update: str, candidate: str) -> None:
        self._each(f"gates[k] = {update};")
        self._each(f"h[k] = gates[k] * h[k] + (1.0f - gates[k]) * {candidate};")

    def _from_z(self, width: int) -> str:
        """What a product begins with: what comes from outside, in memory that may be read up to a multiple of 16."""
        if width % 16 == 0:
            return "z"
        self._copied("gates", "z", width)
        return "gates"

    def _product(self, x: str, weight: int, bias: str, y: str) -> None:
        self._w.vector_product(x, self._weights[weight], bias, y, self._back)


def minus(a: int, b: Number) -> Number:
    """A difference."""
    return a - b if isinstance(b, int) else f"{a} - {b}"


RULES: dict[type[Op], Rule] = {Scan: scan, TrainedScan: trained_scan, ScanGradient: scan_gradient}
