"""Fixed scalings of the data: Normalization by given or adapted statistics, and Rescaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.graph import ops
from foldnet.layers.axes import row_axes
from foldnet.layers.base import Array, Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import Weight, WeightSpec

if TYPE_CHECKING:
    from foldnet.graph.lower import Lowering

SMALLEST_DEVIATION = 1e-7
"""What Normalization divides by at least: Keras's ``backend.epsilon()``."""


class Normalization(Layer):
    """``(x - mean) / max(sqrt(variance), 1e-7)``, with statistics of the training data.

    Args:
        axis: the axis, or list of axes, that keep statistics of their own; None has one for all values.
        mean: given, or else a weight that adapting to data sets.
        variance: likewise.
        invert: whether to undo it: ``x * max(sqrt(variance), 1e-7) + mean``.
    """

    supports_masking = True

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
            raise ConfigError("Normalization needs both mean and variance, or neither")
        self.axis = axis if axis is None or isinstance(axis, int) else list(axis)
        self.given = None if mean is None else (_listed(mean), _listed(variance))
        self.invert = invert

    @property
    def mean(self) -> Any:
        """The given mean, or the weight with an axis of 1 for each axis that is reduced, as Keras has it."""
        return self._shown("mean", 0)

    @property
    def variance(self) -> Any:
        """The given variance, or the weight, likewise."""
        return self._shown("variance", 1)

    def _shown(self, name: str, index: int) -> Any:
        if self.given:
            return self.given[index]
        if not self.specs:
            return None
        sizes = iter(self.specs[0].shape)
        kept = self.kept_axes(self._rank)
        return Weight(self, name, tuple(next(sizes) if a in kept else 1 for a in range(self._rank)))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        mean, variance = self.given or (None, None)
        return {**super().get_config(), "mean": mean, "variance": variance}

    def kept_axes(self, rank: int) -> tuple[int, ...]:
        """The axes that keep statistics of their own, counted from the front, in order."""
        if self.axis is None or self.axis == []:
            return ()
        return tuple(sorted(row_axes(self, self.axis, rank)))

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        sizes = tuple(n for n in (shape[a] for a in self.kept_axes(len(shape))) if n is not None)
        if len(sizes) != len(self.kept_axes(len(shape))):
            raise ConfigError(f"Normalization needs known sizes on axis {self.axis}, got shape {shape}")
        return sizes

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """Mean, variance and count, unless the first two are given."""
        sizes = self._sizes(input_shapes[0])
        self._rank = len(input_shapes[0])
        if self.given:
            for values in self.given:
                _spread(np.asarray(values, np.float64), sizes)
            return ()
        return (
            WeightSpec("mean", sizes, "zeros", trainable=False),
            WeightSpec("variance", sizes, "ones", trainable=False),
            WeightSpec("count", (), "zeros", trainable=False),
        )

    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of the data, as ``StandardScaler`` computes them: in float64, biased.

        Args:
            data: an array or table of shape (rows, ...), or an iterator of such batches, gone through once.

        Raises:
            ConfigError: mean and variance were given, or no axis of this data is the layer's.
            InputError: not numbers, or no rows.
        """
        if self.given:
            raise ConfigError(
                f"layer {self.name!r} was given its mean and variance, so there is nothing to adapt"
            )
        whole = hasattr(data, "__array__") or hasattr(data, "to_numpy") or isinstance(data, list | tuple)
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for batch in [data] if whole else data:
            array = _table(batch)
            if not self.built:
                self.build((None, *array.shape[1:]))
            kept = self.kept_axes(array.ndim)
            if tuple(array.shape[a] for a in kept) != self._weight(self.specs[0]).shape:
                raise ConfigError(
                    f"layer {self.name!r} keeps {self.specs[0].shape}, and the data is {array.shape}"
                )
            reduced = tuple(a for a in range(array.ndim) if a not in kept)
            added = array.size // max(int(np.prod(self.specs[0].shape)), 1)
            if not added:
                continue
            own = array.mean(axis=reduced)
            spread = np.square(array - np.expand_dims(own, reduced)).sum(axis=reduced)
            # Chan, Golub and LeVeque (1979): the sums of two parts joined without cancellation.
            step = own - mean
            squares = squares + spread + step**2 * (count * added / (count + added))
            mean, count = mean + step * (added / (count + added)), count + added
        if not count:
            raise InputError(f"layer {self.name!r}: there are no rows to adapt to")
        self.set_weight("mean", mean)
        self.set_weight("variance", squares / count)

    def statistics(self, shape: Shape) -> tuple[Array, Array]:
        """Mean and variance for an input of this shape: its rank less the batch axis, 1 on reduced axes."""
        kept, sizes = self.kept_axes(len(shape)), self._sizes(shape)
        spread = [(shape[a] or 1) if a in kept else 1 for a in range(1, len(shape))]
        # Keras keeps given numbers in float32, as it does weights.
        mean, variance = (
            _spread(np.asarray(a, np.float32).astype(np.float64), sizes).reshape(spread)
            for a in self.given or (self.named_weights["mean"], self.named_weights["variance"])
        )
        return mean, variance

    def lower(self, b: Lowering, *inputs: str) -> str:
        """One affine step, with the mean taken off first."""
        x = b.float(inputs[0])
        mean, variance = self.statistics(b.shape(x))
        if not (variance >= 0).all():
            raise UnsupportedError(
                f"layer {self.name!r}: a variance of {variance.min():.3g} is no variance. Adapt the layer again."
            )
        deviation = np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)
        if self.invert:
            return b.emit(ops.Affine(), x, b.own(self, "scale", deviation), b.own(self, "offset", mean))
        return b.emit(
            ops.Affine(), x,
            b.own(self, "scale", 1 / deviation),
            b.own(self, "offset", np.zeros_like(mean)),
            b.own(self, "shift", mean),
        )  # fmt: skip


class Rescaling(Layer):
    """``x * scale + offset``.

    Args:
        scale: number, or array laid along the last axes.
        offset: likewise.
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = _listed(scale)
        self.offset = _listed(offset)

    def _spread(self, value: Any, shape: Shape) -> Array:
        # Keras keeps the numbers in float32.
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
        """One affine step."""
        x = b.float(inputs[0])
        scale, offset = (self._spread(value, b.shape(x)) for value in (self.scale, self.offset))
        return b.emit(ops.Affine(), x, b.own(self, "scale", scale), b.own(self, "offset", offset))


def _listed(value: Any) -> Any:
    """Numbers as plain lists, out of what Keras stores for arrays."""
    if isinstance(value, Mapping):  # {"class_name": "__numpy__", "config": {"value": [...], "dtype": ...}}
        config = value.get("config")
        value = config.get("value") if isinstance(config, Mapping) else None
    if value is None:
        return None
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"expected a number or an array of numbers, got {value!r}") from None
    if not np.isfinite(array).all():
        raise ConfigError(f"expected finite numbers, got {value!r}")
    return array.tolist()


def _table(batch: Any) -> Array:
    try:
        array = np.asarray(batch.to_numpy() if hasattr(batch, "to_numpy") else batch, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"adapt takes numbers: {error}") from None
    return array[:, None] if array.ndim == 1 else array


def _spread(array: Array, sizes: tuple[int, ...]) -> Array:
    """The array over the kept axes, its own axes aligned to the last of them, as Keras does."""
    try:
        return np.broadcast_to(array, sizes)
    except ValueError:
        raise ConfigError(
            f"mean and variance of shape {array.shape} do not fit the kept axes, of sizes {sizes}"
        ) from None
