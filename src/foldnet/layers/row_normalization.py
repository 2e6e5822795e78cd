"""Normalizations of a row by its own values: LayerNormalization, GroupNormalization, RMS and unit norm.

They compute the same in training and at prediction time, and do not depend on other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.axes import row_axes
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import NormalizationRule
from foldnet.layers.weight import WeightSpec
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import GroupMoments, Moments, MomentsKind
from foldnet.setting_types import AXES, FLAG, NOT_NEGATIVE, WHOLE, Kind, whole

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

UNIT_EPSILON = 1e-12
"""The smallest norm that UnitNormalization divides by."""


class _Scaled(Layer):
    """Base class of normalizations with gamma and beta."""

    supports_masking = True
    normalizes_by = "row"
    kinds = {"epsilon": NOT_NEGATIVE, "center": FLAG, "scale": FLAG}  # noqa: RUF012 - typed in the base
    scale: bool
    center: bool
    gamma_initializer: Any
    beta_initializer: Any

    def scale_and_center(self, b: Lowering, x: str, axes: Sequence[int]) -> str:
        """``x * gamma + beta`` along the axes; weights that the layer does not have are left out."""
        shape = b.shape(x)
        spread = tuple((shape[a] or 1) if a in axes else 1 for a in range(1, len(shape)))
        names = self.named_weights
        if not names:
            return x
        gamma = (
            b.weight(self, "gamma", spread)
            if "gamma" in names
            else b.layer_constant(self, "ones", np.ones(spread))
        )
        beta = (
            b.weight(self, "beta", spread)
            if "beta" in names
            else b.layer_constant(self, "zeros", np.zeros(spread))
        )
        return b.emit(Affine(), x, gamma, beta)


class LayerNormalization(_Scaled):
    """Normalize each row over ``axis``: ``(x - mean) / sqrt(variance + epsilon) * gamma + beta``.

    Unlike in BatchNormalization, ``axis`` names the axes that are *reduced*, as in NumPy (Ba et al., 2016).

    Args:
        axis: int, or list of ints, not the batch axis.
        epsilon: added to the variance inside the root.
        center: whether ``beta`` is added.
        scale: whether ``gamma`` multiplies.
        rms_scaling: Keras's older variant of RMS normalization: ``x / sqrt(variance + epsilon) * gamma``.
    """

    kinds = {"axis": AXES, "rms_scaling": FLAG}  # noqa: RUF012 - typed in the base

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = beta_initializer
        self.gamma_initializer = gamma_initializer
        self.beta_regularizer = beta_regularizer
        self.gamma_regularizer = gamma_regularizer
        self.beta_constraint = beta_constraint
        self.gamma_constraint = gamma_constraint
        self.rms_scaling = rms_scaling

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Gamma and beta, each with the sizes of the axes."""
        sizes = _sizes(self, self.axis, input_shapes[0])
        specs = []
        if self.scale or self.rms_scaling:
            specs.append(WeightSpec("gamma", sizes, self.gamma_initializer))
        if self.center and not self.rms_scaling:
            specs.append(WeightSpec("beta", sizes, self.beta_initializer))
        return specs

    def normalization_rule(self, shape: Shape) -> NormalizationRule:
        """Mean and standard deviation over the axes, or only the latter."""
        axes = tuple(sorted(row_axes(self, self.axis, len(shape))))
        return NormalizationRule("row", "spread" if self.rms_scaling else "deviation", axes, self.epsilon)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Normalize by the row's statistics, then apply gamma and beta."""
        x = b.require_float(self, inputs[0])
        axes = sorted(row_axes(self, self.axis, len(b.shape(x))))
        kind: MomentsKind = "variance" if self.rms_scaling else "standard"
        return self.scale_and_center(b, b.emit(Moments(tuple(axes), self.epsilon, kind), x), axes)


def _groups(value: Any) -> int:
    found: int = whole(-1).read(value)
    if found == 0:
        raise ValueError
    return found


