"""Activation layers: ReLU, LeakyReLU, PReLU, ELU, Softmax, ThresholdedReLU."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from foldnet import activations
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import Elementwise
from foldnet.layers.axes import row_axes
from foldnet.layers.base import Layer
from foldnet.layers.core import lower_activation, named_activation
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import Ending
from foldnet.layers.weight import WeightSpec
from foldnet.operations.along.op import Reduce
from foldnet.operations.along.op import Softmax as SoftmaxOp
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.structure.op import Reshape, Transpose, like
from foldnet.setting_types import AXES, LIMIT, NOT_NEGATIVE, NUMBER, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class _Function(Layer):
    """Base class of layers that apply a function of ``foldnet.activations`` with fixed parameters."""

    supports_masking = True

    def function(self) -> activations.Function:
        """The function."""
        raise ConfigError(f"{type(self).__name__} has no function")  # every subclass defines it

    @property
    def ends_with(self) -> Ending:
        """The function."""
        return named_activation(self.function())

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The function."""
        return lower_activation(b, self.function(), b.float(inputs[0]))


class ReLU(_Function):
    """``min(x, max_value)`` from ``threshold`` on; below it ``negative_slope * (x - threshold)``.

    Args:
        max_value: the largest result; None for no limit.
        negative_slope: slope below the threshold.
        threshold: where the slope changes.
    """

    kinds = {  # noqa: RUF012 - typed in the base
        "max_value": LIMIT.or_none(), "negative_slope": NOT_NEGATIVE, "threshold": NOT_NEGATIVE,
    }  # fmt: skip

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def function(self) -> activations.Function:
        """The activation ``relu``."""
        return functools.partial(
            activations.relu,
            max_value=self.max_value,
            negative_slope=self.negative_slope,
            threshold=self.threshold,
        )

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The activation ``relu``."""
        whole = all(n is None or float(n).is_integer() for n in (self.max_value, self.threshold))
        x = b.float(inputs[0]) if whole else b.require_float(self, inputs[0])
        return lower_activation(b, self.function(), x)


class LeakyReLU(_Function):
    """``x`` where positive, else ``negative_slope * x``.

    Args:
        negative_slope: slope below 0; Keras 2 calls it ``alpha``.
    """

    kinds = {"negative_slope": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base
    renamed_settings = {"alpha": "negative_slope"}  # noqa: RUF012 - typed in the base

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = negative_slope

    def function(self) -> activations.Function:
        """The activation ``leaky_relu``."""
        return functools.partial(activations.leaky_relu, negative_slope=self.negative_slope)


class ELU(_Function):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``.

    Args:
        alpha: the result approaches ``-alpha`` for very negative x.
    """

    kinds = {"alpha": NUMBER}  # noqa: RUF012 - typed in the base

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def function(self) -> activations.Function:
        """The activation ``elu``."""
        return functools.partial(activations.elu, alpha=self.alpha)


