"""The steps of a recurrence in the C of training programs, which keep what their gradients need."""

from __future__ import annotations

from typing import assert_never

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import Number, plus, times
from foldnet.graph.graph import Node
from foldnet.operations.elementwise.c import activated
from foldnet.operations.scan.op import TrainedScan
from foldnet.operations.scan.walk_c import Steps


class _Forward(Steps):
    """The steps of one TrainedScan."""

    def __init__(self, e: StepWriter, node: Node[TrainedScan]) -> None:
        self.node, self.op = node, node.op
        self.given = node.op.split(node.inputs)
        super().__init__(e, node.op, self.given.z, node.output)
        self.records = dict(zip(node.op.records, node.others, strict=True))
        self.state = [self.space(f"state {k}", self.n) for k in range(self.scan.form.states)]
        self.mask_lines = self.counts(self.given.mask)
        self.gates = self.scan.form.gates
        self.in_place = e.shares(self.records["gates"], self.given.z)
        self.positions = e.shape(node.output)[-2]

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
            with self.e.inside(
                f"for (long s = 0; s < {self.steps} && !CUT_SHORT; s++) {{" if self.s else "{"
            ):
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
                own = self.space("recurrent products", 3 * self.n)
                self._recurrent(self.state[0], 0, 0, 3, own, start=self.e.place(self.given.weights[1]))
                self._reset_after(own)
            case _:
                assert_never(self.scan.cell)

    def _from_z(self, first: int, count: int) -> None:
        """Gates start as what comes from outside."""
        gates = range(first, first + count)
        arrays = {f"gate_{k}": self.record("gates", k) for k in gates} | {f"z_{k}": self.z(k) for k in gates}
        if not self.in_place:
            self.units(arrays, *(f"gate_{k}[r] = z_{k}[r];" for k in gates))

    def _recurrent(
        self, h: str, kernel: int, first: int, gates: int, to: str, start: str = "", add: str = "0"
    ) -> None:
        """Products of the state with a kernel of so many gates, whose first has this number."""
        place, n = self.e.place(self.given.weights[kernel]), self.n
        if self.given.dropped is None:
            self.product(gates * n, n, (place, 1, gates * n), h, to, start, add)
            return
        seen = self.space("states with units dropped", self.gates * n)
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

    def _loop(self, arrays: dict[str, str], *lines: str, last: bool = True) -> None:
        """A loop in which states end a step: all of them or, if it is not the last one, that of an LSTM's cells.

        ``new_h``, and ``new_c``, become the states, and the first is the output.
        """
        states = dict(zip(["h", "c"], self.state, strict=False))
        new = ["h"] if last else ["c"]
        records = {"h": "before", "c": "carried"}
        ahead, in_loop = self.mask_lines
        masked = self.given.mask is not None
        ends = [f"{records[k]}[r] = {k}[r];" for k in new]
        if last and masked and self.scan.zeros:
            ends.append("y[r] = counts ? new_h : 0.0f;")
        ends += [f"{k}[r] = {f'counts ? new_{k} : {k}[r]' if masked else f'new_{k}'};" for k in new]
        if last and not (masked and self.scan.zeros):
            ends.append("y[r] = h[r];")
        arrays = states | {records[k]: self.record(records[k]) for k in new} | arrays
        arrays |= {"y": self.output(self.s if self.scan.sequences else 0)}
        self.units(arrays, *in_loop, *lines, *ends, before=ahead)

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
        """The gates and the second state first: what comes after them waits long, so that it has a loop of its own."""
        lines = [line for k, name in enumerate("ifgo") for line in self._gate(k, f"gate_{k}[r]", name)]
        self._loop(self._gates(), *lines, "const float new_c = f * c[r] + i * g;", last=False)
        lines = [
            f"const float seen_c = {activated(self.scan.activation, 'c[r]')};",
            "shown[r] = seen_c;",
            "const float new_h = gate_3[r] * seen_c;",
        ]
        self._loop({"shown": self.record("shown"), "gate_3": self.record("gates", 3)}, *lines)

    def _held(self) -> None:
        """The gates of a GRU, and what its reset gate lets through."""
        lines = [*self._gate(0, "gate_0[r]", "update"), *self._gate(1, "gate_1[r]", "reset")]
        arrays = self._gates() | {"h": self.state[0], "held": self.record("held"), "z_2": self.z(2)}
        lines += [] if self.in_place else ["gate_2[r] = z_2[r];"]
        self.units(arrays, *lines, "held[r] = reset * h[r];")

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


def trained_scan(e: StepWriter, node: Node[TrainedScan]) -> None:
    """The steps, with what gradients need."""
    if 0 not in e.shape(node.output):
        _Forward(e, node).write()
