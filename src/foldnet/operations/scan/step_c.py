"""Recurrence in the C of training programs: all rows side by side, steps one after the other.

Threads share the units. Each works on the same units in the loops of a step, and waits for the others where a product
reads all units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import assert_never

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, plus, times
from foldnet.graph.graph import Node
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.c import activated
from foldnet.operations.elementwise.functions import FUNCTIONS, parameters
from foldnet.operations.elementwise.slopes import in_c, needs_operand
from foldnet.operations.scan.op import Scan, ScanGradient, TrainedScan


class _Steps:
    """What both directions have in common.

    Attributes:
        e: to write into.
        scan: the steps; ``n`` units.
        places: sequences of a row.
        steps: in a sequence.
    """

    def __init__(self, e: StepWriter, scan: Scan, z: str) -> None:
        self.e, self.scan, self.n = e, scan, scan.units
        *ahead, self.steps, _ = e.shape(z)
        self.places = prod(ahead)
        self.p: Number = "p" if self.places != 1 else 0
        self.s: Number = "s" if self.steps != 1 else 0
        self.t: Number = f"{self.steps - 1} - s" if scan.reverse and self.s else self.s

    @contextmanager
    def sequences(self) -> Iterator[None]:
        """A loop over the sequences of a row."""
        with self.e.inside(f"for (long p = 0; p < {self.places}; p++) {{" if self.p else "{"):
            yield

    def units(self, arrays: dict[str, str], *lines: str, before: Sequence[str] = ()) -> None:
        """Statements for each unit and row, after which threads wait.

        Args:
            arrays: for each name, C of the first unit's rows.
            lines: the statements, of ``name[r]``.
            before: statements ahead of the loops.
        """
        text = "\n".join(lines)
        with self.e.inside("{"):
            self.e.add(*before, f"for (long u = LOW({self.n}); u < HIGH({self.n}); u++) {{")
            self.e.add(
                *(f"float *const {k} = {plus(at, 'u * R')};" for k, at in arrays.items() if f"{k}[" in text)
            )
            self.e.add("ROWS(r, 0, R) {", *lines, "}", "}")
        self.e.barrier()

    def at(self, value: str, count: int, position: Number, k: Number = 0) -> str:
        """C of the rows of a value's vector of units: of so many at a position, number ``k``."""
        return plus(self.e.place(value), times(times(plus(times(position, count), k), self.n), "R"))

    def position(self, of_sequence: int, within: Number) -> Number:
        """The number of a position, of so many that a sequence has."""
        return plus(times(self.p, of_sequence), within)

    def product(
        self, m: int, k: int, a: tuple[str, Number, Number], b: str, c: str, start: str = "", add: str = "0"
    ) -> None:
        """``c (m, R) = a (m, k) @ b (k, R)``."""
        self.e.add(*self.e.product(m, "R", k, a, b, "R", c, "R", start, add))

    def counts(self, mask: str | None) -> tuple[list[str], list[str]]:
        """Statements for the mask of the step: ahead of the loops, and in them."""
        if mask is None:
            return [], []
        at = plus(self.e.place(mask), times(plus(times(self.p, self.steps), self.t), "R"))
        return [f"const float *const mask = {at};"], ["const int counts = mask[r] != 0.0f;"]


