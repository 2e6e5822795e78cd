"""Test cases of pooling, padding and convolution: windows, strides, dilations, groups, sizes of channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, prod

from foldnet.graph.op import Elementwise, Op, Row, Shape
from foldnet.operations.cases import Case, Rows, drawn, rows
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, Padding, PadSame, Pool, PoolKind

Form = tuple[str, Shape, tuple[int, ...], tuple[int, ...], tuple[int, ...], Padding]

FORMS: list[Form] = [
    ("1d", (7, 3), (1,), (2,), (2,), "valid"),
    ("1d-same", (7, 3), (1,), (3,), (2,), "same"),
    ("1d-overlapping", (6, 2), (1,), (3,), (1,), "valid"),
    ("1d-apart", (8, 2), (1,), (2,), (3,), "same"),
    ("1d-channels-first", (3, 7), (2,), (2,), (2,), "valid"),
    ("1d-long", (23, 2), (1,), (10,), (6,), "valid"),
    ("2d", (5, 6, 2), (1, 2), (2, 3), (2, 1), "valid"),
    ("2d-same", (5, 4, 3), (1, 2), (3, 2), (2, 2), "same"),
    ("2d-channels-first", (2, 5, 4), (2, 3), (2, 2), (2, 2), "same"),
    ("3d", (4, 3, 4, 2), (1, 2, 3), (2, 2, 2), (2, 1, 2), "valid"),
    ("3d-same", (3, 4, 3, 2), (1, 2, 3), (2, 3, 2), (2, 2, 2), "same"),
    ("free", (None, 3), (1,), (2,), (2,), "valid"),
    ("free-same", (None, 3), (1,), (3,), (2,), "same"),
]


def _cases(kind: PoolKind) -> Iterator[Case]:
    for name, shape, axes, sizes, strides, padding in FORMS:
        yield Case(f"{kind}-{name}", Pool(kind, axes, sizes, strides, padding), (Rows(shape),))
        if kind == "max":  # with ties
            yield Case(f"ties-{name}", Pool(kind, axes, sizes, strides, padding), (Rows(shape, decimals=0),))


def _conv(
    name: str, shape: Shape, window: Row, units: int, op: Conv | ConvTranspose, bias: bool = True
) -> Case:
    channels = int(shape[-1] or 0)
    inner = (channels // op.groups, units) if isinstance(op, Conv) else (units, channels)
    scale = float(prod(window) * inner[-2 if isinstance(op, Conv) else -1]) ** -0.5
    kernel = drawn(*window, *inner, scale=scale)
    return Case(name, op, (rows(*shape), kernel, drawn(units)) if bias else (rows(*shape), kernel))


_ELU = Elementwise("elu", (("alpha", 0.7),))
_RELU = Elementwise("relu", (("negative_slope", 0.0), ("max_value", inf), ("threshold", 0.0)))
ONE, TWO, THREE = (1,), (1, 1), (1, 1, 1)

CONVS = [
    _conv("1d", (7, 3), (3,), 4, Conv()),
    _conv("1d-strided", (9, 2), (3,), 5, Conv(None, (2,))),
    _conv("1d-dilated", (9, 2), (3,), 17, Conv(None, ONE, (3,))),
    _conv("1d-long", (37, 8), (5,), 32, Conv()),
    _conv("1d-wide", (5, 70), (2,), 65, Conv()),
    _conv("1d-very-wide", (3, 300), (2,), 9, Conv()),
    _conv("1d-one-window", (3, 4), (3,), 6, Conv()),
    _conv("one-position", (1, 1, 4), (1, 1), 3, Conv(None, TWO, TWO)),
    _conv("1d-free", (None, 3), (2,), 4, Conv()),
    _conv("no-bias", (7, 3), (3,), 4, Conv(), bias=False),
    _conv("fused", (7, 3), (3,), 4, Conv(_ELU)),
    # Enough products for several stretches, whose sums a relu must not change.
    _conv("relu", (9, 40), (5,), 36, Conv(_RELU)),
    _conv("relu-and-wide", (3, 150), (2,), 9, Conv(_RELU)),
    _conv("relu-groups", (4, 5, 6), (2, 3), 4, Conv(_RELU, TWO, TWO, 2)),
    _conv("relu-depthwise", (11, 12, 9), (9, 8), 9, Conv(_RELU, TWO, TWO, 9)),
    _conv("2d", (5, 6, 3), (3, 2), 8, Conv(None, TWO, TWO)),
    _conv("2d-strided", (7, 8, 2), (3, 3), 4, Conv(None, (2, 3), TWO)),
    _conv("2d-dilated", (7, 8, 2), (3, 2), 4, Conv(None, TWO, (2, 3))),
    _conv("2d-pointwise", (3, 4, 5), (1, 1), 12, Conv(None, TWO, TWO)),
    _conv("2d-groups", (4, 5, 6), (2, 3), 4, Conv(None, TWO, TWO, 2)),
    _conv("2d-depthwise", (5, 6, 9), (3, 3), 9, Conv(None, TWO, TWO, 9)),
    _conv("2d-depthwise-wide", (4, 5, 35), (3, 2), 35, Conv(None, (2, 1), TWO, 35)),
    _conv("2d-depthwise-twice", (5, 4, 3), (2, 2), 6, Conv(None, TWO, TWO, 3)),
    _conv("3d", (3, 4, 3, 2), (2, 2, 2), 5, Conv(None, THREE, THREE)),
    _conv("3d-strided", (4, 5, 3, 2), (2, 2, 3), 3, Conv(None, (2, 1, 1), (1, 2, 1))),
]

TRANSPOSED = [
    _conv("1d", (5, 3), (3,), 4, ConvTranspose()),
    _conv("1d-strided", (4, 3), (3,), 2, ConvTranspose(None, (2,))),
    _conv("1d-apart", (4, 3), (2,), 2, ConvTranspose(None, (3,))),
    _conv("1d-dilated", (4, 3), (3,), 2, ConvTranspose(None, ONE, (2,))),
    _conv("fused-no-bias", (4, 3), (3,), 2, ConvTranspose(_ELU), bias=False),
    _conv("free", (None, 3), (2,), 4, ConvTranspose(None, (2,))),
    _conv("2d", (3, 4, 2), (3, 2), 5, ConvTranspose(None, (2, 1), TWO)),
    _conv("3d", (2, 3, 2, 2), (2, 2, 2), 3, ConvTranspose(None, (1, 2, 1), THREE)),
]

RULES: dict[type[Op], Sequence[Case]] = {
    Pool: (*_cases("max"), *_cases("average")),
    Pad: [
        Case("1d", Pad(((1, 2), (0, 0))), (rows(4, 3),)),
        Case("before", Pad(((2, 0), (0, 0))), (rows(None, 3),)),
        Case("2d", Pad(((1, 1), (0, 2), (0, 0))), (rows(3, 2, 3),)),
        Case("channels", Pad(((1, 0), (0, 1))), (rows(2, 3),)),
    ],
    PadSame: [
        Case("1d", PadSame((1,), (3,), ONE), (rows(5, 2),)),
        Case("even", PadSame((1,), (4,), ONE), (rows(5, 2),)),
        Case("strided", PadSame((1,), (3,), (2,)), (rows(None, 2),)),
        Case("2d", PadSame((1, 2), (3, 5), (2, 2)), (rows(5, 4, 2),)),
    ],
    Conv: CONVS,
    ConvTranspose: TRANSPOSED,
}
