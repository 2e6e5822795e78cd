"""BatchNormalization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import Op
from foldnet.layers.axes import positive_axis
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import NormalizationRule
from foldnet.layers.weight import WeightSpec
from foldnet.operations.affine.op import Affine
from foldnet.operations.batch.op import BatchNorm, BatchRenorm, FixedNorm
from foldnet.setting_types import AXES, FLAG, FRACTION, NOT_NEGATIVE, NUMBER, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


def _limits(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise TypeError
    if unknown := set(value) - {"rmin", "rmax", "dmax"}:
        raise ConfigError(f"renorm_clipping takes rmin, rmax and dmax, not {sorted(map(str, unknown))}")
    limits = {k: (NOT_NEGATIVE if k == "dmax" else NUMBER).read(v) for k, v in value.items() if v is not None}
    if limits.get("rmin", -np.inf) > limits.get("rmax", np.inf):
        raise ConfigError(f"renorm_clipping needs rmin to be at most rmax, not {limits}")
    return limits


class BatchNormalization(Layer):
    """Normalize each channel with statistics over all other axes.

    In training: ``(x - batch_mean) / sqrt(batch_variance + epsilon) * gamma + beta``, and the moving statistics
    are updated: ``moving = moving * momentum + batch * (1 - momentum)``. At prediction time the moving statistics
    are used instead, so a row's result does not depend on its batch (Ioffe and Szegedy, 2015). If the input has a
    mask, batch statistics use only the positions that count.

    Args:
        axis: the axis, or list of axes, that *keep* separate statistics: the complement of the ``axis`` of
            ``numpy.mean``. ``-1`` on a table gives the numbers of ``numpy.mean(axis=0)``.
        momentum: factor of the old moving statistic in an update.
        epsilon: added to the variance inside the root.
        center: whether ``beta`` is added.
        scale: whether ``gamma`` multiplies.
        renorm: whether batch statistics are corrected towards moving ones in training (Ioffe, 2017).
        renorm_clipping: limits of the correction: a dict with any of ``rmin``, ``rmax`` and ``dmax``.
        renorm_momentum: like ``momentum``, for the statistics of the correction.
    """

    scales_values = True
    takes_mask = True
    obeys_training_false = True
    normalizes_by = "batch"
    supports_masking = True  # at prediction time the mask is only passed on
    ignored_settings = frozenset({"fused"})
    # Keras 1's mode 1 normalized each row by its own statistics, and mode 2 by the batch's at prediction time.
    fixed_settings: ClassVar[dict[str, tuple[Any, ...]]] = {"mode": (0,), "virtual_batch_size": ()}
    kinds = {  # noqa: RUF012 - typed in the base
        "axis": AXES, "momentum": FRACTION, "epsilon": NOT_NEGATIVE, "center": FLAG, "scale": FLAG,
        "renorm": FLAG, "renorm_momentum": FRACTION, "synchronized": FLAG,
        "renorm_clipping": Kind("a dict of numbers: rmin, rmax and dmax", _limits).or_none(),
    }  # fmt: skip

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = beta_initializer
        self.gamma_initializer = gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer = beta_regularizer
        self.gamma_regularizer = gamma_regularizer
        self.beta_constraint = beta_constraint
        self.gamma_constraint = gamma_constraint
        self.renorm = renorm
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized

    def kept_axes(self, rank: int) -> tuple[int, ...]:
        """The axes that keep separate statistics, counted from the front, in order."""
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        kept = sorted(positive_axis(a, rank) for a in axes)
        if not kept or len(set(kept)) != len(kept):
            raise ConfigError(f"axis={self.axis!r} must name at least one axis, each once")
        return tuple(kept)

    def normalization_rule(self, shape: Shape) -> NormalizationRule:
        """Mean and standard deviation of the batch, or the moving ones."""
        return NormalizationRule("batch", "deviation", self.kept_axes(len(shape)), self.epsilon)

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Gamma and beta if used, moving_mean, moving_variance, then renorm's three.

        For one axis they are vectors; for several they have the input's rank, with 1 on every reduced axis.
        """
        (x,) = input_shapes
        kept = self.kept_axes(len(x))
        if any(x[a] is None for a in kept):
            raise ConfigError(f"BatchNormalization needs known sizes on axis {self.axis}, got shape {x}")
        sizes = tuple(x[a] or 0 for a in kept)
        shape = sizes if len(kept) == 1 else tuple((x[a] or 0) if a in kept else 1 for a in range(len(x)))
        specs = []
        if self.scale:
            specs.append(WeightSpec("gamma", shape, self.gamma_initializer))
        if self.center:
            specs.append(WeightSpec("beta", shape, self.beta_initializer))
        specs.append(WeightSpec("moving_mean", shape, self.moving_mean_initializer, trainable=False))
        specs.append(WeightSpec("moving_variance", shape, self.moving_variance_initializer, trainable=False))
        if self.renorm:
            specs.append(WeightSpec("moving_stddev", shape, self._first_stddev, trainable=False))
            specs.append(WeightSpec("renorm_mean", shape, self.moving_mean_initializer, trainable=False))
            specs.append(WeightSpec("renorm_stddev", shape, self._first_stddev, trainable=False))
        return specs

    def _first_stddev(self, shape: tuple[int, ...]) -> Array:
        from foldnet.initializers import initialize  # at the call, for reading a file needs none

        return np.sqrt(initialize(self.moving_variance_initializer, shape))

    def _training_op(self, b: Lowering) -> Op:
        if b.call_training is False:
            return FixedNorm(self.epsilon, self.scale, self.center)
        masked = b.call_masks[:1] not in ([], [None])
        if self.renorm:
            limits = self.renorm_clipping or {}
            return BatchRenorm(
                self.momentum, self.epsilon, self.renorm_momentum,
                limits.get("rmin"), limits.get("rmax"), limits.get("dmax"), self.scale, self.center, masked,
            )  # fmt: skip
        return BatchNorm(self.momentum, self.epsilon, self.scale, self.center, masked)

    def _operands(self, renorm: bool) -> list[str]:
        statistics = ["moving_mean", "moving_variance"]
        if renorm:
            statistics += ["moving_stddev", "renorm_mean", "renorm_stddev"]
        return [*statistics, *(["gamma"] if self.scale else []), *(["beta"] if self.center else [])]

    def differs_in_training(self) -> bool:
        """Whether it is trainable: a frozen one uses its moving statistics in training too."""
        return self.trainable

    def lower(self, b: Lowering, *inputs: str) -> str:
        """At prediction time: ``(x - moving_mean) * (gamma / sqrt(moving_variance + epsilon)) + beta``."""
        x = b.float(inputs[0])
        rank = len(b.shape(x))
        kept = self.kept_axes(rank)
        if 0 in kept:
            raise UnsupportedError(
                f"layer {self.name!r}: axis={self.axis!r} keeps statistics for each row of the batch, so a "
                "prediction would depend on the row's position. Leave axis 0 out of it."
            )
        size = b.shape(x)
        spread = tuple((size[a] or 1) if a in kept else 1 for a in range(1, rank))
        if b.trains and self.trainable:
            rests = b.call_training is False
            op = self._training_op(b)
            operands = [b.weight(self, n, spread) for n in self._operands(self.renorm and not rests)]
            masked = None if rests else b.mask()
            try:
                return b.emit(op, x, *operands, *([] if masked is None else [masked]))
            except ConfigError as error:
                raise ConfigError(f"layer {self.name!r}: {error}") from None
        weights = {k: v.astype(np.float64).reshape(spread) for k, v in self.named_weights.items()}
        variance = weights["moving_variance"] + self.epsilon
        if not (variance > 0).all():
            raise UnsupportedError(
                f"layer {self.name!r}: moving_variance + epsilon is {variance.min():.3g} in some channel; it must "
                "be positive. Train the layer again, or re-estimate its statistics."
            )
        b.keep_constants(self, **weights, epsilon=np.array(self.epsilon))
        factor: Array = weights.get("gamma", np.ones(spread)) / np.sqrt(variance)
        shift = b.layer_constant(self, "shift", weights["moving_mean"])
        b.spreads[shift] = np.sqrt(variance)
        scale = b.layer_constant(self, "scale", factor)
        offset = b.layer_constant(self, "offset", weights.get("beta", np.zeros(spread)))
        return b.noted(self, x, lambda: b.emit(Affine(), x, scale, offset, shift))
