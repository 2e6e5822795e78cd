"""Operations along axes of a row as NumPy source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foldnet.codegen.literals import plain_float
from foldnet.graph.op import AxisOp, Op
from foldnet.operations.along.op import (
    CumulativeSum,
    Glu,
    GroupMoments,
    Moments,
    MomentsKind,
    Reduce,
    Softmax,
    Sparsemax,
)
from foldnet.operations.texts import Operands, Text


def _softmax(op: Softmax, o: Operands) -> str:
    return o.call("log_softmax" if op.log else "softmax", o.texts[0], o.axis(op.axis))


MOMENTS: dict[MomentsKind, str] = {
    "standard": "standardize",
    "variance": "over_deviation",
    "rms": "rms_normalize",
    "l2": "l2_normalize",
}


def _moments(op: Moments, o: Operands) -> str:
    helper = MOMENTS[op.kind]
    axes = str(op.axes) if len(op.axes) > 1 else str(op.axes[0])
    return o.call(helper, o.texts[0], f"axes={axes}", f"epsilon={plain_float(op.epsilon)}")


def _group_moments(op: GroupMoments, o: Operands) -> str:
    epsilon = f"epsilon={plain_float(op.epsilon)}"
    return o.call("standardize_groups", o.texts[0], o.axis(op.axis), f"groups={op.groups}", epsilon)


def _reduce(op: Reduce, o: Operands) -> str:
    axes = str(op.axes[0] if len(op.axes) == 1 else op.axes)
    text = f"{o.texts[0]}.{op.kind}(axis={axes}{', keepdims=True' if op.keepdims else ''})"
    return f"{text}.astype(np.float32)" if op.kind == "argmax" else text


def _reduce_formula(op: Reduce, operands: Sequence[str]) -> str:
    text = f"{op.kind}({operands[0]}, axes={op.axes})".replace(" ", "")
    return text.replace(",axes", ", axes")


def _cumulative_sum(op: CumulativeSum, o: Operands) -> str:
    if op.reverse:
        return f"np.flip(np.flip({o.texts[0]}, {op.axis}).cumsum(axis={op.axis}), {op.axis})"
    return f"{o.texts[0]}.cumsum(axis={op.axis})"


def _axis_helper(name: str) -> Callable[[AxisOp, Operands], str]:
    return lambda op, o: o.call(name, o.texts[0], o.axis(op.axis))


RULES: dict[type[Op], Text] = {
    Softmax: Text(_softmax, "softmax", nests=True),
    Sparsemax: Text(_axis_helper("sparsemax")),
    Glu: Text(_axis_helper("glu")),
    Moments: Text(_moments, "normalize each row by itself"),
    GroupMoments: Text(_group_moments, "normalize each group of each row"),
    Reduce: Text(_reduce, "reduce", formula=_reduce_formula),
    CumulativeSum: Text(_cumulative_sum),
}
