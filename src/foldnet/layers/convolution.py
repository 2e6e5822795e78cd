"""Convolutions: sums of products of a kernel with windows along the spatial axes."""

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
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.structure.op import Slice
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, reach, same_padding
from foldnet.setting_types import COUNT, FLAG, Kind, choice

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


def _kinds(dims: int, *paddings: str) -> dict[str, Kind]:
    return {
        "kernel_size": sizes(dims),
        "strides": sizes(dims),
        "dilation_rate": sizes(dims),
        "padding": choice("valid", "same", *paddings, any_case=True),
    }


class Convolving(SpatialLayer):
    """Base class of convolutions: settings and steps that all have."""

    kinds: ClassVar[dict[str, Kind]] = {"use_bias": FLAG}
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    activation: Any
    use_bias: bool
    bias_initializer: Any

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


class _Conv(Convolving):
    """Base class of convolutions with a kernel over all channels, or over groups of them."""

    kinds: ClassVar[dict[str, Kind]] = {"filters": COUNT, "groups": COUNT}
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = self.checked("data_format", data_format)
        self.dilation_rate = dilation_rate
        self.groups = groups
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
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

    dims, kinds = 1, _kinds(1, "causal")


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

    dims, kinds = 2, _kinds(2)


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

    dims, kinds = 3, _kinds(3)


class _DepthwiseConv(Convolving):
    """Base class of convolutions of each channel on its own."""

    kinds: ClassVar[dict[str, Kind]] = {"depth_multiplier": COUNT}

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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.depth_multiplier = depth_multiplier
        self.data_format = self.checked("data_format", data_format)
        self.dilation_rate = dilation_rate
        self.activation = activation
        self.use_bias = use_bias
        self.depthwise_initializer = depthwise_initializer
        self.bias_initializer = bias_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.bias_regularizer = bias_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.bias_constraint = bias_constraint

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

    dims, kinds = 1, _kinds(1)


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

    dims, kinds = 2, _kinds(2)


class _SeparableConv(Convolving):
    """Base class of depthwise convolutions followed by a product over channels."""

    kinds: ClassVar[dict[str, Kind]] = {"filters": COUNT, "depth_multiplier": COUNT}

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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = self.checked("data_format", data_format)
        self.dilation_rate = dilation_rate
        self.depth_multiplier = depth_multiplier
        self.activation = activation
        self.use_bias = use_bias
        self.depthwise_initializer = depthwise_initializer
        self.pointwise_initializer = pointwise_initializer
        self.bias_initializer = bias_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.pointwise_regularizer = pointwise_regularizer
        self.bias_regularizer = bias_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint
        self.bias_constraint = bias_constraint

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

    dims, kinds = 1, _kinds(1, "causal")


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

    dims, kinds = 2, _kinds(2)


