"""Model and Sequential: layers joined into a graph of calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from foldnet.arranging import arranged
from foldnet.errors import ConfigError, InputError
from foldnet.layers.base import Array, Layer
from foldnet.layers.core import Input, InputLayer
from foldnet.layers.naming import snake_case, unique_name
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.layers.weight import Weight, WeightSpec
from foldnet.structure import flatten, is_nested, map_structure, pack
from foldnet.use import Use


class Network(Layer, Use):
    """Layers and how they are joined; itself a layer, so networks nest.

    Attributes:
        inputs: symbolic inputs in order.
        outputs: symbolic outputs in order.
        layers: each layer once, in Keras's order.
        graph_calls: every call of a layer between inputs and outputs, in computing order.
        compile_config: what the file says of optimizer, loss and metrics, if it was compiled.
        saved_training: the same with the optimizer's state; it becomes the trainer when that is first asked for.
        keras_version: the Keras release that saved the network, if it came from a file that says so.
    """

    def __init__(
        self, *, name: str | None = None, trainable: bool = True, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name or unique_name(snake_case(self._keras_name())), dtype=dtype, **kwargs)
        self._trainable = trainable
        self.inputs: list[SymbolicTensor] = []
        self.outputs: list[SymbolicTensor] = []
        self._layers: list[Layer] = []
        self.graph_calls: list[Call] = []
        self.compile_config: Mapping[str, Any] | None = None
        self.saved_training: Any = None
        self._trainer: Any = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.steps_per_execution = 1
        self.history: Any = None
        self.keras_version: str | None = None
        self.input_structure: Any = None
        self.output_structure: Any = None
        self._predictor: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # The calls go first: met in computing order, each finds its inputs copied already, so that copying and
        # pickling a deep network does not recurse from its output through all of its layers.
        state = {"graph_calls": self.graph_calls, **self.__dict__}
        state["_predictor"] = None  # made again at the next prediction
        return state

    @classmethod
    def _keras_name(cls) -> str:
        return cls.__name__

    @property
    def layers(self) -> list[Layer]:
        """Each layer once, in Keras's order."""
        return list(self._layers)

    def single_layers(self) -> list[Layer]:
        """The layers, with those of nested networks in these networks' place."""
        return [
            single
            for layer in self._layers
            for single in (layer.single_layers() if isinstance(layer, Network) else [layer])
        ]

    @property
    def input_names(self) -> list[str]:
        """Names of the input layers."""
        return [t.name for t in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that give the outputs."""
        return [t.name for t in self.outputs]

    @property
    def input(self) -> Any:
        """The symbolic input; the list or dict of them that the network was made with."""
        return self.input_structure if self.built else super().input

    @property
    def output(self) -> Any:
        """The symbolic output; the list or dict of them that the network was made with."""
        return self.output_structure if self.built else super().output

    @property
    def input_shape(self) -> Any:
        """Shape of the input, batch axis first; a list or dict of them for several."""
        return map_structure(lambda t: t.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """Shape of the output, batch axis first; a list or dict of them for several."""
        return map_structure(lambda t: t.shape, self.output)

    def get_layer(self, name: str | int | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its place in ``layers``.

        Raises:
            InputError: there is no such layer.
        """
        if isinstance(name, int):
            name, index = None, name
        if index is not None:
            if not -len(self._layers) <= index < len(self._layers):
                raise InputError(f"{self.name!r} has {len(self._layers)} layers, no layer {index}")
            return self._layers[index]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise InputError(
            f"{self.name!r} has no layer {name!r}; it has {[layer.name for layer in self._layers]}"
        )

    # -- a network's weights are its layers' ---------------------------------------------------------------

    @property
    def specs(self) -> tuple[WeightSpec, ...]:
        """Specs of all layers' weights, in order."""
        return tuple(s for layer in self._layers for s in layer.specs)

    @property
    def named_weights(self) -> dict[str, Array]:
        """Arrays by ``layer/name``."""
        return {f"{layer.name}/{k}": v for layer in self._layers for k, v in layer.named_weights.items()}

    @property
    def trainable(self) -> bool:
        """Whether training may change any weight; setting it sets every layer's."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        for layer in self.__dict__.get("_layers", ()):
            layer.trainable = value

    @property
    def trainable_weights(self) -> list[Weight]:
        """Weights that training changes; none when ``trainable`` is False, whatever a layer says.

        As in Keras, what counts is this network's own ``trainable`` and that of each single layer: a nested network's
        is only a way to set its layers'.
        """
        return (
            []
            if not self._trainable
            else [w for layer in self.single_layers() for w in layer.trainable_weights]
        )

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """Weights that the optimizer leaves alone."""
        if not self._trainable:
            return self.weights
        return [w for layer in self.single_layers() for w in layer.non_trainable_weights]

    @property
    def weights(self) -> list[Weight]:
        """All weights, layer by layer."""
        return [w for layer in self._layers for w in layer.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights from arrays in the order of ``get_weights``."""
        expected = len(self.weights)
        if len(weights) != expected:
            raise InputError(f"{self.name!r} has {expected} weights, and was given {len(weights)}")
        start = 0
        for layer in self._layers:
            count = len(layer.weights)
            layer.set_weights(weights[start : start + count])
            start += count

    def count_params(self) -> int:
        """Number of weight values in all layers."""
        return sum(layer.count_params() for layer in self._layers)

    # -- as a layer of another network ---------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether inputs and outputs are known."""
        return bool(self.outputs)

    def build(self, *input_shapes: Shape, input_shape: Any = None) -> None:
        """Check that a call's inputs fit the network's."""
        input_shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        if len(input_shapes) != len(self.inputs):
            raise ConfigError(
                f"{self.name!r} has {len(self.inputs)} inputs, and was called with {len(input_shapes)}"
            )
        for given, tensor in zip(input_shapes, self.inputs, strict=True):
            pairs = zip(given[1:], tensor.shape[1:], strict=False)
            if len(given) != len(tensor.shape) or any(b is not None and a not in (b, None) for a, b in pairs):
                raise ConfigError(
                    f"{self.name!r} takes inputs of shape {tensor.shape}, and was called on {given}"
                )

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """As a layer's call; several inputs may be nested as the network's own, or come as a dict by name."""
        return super().__call__(
            self.arrange(inputs) if len(self.inputs) > 1 or isinstance(inputs, Mapping) else inputs, **kwargs
        )

    def arrange(self, x: Any, what: str = "x") -> Any:
        """Data for the inputs in their order: a list of one entry an input, or the entry itself if there is one.

        Raises:
            InputError: it is nested in another way, or names are missing.
        """
        if not self.built:
            return x
        entries = arranged(x, self.input_structure, self.input_names, what)
        return entries[0] if len(entries) == 1 else entries

    # -- settings ------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Layers and calls as Keras's configuration of the network has them.

        Raises:
            ConfigError: the network is not built.
            UnsupportedError: it has something that the configuration cannot say, such as a lambda.
        """
        return self._config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A new network from what ``get_config`` gives, its weights drawn anew.

        Args:
            config: of a Sequential, or a Model.
            custom_objects: functions for activations that it names, as for ``load_model``.

        Raises:
            FileFormatError: the configuration is not one.
            UnsupportedError: it has something foldnet cannot represent.
        """
        return cls._of_config(config, custom_objects)

    def _make_outputs(self, call: Call) -> None:
        call.outputs = tuple(SymbolicTensor(t.shape, t.dtype, call, i) for i, t in enumerate(self.outputs))

    def _wrap_outputs(self, call: Call) -> Any:
        structure = self.output_structure
        if not is_nested(structure) or (isinstance(structure, list | tuple) and len(self.outputs) == 1):
            return call.outputs[0]
        return pack(structure, call.outputs)


class Model(Network):
    """A network from its symbolic inputs to its symbolic outputs.

    Args:
        inputs: one tensor, or a list or dict of them.
        outputs: likewise.
        name: of the network.

    Raises:
        ConfigError: an output does not come from the inputs.

    >>> from foldnet.layers import Dense
    >>> x = Input((4,))
    >>> model = Model(x, Dense(3)(x))
    >>> model.count_params()
    15
    """

    @classmethod
    def _keras_name(cls) -> str:
        return "Functional"

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        if inputs is None or outputs is None:
            raise ConfigError(
                f"{type(self).__name__} needs its inputs and outputs: Model(inputs, outputs), with inputs from "
                "Input((features,)) and outputs from layers called on them"
            )
        self._join(inputs, outputs)

    def _join(self, inputs: Any, outputs: Any, layers: Sequence[Layer] | None = None) -> None:
        if not flatten(outputs) or not flatten(inputs):
            raise ConfigError("a Model needs at least one input and one output")
        self.input_structure, self.output_structure = inputs, outputs
        self.inputs, self.outputs = flatten(inputs), flatten(outputs)
        for tensor in (*self.inputs, *self.outputs):
            if not isinstance(tensor, SymbolicTensor):
                raise ConfigError(f"a Model joins symbolic tensors, not {type(tensor).__name__}")
        self.graph_calls = _calls_between(self.inputs, self.outputs)
        self._layers = list(layers) if layers is not None else _keras_order(self.graph_calls, self.outputs)


class Sequential(Network):
    """Layers one after the other.

    Args:
        layers: in order; the first may be ``Input`` or have an ``input_shape``. Without either, the network
            is built when ``build`` tells it the shape.
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
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Append a layer (or an ``Input``); ``rebuild`` changes nothing."""
        if isinstance(layer, SymbolicTensor) and layer.call is not None:
            layer = layer.call.layer
        if isinstance(layer, InputLayer):
            if self.inputs:
                raise ConfigError(f"{self.name!r} has an input already")
            self.inputs = [layer.output]
            self.graph_calls = [*layer.calls]
            self._run(self._layers)
            return
        if not isinstance(layer, Layer):
            raise ConfigError(f"Sequential takes layers, not {type(layer).__name__}")
        if any(layer.name == other.name for other in self._layers):
            raise ConfigError(f"{self.name!r} has a layer named {layer.name!r} already; names must differ")
        self._layers.append(layer)
        if self.inputs:
            self._run([layer])
        elif len(self._layers) == 1:
            if isinstance(layer, Network) and layer.inputs:
                self.build(layer.inputs[0].shape)
            elif layer.declared_input_shape is not None:
                self.build(layer.declared_input_shape)

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it; ``rebuild`` changes nothing."""
        if not self._layers:
            raise ConfigError(f"{self.name!r} has no layer to remove")
        layer = self._layers.pop()
        if self.inputs:
            layer.calls.remove(self.graph_calls.pop())
            self.outputs = [self.graph_calls[-1].outputs[0]]
        return layer

    def build(self, *input_shapes: Shape, input_shape: Any = None) -> None:
        """Fix the input's shape (batch axis first) and with it every layer's weights."""
        input_shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        if self.inputs:
            super().build(*input_shapes)
            return
        (shape,) = input_shapes
        shape = tuple(shape)
        first = self._layers[0] if self._layers else None
        dtype = "int32" if first is not None and type(first).__name__ == "Embedding" else "float32"
        self.inputs = [Input(batch_shape=shape, dtype=dtype, name=unique_name("input_layer"))]
        self.graph_calls = [self.inputs[0].call] if self.inputs[0].call else []
        self._run(self._layers)

    def _run(self, layers: Sequence[Layer]) -> None:
        tensor = (self.outputs or self.inputs)[0]
        for layer in layers:
            tensor = layer(tensor)
            self.graph_calls.append(layer.calls[-1])
        self.outputs = [tensor]
        self.input_structure, self.output_structure = self.inputs[0], tensor


def _calls_between(inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]) -> list[Call]:
    """Every call needed for the outputs, operands first; raises ConfigError for one the inputs cannot reach."""
    done: dict[Call, None] = {}
    stops = set(inputs)
    for tensor in inputs:
        if tensor.call is not None and not tensor.call.inputs:
            done[tensor.call] = None
    stack: list[tuple[SymbolicTensor, bool]] = [(t, False) for t in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        call = tensor.call
        if tensor in stops or call is None or call in done:
            continue
        if ready:
            done[call] = None
        elif not call.inputs:
            raise ConfigError(f"the network needs the input {tensor.name!r}, which is not among its inputs")
        else:
            stack.append((tensor, True))
            stack.extend((t, False) for t in reversed(call.operands))
    return list(done)


def _keras_order(calls: Sequence[Call], outputs: Sequence[SymbolicTensor]) -> list[Layer]:
    """Layers as Keras lists them: farthest from the outputs first, then as a walk from the outputs meets them.

    A layer that is called again counts at its farthest call, and so does whatever feeds any of its calls. Files
    number the groups of weights by this order, so it must be Keras's exactly.
    """
    depth: dict[Call, int] = {}
    layers: dict[Layer, int] = {}
    known = set(calls)
    for call in reversed(calls):
        depth[call] = layers[call.layer] = max(depth.get(call, 0), layers.get(call.layer, 0))
        for tensor in call.operands:
            if tensor.call is not None and tensor.call in known:
                depth[tensor.call] = max(depth.get(tensor.call, 0), depth[call] + 1)
    met: dict[Layer, int] = {}
    stack = [t.call for t in reversed(outputs)]
    seen: set[Call] = set()
    while stack:
        next_call = stack.pop()
        if next_call is None or next_call in seen or next_call not in known:
            continue
        seen.add(next_call)
        met.setdefault(next_call.layer, len(met))
        stack.extend(t.call for t in reversed(next_call.operands))
    # An input that no output needs is listed before all others of its depth.
    order = dict.fromkeys(call.layer for call in calls)
    return sorted(order, key=lambda layer: (-layers[layer], met.get(layer, -1)))
