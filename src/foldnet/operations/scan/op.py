"""Recurrence: a state that each step of a sequence changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Generic, Literal, TypeVar

from foldnet.errors import ConfigError
from foldnet.graph.op import Elementwise, Op, Row, Shape

CellKind = Literal["simple", "lstm", "gru", "gru_reset_after"]


@dataclass(frozen=True)
class CellForm:
    """The sizes of a cell, counted in vectors of units.

    Attributes:
        gates: what a step computes from its input: i, f, c, o of an LSTM; z, r, h of a GRU, in Keras's order.
        states: what it hands to the next step; the first of them is its output.
        weights: the widths of its weights: recurrent kernels, which have a row for each unit; 0 for a bias, which is as
            wide as the kernel before it.
    """

    gates: int
    states: int
    weights: tuple[int, ...]


FORMS: Mapping[CellKind, CellForm] = {
    "simple": CellForm(1, 1, (1,)),
    "lstm": CellForm(4, 2, (4,)),
    "gru": CellForm(3, 1, (2, 1)),
    "gru_reset_after": CellForm(3, 1, (3, 0)),
}


@dataclass(frozen=True)
class Scan(Op):
    """The steps of a recurrent layer, given its inputs times its kernel, plus its bias.

    Operands: those products (rows, ..., steps, gates * units); the initial states (rows, ..., units), if ``initial``;
    the mask (rows, ..., steps), if ``masked``; and the weights: one recurrent kernel (units, gates * units). A ``gru``
    has two, for its gates and for its candidate; a ``gru_reset_after`` has a bias (gates * units,) after its kernel.

    The result is (rows, ..., positions, units): the output of every step or only of the last, then the states.

    Attributes:
        cell: what a step computes.
        units: size of each state.
        activation: of the candidate, and of an LSTM's output.
        recurrent_activation: of the gates.
        reverse: whether the last step comes first; results are then in that order.
        sequences: whether there is an output for every step.
        states: whether the states after the last step follow the outputs.
        initial: whether initial states are given; they are zeros otherwise.
        masked: whether steps can be left out: they keep the states, and their output is the first of these.
        zeros: whether the output of a step that is left out is 0 instead.
    """

    trains: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = True

    cell: CellKind
    units: int
    activation: Elementwise
    recurrent_activation: Elementwise
    reverse: bool = False
    sequences: bool = False
    states: bool = False
    initial: bool = False
    masked: bool = False
    zeros: bool = False

    @property
    def form(self) -> CellForm:
        """The sizes of its cell."""
        return FORMS[self.cell]

    @property
    def functions(self) -> Sequence[Elementwise]:
        """The activation of each gate and candidate, in their order."""
        gate, act = self.recurrent_activation, self.activation
        return {"simple": [act], "lstm": [gate, gate, act, gate]}.get(self.cell, [gate, gate, act])

    @property
    def label(self) -> str:
        return self.cell

    @property
    def weights(self) -> tuple[int, int]:  # type: ignore[override]
        """The cell's."""
        return len(self.form.weights), len(self.form.weights)

    def data_operands(self, count: int) -> int:
        """All but the weights."""
        return count - len(self.form.weights)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape, with the number of positions and of units."""
        form, n = self.form, self.units
        z, *rest = shapes
        count = form.states if self.initial else 0
        initial, mask, weights = (
            rest[:count],
            rest[count : len(rest) - len(form.weights)],
            rest[-len(form.weights) :],
        )
        if len(z) < 3 or z[-1] != form.gates * n or len(rest) != count + self.masked + len(form.weights):
            raise ConfigError(f"{self} does not fit operands of shapes {shapes}")
        wide = 0
        for width, shape in zip(form.weights, weights, strict=True):
            wide = width or wide
            if shape != ((n, wide * n) if width else (wide * n,)):
                raise ConfigError(f"a weight of shape {shape} does not fit {n} units of {self.cell}")
        for what, found, expected in (
            *(("initial state", state, (*z[:-2], n)) for state in initial),
            *(("mask", shape, z[:-1]) for shape in mask),
        ):
            pairs = zip(found, expected, strict=False)
            if len(found) != len(expected) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
                raise ConfigError(f"its {what} has the shape {found}, expected {expected}")
        steps = z[-2] if self.sequences else 1
        return (*z[:-2], None if steps is None else steps + (form.states if self.states else 0), n)

    def scratch(self, result: Row, *operands: Row) -> int:
        """Its ``arrays``."""
        return sum(self.arrays.values())

    @property
    def arrays(self) -> dict[str, int]:
        """The arrays that a step works in, with their sizes, multiples of 16, so that vectors fill them."""
        counts = {"gates": self.form.gates, "h": 1}
        if self.form.states > 1:
            counts["c"] = 1
        if self.masked and self.zeros:
            counts["out"] = 1
        if self.cell == "gru":
            counts |= {"own": 2, "held": 1, "inner": 1}
        if self.cell == "gru_reset_after":
            counts["own"] = 3
        return {name: -(-count * self.units // 16) * 16 for name, count in counts.items()}

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """The recurrent kernels, once for each step."""
        return prod(operands[0][:-1]) * sum(prod(shape) for shape in operands[-len(self.form.weights) :])


T = TypeVar("T")


@dataclass(frozen=True)
class Operands(Generic[T]):
    """The operands of a TrainedScan: products with the inputs, initial states, masks of steps and of units, weights."""

    z: T
    initial: Sequence[T]
    mask: T | None
    dropped: T | None
    weights: Sequence[T]


@dataclass(frozen=True)
class GradientOperands(Generic[T]):
    """The operands of a ScanGradient."""

    g: T
    mask: T | None
    dropped: T | None
    kernels: Sequence[T]
    records: Mapping[str, T]


@dataclass(frozen=True)
class TrainedScan(Scan):
    """The same steps in a training program, and what their gradients need.

    Operands: those of the Scan, but with masks of dropped units (rows, ..., gates * units, or units for a ``simple``
    cell) before the weights, if ``dropped``: what a gate's recurrent kernel is multiplied by is the state times its
    part of them.

    Further results, (rows, ..., steps, n * units) each: see ``records``.

    Attributes:
        dropped: whether units of states are dropped.
        sums: whether what activations are applied to is needed, because a slope cannot do with their results.
    """

    trains: ClassVar[bool] = True
    predicts: ClassVar[bool] = False
    walks: ClassVar[bool] = True
    has_positions: ClassVar[bool] = True

    dropped: bool = False
    sums: bool = False

    @property
    def records(self) -> dict[str, int]:
        """What is kept of each step, and how many numbers for a unit.

        ``before`` is the state before the step, ``carried`` the second state of an LSTM; ``gates`` are the activated
        gates and candidates; ``shown`` is an LSTM's activated second state after the step; ``held`` what a GRU's reset
        gate lets through, and ``inner`` what it is applied to where it comes after the product; ``sums`` are the gates
        before their activations.
        """
        found = {"before": 1, "gates": self.form.gates}
        found |= {
            "simple": {}, "lstm": {"carried": 1, "shown": 1}, "gru": {"held": 1}, "gru_reset_after": {"inner": 1},
        }[self.cell]  # fmt: skip
        return found | ({"sums": self.form.gates} if self.sums else {})

    @property
    def takes_over(self) -> Sequence[tuple[int, int]]:
        """Gates lie where what they are made of was."""
        return [(1 + list(self.records).index("gates"), 0)]

    def split(self, operands: Sequence[T]) -> Operands[T]:
        """Its operands by what they are."""
        rest = list(operands)
        weights = [rest.pop() for _ in self.form.weights][::-1]
        dropped = rest.pop() if self.dropped else None
        mask = rest.pop() if self.masked else None
        return Operands(rest[0], rest[1:], mask, dropped, weights)

    def output_shape(self, *shapes: Shape) -> Shape:
        """That of the Scan."""
        given = self.split(shapes)
        if given.dropped is not None:
            expected = (*given.z[:-2], self.form.gates * self.units)
            if len(given.dropped) != len(expected) or given.dropped[-1] != expected[-1]:
                raise ConfigError(
                    f"masks of dropped units have the shape {given.dropped}, expected {expected}"
                )
        mask = () if given.mask is None else (given.mask,)
        return super().output_shape(given.z, *given.initial, *mask, *given.weights)

    def other_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Of the records, in their order."""
        return tuple((*shapes[0][:-1], count * self.units) for count in self.records.values())

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """Those of the Scan."""
        return super().multiply_adds(result, operands[0], *self.split(operands).weights)


