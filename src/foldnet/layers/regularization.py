"""Dropout and its kin: random in training, nothing at prediction time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError
from foldnet.graph import ops, train_ops
from foldnet.layers.base import Layer

if TYPE_CHECKING:
    from foldnet.graph.lower import Lowering


class Dropout(Layer):
    """In training zeroes each value with probability ``rate`` and divides the rest by ``1 - rate``.

    At prediction time it is the identity: no scaling is left over.

    Args:
        rate: between 0 and 1.
        noise_shape: of the mask, 1 where an axis shares it.
        seed: of the generator.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ConfigError(f"Dropout rate must lie between 0 and 1, got {rate}")
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Identity at prediction time; it drops in training even when ``trainable`` is False, as in Keras."""
        if b.mode.value == "train" and b.call_training is not False and self.rate > 0:
            shape = self.noise_shape or ()
            shared = tuple(n == 1 and size != 1 for n, size in zip(shape, b.shape(inputs[0]), strict=False))
            return b.emit(
                train_ops.Drop(self.rate, "dropout", b.random_stream(), shared), b.float(inputs[0])
            )
        return b.emit(ops.Identity(), b.float(inputs[0]))
