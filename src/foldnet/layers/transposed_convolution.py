"""Transposed convolutions: each position spreads over a window of a larger result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.op import Op
from foldnet.layers.convolving import Convolving, window_kinds
from foldnet.layers.spatial import sizes
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import WeightSpec
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.structure.op import Slice
from foldnet.operations.windows.op import ConvTranspose, Pad, reach
from foldnet.setting_types import COUNT, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class _ConvTranspose(Convolving):
    """Base class of transposed convolutions."""

    kinds: ClassVar[dict[str, Kind]] = {"filters": COUNT}
    unit_axis = -2
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {"groups": (1,)}

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
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            bias_initializer, bias_regularizer, bias_constraint, activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.filters = filters
        self.output_padding: tuple[int, ...] | None = self.checked("output_padding", output_padding)
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        self.kernel_constraint = kernel_constraint
        self._check_steps()
        if any(p >= s for p, s in zip(self.output_padding or (), self.strides, strict=False)):
            raise ConfigError(
                f"{self.described()}: output_padding={self.output_padding} must be below strides={self.strides}"
            )

    @property
    def window(self) -> None:
        """None: each position of its input spreads over several of its results."""
        return

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
    return {**window_kinds(dims), "output_padding": sizes(dims, least=0).or_none()}


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


Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
