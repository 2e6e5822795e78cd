"""Fixed scalings of the data: Normalization by given or adapted statistics, and Rescaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.layers.adaption import Moments, tables
from foldnet.layers.axes import row_axes
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import NormalizationRule
from foldnet.layers.weight import Weight, WeightSpec
from foldnet.operations.affine.op import Affine
from foldnet.setting_types import AXES, COUNT, FLAG, NUMBERS, Kind

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

SMALLEST_DEVIATION = 1e-7
"""Normalization divides by at least this: Keras's ``backend.epsilon()``."""


def _axes(value: Any) -> int | list[int] | None:
    if value is None or (np.ndim(value) == 1 and len(value) == 0):
        return value if value is None else []
    axes: int | list[int] = AXES.read(value)
    return axes


def _variance(value: Any) -> Any:
    found = NUMBERS.read(value)
    if np.less(found, 0).any():
        raise ValueError
    return found


VARIANCE = Kind("a number of 0 or more or an array of them", _variance)


class Normalization(Layer):
    """``(x - mean) / max(sqrt(variance), 1e-7)``, with statistics of the training data.

    Args:
        axis: the axis, or list of axes, that keep separate statistics; None for one mean and variance of all values.
        mean: if not given, a weight that ``adapt`` sets.
        variance: if not given, a weight that ``adapt`` sets.
        invert: whether to undo it: ``x * max(sqrt(variance), 1e-7) + mean``.
    """

    supports_masking = True
    scales_values = True
    normalizes_by = "data"
    kinds = {"axis": Kind(f"{AXES.words}, or None", _axes), "invert": FLAG}  # noqa: RUF012 - typed in the base

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ConfigError(f"{self.described()} needs both mean and variance, or neither")
        self.axis = axis
        self.given: tuple[Any, Any] | None = None
        if mean is not None:
            who = self.described()
            self.given = NUMBERS(mean, who, "mean"), VARIANCE(variance, who, "variance")
        self.invert = invert
        self._built_for: Shape = ()

    @property
    def mean(self) -> Any:
        """The mean, with size 1 on reduced axes, as in Keras; None before the input shape is known."""
        return self._shown("mean", 0)

    @property
    def variance(self) -> Any:
        """The variance, in the same form as ``mean``."""
        return self._shown("variance", 1)

    def _shown(self, name: str, index: int) -> Any:
        if not self._built_for:
            return None
        kept, shape = self.kept_axes(len(self._built_for)), self._built_for
        full = tuple((shape[a] or 1) if a in kept else 1 for a in range(len(shape)))
        if self.given:
            return _spread(np.asarray(self.given[index], np.float32), self._sizes(shape)).reshape(full)
        return Weight(self, name, full)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        mean, variance = self.given or (None, None)
        return {**super().get_config(), "mean": mean, "variance": variance}

    def kept_axes(self, rank: int) -> tuple[int, ...]:
        """The axes that keep separate statistics, counted from the front, in order."""
        if self.axis is None or self.axis == []:
            return ()
        return tuple(sorted(row_axes(self, self.axis, rank)))

    def normalization_rule(self, shape: Shape) -> NormalizationRule:
        """Mean and standard deviation of the training data."""
        return NormalizationRule("data", "deviation", self.kept_axes(len(shape)), SMALLEST_DEVIATION)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        sizes = tuple(n for n in (shape[a] for a in self.kept_axes(len(shape))) if n is not None)
        if len(sizes) != len(self.kept_axes(len(shape))):
            raise ConfigError(f"Normalization needs known sizes on axis {self.axis}, got shape {shape}")
        return sizes

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Mean, variance and count, unless the first two are given."""
        sizes = self._sizes(input_shapes[0])
        self._built_for = tuple(input_shapes[0])
        if self.given:
            for values in self.given:
                _spread(np.asarray(values, np.float64), sizes)
            return ()
        return (
            WeightSpec("mean", sizes, "zeros", trainable=False),
            WeightSpec("variance", sizes, "ones", trainable=False),
            WeightSpec("count", (), "zeros", trainable=False),
        )

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Set mean and variance to those of the data: in float64, with the biased variance, like ``StandardScaler``.

        Args:
            data: an array or table of shape (rows, ...), a dataset with numbered batches (a ``PyDataset``), or an
                iterable of batches, which is read once. A batch is an array, or a tuple that begins with one.
            batch_size: accepted as in Keras 2, without effect.
            steps: how many batches to take, for an endless iterable; None for all.

        Raises:
            ConfigError: mean and variance were given, or the data's shape does not fit.
            InputError: the data is not numbers, or has no rows.
        """
        if self.given:
            raise ConfigError(
                f"layer {self.name!r} was given its mean and variance, so adapt has nothing to do"
            )
        steps = COUNT.or_none()(steps, self.described(), "steps")
        moments: Moments | None = None
        try:
            for array in tables(data, steps):
                if not self.built:
                    self.build((None, *array.shape[1:]))
                kept = self.kept_axes(array.ndim)
                if tuple(array.shape[a] for a in kept) != self._weight(self.specs[0]).shape:
                    raise ConfigError(
                        f"an incompatible shape: it keeps statistics of shape {self.specs[0].shape}, and the data is "
                        f"{array.shape}"
                    )
                moments = moments or Moments(kept)
                moments.add(array)
        except (ConfigError, InputError) as error:
            raise type(error)(f"{self.described()}: {error}") from None
        if moments is None or not moments.count:
            raise InputError(f"layer {self.name!r}: there are no rows to adapt to")
        self.set_weight("mean", moments.mean)
        self.set_weight("variance", moments.variance)

    def statistics(self, shape: Shape) -> tuple[Array, Array]:
        """Mean and variance for an input of this shape: without the batch axis, with size 1 on reduced axes."""
        kept, sizes = self.kept_axes(len(shape)), self._sizes(shape)
        spread = [(shape[a] or 1) if a in kept else 1 for a in range(1, len(shape))]
        # Keras stores given numbers in float32.
        mean, variance = (
            _spread(np.asarray(a, np.float32).astype(np.float64), sizes).reshape(spread)
            for a in self.given or (self.named_weights["mean"], self.named_weights["variance"])
        )
        return mean, variance

    def lower(self, b: Lowering, *inputs: str) -> str:
        """One affine op, with the mean subtracted first."""
        x = b.float(inputs[0])
        mean, variance = self.statistics(b.shape(x))
        if not (variance >= 0).all():
            raise UnsupportedError(
                f"layer {self.name!r}: a variance of {variance.min():.3g} is not a variance. Adapt the layer again."
            )
        deviation = np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)
        if self.invert:
            return b.emit(
                Affine(),
                x,
                b.layer_constant(self, "scale", deviation),
                b.layer_constant(self, "offset", mean),
            )
        return b.emit(
            Affine(), x,
            b.layer_constant(self, "scale", 1 / deviation),
            b.layer_constant(self, "offset", np.zeros_like(mean)),
            b.layer_constant(self, "shift", mean),
        )  # fmt: skip


