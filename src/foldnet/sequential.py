"""Sequential: a network whose layers follow each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.input_layer import Input
from foldnet.layers.tensors import Shape, SymbolicTensor
from foldnet.naming import join_names, unique_name
from foldnet.network import Network
from foldnet.structure import flatten


class Sequential(Network):
    """Layers one after the other.

    Args:
        layers: in order; the first may be ``Input`` or have an ``input_shape``. Without either, the network
            is built by ``build`` with a shape.
        trainable: whether training may change any weight.
        name: of the network.

    >>> from foldnet.layers import Dense
    >>> Sequential([Input((4,)), Dense(3)]).count_params()
    15
    """

    def __init__(
        self,
        layers: Iterable[Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, trainable=trainable, **kwargs)
        self.shaped_by_data = False
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Append a layer (or an ``Input``); ``rebuild`` changes nothing."""
        if isinstance(layer, SymbolicTensor) and layer.call is not None:
            layer = layer.call.layer
        if isinstance(layer, Layer) and layer.is_input:
            if self._inputs:
                raise ConfigError(
                    f"{self.name!r} has already been configured for an input of shape {self._inputs[0].shape}; make "
                    "another Sequential for another input"
                )
            join_names(self, [layer, *self._layers])
            self.inputs = [layer.output]
            self.graph_calls = [*layer.calls]
            self._run(self._layers)
            return
        if not isinstance(layer, Layer):
            raise ConfigError(f"Sequential takes layers, not {type(layer).__name__}")
        if layer in self._layers:
            raise ConfigError(f"{self.name!r} already has the layer {layer.name!r}")
        join_names(self, [*self.joined_layers(), layer])
        self._layers.append(layer)
        if self._inputs:
            self._run([layer])
        elif len(self._layers) == 1:
            if isinstance(layer, Network) and layer.built:
                self.build(layer.inputs[0].shape)
            elif layer.declared_input_shape is not None:
                self.build(layer.declared_input_shape)

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it; ``rebuild`` changes nothing."""
        if not self._layers:
            raise ConfigError(f"{self.name!r} has no layer to remove")
        layer = self._layers.pop()
        if self._inputs:
            layer.calls.remove(self.graph_calls.pop())
            self.outputs = [self.graph_calls[-1].outputs[0]]
        return layer

    def build(self, *input_shapes: Shape, input_shape: Any = None) -> None:
        """Set the input's shape (batch axis first), and create every layer's weights."""
        input_shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        if self._inputs:
            super().build(*input_shapes)
            return
        if not self._layers:
            raise ConfigError(f"{self.name!r} has no layers, so it cannot be built; add some")
        (shape,) = input_shapes
        self._begin(tuple(shape), self._layers[0].data_dtype)

    def build_for_rows(self, shape: Shape, *, texts: bool) -> None:
        """Build it for data of this shape, which may be texts."""
        if not texts or not self._layers:
            self.build(shape)
        else:
            self._begin(shape, "string")
        self.shaped_by_data = True

    def _begin(self, shape: Shape, dtype: str) -> None:
        self.inputs = [Input(batch_shape=shape, dtype=dtype, name=unique_name("input_layer"))]
        self.graph_calls = [self.inputs[0].call] if self.inputs[0].call else []
        self._run(self._layers)

    def compute_output_spec(self, *inputs: Any, **kwargs: Any) -> Any:
        """The result of a call on a symbolic tensor, without making the call; the network need not be built."""
        (tensor,) = flatten(list(inputs))
        for layer in self._layers:
            tensor = layer.compute_output_spec(tensor)
        return tensor

    def rebuild(self, shape: Shape) -> None:
        """Change the input's shape and keep the weights.

        Raises:
            ConfigError: the layers do not fit it; they are then not changed.
        """
        before = self._inputs, self._outputs, self.graph_calls
        for call in self.graph_calls:
            call.layer.calls.remove(call)
        self._inputs, self._outputs, self.graph_calls = [], [], []
        try:
            self._begin(shape, before[0][0].dtype)
        except ConfigError:
            for call in self.graph_calls[1:]:
                call.layer.calls.remove(call)
            self._inputs, self._outputs, self.graph_calls = before
            for call in self.graph_calls:
                call.layer.calls.append(call)
            self.input_structure, self.output_structure = self._inputs[0], self._outputs[0]
            raise

    def _run(self, layers: Sequence[Layer]) -> None:
        tensor = (self._outputs or self._inputs)[0]
        for layer in layers:
            tensor = layer(tensor)
            self.graph_calls.append(layer.calls[-1])
        self.outputs = [tensor]
        self.input_structure, self.output_structure = self.inputs[0], tensor
