"""Pooling, padding and convolution as NumPy source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.texts import Operands, Text
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool, PoolKind

_METHODS: Mapping[PoolKind, str] = {"max": "max", "average": "mean"}


def _pool(op: Pool, o: Operands) -> str:
    x = o.texts[0]
    over = tuple(range(-len(op.axes), 0)) if len(op.axes) > 1 else -1
    padded = _padding(op, o)
    if padded is None:
        return f"{_windows(op, x)}.{_METHODS[op.kind]}(axis={over})"
    match op.kind:
        case "max":
            return f"{_windows(op, padded(x, '-np.inf'))}.max(axis={over})"
        case "average":
            total, count = (
                f"{_windows(op, padded(v, ''))}.sum(axis={over})" for v in (x, f"np.ones_like({x})")
            )
            return f"{total} / {count}"
        case _:
            assert_never(op.kind)


def _padding(op: Pool, o: Operands) -> Callable[[str, str], str] | None:
    """The text of a value with another one around it; None if no window reaches beyond the ends."""
    shape = o.shapes[0]
    if op.padding == "valid":
        return None
    if any(shape[a] is None for a in op.axes):
        return lambda x, value: o.call(
            "pad_same", x, f"{op.axes}, {op.sizes}, {op.strides}" + (f", {value}" if value else "")
        )
    pads = [(0, 0)] * len(shape)
    for w in op.windows(tuple(n or 1 for n in shape[1:])):
        pads[w.axis + 1] = (w.before, w.after)
    if not any(n for pair in pads for n in pair):
        return None
    return lambda x, value: f"np.pad({x}, {tuple(pads)}" + (f", constant_values={value})" if value else ")")


def _windows(op: Pool, x: str) -> str:
    view = f"np.lib.stride_tricks.sliding_window_view({x}, {op.sizes}, axis={op.axes})"
    if all(s == 1 for s in op.strides):
        return view
    by_axis = dict(zip(op.axes, op.strides, strict=True))
    steps = [f"::{by_axis[a]}" if by_axis.get(a, 1) != 1 else ":" for a in range(max(op.axes) + 1)]
    return f"{view}[{', '.join(steps)}]"


def _pad(op: Pad, o: Operands) -> str:
    return f"np.pad({o.texts[0]}, {((0, 0), *op.widths)})"


def _pad_same(op: PadSame, o: Operands) -> str:
    return o.call("pad_same", o.texts[0], f"{op.axes}, {op.covers}, {op.strides}")


def _with_bias(text: str, o: Operands) -> str:
    return text if len(o.texts) == 2 or o.neutral[2] else f"{text} + {o.texts[2]}"


def _conv(op: Conv, o: Operands) -> str:
    settings = [str(op.strides), str(op.dilations), *([f"groups={op.groups}"] if op.groups > 1 else [])]
    return _with_bias(o.call("convolve", *o.texts[:2], *settings), o)


def _conv_transpose(op: ConvTranspose, o: Operands) -> str:
    return _with_bias(o.call("convolve_transpose", *o.texts[:2], str(op.strides), str(op.dilations)), o)


def _conv_formula(op: Conv | ConvTranspose, operands: Sequence[str]) -> str:
    name = "conv" if isinstance(op, Conv) else "conv_transpose"
    return f"{name}({operands[0]}, kernel)" + (" + bias" if len(operands) > 2 else "")


def _is_zero(index: int, array: Array) -> bool:
    return index == 2 and not array.any()


_ROLES = ("x", "kernel", "bias")

RULES: dict[type[Op], Text] = {
    Pool: Text(_pool, "pool"),
    Pad: Text(_pad, "zeros around"),
    PadSame: Text(_pad_same, "zeros around"),
    Conv: Text(_conv, "convolution", roles=_ROLES, neutral=_is_zero, formula=_conv_formula),
    ConvTranspose: Text(
        _conv_transpose, "transposed convolution", roles=_ROLES, neutral=_is_zero, formula=_conv_formula
    ),
}