class _ConvTranspose(Convolving):
    """Base class of transposed convolutions."""

    kinds: ClassVar[dict[str, Kind]] = {"filters": COUNT}

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.output_padding: tuple[int, ...] | None = self.checked("output_padding", output_padding)
        self.data_format = self.checked("data_format", data_format)
        self.dilation_rate = dilation_rate
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        self._check_steps()
        if any(p >= s for p, s in zip(self.output_padding or (), self.strides, strict=False)):
            raise ConfigError(
                f"{self.described()}: output_padding={self.output_padding} must be below strides={self.strides}"
            )

    @property
    def _op(self) -> ConvTranspose:
        return ConvTranspose(None, self.strides, self.dilation_rate)

    @property
    def _crops(self) -> list[tuple[int, int]]:
        """How many positions of what the windows cover are cut off at each end of each axis; below 0: zeros there."""
        more = self.output_padding or (None,) * self.dims
        covers = [reach(k, d) for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        if self.padding == "valid":
            extra = [
                max(s - k, 0) if p is None else p for k, s, p in zip(covers, self.strides, more, strict=True)
            ]
            return [(0, -p) for p in extra]
        found = []
        for k, s, p in zip(covers, self.strides, more, strict=True):
            # So much longer is the result than one for each stride, or than Keras's size with output_padding.
            total = s + k - 2 if p is None else k + k % 2 - 2 + p
            left = min(total // 2 + total % 2, k - 1)
            found.append((k - 1 - left, k - 1 - (total - left)))
        return found

    def _cut(self) -> tuple[Pad | None, Slice | None]:
        """What gives the result Keras's size: zeros after it, then positions of it."""
        zeros = tuple((0, max(-after, 0)) for _, after in self._crops)
        ends = [
            (before, None if after <= 0 else -after, 1) if before or after > 0 else (None, None, 1)
            for before, after in self._crops
        ]
        pad = Pad((*zeros, (0, 0))) if any(map(any, zeros)) else None
        cut = Slice((*ends, (None, None, 1))) if any(e != (None, None, 1) for e in ends) else None
        return pad, cut

    def _kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, channels)

    def steps(self, shape: Shape) -> Sequence[tuple[Op, Sequence[Shape]]]:
        """The transposed convolution, then what its padding cuts off or adds."""
        kernel = self._kernel_shape(int(shape[-1] or 0))
        return [(self._op, (kernel,)), *((op, ()) for op in self._cut() if op is not None)]

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Kernel (window..., filters, channels), and bias (filters,) if used."""
        shape = self._kernel_shape(self.channels(input_shapes[0]))
        self.compute_output_shape(*input_shapes)
        return [WeightSpec("kernel", shape, self.kernel_initializer), *self._bias(self.filters)]

    def lower_steps(self, b: Lowering, x: str) -> str:
        """The transposed convolution, then what its padding cuts off or adds."""
        bias, kernel = self._own_bias(b), b.weight(self, "kernel")
        pad, cut = self._cut()
        # The bias is also added where no window reaches.
        y = b.emit(self._op, x, kernel, *(() if pad else bias))
        if pad:
            y = b.emit(pad, y)
            y = (
                b.emit(Binary(kind="add"), y, b.weight(self, "bias", (*(1,) * self.dims, self.filters)))
                if bias
                else y
            )
        return b.emit(cut, y) if cut else y


def _transpose_kinds(dims: int) -> dict[str, Kind]:
    return {**_kinds(dims), "output_padding": sizes(dims, least=0).or_none()}


class Conv1DTranspose(_ConvTranspose):
    """The transpose of a convolution along steps, which makes sequences longer: (batch, steps, channels).

    Args:
        filters: number of channels of the result.
        kernel_size: of the window.
        strides: the step from one window to the next.
        padding: ``"valid"``: all that the windows cover; ``"same"``: so many steps as the input has, times the stride.
        output_padding: Keras's way to choose the size of the result; below the stride.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 1, _transpose_kinds(1)


class Conv2DTranspose(_ConvTranspose):
    """The transpose of a convolution over images, which makes them larger: (batch, height, width, channels).

    Args:
        filters: number of channels of the result.
        kernel_size: of the window, one number or two.
        strides: the step from one window to the next.
        padding: ``"valid"``: all that the windows cover; ``"same"``: the size of the input, times the stride.
        output_padding: Keras's way to choose the size of the result; below the stride.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 2, _transpose_kinds(2)


class Conv3DTranspose(_ConvTranspose):
    """The transpose of a convolution over volumes: (batch, depth, height, width, channels).

    Args:
        filters: number of channels of the result.
        kernel_size: of the window, one number or three.
        strides: the step from one window to the next.
        padding: ``"valid"``: all that the windows cover; ``"same"``: the size of the input, times the stride.
        output_padding: Keras's way to choose the size of the result; below the stride.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        dilation_rate: the distance between neighbouring positions of a window.
        activation: name, function or Keras configuration; None is linear.
        use_bias: whether a bias is added.
    """

    dims, kinds = 3, _transpose_kinds(3)

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
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
        # In Keras this class alone has these two in another order.
        own = {"data_format": data_format, "output_padding": output_padding, "dilation_rate": dilation_rate}
        super().__init__(
            filters, kernel_size, strides, padding,
            activation=activation, use_bias=use_bias, kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint, bias_constraint=bias_constraint, **own, **kwargs,
        )  # fmt: skip


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
