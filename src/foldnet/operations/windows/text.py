"""Pooling, padding and convolution as NumPy source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Op
from foldnet.operations.texts import Operands, Text
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool, PoolKind

_METHODS: Mapping[PoolKind, str] = {"max": "max", "average": "mean"}


def _pool(op: Pool, o: Operands) -> str:
    x, shape = o.texts[0], o.shapes[0]
    method = _METHODS[op.kind]
    if any(shape[a] is None for a in op.axes) and op.padding == "same":
        raise UnsupportedError(
            f"layer {o.layer!r}: pooling with padding over an axis whose length is not known cannot be written; give "
            "Input the length"
        )
    over = tuple(range(-len(op.axes), 0)) if len(op.axes) > 1 else -1
    known = tuple(1 if n is None else n for n in shape[1:])
    if any(shape[a] is None for a in op.axes):
        return f"{_windows(op, x, op.sizes, op.strides)}.{method}(axis={over})"
    windows = op.windows(known)
    sizes, strides = [w.size for w in windows], [w.stride for w in windows]
    if not any(w.before or w.after for w in windows):
        return f"{_windows(op, x, sizes, strides)}.{method}(axis={over})"
    pads = [(0, 0)] * len(shape)
    for w in windows:
        pads[w.axis + 1] = (w.before, w.after)
    widths = str(tuple(pads))
    match op.kind:
        case "max":
            padded = f"np.pad({x}, {widths}, constant_values=-np.inf)"
            return f"{_windows(op, padded, sizes, strides)}.max(axis={over})"
        case "average":
            total, count = (
                f"{_windows(op, f'np.pad({v}, {widths})', sizes, strides)}.sum(axis={over})"
                for v in (x, f"np.ones_like({x})")
            )
            return f"{total} / {count}"
        case _:
            assert_never(op.kind)


def _windows(op: Pool, x: str, sizes: Sequence[int], strides: Sequence[int]) -> str:
    view = f"np.lib.stride_tricks.sliding_window_view({x}, {tuple(sizes)}, axis={op.axes})"
    if all(s == 1 for s in strides):
        return view
    by_axis = dict(zip(op.axes, strides, strict=True))
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