class ThresholdedReLU(_Function):
    """``x`` where above ``theta``, else 0; a layer of Keras 2 that Keras 3 no longer has.

    Args:
        theta: the threshold, 0 or more.
    """

    kinds = {"theta": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = theta

    def function(self) -> activations.Function:
        """The activation ``thresholded_relu``."""
        return functools.partial(activations.thresholded_relu, theta=self.theta)


def _listed(value: Any) -> list[int]:
    if isinstance(value, list | tuple) and not value:
        return []  # none is shared, as with None
    axes = AXES.read(value)
    return axes if isinstance(axes, list) else [axes]


class PReLU(Layer):
    """``x`` where positive, else ``alpha * x`` with a learned ``alpha`` for each position in the row.

    Args:
        shared_axes: axes (the batch axis is 0) along which all positions share one ``alpha``.
    """

    supports_masking = True
    kinds = {"shared_axes": Kind(AXES.words, _listed).or_none()}  # noqa: RUF012 - typed in the base

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = alpha_initializer
        self.alpha_regularizer = alpha_regularizer
        self.alpha_constraint = alpha_constraint
        self.shared_axes: Any = shared_axes

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Alpha, in the shape of a row with 1 on each shared axis."""
        shape = list(input_shapes[0][1:])
        for axis in self.shared_axes or ():
            index = axis - 1  # as in Keras: 1 is the first axis after the batch axis, 0 the last axis
            if not -len(shape) <= index < len(shape):
                raise ConfigError(f"PReLU cannot share axis {axis} of an input of shape {input_shapes[0]}")
            shape[index] = 1
        sizes = tuple(n for n in shape if n is not None)
        if len(sizes) != len(shape):
            raise ConfigError(
                f"PReLU needs known sizes on the axes that are not shared, got {input_shapes[0]}"
            )
        return [WeightSpec("alpha", sizes, self.alpha_initializer)]

    @property
    def ends_with(self) -> Ending:
        """``prelu``, whose slopes are weights."""
        return "prelu", {}

    def lower(self, b: Lowering, *inputs: str) -> str:
        """``max(x, 0) + alpha * min(x, 0)``."""
        return b.emit(Binary(kind="prelu"), b.float(inputs[0]), *b.weights(self))


MASKED = -1e9
"""The value with which Keras replaces a masked logit."""


class Softmax(Layer):
    """``exp(x - max) / sum(exp(x - max))`` along an axis, or over several axes together.

    Positions that a mask (``mask=`` in the call) excludes get 0. The mask must broadcast to the input.

    Args:
        axis: int, or list of ints.
    """

    supports_masking = True
    takes_mask = True
    spreads_mask = True
    kinds = {"axis": AXES}  # noqa: RUF012 - typed in the base

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    @property
    def ends_with(self) -> Ending:
        """``softmax``."""
        return "softmax", {"axis": self.axis}

    def read_mask(self, b: Lowering, value: str) -> str:
        """A position counts where the mask is above 0.5, as in Keras's Softmax."""
        return b.emit(Binary(kind="greater"), b.float(value), b.number(self, "half", 0.5))

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape."""
        row_axes(self, self.axis, len(input_shapes[0]))
        return input_shapes[0]

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Softmax along the axis; masked positions get 0, also if all are masked."""
        x = b.float(inputs[0])
        mask = b.mask()
        axes = row_axes(self, self.axis, len(b.shape(x)))
        if mask is None:
            return softmax_over(b, self, x, axes)
        self.check_mask(b.shape(mask), b.shape(x))
        if len(b.shape(mask)) < len(b.shape(x)):
            raise UnsupportedError(
                f"layer {self.name!r}: Keras would lay a mask of shape {b.shape(mask)} along the last axes of inputs "
                f"of shape {b.shape(x)}, so that its rows would be used along other axes. Pass a mask with the "
                "inputs' own axes"
            )
        return masked_softmax(b, self, x, axes, mask)

    def check_mask(self, mask: Shape, shape: Shape) -> None:
        """Raise ConfigError unless a mask broadcasts to inputs of this shape."""
        if len(mask) > len(shape):
            raise ConfigError(
                f"layer {self.name!r}: the mask must be broadcastable to the inputs and must not have more dimensions; "
                f"the inputs have shape {shape}, the mask {mask}"
            )
        pairs = zip(reversed(mask), reversed(shape), strict=False)
        if any(m is not None and n is not None and m not in (1, n) for m, n in pairs):
            raise ConfigError(
                f"layer {self.name!r}: the mask must be broadcastable to the inputs, each axis 1 or the input's; "
                f"the inputs have shape {shape}, the mask {mask}"
            )


def masked_softmax(
    b: Lowering, layer: Layer, x: str, axes: Sequence[int], mask: str | None, zero: bool = True
) -> str:
    """Softmax over some axes of the positions that a mask allows.

    Args:
        b: to emit into.
        layer: that the constants belong to.
        x: the values.
        axes: counted from the front.
        mask: broadcasts to the values; None allows all positions.
        zero: whether the result is 0 where the mask allows no position; else it is the same for all of them.
    """
    if mask is None:
        return softmax_over(b, layer, x, axes)
    kept = b.emit(Where(), mask, x, b.number(layer, "masked", MASKED))
    y = softmax_over(b, layer, kept, axes)
    return b.emit(Where(), mask, y, b.number(layer, "zero", 0)) if zero else y


def softmax_over(b: Lowering, layer: Layer, x: str, axes: Sequence[int]) -> str:
    """Softmax along one axis, or over several together, which are first reshaped into one.

    What is one axis cannot become several of free sizes again, so that over these it is written out.
    """
    shape = b.shape(x)
    axes = sorted(axes)
    if len(axes) == 1:
        return b.emit(SoftmaxOp(axes[0]), x)
    others = [a for a in range(len(shape)) if a not in axes]
    order = (*others, *axes)
    together = [shape[a] for a in axes]
    if together.count(None) > 1:
        top = b.emit(Reduce("max", tuple(axes), keepdims=True), x)
        powers = b.emit(Unary(Elementwise("exponential")), b.emit(Binary(kind="subtract"), x, top))
        total = b.emit(Reduce("sum", tuple(axes), keepdims=True), powers)
        return b.emit(Binary(kind="divide"), powers, total)
    first = [like(place) if n is None else n for place, n in enumerate([shape[a] for a in others]) if place]
    size = -1 if None in together else prod(n or 0 for n in together)
    y = b.emit(SoftmaxOp(len(others)), b.emit(Reshape((*first, size)), b.emit(Transpose(order), x)))
    back = tuple(order.index(a) for a in range(len(shape)))
    sizes = (-1 if n is None else n for n in together)
    return b.emit(Transpose(back), b.emit(Reshape((*first, *sizes)), y))
