"""Axes of another length as NumPy source."""

from __future__ import annotations

from collections.abc import Sequence

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


def _written(name: str, x: str, **settings: object) -> str:
    """A call in short form; what is False is left out."""
    kept = (f"{key}={value}".replace(" ", "") for key, value in settings.items() if value is not False)
    return f"{name}({', '.join([x, *kept])})"


def _nearest_formula(op: Nearest, operands: Sequence[str]) -> str:
    return _written("nearest", operands[0], axis=op.axis, count=op.count)


def _mix_formula(op: Mix, operands: Sequence[str]) -> str:
    if op.kind == "mean":
        return _written("mean", operands[0], axis=op.axis, windows=op.count)
    count = {"times": op.count} if op.relative else {"count": op.count}
    return _written(op.kind, operands[0], axis=op.axis, **count, antialias=op.antialias)


def _max_formula(op: AdaptiveMax, operands: Sequence[str]) -> str:
    return _written("max", operands[0], axis=op.axis, windows=op.count)


def _cut_formula(op: CutToShape, operands: Sequence[str]) -> str:
    return _written("middle", operands[0], axes=op.axes, shape=op.target, fitting=op.fitting)


def _pad_formula(op: PadToShape, operands: Sequence[str]) -> str:
    return _written("around", operands[0], axes=op.axes, shape=op.target, value=op.value)


RULES: dict[type[Op], Text] = {
    Nearest: Text(_nearest, "nearest positions", formula=_nearest_formula),
    Mix: Text(_mix, "values between positions", formula=_mix_formula),
    AdaptiveMax: Text(_adaptive_max, "largest of windows", formula=_max_formula),
    CutToShape: Text(_cut_to_shape, "part in the middle", formula=_cut_formula),
    PadToShape: Text(_pad_to_shape, "a number around", formula=_pad_formula),
}
