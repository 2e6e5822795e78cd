"""Dropout and other random layers: random in training, without effect at prediction time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.literals import DataFormat
from foldnet.operations.batch.op import Drop, DropKind
from foldnet.operations.structure.op import Identity
from foldnet.setting_types import DATA_FORMAT, FRACTION, NOT_NEGATIVE, SEED, number, sizes

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


BELOW_ONE = number(0, 1, below=True)
"""For rates of dropouts whose formulas divide by ``1 - rate``."""


class Noise(Layer):
    """Base class of layers that change values at random in training and do nothing at prediction time."""

    supports_masking = True
    is_random = True
    kinds = {"rate": FRACTION, "seed": SEED}  # noqa: RUF012 - typed in the base
    kind: ClassVar[DropKind] = "dropout"

    @property
    def identity_in_prediction(self) -> bool:
        """True."""
        return True

    def amount(self) -> float:
        """The strength of the change; 0 for none."""
        raise ConfigError(
            f"{type(self).__name__} must define the amount of noise"
        )  # every subclass defines it

    def shared_axes(self, shape: Shape) -> tuple[bool, ...]:
        """Which axes share one random number, batch axis first; empty if none does."""
        return ()

    def rows(self, shape: Shape) -> int | None:
        """The number of rows that a batch must have; None for any."""
        return None

    def differs_in_training(self) -> bool:
        """Whether ``amount`` is above 0; ``trainable`` has no effect, as in Keras."""
        return self.amount() > 0

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Identity at prediction time; it drops in training even when ``trainable`` is False, as in Keras."""
        x = b.float(inputs[0])
        if b.trains and b.call_training is not False and self.amount() > 0:
            shape = b.shape(x)
            drop = Drop(
                self.amount(), self.kind, b.random_stream(), self.shared_axes(shape), self.rows(shape)
            )
            return b.emit(drop, x)
        return b.emit(Identity(), x)


class Dropout(Noise):
    """In training zeroes each value with probability ``rate`` and divides the rest by ``1 - rate``.

    At prediction time it is the identity, without any scaling.

    Args:
        rate: between 0 and 1.
        noise_shape: shape of the random mask, aligned to the last axes; 1 where an axis shares it, None for the data's
            size. Any other first size is the number of rows that every batch must have.
        seed: of the random numbers.
    """

    amount_is_rate = True
    scales_at_random = True
    kinds = {"noise_shape": sizes(1).or_none()}  # noqa: RUF012 - typed in the base

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed

    def amount(self) -> float:
        """The rate."""
        return self.rate

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape, after checking ``noise_shape``."""
        self._masks(input_shapes[0])
        return input_shapes[0]

    def shared_axes(self, shape: Shape) -> tuple[bool, ...]:
        """The axes of size 1 in ``noise_shape``, and those missing in it."""
        return tuple(n == 1 for n in self._masks(shape))

    def rows(self, shape: Shape) -> int | None:
        """The first size of ``noise_shape`` if it is a number of rows, else None."""
        return next((n for n in self._masks(shape)[:1] if n != 1), None)

    def _masks(self, shape: Shape) -> Shape:
        """The mask's shape for data of this shape: ``noise_shape`` aligned to the last axes, as in broadcasting.

        None means the data's size on the axis at the same position from the front, as in Keras.
        """
        if self.noise_shape is None:
            return ()
        before = len(shape) - len(self.noise_shape)
        given = [shape[i] if n is None and i < len(shape) else n for i, n in enumerate(self.noise_shape)]
        mask = (*[1] * before, *given)
        fits = before >= 0 and all(n == 1 or n == m for n, m in zip(mask[1:], shape[1:], strict=True))
        # A first None in a shorter noise_shape would put the number of rows on another axis.
        if not fits or (before and self.noise_shape[:1] == (None,)):
            raise ConfigError(
                f"noise_shape={self.noise_shape!r} does not fit data of shape {shape}: counted from the last axis, "
                "each of its sizes must be the data's or 1"
            )
        return mask


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance of a self-normalizing network (Klambauer et al., 2017).

    Args:
        rate: between 0 and 1.
        noise_shape: shape of the random mask; 1 where an axis shares it.
        seed: of the random numbers.
    """

    kind = "alpha_dropout"
    scales_at_random = False
    kinds = {"rate": BELOW_ONE}  # noqa: RUF012 - typed in the base


