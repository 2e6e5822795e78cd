"""Convolutions: sums of products of a kernel with windows along the spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.op import Op
from foldnet.layers.convolving import Convolving, window_kinds
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import WeightSpec
from foldnet.operations.windows.op import Conv
from foldnet.setting_types import COUNT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class _Conv(Convolving):
    """Base class of convolutions with a kernel over all channels, or over groups of them."""

    kinds: ClassVar[dict[str, Kind]] = {"filters": COUNT, "groups": COUNT}
    unit_axis = -1
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {
        "lora_rank": (), "lora_alpha": (), "quantization_config": (),
    }  # fmt: skip

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            bias_initializer, bias_regularizer, bias_constraint, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.filters = filters
        self.groups = groups
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        self.kernel_constraint = kernel_constraint
        self._check_steps()
        if self.filters % self.groups:
            raise ConfigError(
                f"{self.described()}: {self.filters} filters cannot be divided into {self.groups} groups"
            )

    @property
    def _op(self) -> Conv:
        return Conv(None, self.strides, self.dilation_rate, self.groups)

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        if channels % self.groups:
            raise ConfigError(f"{channels} channels cannot be divided into {self.groups} groups")
        return (*self.kernel_size, channels // self.groups, self.filters)

    def steps(self, shape: Shape) -> Sequence[tuple[Op, Sequence[Shape]]]:
        """Padding, if there is any, and the convolution."""
        return self._steps_with(shape, self._op, self._kernel_shape(int(shape[-1] or 0)))

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Kernel (window..., channels / groups, filters), and bias (filters,) if used."""
        shape = self._kernel_shape(self.channels(input_shapes[0]))
        self.compute_output_shape(*input_shapes)
        return [WeightSpec("kernel", shape, self.kernel_initializer), *self._bias(self.filters)]

    def lower_steps(self, b: Lowering, x: str) -> str:
        """Padding and the convolution."""
        return b.emit(self._op, self._lower_padding(b, x), *b.weights(self))


class Conv1D(_Conv):
    """A convolution along steps: (batch, steps, channels).

    Args:
        filters: number of channels of the result.
        kernel_size: of the window.
        strides: the step from one window to the next.
        padding: ``"valid"``; ``"same"``: zeros around, for one window per stride; ``"causal"``: zeros before, so that
            no window sees later steps.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        groups: into which channels and filters are divided.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 1, window_kinds(1, "causal")


class Conv2D(_Conv):
    """A convolution over images: (batch, height, width, channels).

    Args:
        filters: number of channels of the result.
        kernel_size: of the window, one number or two.
        strides: the step from one window to the next.
        padding: ``"valid"``, or ``"same"``: zeros around, for one window per stride.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        groups: into which channels and filters are divided.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 2, window_kinds(2)


class Conv3D(_Conv):
    """A convolution over volumes: (batch, depth, height, width, channels).

    Args:
        filters: number of channels of the result.
        kernel_size: of the window, one number or three.
        strides: the step from one window to the next.
        padding: ``"valid"``, or ``"same"``: zeros around, for one window per stride.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        groups: into which channels and filters are divided.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 3, window_kinds(3)


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
