"""Backpropagation through the steps of a recurrence in the C of training programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, plus, times
from foldnet.graph.graph import Node
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.functions import FUNCTIONS, parameters
from foldnet.operations.elementwise.slopes import in_c, needs_operand
from foldnet.operations.scan.op import ScanGradient
from foldnet.operations.scan.walk_c import Steps


class _Backward(Steps):
    """The way back through one TrainedScan."""

    def __init__(self, e: StepWriter, node: Node[ScanGradient]) -> None:
        self.node, self.op = node, node.op.of
        self.given = node.op.split(node.inputs)
        super().__init__(e, self.op, node.output, node.output)
        self.gates = self.scan.form.gates
        others = list(node.others)
        self.on_own = others.pop(0) if self.scan.cell == "gru_reset_after" else ""
        self.on_initial = others
        self.state = [self.space(f"gradient on state {k}", self.n) for k in range(self.scan.form.states)]
        self.names = ["on_h", "on_c"][: len(self.state)]
        self.positions = e.shape(self.given.g)[-2]

    def record(self, name: str, k: Number = 0) -> str:
        """The vector of units that was kept of this step."""
        return self.at(self.given.records[name], self.op.records[name], self.position(self.steps, self.t), k)

    def on_z(self, k: Number = 0) -> str:
        """The gradient on what comes from outside."""
        return self.at(self.node.output, self.gates, self.position(self.steps, self.t), k)

    def own(self, k: Number = 0) -> str:
        """The gradient on the recurrent products."""
        return (
            self.at(self.on_own, self.gates, self.position(self.steps, self.t), k)
            if self.on_own
            else self.on_z(k)
        )

    def g(self, place: Number) -> str:
        """The gradient on a position of the result."""
        return self.at(self.given.g, 1, self.position(self.positions, place))

    def write(self) -> None:
        """From the last step to the first; then the gradients on the initial states."""
        states = dict(zip(self.names, self.state, strict=True))
        with self.sequences():
            last = {f"g_{k}": self.g(self.positions - len(self.names) + i) for i, k in enumerate(self.names)}
            start = [f"{k}[r] = {f'g_{k}[r]' if self.scan.states else '0.0f'};" for k in self.names]
            if not self.scan.sequences and not (self.scan.zeros and self.given.mask):
                start.append("on_h[r] += g[r];")
            self.units(states | last | {"g": self.g(0)}, *start)
            with self.e.inside(
                f"for (long s = {self.steps - 1}; s >= 0 && !CUT_SHORT; s--) {{" if self.s else "{"
            ):
                self._step()
            if self.on_initial:
                first = {
                    f"first_{k}": self.at(v, 1, self.p)
                    for k, v in zip(self.names, self.on_initial, strict=True)
                }
                self.units(states | first, *(f"first_{k}[r] = {k}[r];" for k in self.names))

    def _loop(self, arrays: dict[str, str], *lines: str) -> None:
        """The first loop of a step: gradients on states, 0 for steps that are left out, whose own are put aside."""
        states = dict(zip(self.names, self.state, strict=True))
        ahead, in_loop = self.counts(self.given.mask)
        masked = self.given.mask is not None
        own = "g[r]"
        if masked and self.scan.zeros:
            own = "(counts ? g[r] : 0.0f)"
            if not self.scan.sequences:
                last = f"counts && s == {self.steps - 1}" if self.s else "counts"
                own = f"({last} ? g[r] : 0.0f)"
        adds = self.scan.sequences or (masked and self.scan.zeros)
        starts = [f"on_h[r] += {own};"] if adds else []
        starts += [
            f"const float d{k[3:]} = {f'counts ? {k}[r] : 0.0f' if masked else f'{k}[r]'};" for k in states
        ]
        # What stays of the gradient on the state; the rest is added by products.
        starts += [f"const float stays_{k[3:]} = counts ? 0.0f : {k}[r];" for k in states] if masked else []
        g = self.g(self.s if self.scan.sequences else 0)
        self.units(states | {"g": g} | arrays, *in_loop, *starts, *self._read(lines), before=ahead)

    def _stays(self, k: str) -> str:
        return f" + stays_{k}" if self.given.mask is not None else ""

    def _gates(self) -> dict[str, str]:
        found = {f"gate_{k}": self.record("gates", k) for k in range(self.gates)}
        found |= {f"on_z_{k}": self.on_z(k) for k in range(self.gates)}
        if self.op.sums:
            found |= {f"sum_{k}": self.record("sums", k) for k in range(self.gates)}
        return found | ({f"on_own_{k}": self.own(k) for k in range(self.gates)} if self.on_own else {})

    def _slope(self, k: int, g: str) -> list[str]:
        """The gradient on what a gate is the activation of."""
        return sloped(self.scan.functions[k], f"on_z_{k}[r]", g, f"sum_{k}[r]", f"was_{k}")

    def _read(self, lines: Sequence[str]) -> list[str]:
        """The lines, after statements that read the gates they name, where their gradients may be written."""
        text = "\n".join(lines)
        named = [k for k in range(self.gates) if f"was_{k}" in text]
        return [*(f"const float was_{k} = gate_{k}[r];" for k in named), *lines]

    def _turned(self, kernel: int, first: int, gates: int, source: str, to: str, add: str) -> None:
        """The gradient on the state that a kernel of so many gates was multiplied by."""
        place, n = self.e.place(self.given.kernels[kernel]), self.n
        width = gates * n
        if self.given.dropped is None:
            self.product(n, width, (place, width, 1), source, to, add=add)
            return
        part = self.space("gradient through dropped units", n)
        for k in range(gates):
            self.product(n, n, (plus(place, k * n), width, 1), plus(source, times(k * n, "R")), part)
            arrays = {
                "part": part,
                "to": to,
                "kept": self.at(self.given.dropped, self.gates, self.p, first + k),
            }
            sign = "+=" if k or add == "1" else "="
            self.units(arrays, f"to[r] {sign} part[r] * kept[r];")

    def _step(self) -> None:
        match self.scan.cell:
            case "simple":
                ends = ["on_h[r] = stays_h;"] if self.given.mask is not None else []
                self._loop(self._gates(), *self._slope(0, "dh"), *ends)
                self._turned(0, 0, 1, self.on_z(), self.state[0], "1" if ends else "0")
            case "lstm":
                self._lstm()
            case "gru":
                self._gru()
            case "gru_reset_after":
                self._reset_after()
            case _:
                assert_never(self.scan.cell)

    def _lstm(self) -> None:
        masked = self.given.mask is not None
        arrays = self._gates() | {"shown": self.record("shown"), "carried": self.record("carried")}
        own = ["const float new_c = was_1 * carried[r] + was_0 * was_2;"]
        lines = [
            *(own if needs_operand(self.scan.activation) else []),
            *sloped(self.scan.activation, "const float through", "dh * was_3", "new_c", "shown[r]"),
            "const float on_carry = dc + through;",
            *self._slope(0, "on_carry * was_2"),
            *self._slope(1, "on_carry * carried[r]"),
            *self._slope(2, "on_carry * was_0"),
            *self._slope(3, "dh * shown[r]"),
            f"on_c[r] = on_carry * was_1{self._stays('c')};",
            *(["on_h[r] = stays_h;"] if masked else []),
        ]
        self._loop(arrays, *lines)
        self._turned(0, 0, 4, self.on_z(), self.state[0], "1" if masked else "0")

    def _gru(self) -> None:
        arrays = self._gates() | {"before": self.record("before")}
        lines = [
            *self._slope(0, "dh * (before[r] - was_2)"),
            *self._slope(2, "dh * (1.0f - was_0)"),
            f"on_h[r] = dh * was_0{self._stays('h')};",
        ]
        self._loop(arrays, *lines)
        on_held = self.space("gradient on what is held", self.n)
        self._turned(1, 2, 1, self.on_z(2), on_held, "0")
        states = {"on_h": self.state[0], "on_held": on_held}
        lines = [*self._slope(1, "on_held[r] * before[r]"), "on_h[r] += on_held[r] * was_1;"]
        self.units(arrays | states, *self._read(lines))
        self._turned(0, 0, 2, self.on_z(), self.state[0], "1")

    def _reset_after(self) -> None:
        arrays = self._gates() | {"before": self.record("before"), "inner": self.record("inner")}
        lines = [
            *self._slope(0, "dh * (before[r] - was_2)"),
            *self._slope(2, "dh * (1.0f - was_0)"),
            *self._slope(1, "on_z_2[r] * inner[r]"),
            "on_own_0[r] = on_z_0[r];",
            "on_own_1[r] = on_z_1[r];",
            "on_own_2[r] = on_z_2[r] * was_1;",
            f"on_h[r] = dh * was_0{self._stays('h')};",
        ]
        self._loop(arrays, *lines)
        self._turned(0, 0, 3, self.own(), self.state[0], "1")


def sloped(function: Elementwise, to: str, g: str, x: str, y: str) -> list[str]:
    """Statements that set ``to`` to the gradient through a function of ``x`` whose result is ``y``."""
    if not FUNCTIONS[function.name].slopes:
        return [f"{to} = 0.0f;"]
    printed = in_c("unary", function.name, tuple(parameters(function).items()), 0)
    *before, text = printed.filled({"g": "given", "0": x, "y": y})
    if to.startswith("const float "):
        name = to.removeprefix("const float ")
        return [f"float {name};", "{", f"const float given = {g};", *before, f"{name} = {text};", "}"]
    return ["{", f"const float given = {g};", *before, f"{to} = {text};", "}"]


def scan_gradient(e: StepWriter, node: Node[ScanGradient]) -> None:
    """Backpropagation through time."""
    _Backward(e, node).write()