class Rescaling(Layer):
    """``x * scale + offset``.

    Args:
        scale: a number, or an array along the last axes.
        offset: a number, or an array along the last axes.
    """

    supports_masking = True
    scales_values = True
    kinds = {"scale": NUMBERS, "offset": NUMBERS}  # noqa: RUF012 - typed in the base

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset

    def _spread(self, value: Any, shape: Shape) -> Array:
        # Keras stores the numbers in float32.
        array = np.asarray(np.float32(value), np.float64)
        rank = len(shape) - 1
        array = array.reshape((1,) * max(rank - array.ndim, 0) + array.shape)
        if array.ndim > rank or any(n not in (1, m) for n, m in zip(array.shape, shape[1:], strict=True)):
            raise ConfigError(
                f"Rescaling by an array of shape {array.shape} does not fit rows of {shape[1:]}"
            )
        return array

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape, which scale and offset must fit."""
        for value in (self.scale, self.offset):
            self._spread(value, input_shapes[0])
        return input_shapes[0]

    def lower(self, b: Lowering, *inputs: str) -> str:
        """One affine op."""
        x = b.float(inputs[0])
        scale, offset = (self._spread(value, b.shape(x)) for value in (self.scale, self.offset))
        return b.emit(
            Affine(), x, b.layer_constant(self, "scale", scale), b.layer_constant(self, "offset", offset)
        )


def _spread(array: Array, sizes: tuple[int, ...]) -> Array:
    """Broadcast the array to the kept axes."""
    try:
        return np.broadcast_to(array, sizes)
    except ValueError:
        raise ConfigError(
            f"mean and variance of shape {array.shape} do not fit the kept axes, of sizes {sizes}"
        ) from None