@dataclass(frozen=True)
class ScanGradient(Op):
    """The gradients through a TrainedScan: backpropagation through time (Werbos, 1990).

    Operands: the gradient on its result; its mask and its masks of dropped units, if it has them; its recurrent kernels
    without biases; its records. Results: the gradient on the products with the inputs; where a reset gate comes after
    the product, the gradient on the recurrent products; then those on the initial states, if there are any.
    """

    data: ClassVar[int | None] = None
    mixes: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    of: TrainedScan

    @property
    def kernels(self) -> int:
        """The number of recurrent kernels."""
        return sum(width > 0 for width in self.of.form.weights)

    @property
    def takes_over(self) -> Sequence[tuple[int, int]]:
        """The gradient on the products with the inputs lies where the gates were."""
        ahead = 1 + self.of.masked + self.of.dropped + self.kernels
        return [(0, ahead + list(self.of.records).index("gates"))]

    def split(self, operands: Sequence[T]) -> GradientOperands[T]:
        """Its operands by what they are."""
        rest = list(operands)
        g = rest.pop(0)
        mask = rest.pop(0) if self.of.masked else None
        dropped = rest.pop(0) if self.of.dropped else None
        kernels, rest = rest[: self.kernels], rest[self.kernels :]
        return GradientOperands(g, mask, dropped, kernels, dict(zip(self.of.records, rest, strict=True)))

    def output_shape(self, *shapes: Shape) -> Shape:
        """That of the products with the inputs."""
        return self.split(shapes).records["gates"]

    def other_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Of the further gradients."""
        found, scan = self.split(shapes), self.of
        inner = (found.records["gates"],) if scan.cell == "gru_reset_after" else ()
        states = ((*found.g[:-2], scan.units),) * (scan.form.states if scan.initial else 0)
        return (*inner, *states)

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """As many as the steps have."""
        return prod(result[:-1]) * sum(prod(shape) for shape in self.split(operands).kernels)
