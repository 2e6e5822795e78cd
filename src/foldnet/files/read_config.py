"""Create layers and networks from a stored configuration.

``dialects.py`` converts records of older Keras versions; this file reads the
structure: which layers there are, and which calls connect them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from foldnet import activations
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from foldnet.files import masks, missing, operations, strict_json, substitutes, theano
from foldnet.files.calls import (
    as_stored,
    join,
    map_structure,
    own_mask,
    read_node,
    read_structure,
    settings_of,
)
from foldnet.files.dialects import Record, modern
from foldnet.files.nodes import Node, Ref
from foldnet.files.reading import Reading
from foldnet.files.releases import NEWEST, Release, complete
from foldnet.files.tf.layers import FUNCTION_CLASSES, RAGGED_CLASSES, FunctionLayer
from foldnet.files.tf.layers import read as read_function
from foldnet.layers import LAYERS
from foldnet.layers.base import Layer
from foldnet.layers.tensors import SymbolicTensor
from foldnet.network import Model, Network
from foldnet.sequential import Sequential

MAX_LAYERS = 20_000
MAX_NESTING = 30


@dataclass
class Reader:
    """Builds networks from configurations.

    Attributes:
        dialect: Keras's major version, 1 to 3.
        supplied: the caller's classes and functions, by name.
        dtype: the dtype policy that replaces every stored one.
        unbuilt: whether a Sequential without an input shape is allowed.
        classes: each layer's class name in the file, from which the names of its weight groups follow.
        activations: those of the supplied functions that take an array, and can stand for a layer.
        given: layers and networks that stand for a single layer of the file, most of them from the caller's functions.
        theano: whether the network ran on Theano.
        release: of Keras that stored the configurations.
    """

    dialect: int = 3
    supplied: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    dtype: str | None = None
    unbuilt: bool = False
    classes: dict[Layer, str] = field(default_factory=dict)
    activations: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    given: set[Layer] = field(default_factory=set)
    theano: bool = False
    release: Release = NEWEST
    _root: Any = None
    _format: str | None = ""
    _shared: dict[int, Layer] = field(default_factory=dict)
    _mentions: Counter[int] = field(default_factory=Counter)
    _by_name: dict[tuple[str, str], list[Layer]] = field(default_factory=lambda: defaultdict(list))
    _depth: int = 0
    _count: int = 0

    @classmethod
    def of(cls, release: Release, reading: Reading, theano: bool = False) -> Reader:
        """A reader with what the caller supplies."""
        return cls(
            release.keras,
            reading.objects,
            reading.dtype,
            activations=reading.activations,
            theano=theano,
            release=release,
        )

    def network(self, stored: Any) -> Network:
        """Build the network that a configuration describes.

        Raises:
            FileFormatError: it is not the configuration of a network.
            UnsupportedError: it has something foldnet cannot represent.
        """
        self._mentions.update(shared_ids(stored))
        self._root = stored
        layer = self.layer(stored)
        if not isinstance(layer, Network):
            raise FileFormatError(f"the file holds one {type(layer).__name__} layer, and not a network")
        if not layer.built and not self.unbuilt:
            raise FileFormatError(
                f"the Sequential {layer.name!r} was saved before it had seen data, so its input shape is unknown; "
                "call model.build((None, features)) in Keras and save it again"
            )
        return layer

    def layer(self, stored: Any) -> Layer:
        """Create the layer or nested network of one record."""
        self._count += 1
        if self._count > MAX_LAYERS:
            raise FileFormatError(f"the configuration holds more than {MAX_LAYERS:,} layers")
        record = modern(strict_json.mapping(stored, "a layer's record"), self.dialect)
        layer = self._already_read(record)
        if layer is None:
            own = self._own_class(record)
            if own is not None:
                layer = self._of_own_class(record, own)
            else:
                layer = self._nested(record, None) if record.is_network else self._plain(record)
            self._by_name[record.class_name, record.name].append(layer)
            self.classes[layer] = record.class_name
        if record.shared_id is not None:
            self._shared[record.shared_id] = layer
        return layer

    def _already_read(self, record: Record) -> Layer | None:
        """The layer that was already read from an equal record: networks can share a layer, which is then stored twice.

        Keras gives both records the same number, but loses the first number if that record is in a nested network.
        """
        if record.shared_id is None:
            return None
        if record.shared_id in self._shared:
            return self._shared[record.shared_id]
        same_name = self._by_name[record.class_name, record.name]
        if not same_name:
            return None
        if len(same_name) == 1 and self._mentions[record.shared_id] == 1:
            return same_name[0]
        raise UnsupportedError(
            f"several networks share a layer {record.name!r}, and the file does not say which of its layers of that "
            "name they share. Give layers different names and save again."
        )

    def _supplied(self, record: Record) -> Any:
        """What the caller gave for the record's layer, class or registered class; None for classes of foldnet's."""
        if record.is_keras and (record.class_name in LAYERS or record.is_network):
            return None
        names = (record.name, record.registered, record.class_name)
        return next((self.supplied[name] for name in names if name in self.supplied), None)

    def _own_class(self, record: Record) -> type[Layer] | None:
        """The caller's class that the record names; None if it is one of Keras's."""
        found = self._supplied(record)
        return found if isinstance(found, type) and issubclass(found, Layer) else None

    def _of_own_class(self, record: Record, own: type[Layer]) -> Layer:
        if issubclass(own, Network) and "layers" in record.config:
            return self._nested(record, own)
        with settings_of(record.name, record.class_name):
            config = {k: v for k, v in record.config.items() if k != "name" or record.named}
            if issubclass(own, Network):
                return own(**config)
            return own.from_config(self._with_activations(config))

    def _nested(self, record: Record, own: type[Network] | None) -> Network:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise FileFormatError(f"networks nest deeper than {MAX_NESTING} levels in the configuration")
        sequential = issubclass(own, Sequential) if own else record.class_name == "Sequential"
        network = self._sequential(record, own) if sequential else self._functional(record, own)
        self._depth -= 1
        return network

    def _with_activations(self, config: dict[str, Any]) -> dict[str, Any]:
        """Settings in which activations are functions."""
        return {key: self._setting(key, value) for key, value in config.items()}

    def _setting(self, key: str, value: object) -> Any:
        if not key.endswith("activation"):
            return value
        try:
            return read_activation(value, self.supplied, self.dialect)
        except ConfigError as error:
            raise type(error)(f"{key}: {error}") from None

    def _knows(self, record: Record) -> bool:
        """Whether there is a class or a function for the record."""
        if record.is_network or self._supplied(record) is not None:
            return True
        if not record.is_keras:
            return record.origin.startswith(operations.MODULES)
        return record.class_name in LAYERS or record.class_name in FUNCTION_CLASSES | set(RAGGED_CLASSES)

    def _given(self, record: Record, found: Any) -> Layer:
        """What the caller's function gives for the record's layer."""
        if any(found is function for function in self.activations.values()):
            layer: Layer = LAYERS["Activation"](activation=found, name=record.name)
            substitutes.declare_shape(layer, record)
            return layer
        layer = substitutes.made(record, found)
        if layer in self.given:
            raise ConfigError(
                f"layer {record.name!r}: the function given for {record.class_name} returned the same layer twice; "
                "it should return a new one for each layer of the file"
            )
        self.given.add(layer)
        return layer

    def _plain(self, record: Record) -> Layer:
        config = dict(record.config)
        supplied = self._supplied(record)
        if supplied is not None:
            return self._given(record, supplied)
        if not self._knows(record):
            raise missing.refusal(self._root, self.dialect, self._knows, record)
        operation = None if record.is_keras else operations.read(record)
        if operation is not None:
            return operation
        function = read_function(record)
        if function is not None:
            return function
        if self.dtype is not None and record.class_name != "InputLayer":
            config["dtype"] = self.dtype
        if self.dialect == 1:
            self._set_format(record, config)
        config = complete(record.class_name, config, self.release)
        with settings_of(record.name, record.class_name):
            for key in LAYERS[record.class_name].layers_in_settings:
                if config.get(key) is not None:
                    config[key] = self._inner(config[key])
            layer = LAYERS[record.class_name].from_config(self._with_activations(config))
            return self._as_on_theano(layer) if self.theano else layer

    def _set_format(self, record: Record, config: dict[str, Any]) -> None:
        """Give a layer of Keras 1 that does not store a data format the one of the other layers."""
        from foldnet.files import keras1

        if record.class_name in keras1.WITHOUT_FORMAT and "data_format" not in config:
            if self._format == "":
                self._format = keras1.session_format(self._root)
            config["data_format"] = self._format

    def _as_on_theano(self, layer: Layer) -> Layer:
        """The layer as Theano computed it, whose padding is another."""
        padded = theano.padded(layer)
        if padded is not layer:
            self.given.add(padded)
        return padded

    def _inner(self, stored: Any) -> Any:
        """A setting that is a layer, or a list of layers."""
        return [self.layer(s) for s in stored] if isinstance(stored, list) else self.layer(stored)

    # -- networks ---------------------------------------------------------------------------------------------

    def _sequential(self, record: Record, own: Any = None) -> Sequential:
        network: Sequential = (own or Sequential)(
            name=record.name,
            trainable=bool(record.config.get("trainable", True)),
            **_own_settings(record, own),
        )
        for stored in strict_json.listing(record.config.get("layers"), f"the layers of {record.name!r}"):
            layer = self.layer(stored)
            with settings_of(layer.name, type(layer).__name__):
                network.add(layer)
        shape = record.config.get("build_input_shape") or record.build_shape
        if not network.built and shape is not None:
            with settings_of(record.name, "Sequential"):
                network.build(strict_json.shape(shape, f"the input shape of {record.name!r}"))
        return network

    def _functional(self, record: Record, own: Any = None) -> Model:
        what = f"network {record.name!r}"
        layers: dict[str, Layer] = {}
        nodes: dict[str, list[Node]] = {}
        made: dict[tuple[str, int], list[tuple[Ref, float]]] = {}
        records, makers = masks.without_makers(
            strict_json.listing(record.config.get("layers"), f"the layers of {what}")
        )
        for stored in records:
            layer = self.layer(stored)
            if layer.name in layers:
                raise FileFormatError(f"{what} has two layers named {layer.name!r}")
            layers[layer.name] = layer
            nodes[layer.name] = [
                read_node(node, layer)
                for node in strict_json.listing(stored.get("inbound_nodes", []), "inbound nodes")
            ]
            for k, node in enumerate(nodes[layer.name]):
                if isinstance(node.mask, tuple) and node.mask[0] in makers:
                    made[layer.name, k] = own_mask(makers, node.mask[0], layer.name)
                    node.mask = None
        inputs = read_structure(record.config.get("input_layers"), f"the inputs of {what}")
        outputs = read_structure(record.config.get("output_layers"), f"the outputs of {what}")
        calls = join(layers, nodes, outputs, what, self.given)

        def tensor(ref: Ref) -> SymbolicTensor:
            return calls.tensor(ref, ends=True)

        model: Model = (own or Model)(
            as_stored(record.config.get("input_layers"), map_structure(tensor, inputs)),
            as_stored(record.config.get("output_layers"), map_structure(tensor, outputs)),
            name=record.name,
            trainable=bool(record.config.get("trainable", True)),
            **_own_settings(record, own),
        )
        model._join(model.input_structure, model.output_structure, _in_use(model, layers, what))
        masks.check_own(
            model,
            {
                calls.made[name][k]: frozenset((calls.tensor(r), number) for r, number in refs)
                for (name, k), refs in made.items()
            },
        )
        return model


def _in_use(model: Model, layers: Mapping[str, Layer], what: str) -> list[Layer]:
    """The layers in the file's order; a layer for a TensorFlow function is replaced by its operations."""
    used = {call.layer for call in model.graph_calls}
    found: list[Layer] = []
    for name, layer in layers.items():
        own = [layer]
        if isinstance(layer, FunctionLayer):
            own = [operation for operation in layer.operations if operation in used]
            if not layer.tensors:
                continue
        elif layer not in used:
            own = []
        if not own:
            raise FileFormatError(f"{what} has a layer that is not connected to an output: {name!r}")
        found += own
    return found