class GaussianDropout(Noise):
    """In training multiplies each value by a normal number with mean 1 and variance ``rate / (1 - rate)``.

    Args:
        rate: between 0 and 1.
        seed: of the random numbers.
    """

    kind = "gaussian_dropout"
    amount_is_rate = True
    scales_at_random = True
    kinds = {"rate": BELOW_ONE}  # noqa: RUF012 - typed in the base

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed

    def amount(self) -> float:
        """The rate."""
        return self.rate


class GaussianNoise(Noise):
    """In training adds a normal number with mean 0 to each value.

    Args:
        stddev: its standard deviation.
        seed: of the random numbers.
    """

    kind = "gaussian_noise"
    kinds = {"stddev": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = stddev
        self.seed = seed

    def amount(self) -> float:
        """The standard deviation."""
        return self.stddev


class SpatialDropout(Noise):
    """Base class of dropouts that drop whole channels."""

    amount_is_rate = True
    scales_at_random = True
    rank: ClassVar[int]
    kinds = {"data_format": DATA_FORMAT}  # noqa: RUF012 - typed in the base
    ignored_settings = frozenset({"noise_shape", "data_format"})  # tf_keras stores Dropout's settings here

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.data_format: DataFormat = "channels_last"

    def amount(self) -> float:
        """The rate."""
        return self.rate

    def shared_axes(self, shape: Shape) -> tuple[bool, ...]:
        """All but the batch axis and the channels."""
        channel = 1 if self.data_format == "channels_first" else len(shape) - 1
        return tuple(a not in (0, channel) for a in range(len(shape)))

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape, after checking its rank."""
        if len(input_shapes[0]) != self.rank:
            raise ConfigError(f"{type(self).__name__} takes rank {self.rank}, got shape {input_shapes[0]}")
        return input_shapes[0]


class SpatialDropout1D(SpatialDropout):
    """In training drops whole channels of (batch, steps, channels).

    Args:
        rate: between 0 and 1.
        seed: of the random numbers.
    """

    rank = 3


class SpatialDropout2D(SpatialDropout):
    """In training drops whole channels of images.

    Args:
        rate: between 0 and 1.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        seed: of the random numbers.
    """

    rank = 4

    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed, **kwargs)
        self.data_format = self.checked("data_format", data_format)


class SpatialDropout3D(SpatialDropout2D):
    """In training drops whole channels of volumes.

    Args:
        rate: between 0 and 1.
        data_format: ``"channels_last"`` (by default) or ``"channels_first"``.
        seed: of the random numbers.
    """

    rank = 5


class ActivityRegularization(Layer):
    """In training adds ``l1 * sum(|x|) + l2 * sum(x²)`` to the loss; the values do not change.

    Args:
        l1: factor of the absolute values.
        l2: factor of the squares.
    """

    supports_masking = True
    kinds = {"l1": NOT_NEGATIVE, "l2": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        if kwargs.pop("activity_regularizer", None) is not None:
            raise ConfigError(
                f"ActivityRegularization {kwargs.get('name') or ''}: takes no activity_regularizer "
                "in addition to its l1 and l2"
            )
        super().__init__(**kwargs)
        self.l1 = l1
        self.l2 = l2
        self.activity_regularizer = {"class_name": "L1L2", "config": {"l1": l1, "l2": l2}}

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {k: v for k, v in super().get_config().items() if k != "activity_regularizer"}

    @property
    def identity_in_prediction(self) -> bool:
        """True."""
        return True

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The input itself; a training program adds the penalty to the loss."""
        return b.emit(Identity(), b.float(inputs[0]))
