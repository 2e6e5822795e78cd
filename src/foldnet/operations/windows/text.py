"""Pooling as NumPy source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from foldnet.errors import UnsupportedError
from foldnet.graph.op import Op
from foldnet.operations.texts import Operands, Text
from foldnet.operations.windows.op import Pool, PoolKind

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


RULES: dict[type[Op], Text] = {Pool: Text(_pool, "pool")}
