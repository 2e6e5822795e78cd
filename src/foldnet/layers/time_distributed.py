"""TimeDistributed: a layer or network at every step of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foldnet.errors import ConfigError
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import Weight, WeightSpec
from foldnet.layers.wrapping import Wrapper

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering
    from foldnet.network import Network


class TimeDistributed(Wrapper):
    """A layer or a whole network applied to every step of (rows, steps, ...), each step by itself.

    Args:
        layer: the layer or network.

    Raises:
        ConfigError: the input has fewer than three axes, batch axis included.

    >>> from foldnet import Input, layers
    >>> layers.TimeDistributed(layers.Conv2D(8, 3))(Input((10, 28, 28, 1))).shape
    (None, 10, 26, 26, 8)
    """

    supports_masking = True
    takes_mask = True
    holds_networks = True
    repeats_layer = True

    @property
    def inner_network(self) -> Network | None:
        """The wrapped network; None if it is a layer."""
        layer = self.layer
        return layer if hasattr(layer, "graph_calls") else None  # type: ignore[return-value]

    @property
    def inner_specs(self) -> tuple[WeightSpec, ...]:
        """The inner layer's weights; those of a network belong to its layers."""
        return () if self.inner_network is not None else self.layer.specs

    def build(self, *input_shapes: Shape, input_shape: Shape | None = None) -> None:
        """Build the inner layer for one step."""
        shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        super().build(self._step(shapes[0]))

    def _step(self, shape: Shape) -> Shape:
        if len(shape) < 3:
            raise ConfigError(
                f"TimeDistributed takes inputs (rows, steps, ...) of rank 3 or more, got shape {shape}"
            )
        return (shape[0], *shape[2:])

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The inner layer's for one step, with the steps after the batch axis."""
        rows, steps, *_ = shape = input_shapes[0]
        step: Any = self.layer.compute_output_shape(self._step(shape))
        if isinstance(step, list):  # a network whose single output is in a list, as in tf_keras's files
            (step,) = step
        return (rows, steps, *step[1:])

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """The inner layer's."""
        return self.layer.compute_output_dtype(*input_dtypes)

    @property
    def weights(self) -> list[Weight]:
        """The inner layer's."""
        return self.layer.weights

    @property
    def trainable_weights(self) -> list[Weight]:
        """The inner layer's, if this layer is trainable."""
        return self.layer.trainable_weights if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The inner layer's other weights."""
        return self.layer.non_trainable_weights if self.trainable else self.layer.weights

    def differs_in_training(self) -> bool:
        """Whether the inner layer does, or any layer of the inner network."""
        network = self.inner_network
        single = [self.layer] if network is None else network.single_layers()
        return any(layer.differs_in_training() for layer in single)

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The inner layer's operations, along the steps. As in Keras, its activity regularizer has no effect there."""
        network = self.inner_network
        with b.along(b.shape(inputs[0])[1]):
            if network is not None:
                return b.inside(network, *inputs)[0]
            return b.replacements.get(self.layer, self.layer).lower(b, *inputs)
