"""Test cases of recurrence: cells, masks, initial states, which results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foldnet.graph.op import Elementwise, Op
from foldnet.operations.cases import Case, Operand, Rows, drawn, rows
from foldnet.operations.elementwise.slopes import needs_operand
from foldnet.operations.scan.op import FORMS, CellKind, Scan, TrainedScan

TANH, SIGMOID = Elementwise("tanh"), Elementwise("sigmoid")


def _case(
    name: str,
    cell: CellKind,
    units: int,
    steps: int | None = 6,
    ahead: Sequence[int] = (),
    activation: Elementwise = TANH,
    gate: Elementwise = SIGMOID,
    **settings: bool,
) -> Case:
    form, wide = FORMS[cell], 0
    operands: list[Operand] = [rows(*ahead, steps, form.gates * units)]
    operands += [rows(*ahead, units) for _ in range(form.states if settings.get("initial") else 0)]
    if settings.get("masked"):
        operands.append(Rows((*ahead, steps), between=(-0.4, 1.4), decimals=0))
    for width in form.weights:
        wide = width or wide
        scale = units**-0.5
        operands.append(drawn(units, wide * units, scale=scale) if width else drawn(wide * units))
    return Case(name, Scan(cell, units, activation, gate, **settings), operands)


def _cases() -> Iterator[Case]:
    for cell in FORMS:
        yield _case(cell, cell, 5)
        yield _case(f"{cell}-wide", cell, 33, sequences=True)
        yield _case(
            f"{cell}-all", cell, 3, initial=True, masked=True, sequences=True, states=True, reverse=True
        )
        yield _case(f"{cell}-masked", cell, 16, masked=True)
    # So many units that one recurrent kernel is read in several parts, there and back.
    yield _case("very-wide", "lstm", 65, 3, sequences=True)
    yield _case("free", "lstm", 4, None, sequences=True)
    yield _case("reversed", "gru", 4, reverse=True, states=True)
    yield _case("initial", "lstm", 4, initial=True)
    yield _case("zeros", "lstm", 4, masked=True, sequences=True, zeros=True)
    yield _case("zeros-last", "simple", 4, masked=True, zeros=True, initial=True)
    yield _case("one-step", "gru_reset_after", 4, 1)
    yield _case("ahead", "lstm", 3, 4, (2, 3), masked=True, initial=True, sequences=True, states=True)
    yield _case(
        "other-activations", "lstm", 4, activation=Elementwise("elu", (("alpha", 0.5),)),
        gate=Elementwise("hard_sigmoid_keras2"),
    )  # fmt: skip


def _dropping(case: Case, op: Scan) -> Case:
    """A case with masks of units, which stand before the weights."""
    gates = 1 if op.cell == "simple" else op.form.gates
    at = len(case.operands) - len(op.form.weights)
    units = Rows((gates * op.units,), between=(0.0, 2.0))
    operands = (*case.operands[:at], units, *case.operands[at:])
    return Case(f"{case.name}-dropping", TrainedScan(**vars(op), dropped=True), operands)


def _trained() -> Iterator[Case]:
    """The same in training."""
    for case in _cases():
        assert isinstance(case.op, Scan)
        needs = any(needs_operand(f) for f in (case.op.activation, case.op.recurrent_activation))
        if not case.name.endswith(("wide", "free")):
            yield Case(case.name, TrainedScan(**vars(case.op), sums=needs), case.operands)
    swish = Elementwise("silu")
    for cell in FORMS:
        case = _case(f"{cell}-sums", cell, 3, 4, activation=swish, gate=swish, masked=True, sequences=True)
        assert isinstance(case.op, Scan)
        yield Case(case.name, TrainedScan(**vars(case.op), sums=True), case.operands)
        case = _case(cell, cell, 5, 4)
        assert isinstance(case.op, Scan)
        yield _dropping(case, case.op)


RULES: dict[type[Op], Sequence[Case]] = {Scan: tuple(_cases()), TrainedScan: tuple(_trained())}
