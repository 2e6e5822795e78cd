"""SpectralNormalization: a layer whose kernel training divides by its largest singular value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import Weight, WeightSpec
from foldnet.layers.wrapping import Wrapper
from foldnet.operations.spectral.op import SpectralKernel
from foldnet.setting_types import COUNT

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class SpectralNormalization(Wrapper):
    """A layer whose kernel training divides by its largest singular value (Miyato et al., 2018).

    A training step computes with the kernel divided by its largest singular value, which ``power_iterations`` steps of
    power iteration on ``vector_u`` estimate; gradients go through the division. As in Keras on JAX, the kernel that is
    stored and that predictions use is the one before the division. (On TensorFlow, Keras stores the divided one.)

    Args:
        layer: a layer with a ``kernel``, or an Embedding.
        power_iterations: iterations of the estimate per training step.
    """

    kinds = {"power_iterations": COUNT}  # noqa: RUF012 - typed in the base

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if isinstance(power_iterations, int) and power_iterations <= 0:
            raise ConfigError(
                f"{self.described()}: `power_iterations` should be greater than zero, got {power_iterations}"
            )
        self.power_iterations = power_iterations

    @property
    def stored_specs(self) -> tuple[WeightSpec, ...]:
        """The inner layer's kernel, which Keras also stores here, and the vector."""
        return (*(s for s in self.inner_specs if s.name in ("kernel", "embeddings")), *self.own_specs)

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """The singular vector that training estimates, (1, the kernel's last size)."""
        kernel = next((s for s in self.inner_specs if s.name in ("kernel", "embeddings")), None)
        if kernel is None:
            raise ConfigError(
                f"{type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings', which "
                "SpectralNormalization would normalize"
            )
        first = {"class_name": "TruncatedNormal", "config": {"mean": 0.0, "stddev": 0.02}}
        return [WeightSpec("vector_u", (1, kernel.shape[-1]), first, trainable=False)]

    def differs_in_training(self) -> bool:
        """True: training normalizes the kernel, frozen or not."""
        return True

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The inner layer, in a training step with the divided kernel."""
        if not b.trains or b.call_training is False:
            return super().lower(b, *inputs)
        name = next(s.name for s in self.inner_specs if s.name in ("kernel", "embeddings"))
        place = self.layer.owner_of(name)
        self._check(b, name)
        kernel = b.weight(self.layer, name)
        b.instead[place] = b.of_weight(
            SpectralKernel(self.power_iterations), kernel, b.weight(self, "vector_u")
        )
        return super().lower(b, *inputs)

    def _check(self, b: Lowering, name: str) -> None:
        """Refuse what Keras computes with a kernel that changes within a step."""
        weight = Weight(self.layer, name)
        reasons = {
            "its kernel is used in several places, and Keras divides it again in each": (
                weight.place in b.instead or weight.place in b.variables.values() or bool(self.layer.calls)
            ),
            "it is inside TimeDistributed, where Keras divides its kernel at every step": bool(b.axes_along),
            "it is frozen, and Keras then divides the stored kernel": not weight.trainable,
            "its kernel has a regularizer, which Keras applies to the divided kernel": weight.regularizer
            is not None,
            f"{type(self.layer).__name__} looks up its weights in a table": name != "kernel",
        }
        if found := next((reason for reason, holds in reasons.items() if holds), None):
            raise UnsupportedError(
                f"layer {self.name!r} cannot be trained: {found}. Change that, or call it with training=False"
            )
