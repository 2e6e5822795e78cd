"""AutoContrast: each channel of an image stretched over the whole range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from foldnet.errors import ConfigError
from foldnet.graph.op import Elementwise
from foldnet.layers.augmentation import SORTED_RANGE
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.operations.along.op import Reduce
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.setting_types import DATA_FORMAT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

WHOLE_RANGE = [0.0, 255.0]


class AutoContrast(Layer):
    """Images stretched so that each channel reaches over the whole range: (batch, height, width, channels).

    The smallest and the largest value are taken over the two axes after the batch axis, also with
    ``data_format="channels_first"``, as in Keras. Where they are equal, values do not change.

    Args:
        value_range: the smallest and the largest value of images.
    """

    kinds: ClassVar[dict[str, Kind]] = {"value_range": SORTED_RANGE, "data_format": DATA_FORMAT}

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        data_format = kwargs.pop("data_format", None)
        super().__init__(**kwargs)
        self.value_range: list[float] = self.checked("value_range", value_range)
        self.data_format = self.checked("data_format", data_format)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "data_format": self.data_format}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create a layer from its settings."""
        layer = super().from_config({k: v for k, v in config.items() if k != "data_format"})
        layer.data_format = layer.checked("data_format", config.get("data_format"))
        return layer

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape, which must be that of images."""
        if len(input_shapes[0]) != 4:
            raise ConfigError(f"AutoContrast takes images, and was given shape {input_shapes[0]}")
        return input_shapes[0]

    def lower(self, b: Lowering, *inputs: str) -> str:
        """In Keras's order: to 0 to 255, stretched, cut off there, and back."""
        given = b.require_float(self, inputs[0])

        def emit(kind: str, first: str, second: str) -> str:
            return b.emit(Binary(kind=kind), first, second)

        def moved(x: str, old: list[float], new: list[float], name: str) -> str:
            if old == new:
                return x
            numbers = {"from": old[0], "length": old[1] - old[0], "by": new[1] - new[0], "to": new[0]}
            n = {key: b.number(self, f"{name} {key}", value) for key, value in numbers.items()}
            shares = emit("divide", emit("subtract", x, n["from"]), n["length"])
            return emit("add", emit("multiply", shares, n["by"]), n["to"])

        x = moved(given, self.value_range, WHOLE_RANGE, "before")
        low, high = (b.emit(Reduce(kind, (1, 2), keepdims=True), x) for kind in ("min", "max"))
        most, zero = b.number(self, "most", 255), b.number(self, "zero", 0)
        scale = emit("divide", most, emit("subtract", high, low))
        offset = emit("multiply", emit("subtract", zero, low), scale)
        x = emit("add", emit("multiply", x, scale), offset)
        x = moved(emit("minimum", emit("maximum", x, zero), most), WHOLE_RANGE, self.value_range, "after")
        return b.emit(Where(), b.emit(Unary(Elementwise("isnan")), x), given, x)
