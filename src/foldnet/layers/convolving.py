"""What all convolutions share: settings of the window, padding before it, and both data formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet import activations
from foldnet.errors import ConfigError
from foldnet.graph.op import Op
from foldnet.layers.core import activation_shape, lower_activation, named_activation
from foldnet.layers.spatial import SpatialLayer, moved, sizes
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import Ending
from foldnet.layers.weight import WeightSpec
from foldnet.operations.windows.op import Pad, PadSame, reach, same_padding
from foldnet.setting_types import FLAG, Kind, choice

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def padding_before(
    padding: str, space: Shape, covers: Sequence[int], strides: Sequence[int]
) -> Pad | PadSame | None:
    """The zeros around a value (rows, space..., channels) that a window with this padding needs; None for none.

    Args:
        padding: ``"valid"``, ``"same"`` or ``"causal"``.
        space: sizes of the spatial axes; None for a free one.
        covers: how many positions the window covers on each.
        strides: of the window on each.
    """
    if padding == "valid":
        return None
    if padding == "causal":
        widths = [(n - 1, 0) for n in covers]
    elif any(n is None and stride > 1 for n, stride in zip(space, strides, strict=True)):
        return PadSame(tuple(range(1, len(space) + 1)), tuple(covers), tuple(strides))
    else:  # with steps of one, the length does not matter
        widths = [same_padding(n or 1, *how) for n, *how in zip(space, covers, strides, strict=True)]
    return Pad((*widths, (0, 0))) if any(map(any, widths)) else None


def window_kinds(dims: int, *paddings: str) -> dict[str, Kind]:
    """The kinds of a window's settings, with paddings besides valid and same."""
    return {
        "kernel_size": sizes(dims),
        "strides": sizes(dims),
        "dilation_rate": sizes(dims),
        "padding": choice("valid", "same", *paddings, any_case=True),
    }


class Convolving(SpatialLayer):
    """Base class of convolutions: settings and steps that all have."""

    kinds: ClassVar[dict[str, Kind]] = {"use_bias": FLAG}

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size: tuple[int, ...] = self.checked("kernel_size", kernel_size)
        self.strides: tuple[int, ...] = self.checked("strides", strides)
        self.padding = padding
        self.data_format = self.checked("data_format", data_format)
        self.dilation_rate: tuple[int, ...] = self.checked("dilation_rate", dilation_rate)
        self.activation = activation
        self.use_bias = use_bias
        self.bias_initializer = bias_initializer
        self.bias_regularizer = bias_regularizer
        self.bias_constraint = bias_constraint

    def steps(self, shape: Shape) -> Sequence[tuple[Op, Sequence[Shape]]]:
        """The operations for a value (rows, space..., channels), each with the shapes of its weights."""
        raise NotImplementedError  # every subclass defines it

    def lower_steps(self, b: Lowering, x: str) -> str:
        """Emit the operations."""
        raise NotImplementedError  # every subclass defines it

    def channels(self, shape: Shape) -> int:
        """The number of channels of an input.

        Raises:
            ConfigError: it is not known, or the input has another number of axes.
        """
        self.axes(shape)
        found = shape[1 if self.data_format == "channels_first" else -1]
        if found is None:
            raise ConfigError(
                f"{type(self).__name__} needs a known number of channels, and was given shape {shape}"
            )
        return found

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The number of windows on each spatial axis, and the number of filters."""
        (shape,) = input_shapes
        self.channels(shape)
        last = moved(self.data_format, shape)
        for op, weights in self.steps(last):
            last = op.output_shape(last, *weights)
        return activation_shape(self.activation, moved(self.data_format, last, back=True))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}

    @property
    def window(self) -> tuple[Sequence[int], Sequence[int]] | None:
        """From the first to the last position under its kernel, and its strides."""
        return [reach(k, d) for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)], self.strides

    @property
    def ends_with(self) -> Ending:
        """Its activation."""
        return named_activation(self.activation)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The operations on channels that come last, then the activation."""
        y = self.lower_steps(b, self.channels_last(b, b.float(inputs[0])))
        return lower_activation(b, self.activation, self.channels_back(b, y))

    def _bias(self, units: int) -> list[WeightSpec]:
        return [WeightSpec("bias", (units,), self.bias_initializer)] if self.use_bias else []

    def _own_bias(self, b: Lowering) -> tuple[str, ...]:
        return (b.weight(self, "bias"),) if self.use_bias else ()

    def _padding(self, shape: Shape) -> Pad | PadSame | None:
        covers = [reach(k, d) for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        return padding_before(self.padding, shape[1:-1], covers, self.strides)

    def _steps_with(self, shape: Shape, op: Op, *weights: Shape) -> list[tuple[Op, Sequence[Shape]]]:
        padding = self._padding(shape)
        return [*([(padding, ())] if padding else []), (op, weights)]

    def _lower_padding(self, b: Lowering, x: str) -> str:
        padding = self._padding(b.shape(x))
        return b.emit(padding, x) if padding else x

    def _check_steps(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ConfigError(
                f"{self.described()}: strides={self.strides} and dilation_rate={self.dilation_rate} cannot both be "
                "above 1, as in Keras"
            )
