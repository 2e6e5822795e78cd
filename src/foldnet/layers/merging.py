"""Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.graph.op import FLOAT
from foldnet.layers.axes import positive_axis
from foldnet.layers.base import Layer
from foldnet.layers.masking import any_mask, over_values
from foldnet.layers.tensors import Shape, SymbolicTensor
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Moments, Reduce
from foldnet.operations.elementwise.op import Binary, Where
from foldnet.operations.matrix.op import Dot as DotOp
from foldnet.operations.structure.op import Concatenate as ConcatenateOp
from foldnet.operations.structure.op import Repeat
from foldnet.setting_types import AXES, FLAG, WHOLE, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class Merge(Layer):
    """Base class of layers that combine inputs elementwise.

    Inputs of lower rank get axes of size 1 after the batch axis; axes of size 1 are broadcast.
    """

    joins_inputs = True
    kind: ClassVar[str] = "add"
    supports_masking = True

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The broadcast shape of all inputs."""
        rank = max(len(s) for s in input_shapes)
        shape, *others = [(s[0], *[1] * (rank - len(s)), *s[1:]) for s in input_shapes]
        for other in others:
            shape = Binary(kind=self.kind).output_shape(shape, other)
        return shape

    def output_mask(self, *masked: bool) -> bool:
        """Whether every input has a mask."""
        return all(masked)

    def lower_mask(self, b: Lowering, inputs: Sequence[str], masks: Sequence[str | None]) -> str:
        """A position counts if it counts in any of the inputs."""
        return any_mask(b, [m for m in masks if m is not None])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where any of the masks is True; None unless every input has a mask."""
        return _merged_mask(self, inputs, mask)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The operation applied from the first input to the last."""
        result, *others = self._operands(b, inputs)
        for other in others:
            result = b.emit(Binary(kind=self.kind), result, other)
        return result

    def _operands(self, b: Lowering, inputs: Sequence[str]) -> list[str]:
        rank = max(len(b.shape(x)) for x in inputs)
        return [_to_rank(b, b.float(x), rank) for x in inputs]

    def _broadcast_masks(
        self, b: Lowering, operands: Sequence[str], inputs: Sequence[str]
    ) -> list[str | None]:
        """Each operand's mask, broadcast to its values; None for an operand that was given axes, as in Keras."""
        masks = []
        for i, (x, given) in enumerate(zip(operands, inputs, strict=True)):
            mask = b.mask(i) if len(b.shape(x)) == len(b.shape(given)) else None
            masks.append(None if mask is None else over_values(b, self, mask, x))
        return masks


def _merged_mask(layer: Layer, inputs: Any, mask: Any) -> Any:
    if mask is None:
        return None
    for value, name in ((mask, "mask"), (inputs, "inputs")):
        if not isinstance(value, list | tuple):
            raise InputError(
                f"layer {layer.name!r}: `{name}` should be a list, one for each input, not {type(value).__name__}"
            )
    if len(mask) != len(inputs):
        raise InputError(
            f"layer {layer.name!r}: `inputs` and `mask` should have the same length, and have {len(inputs)} and "
            f"{len(mask)}"
        )
    from foldnet.use import compute_mask

    return compute_mask(layer, inputs, mask)


def _to_rank(b: Lowering, x: str, rank: int) -> str:
    while len(b.shape(x)) < rank:
        x = b.emit(Repeat(1), x)
    return x


class Add(Merge):
    """The sum of the inputs."""


class Subtract(Merge):
    """The first input minus the second."""

    kind = "subtract"

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The broadcast shape of both inputs."""
        if len(input_shapes) != 2:
            raise ConfigError(f"Subtract takes two inputs, got {len(input_shapes)}")
        return super().compute_output_shape(*input_shapes)


class Average(Merge):
    """The mean of the inputs."""

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The sum times one over the number of inputs."""
        total = super().lower(b, *inputs)
        ones = (1,) * (len(b.shape(total)) - 1)
        scale = b.layer_constant(self, "scale", np.full(ones, 1 / len(inputs)))
        return b.emit(Affine(), total, scale, b.layer_constant(self, "offset", np.zeros(ones)))


