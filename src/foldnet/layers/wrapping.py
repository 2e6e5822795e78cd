"""Wrapper: a layer that wraps another layer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from foldnet.arrays import Array
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.traits import Ending
from foldnet.layers.weight import Weight, WeightSpec

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class Wrapper(Layer):
    """Base class of layers that wrap another layer and have its weights in addition to their own.

    Args:
        layer: the wrapped layer.

    Raises:
        ConfigError: it is not a layer.
    """

    layers_in_settings = ("layer",)
    holds_networks: ClassVar[bool] = False

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        vars(self)["name"] = kwargs.get("name")  # for error messages; the base class checks and sets it
        if not isinstance(layer, Layer):
            raise ConfigError(
                f"{self.described()}: Layer {layer!r:.100} supplied to Wrapper isn't a supported layer type; "
                "give it an object of one of the classes of foldnet.layers"
            )
        if hasattr(layer, "graph_calls") and not self.holds_networks:
            raise UnsupportedError(
                f"{type(self).__name__} cannot hold the network {layer.name!r}; wrap single layers"
            )
        self._trainable = True
        self.layer = layer
        super().__init__(**kwargs)

    def __copy__(self) -> Self:
        # The inner layer's weights belong to this layer, so a copy gets a copy of the inner layer.
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        inner = copy.copy(self.layer)
        inner._values = {**self.layer.named_weights}
        other.__dict__.update(layer=inner, _values={**self._values})
        return other

    @property
    def trainable(self) -> bool:
        """Whether training may change the weights; setting it also sets the inner layer's."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value != self._trainable:
            self.layer.trainable = value
        self._trainable = value

    @property
    def inner_layers(self) -> Mapping[str, Layer]:
        """The wrapped layer."""
        return {"layer": self.layer}

    @property
    def inner_specs(self) -> tuple[WeightSpec, ...]:
        """The inner layer's weights."""
        return self.layer.specs

    @property
    def own_specs(self) -> tuple[WeightSpec, ...]:
        """The wrapper's own weights."""
        return self._specs or ()

    @property
    def stored_specs(self) -> tuple[WeightSpec, ...]:
        """The weights that files store in the wrapper's own group."""
        return self.own_specs

    @property
    def specs(self) -> tuple[WeightSpec, ...]:
        """All weights, in the order of Keras's ``weights``: those in the wrapper's own group first."""
        stored = self.stored_specs
        return (*stored, *(s for s in self.inner_specs if s not in stored)) if self.built else ()

    @property
    def weights(self) -> list[Weight]:
        """All weights in Keras's order."""
        return [Weight(self, spec.name) for spec in self.specs]

    def build(self, *input_shapes: Shape, input_shape: Any = None) -> None:
        """Build the inner layer, then the wrapper's own weights."""
        input_shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        self.layer.build(*input_shapes)
        super().build(*input_shapes)

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The inner layer's."""
        return self.layer.compute_output_shape(*input_shapes)

    @property
    def ends_with(self) -> Ending | None:
        """The inner layer's."""
        return self.layer.ends_with

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The inner layer's result."""
        y = b.replacements.get(self.layer, self.layer).lower(b, *inputs)
        b.penalize(self.layer, [y])
        return y

    def trains(self, weight: str) -> bool:
        """Whether training changes a weight: neither the wrapper nor the inner layer is frozen."""
        inner = any(spec.name == weight for spec in self.inner_specs)
        return self.trainable and self.layer.trains(weight) if inner else super().trains(weight)

    def holder_of(self, weight: str) -> tuple[Layer, str]:
        """The inner layer for its weights."""
        inner = any(spec.name == weight for spec in self.inner_specs)
        return self.layer.holder_of(weight) if inner else super().holder_of(weight)

    def _weight(self, spec: WeightSpec) -> Array:
        return self.layer._weight(spec) if spec in self.inner_specs else super()._weight(spec)

    def set_weight(self, name: str, value: Any) -> None:
        """Set one weight; the inner layer's weights have their names there."""
        if any(spec.name == name for spec in self.inner_specs):
            self.layer.set_weight(name, value)
        else:
            super().set_weight(name, value)
