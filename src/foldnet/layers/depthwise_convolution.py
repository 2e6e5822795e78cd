"""Convolutions of each channel on its own, with or without a product over channels after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.graph.op import Op
from foldnet.layers.convolving import Convolving, window_kinds
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import WeightSpec
from foldnet.operations.windows.op import Conv
from foldnet.setting_types import COUNT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class _DepthwiseConv(Convolving):
    """Base class of convolutions of each channel on its own."""

    kinds: ClassVar[dict[str, Kind]] = {"depth_multiplier": COUNT}
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {"groups": (1,)}

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            bias_initializer, bias_regularizer, bias_constraint, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = depthwise_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.depthwise_constraint = depthwise_constraint

    @property
    def kernel_regularizer(self) -> Any:
        """The regularizer of the weight called kernel."""
        return self.depthwise_regularizer

    @property
    def kernel_constraint(self) -> Any:
        """The constraint of the weight called kernel."""
        return self.depthwise_constraint

    def _depthwise(self, channels: int) -> tuple[Conv, tuple[int, ...]]:
        """The operation, and the kernel's shape for it: a group for each channel."""
        op = Conv(None, self.strides, self.dilation_rate, channels)
        return op, (*self.kernel_size, 1, channels * self.depth_multiplier)

    def steps(self, shape: Shape) -> Sequence[tuple[Op, Sequence[Shape]]]:
        """Padding, if there is any, and the convolution."""
        op, kernel = self._depthwise(int(shape[-1] or 0))
        return self._steps_with(shape, op, kernel)

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Kernel (window..., channels, multiplier), and bias (channels * multiplier,) if used."""
        channels = self.channels(input_shapes[0])
        self.compute_output_shape(*input_shapes)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        kernel = WeightSpec("kernel", shape, self.depthwise_initializer)
        return [kernel, *self._bias(channels * self.depth_multiplier)]

    def lower_steps(self, b: Lowering, x: str) -> str:
        """Padding and the convolution."""
        op, shape = self._depthwise(int(b.shape(x)[-1] or 0))
        return b.emit(op, self._lower_padding(b, x), b.weight(self, "kernel", shape), *self._own_bias(b))


class DepthwiseConv1D(_DepthwiseConv):
    """A convolution of each channel on its own along steps: (batch, steps, channels).

    Args:
        kernel_size: of the window.
        strides: the step from one window to the next.
        padding: ``"valid"``, or ``"same"``: zeros around, for one window per stride.
        depth_multiplier: number of results for each channel, which lie side by side.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 1, window_kinds(1)


class DepthwiseConv2D(_DepthwiseConv):
    """A convolution of each channel of an image on its own: (batch, height, width, channels).

    Args:
        kernel_size: of the window, one number or two.
        strides: the step from one window to the next.
        padding: ``"valid"``, or ``"same"``: zeros around, for one window per stride.
        depth_multiplier: number of results for each channel, which lie side by side.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 2, window_kinds(2)


class _SeparableConv(Convolving):
    """Base class of depthwise convolutions followed by a product over channels."""

    kinds: ClassVar[dict[str, Kind]] = {"filters": COUNT, "depth_multiplier": COUNT}
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {"groups": (1,)}
    # tf.keras stores settings of a kernel that these layers do not have.
    ignored_settings: ClassVar[frozenset[str]] = frozenset({
        "kernel_initializer", "kernel_regularizer", "kernel_constraint",
    })  # fmt: skip

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            bias_initializer, bias_regularizer, bias_constraint, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.filters = filters
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = depthwise_initializer
        self.pointwise_initializer = pointwise_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.pointwise_regularizer = pointwise_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint

    @property
    def depthwise_kernel_regularizer(self) -> Any:
        """The regularizer of the weight called depthwise_kernel."""
        return self.depthwise_regularizer

    @property
    def depthwise_kernel_constraint(self) -> Any:
        """The constraint of the weight called depthwise_kernel."""
        return self.depthwise_constraint

    @property
    def pointwise_kernel_regularizer(self) -> Any:
        """The regularizer of the weight called pointwise_kernel."""
        return self.pointwise_regularizer

    @property
    def pointwise_kernel_constraint(self) -> Any:
        """The constraint of the weight called pointwise_kernel."""
        return self.pointwise_constraint

    @property
    def _pointwise(self) -> Conv:
        ones = (1,) * self.dims
        return Conv(None, ones, ones)

    def _shapes(self, channels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The kernels' shapes for the operations."""
        wide = channels * self.depth_multiplier
        return (*self.kernel_size, 1, wide), (*(1,) * self.dims, wide, self.filters)

    def steps(self, shape: Shape) -> Sequence[tuple[Op, Sequence[Shape]]]:
        """Padding, if there is any, and both convolutions."""
        channels = int(shape[-1] or 0)
        depthwise, pointwise = self._shapes(channels)
        first = Conv(None, self.strides, self.dilation_rate, channels)
        return [*self._steps_with(shape, first, depthwise), (self._pointwise, (pointwise,))]

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Both kernels, (window..., channels, multiplier) and (1..., channels * multiplier, filters), and the bias."""
        channels = self.channels(input_shapes[0])
        self.compute_output_shape(*input_shapes)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        return [
            WeightSpec("depthwise_kernel", shape, self.depthwise_initializer),
            WeightSpec("pointwise_kernel", self._shapes(channels)[1], self.pointwise_initializer),
            *self._bias(self.filters),
        ]

    def lower_steps(self, b: Lowering, x: str) -> str:
        """Padding and both convolutions."""
        channels = int(b.shape(x)[-1] or 0)
        kernel = b.weight(self, "depthwise_kernel", self._shapes(channels)[0])
        first = Conv(None, self.strides, self.dilation_rate, channels)
        y = b.emit(first, self._lower_padding(b, x), kernel)
        return b.emit(self._pointwise, y, b.weight(self, "pointwise_kernel"), *self._own_bias(b))


class SeparableConv1D(_SeparableConv):
    """A convolution of each channel on its own along steps, then a product over channels.

    Args:
        filters: number of channels of the result.
        kernel_size: of the window.
        strides: the step from one window to the next.
        padding: ``"valid"``, ``"same"`` or ``"causal"``, as in ``Conv1D``.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        depth_multiplier: number of results of the first step for each channel.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 1, window_kinds(1, "causal")


class SeparableConv2D(_SeparableConv):
    """A convolution of each channel of an image on its own, then a product over channels.

    Args:
        filters: number of channels of the result.
        kernel_size: of the window, one number or two.
        strides: the step from one window to the next.
        padding: ``"valid"`` or ``"same"``, as in ``Conv2D``.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        depth_multiplier: number of results of the first step for each channel.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 2, window_kinds(2)


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