class Multiply(Merge):
    """The product of the inputs; masked values count as 1, and the result is 0 where all inputs are masked."""

    kind = "multiply"

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The product, with masked values replaced by 1."""
        operands = self._operands(b, inputs)
        masks = self._broadcast_masks(b, operands, inputs)
        result = None
        for x, mask in zip(operands, masks, strict=True):
            factor = x if mask is None else b.emit(Where(), mask, x, b.number(self, "one", 1))
            result = factor if result is None else b.emit(Binary(kind=self.kind), result, factor)
        known = [m for m in masks if m is not None]
        assert result is not None  # a merge has inputs
        if len(known) < len(masks):
            return result
        return b.emit(Where(), any_mask(b, known), result, b.number(self, "zero", 0))


class _Extreme(Merge):
    """The largest or smallest of the inputs; masked values are ignored."""

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Combine the inputs in order, as Keras does; a masked value is replaced by the result of the others."""
        operands = self._operands(b, inputs)
        masks = self._broadcast_masks(b, operands, inputs)
        result, counts = operands[0], masks[0]
        for x, mask in zip(operands[1:], masks[1:], strict=True):
            if mask is not None:
                x = b.emit(Where(), mask, x, result)
            if counts is not None:
                result = b.emit(Where(), counts, result, x)
            counts = None if mask is None or counts is None else any_mask(b, [counts, mask])
            result = b.emit(Binary(kind=self.kind), result, x)
        return result


class Maximum(_Extreme):
    """The largest of the inputs, elementwise; masked values are ignored."""

    kind = "maximum"


class Minimum(_Extreme):
    """The smallest of the inputs, elementwise; masked values are ignored."""

    kind = "minimum"


