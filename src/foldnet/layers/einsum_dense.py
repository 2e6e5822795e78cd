"""EinsumDense: a product with a kernel along any axes, given by an einsum equation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import Op
from foldnet.layers.base import Layer
from foldnet.layers.core import Dense, activation_shape, lower_activation, named_activation
from foldnet.layers.equations import Equation, bias_shape, kernel_shape, read_equation, result_shape
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import Ending
from foldnet.layers.weight import WeightSpec
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Reduce
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Dense as DenseOp
from foldnet.operations.matrix.op import TurnedDense
from foldnet.operations.structure.op import Reshape, Transpose, like
from foldnet.setting_types import NAME, Kind, sizes

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Labels = Sequence[str]
SIZES = sizes(1)


def _sizes(value: Any) -> Any:
    return SIZES.read(value if hasattr(value, "__iter__") else [value])


class EinsumDense(Layer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Args:
        equation: ``"ab,bc->ac"``; ``...`` stands for further axes before or after, as in ``"...x,xy->...y"``. The first
            axis is the batch axis; it must also be the first of the result, and not an axis of the kernel.
        output_shape: shape of a row of the result without the axes of ``...``; None for a size of the input.
        activation: name, function or Keras configuration; None is linear.
        bias_axes: the axes of the result that have a bias; None for no bias.

    >>> from foldnet import Input, layers
    >>> layers.EinsumDense("abc,cde->abde", (None, 2, 5), bias_axes="e")(Input((7, 4))).shape
    (None, 7, 2, 5)
    """

    kinds = {  # noqa: RUF012 - typed in the base
        "equation": NAME, "partial_output_shape": Kind(f"a whole number of 1 or more, or {SIZES.words}", _sizes),
        "bias_axes": NAME.or_none(),
    }  # fmt: skip
    kept_as: ClassVar[dict[str, str]] = {"output_shape": "partial_output_shape"}
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {
        **Dense.fixed_settings, "gptq_unpacked_column_size": (),
    }  # fmt: skip

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        self.partial_output_shape: Any = output_shape
        self.activation = activation
        self.bias_axes = bias_axes
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Kernel, and bias if there are ``bias_axes``."""
        (shape,) = input_shapes
        equation = read_equation(self.equation, len(shape))
        result = result_shape(equation, shape, self.partial_output_shape)
        place = {label: axis for axis, label in enumerate(equation.kernel)}
        outputs = [axis for label, axis in place.items() if label in equation.outputs]
        inputs = [axis for label, axis in place.items() if label not in equation.outputs]
        first = partial(_scaled_by, self.kernel_initializer, inputs, outputs)
        specs = [WeightSpec("kernel", kernel_shape(equation, shape, result), first)]
        if self.bias_axes is not None:
            specs.append(
                WeightSpec("bias", bias_shape(equation, self.bias_axes, result), self.bias_initializer)
            )
        return specs

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The shape of the equation's result."""
        (shape,) = input_shapes
        equation = read_equation(self.equation, len(shape))
        if equation.elided and "..." not in self.equation:
            raise ConfigError(
                f"the einsum equation {self.equation!r} takes {len(shape) - equation.elided} axes, and the input has "
                f"{len(shape)}"
            )
        return activation_shape(self.activation, result_shape(equation, shape, self.partial_output_shape))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}

    @property
    def ends_with(self) -> Ending:
        """Its activation."""
        return named_activation(self.activation)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The product with its axes in order, then bias and activation."""
        x = b.float(inputs[0])
        equation = read_equation(self.equation, len(b.shape(x)))
        rows = equation.inputs[0]
        if equation.outputs[0] != rows or rows in equation.kernel:
            raise UnsupportedError(
                f"layer {self.name!r}: the equation {self.equation!r} does not keep its first axis, that of the rows, "
                "so that the prediction for a row would depend on the other rows"
            )
        x, labels = _summed(b, x, equation)
        y, labels, biased = self._product(b, x, labels, equation)
        y = _arranged(b, y, labels, equation.outputs)
        return lower_activation(b, self.activation, y if biased else self._biased(b, y))

    def _product(self, b: Lowering, x: str, labels: Labels, equation: Equation) -> tuple[str, Labels, bool]:
        """The product, the labels of its axes, and whether it includes the bias."""
        summed, new, kernel = equation.summed, equation.new, equation.kernel
        in_order, turned = kernel == (*summed, *new), kernel == (*new, *summed)
        both = set(kernel) - set(summed) - set(new)
        if both or (b.trains and not in_order and not turned):
            return (*self._spread_product(b, x, labels, equation), False)
        rest = [label for label in labels if label not in summed]
        x = _arranged(b, x, labels, [*rest, *summed])
        x = _reshaped(b, x, len(rest), [-1] if len(summed) == 1 else [self._count(equation, summed)])
        matrix = self._count(equation, summed), self._count(equation, new)
        bias: tuple[str, ...] = ()
        if in_order:
            op: Op = DenseOp()
            value = b.weight(self, "kernel", matrix)
            if self.bias_axes and equation.outputs == (*rest, *new) and set(self.bias_axes) == set(new):
                bias = (b.weight(self, "bias", matrix[1:]),)
        elif b.trains:
            op, value = TurnedDense(), b.weight(self, "kernel", matrix[::-1])
        else:
            axes = [kernel.index(label) for label in (*summed, *new)]
            turned_kernel: Array = np.ascontiguousarray(self.named_weights["kernel"].transpose(axes))
            op, value = DenseOp(), b.layer_constant(self, "kernel", turned_kernel.reshape(matrix))
        y = b.emit(op, x, value, *bias)
        sizes = [self._count(equation, [label]) for label in new]
        return _reshaped(b, y, len(rest), sizes), [*rest, *new], bool(bias)

    def _spread_product(
        self, b: Lowering, x: str, labels: Labels, equation: Equation
    ) -> tuple[str, list[str]]:
        """Elementwise product and sum, for a kernel that shares an axis with input and result."""
        kernel = equation.kernel
        rest = [label for label in labels if label not in kernel]
        x = _arranged(b, x, labels, [*rest, *(label for label in kernel if label in labels)])
        shape = self.named_weights["kernel"].shape
        sizes = [n if label in labels else 1 for label, n in zip(kernel, shape, strict=True)]
        x = _reshaped(b, x, len(rest), sizes)
        value = b.weight(self, "kernel", (*(1,) * (len(rest) - 1), *shape))
        y = b.emit(Binary(kind="multiply"), x, value)
        axes = tuple(len(rest) + i for i, label in enumerate(kernel) if label in equation.summed)
        y = b.emit(Reduce("sum", axes), y) if axes else y
        return y, [*rest, *(label for label in kernel if label not in equation.summed)]

    def _count(self, equation: Equation, labels: Labels) -> int:
        shape = dict(zip(equation.kernel, self.named_weights["kernel"].shape, strict=True))
        return prod(shape[label] for label in labels)

    def _biased(self, b: Lowering, y: str) -> str:
        if self.bias_axes is None:
            return y
        axes, shape = len(b.shape(y)) - 1, self.named_weights["bias"].shape
        if len(shape) > axes:
            raise UnsupportedError(
                f"layer {self.name!r}: bias_axes={self.bias_axes!r} has a bias for each row of the batch; leave the "
                "first axis out of it"
            )
        bias = b.weight(self, "bias", (*(1,) * (axes - len(shape)), *shape))
        return b.emit(Affine(), y, b.layer_constant(self, "ones", np.ones((1,) * axes)), bias)


def _scaled_by(
    initializer: Any, inputs: Sequence[int], outputs: Sequence[int], shape: tuple[int, ...]
) -> Array:
    """Initial values of a kernel with these input and output axes."""
    from foldnet import initializers  # at the call, for reading a file needs none

    found = initializers.get(initializer)
    if isinstance(found, initializers.VarianceScaling) and None in (found.input_axes, found.output_axes):
        found = initializers.VarianceScaling(
            found.scale, found.mode, found.distribution, found.seed, input_axes=inputs, output_axes=outputs
        )
    return initializers.initialize(found, shape)


def _summed(b: Lowering, x: str, equation: Equation) -> tuple[str, Labels]:
    """Sum over axes that only the input has."""
    alone = [label for label in equation.inputs if label not in (*equation.kernel, *equation.outputs)]
    if not alone:
        return x, equation.inputs
    axes = tuple(equation.inputs.index(label) for label in alone)
    kept = [label for label in equation.inputs if label not in alone]
    return b.emit(Reduce("sum", axes), x), kept


def _arranged(b: Lowering, x: str, labels: Labels, wanted: Labels) -> str:
    order = tuple(labels.index(label) for label in wanted)
    return x if order == tuple(range(len(order))) else b.emit(Transpose(order), x)


def _reshaped(b: Lowering, x: str, kept: int, sizes: Sequence[int]) -> str:
    """Keep the first axes and reshape the rest; sizes of [-1] change nothing."""
    shape = b.shape(x)
    if list(sizes) == [-1] or shape[kept:] == tuple(sizes):
        return x
    first = (like(axis) if n is None else n for axis, n in enumerate(shape[1:kept], start=1))
    return b.emit(Reshape((*first, *sizes)), x)
