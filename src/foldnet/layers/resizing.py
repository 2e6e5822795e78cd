"""Images brought to a fixed height and width: Resizing, CenterCrop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np

from foldnet.errors import ConfigError
from foldnet.layers.interpolation import Interpolation, resized
from foldnet.layers.spatial import SpatialLayer
from foldnet.layers.tensors import Shape
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.resampling.op import CutToShape, PadToShape
from foldnet.operations.windows.op import Pad
from foldnet.setting_types import COUNT, DATA_FORMAT, FLAG, NUMBER, Kind, choice

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Size = tuple[int, int]
"""Height and width."""


def known_row(b: Lowering, x: str, axes: Size) -> tuple[int, ...] | None:
    """The shape of a row, 0 for other axes of free length; None if one of these axes has one."""
    shape = b.shape(x)
    return None if None in (shape[axis] for axis in axes) else tuple(n or 0 for n in shape[1:])


class _FixedSize(SpatialLayer):
    """Base class of layers whose results have one height and one width."""

    dims = 2
    kinds: ClassVar[dict[str, Kind]] = {"height": COUNT, "width": COUNT, "data_format": DATA_FORMAT}
    height: int
    width: int

    @property
    def target(self) -> Size:
        """Height and width of the result."""
        return self.height, self.width

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape with the given height and width."""
        found = list(input_shapes[0])
        for axis, size in zip(self.axes(input_shapes[0]), self.target, strict=True):
            found[axis] = size
        return tuple(found)

    def cut(self, b: Lowering, x: str, fitting: bool = False) -> str:
        """Emit the largest part around the middle in the shape of the result; see ``CutToShape``."""
        op = CutToShape(self.spatial(b, x), self.target, fitting)
        row = known_row(b, x, op.axes)
        return b.emit(op if row is None else op.of_known(row), x)

    def spatial(self, b: Lowering, x: str) -> Size:
        """The axes of height and width of a value."""
        rows, columns = self.axes(b.shape(x))
        return rows, columns

    def stretched(self, b: Lowering, x: str, interpolation: Interpolation, antialias: bool = False) -> str:
        """Emit the value with the given height and width."""
        for axis, size in zip(self.axes(b.shape(x)), self.target, strict=True):
            x = resized(b, self, x, axis, size, interpolation, antialias)
        return x


class Resizing(_FixedSize):
    """Images with another height and width, with values between positions: (batch, height, width, channels).

    The centres of the old positions and of the new ones are spread over the same length.

    Args:
        height: of the result.
        width: of the result.
        interpolation: ``"bilinear"``, ``"nearest"``, ``"bicubic"``, ``"lanczos3"`` or ``"lanczos5"``.
        crop_to_aspect_ratio: whether to cut off first what does not fit the shape of the result.
        pad_to_aspect_ratio: whether to put ``fill_value`` around first, to get the shape of the result.
        fill_mode: ``"constant"``.
        fill_value: what is put around.
        antialias: whether each new position is made of as many old ones as it covers.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    kinds: ClassVar[dict[str, Kind]] = {
        "interpolation": choice(*get_args(Interpolation)),
        "crop_to_aspect_ratio": FLAG,
        "pad_to_aspect_ratio": FLAG,
        "fill_mode": choice("constant"),
        "fill_value": NUMBER,
        "antialias": FLAG,
    }

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width
        self.interpolation: Interpolation = self.checked("interpolation", interpolation)
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ConfigError(
                f"{self.described()}: only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True"
            )
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = antialias
        self.data_format = self.checked("data_format", data_format)

    @property
    def moves_values(self) -> bool:  # type: ignore[override]
        """Whether it only picks values, and computes none between them."""
        return self.interpolation == "nearest" and not self.pad_to_aspect_ratio

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """The input's for ``"nearest"``, else float32."""
        return input_dtypes[0] if self.moves_values else "float32"

    def lower(self, b: Lowering, *inputs: str) -> str:
        """What is cut off or put around, then the values between positions along one axis after the other."""
        x = inputs[0] if self.moves_values else b.require_float(self, inputs[0])
        if self.crop_to_aspect_ratio:
            x = self.cut(b, x)
        if self.pad_to_aspect_ratio:
            x = self._padded(b, x)
        return self.stretched(b, x, self.interpolation, self.antialias)

    def _padded(self, b: Lowering, x: str) -> str:
        op = PadToShape(self.spatial(b, x), self.target, float(self.fill_value))
        row = known_row(b, x, op.axes)
        if row is None:
            return b.emit(op, x)
        widths = tuple((n, n) for n in op.before(row))
        padded = b.emit(Pad(widths), x)
        if self.fill_value == 0:
            return padded
        inside = np.zeros([n if axis in op.axes else 1 for axis, n in enumerate(row, start=1)])
        around = np.pad(inside, widths, constant_values=self.fill_value)
        return b.emit(Binary(kind="add"), padded, b.layer_constant(self, "fill", around))


class CenterCrop(_FixedSize):
    """The middle of images: (batch, height, width, channels); smaller images are enlarged first.

    An image that is too low or too narrow is cut to the shape of the result, and brought to its size by bilinear
    interpolation.

    Args:
        height: of the result.
        width: of the result.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width
        self.data_format = self.checked("data_format", data_format)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The middle, or the largest part in its shape, which is then enlarged."""
        return self.stretched(b, self.cut(b, b.float(inputs[0]), fitting=True), "bilinear")