class _Forward(_Steps):
    """The steps of one TrainedScan."""

    def __init__(self, e: StepWriter, node: Node[TrainedScan]) -> None:
        self.node, self.op = node, node.op
        self.given = node.op.split(node.inputs)
        super().__init__(e, node.op, self.given.z)
        self.records = dict(zip(node.op.records, node.others, strict=True))
        self.state = [self._space(f"state {k}", self.n) for k in range(self.scan.form.states)]
        self.mask_lines = self.counts(self.given.mask)
        self.gates = self.scan.form.gates
        self.positions = e.shape(node.output)[-2]

    def _space(self, hint: str, count: int) -> str:
        return self.e.space(hint, count, of=self.node.output)

    def record(self, name: str, k: Number = 0) -> str:
        """The vector of units that is kept of this step."""
        return self.at(self.records[name], self.op.records[name], self.position(self.steps, self.t), k)

    def z(self, k: Number = 0) -> str:
        """What comes from outside."""
        return self.at(self.given.z, self.gates, self.position(self.steps, self.t), k)

    def output(self, place: Number) -> str:
        """A position of the result."""
        return self.at(self.node.output, 1, self.position(self.positions, place))

    def write(self) -> None:
        """The states at first, the steps, the states after them."""
        names = ["h", "c"][: len(self.state)]
        with self.sequences():
            first = {
                f"first_{k}": self.at(v, 1, self.p) for k, v in zip(names, self.given.initial, strict=False)
            }
            start = [f"{k}[r] = {f'first_{k}[r]' if first else '0.0f'};" for k in names]
            if not (self.scan.sequences or self.steps):
                start.append("y[r] = h[r];")
            self.units(dict(zip(names, self.state, strict=True)) | first | {"y": self.output(0)}, *start)
            with self.e.loop("s", self.steps):
                self._step()
            if self.scan.states:
                last = {
                    f"last_{k}": self.output(self.positions - len(names) + i) for i, k in enumerate(names)
                }
                self.units(
                    dict(zip(names, self.state, strict=True)) | last,
                    *(f"last_{k}[r] = {k}[r];" for k in names),
                )

    def _step(self) -> None:
        match self.scan.cell:
            case "simple" | "lstm":
                self._from_z(0, self.gates)
                self._recurrent(self.state[0], 0, 0, self.gates, self.record("gates"), add="1")
                (self._simple if self.scan.cell == "simple" else self._lstm)()
            case "gru":
                self._from_z(0, 2)
                self._recurrent(self.state[0], 0, 0, 2, self.record("gates"), add="1")
                self._held()
                self._recurrent(self.record("held"), 1, 2, 1, self.record("gates", 2), add="1")
                self._mixed("last[r]", {"last": self.record("gates", 2)})
            case "gru_reset_after":
                own = self._space("recurrent products", 3 * self.n)
                self._recurrent(self.state[0], 0, 0, 3, own, start=self.e.place(self.given.weights[1]))
                self._reset_after(own)
            case _:
                assert_never(self.scan.cell)

    def _from_z(self, first: int, count: int) -> None:
        """Gates start as what comes from outside; each thread does its rows of the product that is added."""
        m = count * self.n
        self.e.add(
            f"memcpy({plus(self.record('gates', first), f'LOW({m}) * R')}, {plus(self.z(first), f'LOW({m}) * R')}, "
            f"(HIGH({m}) - LOW({m})) * R * sizeof(float));"
        )

    def _recurrent(
        self, h: str, kernel: int, first: int, gates: int, to: str, start: str = "", add: str = "0"
    ) -> None:
        """Products of the state with a kernel of so many gates, whose first has this number."""
        place, n = self.e.place(self.given.weights[kernel]), self.n
        if self.given.dropped is None:
            self.product(gates * n, n, (place, 1, gates * n), h, to, start, add)
            self.e.barrier()
            return
        seen = self._space("states with units dropped", self.gates * n)
        groups = range(gates)
        arrays = {"h": h} | {f"seen_{k}": plus(seen, times(k * n, "R")) for k in groups}
        arrays |= {f"kept_{k}": self.at(self.given.dropped, self.gates, self.p, first + k) for k in groups}
        self.units(arrays, *(f"seen_{k}[r] = h[r] * kept_{k}[r];" for k in groups))
        for k in groups:
            at = plus(start, k * n) if start else ""
            self.product(
                n,
                n,
                (plus(place, k * n), 1, gates * n),
                arrays[f"seen_{k}"],
                plus(to, times(k * n, "R")),
                at,
                add,
            )
        self.e.barrier()

    def _loop(self, arrays: dict[str, str], *lines: str) -> None:
        """The last loop of a step: ``new_h``, and ``new_c``, become the states, and the first is the output."""
        states = dict(zip(["h", "c"], self.state, strict=False))
        place = self.s if self.scan.sequences else 0
        kept = {"before": self.record("before")} | (
            {"carried": self.record("carried")} if "c" in states else {}
        )
        ahead, in_loop = self.mask_lines
        masked = self.given.mask is not None
        ends = [f"{name}[r] = {k}[r];" for name, k in zip(kept, states, strict=True)]
        if masked and self.scan.zeros:
            ends.append("y[r] = counts ? new_h : 0.0f;")
        ends += [f"{k}[r] = {f'counts ? new_{k} : {k}[r]' if masked else f'new_{k}'};" for k in states]
        if not (masked and self.scan.zeros):
            ends.append("y[r] = h[r];")
        self.units(states | kept | {"y": self.output(place)} | arrays, *in_loop, *lines, *ends, before=ahead)

    def _gate(self, k: int, x: str, name: str) -> list[str]:
        """A gate or candidate of what its activation is applied to, which is kept if that is needed."""
        found = [f"const float {name}_sum = {x};"]
        found += [f"sum_{k}[r] = {name}_sum;"] if self.op.sums else []
        return [
            *found,
            f"const float {name} = {activated(self.scan.functions[k], f'{name}_sum')};",
            f"gate_{k}[r] = {name};",
        ]

    def _gates(self) -> dict[str, str]:
        found = {f"gate_{k}": self.record("gates", k) for k in range(self.gates)}
        return found | (
            {f"sum_{k}": self.record("sums", k) for k in range(self.gates)} if self.op.sums else {}
        )

    def _simple(self) -> None:
        self._loop(self._gates(), *self._gate(0, "gate_0[r]", "new_h"))

    def _lstm(self) -> None:
        lines = [line for k, name in enumerate("ifgo") for line in self._gate(k, f"gate_{k}[r]", name)]
        lines += [
            "const float new_c = f * c[r] + i * g;",
            f"const float seen_c = {activated(self.scan.activation, 'new_c')};",
            "shown[r] = seen_c;",
            "const float new_h = o * seen_c;",
        ]
        self._loop(self._gates() | {"shown": self.record("shown")}, *lines)

    def _held(self) -> None:
        """The gates of a GRU, and what its reset gate lets through."""
        lines = [*self._gate(0, "gate_0[r]", "update"), *self._gate(1, "gate_1[r]", "reset")]
        arrays = self._gates() | {"h": self.state[0], "held": self.record("held"), "z_2": self.z(2)}
        self.units(arrays, *lines, "held[r] = reset * h[r];", "gate_2[r] = z_2[r];")

    def _mixed(self, x: str, arrays: dict[str, str]) -> None:
        """A GRU's candidate, and the state mixed with it."""
        mixed = "const float new_h = gate_0[r] * h[r] + (1.0f - gate_0[r]) * candidate;"
        self._loop(self._gates() | arrays, *self._gate(2, x, "candidate"), mixed)

    def _reset_after(self, own: str) -> None:
        lines = [
            *self._gate(0, "z_0[r] + own_0[r]", "update"),
            *self._gate(1, "z_1[r] + own_1[r]", "reset"),
            "inner[r] = own_2[r];",
        ]
        arrays = {f"z_{k}": self.z(k) for k in range(3)} | {"inner": self.record("inner")}
        arrays |= {f"own_{k}": plus(own, times(k * self.n, "R")) for k in range(3)}
        candidate = self._gate(2, "z_2[r] + reset * own_2[r]", "candidate")
        mixed = "const float new_h = update * h[r] + (1.0f - update) * candidate;"
        self._loop(self._gates() | arrays, *lines, *candidate, mixed)