class GroupNormalization(_Scaled):
    """Normalize groups of each row's channels by the group's mean and variance (Wu and He, 2018).

    Args:
        groups: number of groups; -1 for one group per channel (instance normalization).
        axis: of the channels, not the batch axis.
        epsilon: added to the variance inside the root.
        center: whether ``beta`` is added.
        scale: whether ``gamma`` multiplies.
    """

    kinds = {  # noqa: RUF012 - typed in the base
        "groups": Kind("a whole number of 1 or more, or -1", _groups), "axis": WHOLE,
    }  # fmt: skip

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.groups = groups
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = beta_initializer
        self.gamma_initializer = gamma_initializer
        self.beta_regularizer = beta_regularizer
        self.gamma_regularizer = gamma_regularizer
        self.beta_constraint = beta_constraint
        self.gamma_constraint = gamma_constraint

    def _op(self, shape: Shape) -> GroupMoments:
        (axis,) = row_axes(self, self.axis, len(shape))
        groups = self.groups if self.groups > 0 else (shape[axis] or 1)
        return GroupMoments(axis, groups, self.epsilon)

    def normalization_rule(self, shape: Shape) -> NormalizationRule:
        """Mean and standard deviation of each group of channels."""
        op = self._op(shape)
        return NormalizationRule("row", "deviation", (op.axis,), self.epsilon, op.groups)

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Gamma and beta, one value per channel each."""
        sizes = _sizes(self, self.axis, input_shapes[0])
        gamma = [WeightSpec("gamma", sizes, self.gamma_initializer)] if self.scale else []
        beta = [WeightSpec("beta", sizes, self.beta_initializer)] if self.center else []
        return [*gamma, *beta]

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape, after checking that the groups are equal."""
        return self._op(input_shapes[0]).output_shape(*input_shapes)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Normalize by the groups' statistics, then apply gamma and beta."""
        x = b.require_float(self, inputs[0])
        op = self._op(b.shape(x))
        return self.scale_and_center(b, b.emit(op, x), [op.axis])


class UnitNormalization(Layer):
    """Divide each row by its Euclidean norm over ``axis``, but at least by 1e-12.

    (Keras 2 divides by the root of ``max(sum of squares, 1e-12)``, which differs if the norm is
    below 1e-6.)

    Args:
        axis: int, or list of ints, not the batch axis.
    """

    supports_masking = True
    normalizes_by = "row"
    kinds = {"axis": AXES}  # noqa: RUF012 - typed in the base

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape."""
        row_axes(self, self.axis, len(input_shapes[0]))
        return input_shapes[0]

    def normalization_rule(self, shape: Shape) -> NormalizationRule:
        """The norm over the axes."""
        axes = tuple(sorted(row_axes(self, self.axis, len(shape))))
        return NormalizationRule("row", "length", axes, UNIT_EPSILON)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Division by the norm."""
        x = b.float(inputs[0])
        axes = tuple(sorted(row_axes(self, self.axis, len(b.shape(x)))))
        return b.emit(Moments(axes, UNIT_EPSILON**2, "l2"), x)


class RMSNormalization(Layer):
    """Divide each row by its root mean square over ``axis``: ``x / sqrt(mean(x²) + epsilon) * scale``.

    Keras applies ``scale`` along the *last* axes, whatever ``axis`` is. If it does not fit there, Keras fails
    and foldnet refuses (Zhang and Sennrich, 2019).

    Args:
        axis: int, or list of ints, not the batch axis.
        epsilon: added to the mean square inside the root.
    """

    normalizes_by = "row"
    kinds = {"axis": AXES, "epsilon": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Scale, with the sizes of the axes."""
        return [WeightSpec("scale", _sizes(self, self.axis, input_shapes[0]), "ones")]

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape, after checking that scale fits its last axes."""
        (shape,) = input_shapes
        sizes = _sizes(self, self.axis, shape)
        last = shape[len(shape) - len(sizes) :]
        if any(n not in (1, m) for n, m in zip(sizes, last, strict=True)):
            raise UnsupportedError(
                f"layer {self.name!r} (RMSNormalization): Keras lays the scale of shape {sizes}, for "
                f"axis={self.axis!r}, along the last axes of the input, which have the sizes {last}. "
                "Use axes at the end, or Permute before and after the layer."
            )
        return shape

    def normalization_rule(self, shape: Shape) -> NormalizationRule:
        """Root mean square over the axes."""
        axes = tuple(sorted(row_axes(self, self.axis, len(shape))))
        return NormalizationRule("row", "mean square", axes, self.epsilon)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Divide by the root mean square, then multiply by scale along the last axes."""
        x = b.require_float(self, inputs[0])
        rank = len(b.shape(x))
        sizes = self.specs[0].shape
        axes = tuple(sorted(row_axes(self, self.axis, rank)))
        spread = (*(1,) * (rank - 1 - len(sizes)), *sizes)
        y = b.emit(Moments(axes, self.epsilon, "rms"), x)
        return b.emit(
            Affine(), y, b.weight(self, "scale", spread), b.layer_constant(self, "zeros", np.zeros(spread))
        )


def _sizes(layer: Layer, axis: int | Sequence[int], shape: Shape) -> tuple[int, ...]:
    """Sizes of the axes in Keras's order, which sorts the numbers as given: -1 comes before 1.

    The weights' values are still applied to the axes in row-major order, as in Keras.
    """
    row_axes(layer, axis, len(shape))
    sizes = tuple(shape[a] for a in ([axis] if isinstance(axis, int) else sorted(axis)))
    known = tuple(n for n in sizes if n is not None)
    if len(known) != len(sizes):
        raise ConfigError(f"{type(layer).__name__} needs known sizes on axis {axis}, got shape {shape}")
    return known
