"""Axes of another length as NumPy source."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, Nearest, PadToShape
from foldnet.operations.texts import Operands, Text


def _nearest(op: Nearest, o: Operands) -> str:
    x, axis = o.texts[0], op.axis
    places = f"(2 * np.arange({op.count}) + 1) * {x}.shape[{axis}] // {2 * op.count}"
    return f"np.take({x}, {places}, axis={axis})"


def _mix(op: Mix, o: Operands) -> str:
    x, axis = o.texts[0], op.axis
    count = f"{x}.shape[{axis}] * {op.count}" if op.relative else str(op.count)
    if op.kind == "mean":
        return o.call("pool_to", x, str(axis), count, "np.mean")
    o.helpers.add(op.kind)
    more = ["antialias=True"] if op.antialias else []
    return o.call("resize", x, str(axis), count, op.kind, *more)


def _adaptive_max(op: AdaptiveMax, o: Operands) -> str:
    return o.call("pool_to", o.texts[0], str(op.axis), str(op.count), "np.max")


def _cut_to_shape(op: CutToShape, o: Operands) -> str:
    more = ["fitting=True"] if op.fitting else []
    return o.call("cut_to_shape", o.texts[0], str(op.axes), str(op.target), *more)


def _pad_to_shape(op: PadToShape, o: Operands) -> str:
    return o.call(
        "pad_to_shape", o.texts[0], str(op.axes), str(op.target), *([f"{op.value!r}"] if op.value else [])
    )


RULES: dict[type[Op], Text] = {
    Nearest: Text(_nearest, "nearest positions"),
    Mix: Text(_mix, "values between positions"),
    AdaptiveMax: Text(_adaptive_max, "largest of windows"),
    CutToShape: Text(_cut_to_shape, "part in the middle"),
    PadToShape: Text(_pad_to_shape, "a number around"),
}
