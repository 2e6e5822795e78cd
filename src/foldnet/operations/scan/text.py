"""Recurrence as NumPy source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.text import activated
from foldnet.operations.scan.op import CellKind, Scan
from foldnet.operations.texts import Operands, Text

HELPERS: Mapping[CellKind, str] = {
    "simple": "simple_rnn_step",
    "lstm": "lstm_step",
    "gru": "gru_step",
    "gru_reset_after": "gru_step_reset_after",
}


def _function(function: Elementwise, o: Operands) -> str:
    """The name of a function, or a function of its own where it has parameters."""
    text = activated(function, "v", o)
    return text.removesuffix("(v)") if re.fullmatch(r"[\w.]+\(v\)", text) else f"lambda v: {text}"


def _scan(op: Scan, o: Operands) -> str:
    form, rest = op.form, list(o.texts[1:])
    weights = [rest.pop() for _ in form.weights][::-1]
    initial = [rest.pop(0) for _ in range(form.states if op.initial else 0)]
    names = ", ".join(["z", "h", "c"][: 1 + form.states])
    functions = [_function(op.activation, o)]
    if op.cell != "simple":
        functions.append(_function(op.recurrent_activation, o))
    step = f"lambda {names}: {o.call(HELPERS[op.cell], names, *weights, *functions)}"
    start = f"[{', '.join(initial)}]" if initial else f"zeros_of({o.texts[0]}, {op.units}, {form.states})"
    if not initial:
        o.helpers.add("zeros_of")
    settings = [f"{name}=True" for name in ("reverse", "sequences", "states", "zeros") if getattr(op, name)]
    mask = [f"mask={rest[0]}"] if op.masked else []
    return o.call("recur", step, o.texts[0], start, *mask, *settings)


def _formula(op: Scan, operands: Sequence[str]) -> str:
    return f"{op.cell}({operands[0]}, recurrent kernel)"


RULES: dict[type[Op], Text] = {Scan: Text(_scan, "recurrence", formula=_formula)}