class Concatenate(Layer):
    """Concatenate the inputs along an axis; the other axes must agree.

    Args:
        axis: not the batch axis.
    """

    joins_inputs = True
    supports_masking = True
    kinds = {"axis": WHOLE}  # noqa: RUF012 - typed in the base

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def _op(self, rank: int) -> ConcatenateOp:
        return ConcatenateOp(positive_axis(self.axis, rank))

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input shape with the sizes along the axis added up."""
        return self._op(len(input_shapes[0])).output_shape(*input_shapes)

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """The inputs' dtype if it is the same for all, else float32."""
        return input_dtypes[0] if all(d == input_dtypes[0] for d in input_dtypes) else "float32"

    def lower_mask(self, b: Lowering, inputs: Sequence[str], masks: Sequence[str | None]) -> str:
        """The masks concatenated like the inputs; all positions of an input without a mask count.

        Along the last axis, which masks do not have, a position counts if it counts in any of the inputs.
        """
        known = [self._position(b, x, m) for x, m in zip(inputs, masks, strict=True)]
        rank = len(b.shape(inputs[0]))
        axis = positive_axis(self.axis, rank)
        return any_mask(b, known) if axis == rank - 1 else b.emit(ConcatenateOp(axis), *known)

    def _position(self, b: Lowering, x: str, mask: str | None) -> str:
        """1 at the positions of an input that count."""
        rank = len(b.shape(x))
        if mask is not None and len(b.shape(mask)) < rank:
            return mask
        last = b.emit(Reduce("max", (rank - 1,)), b.float(x if mask is None else mask))
        if mask is not None:
            return last
        return b.emit(Binary(kind="logical_or"), last, b.number(self, "counts", 1))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks concatenated like the inputs; None if no input has one."""
        return _merged_mask(self, inputs, mask)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """One concatenation."""
        if any(b.dtype(x) == FLOAT for x in inputs):
            inputs = tuple(b.float(x) for x in inputs)
        return b.emit(self._op(len(b.shape(inputs[0]))), *inputs)


def _pair(value: Any) -> int | list[int]:
    axes = AXES.read(value)
    if isinstance(axes, list) and len(axes) != 2:
        raise ValueError
    return axes


class Dot(Layer):
    """The sum of products over one axis of each of two inputs, row by row.

    The result has the remaining axes of the first, then those of the second, or one axis of size 1.

    Args:
        axes: the axis of both, or one for each; not the batch axis.
        normalize: whether both are first divided by their Euclidean norm along the axis.
    """

    joins_inputs = True
    kinds = {  # noqa: RUF012 - typed in the base
        "axes": Kind("an axis, or a list of one for each of the two inputs", _pair), "normalize": FLAG,
    }  # fmt: skip
    supports_masking = True

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = axes
        self.normalize = normalize

    def _op(self, *shapes: Shape) -> DotOp:
        if len(shapes) != 2:
            raise ConfigError(f"Dot takes two inputs, got {len(shapes)}")
        first, second = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        axes = positive_axis(first, len(shapes[0]), "axes"), positive_axis(second, len(shapes[1]), "axes")
        if 0 in axes:
            raise UnsupportedError(
                f"layer {self.name!r} (Dot): axes={self.axes!r} includes the batch axis, so that the prediction "
                "for a row would depend on the other rows. Name another axis."
            )
        return DotOp(axes)

    def output_mask(self, *masked: bool) -> bool:
        """No mask, as in Keras."""
        return False

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No mask, as in Keras."""

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The remaining axes of both."""
        return self._op(*input_shapes).output_shape(*input_shapes)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Normalize if requested, then multiply."""
        op = self._op(*(b.shape(x) for x in inputs))
        operands = [b.float(x) for x in inputs]
        if self.normalize:
            # Keras divides by max(norm, 1e-7).
            operands = [
                b.emit(Moments((axis,), 1e-14, "l2"), x) for axis, x in zip(op.axes, operands, strict=True)
            ]
        return b.emit(op, *operands)


def add(inputs: Sequence[SymbolicTensor], **kwargs: Any) -> SymbolicTensor:
    """``Add()(inputs)``."""
    return _tensor(Add(**kwargs)(inputs))


def subtract(inputs: Sequence[SymbolicTensor], **kwargs: Any) -> SymbolicTensor:
    """``Subtract()(inputs)``."""
    return _tensor(Subtract(**kwargs)(inputs))


def multiply(inputs: Sequence[SymbolicTensor], **kwargs: Any) -> SymbolicTensor:
    """``Multiply()(inputs)``."""
    return _tensor(Multiply(**kwargs)(inputs))


def average(inputs: Sequence[SymbolicTensor], **kwargs: Any) -> SymbolicTensor:
    """``Average()(inputs)``."""
    return _tensor(Average(**kwargs)(inputs))


def maximum(inputs: Sequence[SymbolicTensor], **kwargs: Any) -> SymbolicTensor:
    """``Maximum()(inputs)``."""
    return _tensor(Maximum(**kwargs)(inputs))


def minimum(inputs: Sequence[SymbolicTensor], **kwargs: Any) -> SymbolicTensor:
    """``Minimum()(inputs)``."""
    return _tensor(Minimum(**kwargs)(inputs))


def concatenate(inputs: Sequence[SymbolicTensor], axis: int = -1, **kwargs: Any) -> SymbolicTensor:
    """``Concatenate(axis)(inputs)``."""
    return _tensor(Concatenate(axis, **kwargs)(inputs))


def dot(inputs: Sequence[SymbolicTensor], axes: int | Sequence[int] = -1, **kwargs: Any) -> SymbolicTensor:
    """``Dot(axes)(inputs)``."""
    return _tensor(Dot(axes, **kwargs)(inputs))


def _tensor(result: Any) -> SymbolicTensor:
    assert isinstance(result, SymbolicTensor)
    return result