class _Backward(_Steps):
    """The way back through one TrainedScan."""

    def __init__(self, e: StepWriter, node: Node[ScanGradient]) -> None:
        self.node, self.op = node, node.op.of
        self.given = node.op.split(node.inputs)
        super().__init__(e, self.op, node.output)
        self.gates = self.scan.form.gates
        others = list(node.others)
        self.on_own = others.pop(0) if self.scan.cell == "gru_reset_after" else ""
        self.on_initial = others
        self.state = [
            e.space(f"gradient on state {k}", self.n, of=node.output) for k in range(self.scan.form.states)
        ]
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
            with self.e.inside(f"for (long s = {self.steps - 1}; s >= 0; s--) {{" if self.s else "{"):
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
        self.units(states | {"g": g} | arrays, *in_loop, *starts, *lines, before=ahead)

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
        return sloped(self.scan.functions[k], f"on_z_{k}[r]", g, f"sum_{k}[r]", f"gate_{k}[r]")

    def _turned(self, kernel: int, first: int, gates: int, source: str, to: str, add: str) -> None:
        """The gradient on the state that a kernel of so many gates was multiplied by."""
        place, n = self.e.place(self.given.kernels[kernel]), self.n
        width = gates * n
        if self.given.dropped is None:
            self.product(n, width, (place, width, 1), source, to, add=add)
            self.e.barrier()
            return
        part = self.e.space("gradient through dropped units", n, of=self.node.output)
        for k in range(gates):
            self.product(n, n, (plus(place, k * n), width, 1), plus(source, times(k * n, "R")), part)
            self.e.barrier()
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
        own = ["const float new_c = gate_1[r] * carried[r] + gate_0[r] * gate_2[r];"]
        lines = [
            *(own if needs_operand(self.scan.activation) else []),
            *sloped(self.scan.activation, "const float through", "dh * gate_3[r]", "new_c", "shown[r]"),
            "const float on_carry = dc + through;",
            *self._slope(0, "on_carry * gate_2[r]"),
            *self._slope(1, "on_carry * carried[r]"),
            *self._slope(2, "on_carry * gate_0[r]"),
            *self._slope(3, "dh * shown[r]"),
            f"on_c[r] = on_carry * gate_1[r]{self._stays('c')};",
            *(["on_h[r] = stays_h;"] if masked else []),
        ]
        self._loop(arrays, *lines)
        self._turned(0, 0, 4, self.on_z(), self.state[0], "1" if masked else "0")

    def _gru(self) -> None:
        arrays = self._gates() | {"before": self.record("before")}
        lines = [
            *self._slope(0, "dh * (before[r] - gate_2[r])"),
            *self._slope(2, "dh * (1.0f - gate_0[r])"),
            f"on_h[r] = dh * gate_0[r]{self._stays('h')};",
        ]
        self._loop(arrays, *lines)
        on_held = self.e.space("gradient on what is held", self.n, of=self.node.output)
        self._turned(1, 2, 1, self.on_z(2), on_held, "0")
        states = {"on_h": self.state[0], "on_held": on_held}
        self.units(
            arrays | states,
            *self._slope(1, "on_held[r] * before[r]"),
            "on_h[r] += on_held[r] * gate_1[r];",
        )
        self._turned(0, 0, 2, self.on_z(), self.state[0], "1")

    def _reset_after(self) -> None:
        arrays = self._gates() | {"before": self.record("before"), "inner": self.record("inner")}
        lines = [
            *self._slope(0, "dh * (before[r] - gate_2[r])"),
            *self._slope(2, "dh * (1.0f - gate_0[r])"),
            *self._slope(1, "on_z_2[r] * inner[r]"),
            "on_own_0[r] = on_z_0[r];",
            "on_own_1[r] = on_z_1[r];",
            "on_own_2[r] = on_z_2[r] * gate_1[r];",
            f"on_h[r] = dh * gate_0[r]{self._stays('h')};",
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


def trained_scan(e: StepWriter, node: Node[TrainedScan]) -> None:
    """The steps, with what gradients need."""
    if 0 not in e.shape(node.output):
        _Forward(e, node).write()


def scan_gradient(e: StepWriter, node: Node[ScanGradient]) -> None:
    """Backpropagation through time."""
    _Backward(e, node).write()