def shared_ids(stored: object) -> Iterator[int]:
    """All ``shared_object_id`` numbers in a configuration."""
    pending = [stored]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            number = value.get("shared_object_id")
            if isinstance(number, int):
                yield number
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


# -- activations ------------------------------------------------------------------------------------------------


def read_activation(stored: object, supplied: Mapping[str, Callable[..., Any]], dialect: int) -> Any:
    """The activation of a stored name, function record or layer record.

    Raises:
        UnsupportedError: it is not one of Keras's, and was not supplied.
    """
    if isinstance(stored, Mapping):
        if stored.get("class_name") == "__lambda__" or set(stored) == {"value"}:
            stored = "<lambda>"  # the record contains marshalled code, which is never run
        elif isinstance(stored.get("config"), str):
            stored = stored["config"]
    if isinstance(stored, str) and stored not in supplied:
        short = stored.rsplit(">", 1)[-1]  # Keras writes a registered function as "package>name"
        if short in supplied:
            return supplied[short]
        if dialect < 3 and stored == "hard_sigmoid":
            stored = "hard_sigmoid_keras2"
    return activations.get(stored, supplied)


_NETWORK_SETTINGS = frozenset({
    "name", "trainable", "dtype", "layers", "input_layers", "output_layers", "build_input_shape",
})  # fmt: skip
"""The settings that Keras writes for every network."""


def _own_settings(record: Record, own: type[Network] | None) -> dict[str, Any]:
    """Additional settings of a user's network class, for its constructor."""
    return {} if own is None else {k: v for k, v in record.config.items() if k not in _NETWORK_SETTINGS}
