"""Network and Model: layers connected in a graph of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.layers.weight import Weight, WeightSpec, distinct
from foldnet.naming import join_names, snake_case, unique_name
from foldnet.nested_data import arranged
from foldnet.structure import flatten, is_nested, map_structure, pack
from foldnet.topology import calls_between, entered_anew, keras_order, map_shapes
from foldnet.use import Use


class Network(Layer, Use):
    """Layers and their connections; itself a layer, so networks can be nested.

    Attributes:
        inputs: symbolic inputs in order.
        outputs: symbolic outputs in order.
        layers: each layer once, in Keras's order.
        graph_calls: every call of a layer between inputs and outputs, in computing order.
        compile_config: optimizer, loss and metrics according to the file, if it was compiled.
        saved_training: the same with the optimizer's state; the trainer is made from it on first use.
        keras_version: the Keras release that saved the network, if its file contains it.
    """

    joins_inputs = True
    takes_mask = True
    obeys_training_false = True

    def __init__(
        self, *, name: str | None = None, trainable: bool = True, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name or unique_name(snake_case(self._keras_name())), dtype=dtype, **kwargs)
        self._trainable = trainable
        self.inputs = []
        self.outputs = []
        self._layers: list[Layer] = []
        self.graph_calls: list[Call] = []
        self.compile_config: Mapping[str, Any] | None = None
        self.saved_training = None
        self._trainer = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.steps_per_execution = 1
        self.history: Any = None
        self.keras_version: str | None = None
        self.input_structure: Any = None
        self.output_structure: Any = None
        self._predictor = None

    def __getstate__(self) -> dict[str, Any]:
        # The calls go first, in computing order, so that each call's inputs are already copied. Otherwise copying and
        # pickling a deep network would recurse from its output through all of its layers.
        state = {"graph_calls": self.graph_calls, **self.__dict__}
        state["_predictor"] = None  # rebuilt at the next prediction
        return state

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """Symbolic inputs in order; a Sequential has none before it knows the shape of its input."""
        return self._known(self._inputs)

    @inputs.setter
    def inputs(self, tensors: list[SymbolicTensor]) -> None:
        self._inputs = tensors

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """Symbolic outputs in order; likewise."""
        return self._known(self._outputs)

    @outputs.setter
    def outputs(self, tensors: list[SymbolicTensor]) -> None:
        self._outputs = tensors

    def _known(self, tensors: list[SymbolicTensor]) -> list[SymbolicTensor]:
        if not tensors:
            raise AttributeError  # __getattr__ explains it
        return tensors

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        join_names(self, self.joined_layers())

    def joined_layers(self) -> list[Layer]:
        """The layers, including input layers, which a Sequential does not list."""
        return [*(t.call.layer for t in self._inputs if t.call is not None), *self._layers]

    @classmethod
    def _keras_name(cls) -> str:
        return cls.__name__

    @property
    def layers(self) -> list[Layer]:
        """Each layer once, in Keras's order; operations such as ``x + 1`` are not layers."""
        return [layer for layer in self._layers if not layer.is_operation]

    @property
    def operations(self) -> list[Layer]:
        """Each layer and each operation once, in Keras's order."""
        return list(self._layers)

    def single_layers(self) -> list[Layer]:
        """The layers, with nested networks replaced by their layers."""
        return [single for layer in self._layers for single in _singles(layer)]

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
        """The symbolic input, or the list or dict of inputs that the network was made with."""
        return self.input_structure if self.built else super().input

    @property
    def output(self) -> Any:
        """The symbolic output, or the list or dict of outputs that the network was made with."""
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
        """A layer by its name or its index in ``layers``.

        Raises:
            InputError: there is no such layer.
        """
        if isinstance(name, int):
            name, index = None, name
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise InputError(f"{self.name!r} has {len(self.layers)} layers, no layer {index}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise InputError(
            f"{self.name!r} has no layer {name!r}; it has {[layer.name for layer in self.layers]}"
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
        """Weights that training changes; none when ``trainable`` is False, whatever the layers are set to.

        As in Keras, this depends on the network's own ``trainable`` and on that of each single layer. A nested
        network's ``trainable`` only sets its layers'.
        """
        if not self._trainable:
            return []
        return distinct(w for layer in self.single_layers() for w in layer.trainable_weights)

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """Weights that the optimizer does not change."""
        if not self._trainable:
            return self.weights
        trained = {w.place for w in self.trainable_weights}
        others = (w for layer in self.single_layers() for w in layer.non_trainable_weights)
        return [w for w in distinct(others) if w.place not in trained]

    @property
    def weights(self) -> list[Weight]:
        """All weights, layer by layer, each once."""
        return distinct(w for layer in self._layers for w in layer.weights)

    @property
    def losses(self) -> list[float]:
        """The layers' parts of the loss: activity losses of the last call on arrays, then weight penalties."""
        single = self.single_layers()
        every = dict.fromkeys(inner for layer in single for inner in layer.with_inner_layers)
        return [*(loss for layer in every for loss in layer.activity_losses), *self.weight_losses()]

    # -- as a layer of another network ---------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether inputs and outputs are known."""
        return bool(self._outputs)

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

    def arranged(self, given: dict[str, Any]) -> dict[str, Any]:
        """Several inputs may be nested as the network's own, or in a dict by name."""
        inputs = given["inputs"]
        return (
            {"inputs": self.arrange(inputs)}
            if len(self._inputs) > 1 or isinstance(inputs, Mapping)
            else given
        )

    def arrange(self, x: Any, what: str = "x") -> Any:
        """Data for the inputs in their order: a list of one entry per input, or the entry itself if there is one.

        Raises:
            InputError: it is nested differently, or names are missing.
        """
        if not self.built:
            return x
        entries = arranged(x, self.input_structure, self.input_names, what)
        return entries[0] if len(entries) == 1 else entries

    # -- settings ------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Layers and calls as in Keras's configuration of the network.

        Raises:
            ConfigError: the network is not built.
            UnsupportedError: it has something that the configuration cannot represent, such as a lambda.
        """
        return self._config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A new network from the result of ``get_config``, with new random weights.

        Args:
            config: of a Sequential, or a Model.
            custom_objects: functions for activations that it names, as for ``load_model``.

        Raises:
            FileFormatError: the configuration is not one.
            UnsupportedError: it has something foldnet cannot represent.
        """
        return cls._of_config(config, custom_objects)

    def compute_output_shape(self, *input_shapes: Any) -> Any:
        """Shapes of the results for inputs of these shapes, without a call.

        Args:
            input_shapes: a shape per input, batch axis first; or one list or dict of them.

        Raises:
            ConfigError: they do not fit a layer.
        """
        specs = self.compute_output_spec(
            *(map_shapes(lambda s: SymbolicTensor(s, "float32"), s) for s in input_shapes)
        )
        return map_structure(lambda t: t.shape, specs)

    def compute_output_spec(self, *inputs: Any, **kwargs: Any) -> Any:
        """The result of a call on symbolic tensors, in the structure of the outputs, without making the call."""
        given = flatten(list(inputs))
        if len(given) != len(self.inputs):
            raise ConfigError(
                f"{self.name!r} has {len(self.inputs)} inputs, and was given {len(given)} shapes"
            )
        known = dict(zip(self.inputs, given, strict=True))
        for call in self.graph_calls:
            if call.inputs:
                result = call.layer.spec_of_call(call, known)
                known |= zip(call.outputs, flatten(result), strict=True)
        return map_structure(lambda t: known[t], self.output_structure)

    def _make_outputs(self, call: Call) -> None:
        # A known batch size is kept, and so are sizes that are free in the network and known here.
        rows = next((t.shape[0] for t in call.inputs if t.shape and t.shape[0] is not None), None)
        outputs = self.outputs
        pairs = zip(self.inputs, call.inputs, strict=True)
        if any(None in own.shape[1:] and own.shape[1:] != t.shape[1:] for own, t in pairs):
            outputs = flatten(self.compute_output_spec(*call.inputs))
        shapes = [t.shape if rows is None or not t.shape else (rows, *t.shape[1:]) for t in outputs]
        call.outputs = tuple(
            SymbolicTensor(shape, t.dtype, call, i)
            for i, (shape, t) in enumerate(zip(shapes, self.outputs, strict=True))
        )

    def _wrap_outputs(self, call: Call) -> Any:
        structure = self.output_structure
        if not is_nested(structure) or (isinstance(structure, list | tuple) and len(self.outputs) == 1):
            return call.outputs[0]
        return pack(structure, call.outputs)


def _singles(layer: Layer) -> list[Layer]:
    """A layer; or the layers of a network, or of the network that a layer holds."""
    inner = layer if isinstance(layer, Network) else layer.inner_network
    return [layer] if inner is None else inner.single_layers()


class Model(Network):
    """A network from its symbolic inputs to its symbolic outputs.

    Args:
        inputs: one tensor, or a list or dict of them. A layer's result is replaced by an Input of its shape, and the
            layers after it are called again, with the same weights.
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
        return "Functional" if cls is Model else cls.__name__

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
        for tensor in (*flatten(inputs), *flatten(outputs)):
            if not isinstance(tensor, SymbolicTensor):
                raise ConfigError(f"a Model joins symbolic tensors, not {type(tensor).__name__}")
        inputs, outputs = entered_anew(inputs, outputs)
        self.input_structure, self.output_structure = inputs, outputs
        self.inputs, self.outputs = flatten(inputs), flatten(outputs)
        self.graph_calls = calls_between(self.inputs, self.outputs)
        self._layers = list(layers) if layers is not None else keras_order(self.graph_calls, self.outputs)
        join_names(self, self._layers)
