"""From a stored configuration to layers and networks.

The dialects of every Keras meet here; ``dialects.py`` turns old names into today's, and this file only reads
structure: which layers there are, and which calls join them.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from foldnet import activations
from foldnet.errors import FileFormatError, FoldnetError, UnsupportedError
from foldnet.files import plain
from foldnet.files.dialects import Record, modern
from foldnet.layers import LAYERS
from foldnet.layers.base import Call, Layer, SymbolicTensor
from foldnet.layers.core import InputLayer
from foldnet.network import Model, Network, Sequential

MAX_LAYERS = 20_000
MAX_NESTING = 30
BAD_SETTINGS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)
"""What a layer's own code raises when a file's setting is of a type no one would write by hand."""

Ref = tuple[str, int, int]
"""Layer name, which of its calls, which of the call's results."""


@dataclass
class Reader:
    """Builds networks out of configurations.

    Attributes:
        dialect: Keras's major version, 1 to 3.
        supplied: functions for what a file cannot say.
        dtype: the dtype policy that replaces every stored one.
        classes: the class name that the file gives each layer; groups of weights are named after it.
    """

    dialect: int = 3
    supplied: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    dtype: str | None = None
    classes: dict[Layer, str] = field(default_factory=dict)
    _shared: dict[int, Layer] = field(default_factory=dict)
    _mentions: Counter[int] = field(default_factory=Counter)
    _by_name: dict[tuple[str, str], list[Layer]] = field(default_factory=lambda: defaultdict(list))
    _depth: int = 0
    _count: int = 0

    def network(self, stored: Any) -> Network:
        """The network that a configuration describes, built.

        Raises:
            FileFormatError: the configuration is not one.
            UnsupportedError: it has something foldnet cannot represent.
        """
        self._mentions.update(shared_ids(stored))
        layer = self.layer(stored)
        if not isinstance(layer, Network):
            raise FileFormatError(f"the file holds one {type(layer).__name__} layer, and no network")
        if not layer.built:
            raise FileFormatError(
                f"the Sequential {layer.name!r} was saved before it had seen data, so its input shape is unknown; "
                "call model.build((None, features)) in Keras and save it again"
            )
        return layer

    def layer(self, stored: Any) -> Layer:
        """The layer, or nested network, of one record."""
        self._count += 1
        if self._count > MAX_LAYERS:
            raise FileFormatError(f"the configuration holds more than {MAX_LAYERS:,} layers")
        record = modern(plain.mapping(stored, "a layer's record"), self.dialect)
        layer = self._met_before(record)
        if layer is None:
            layer = self._nested(record) if record.is_network else self._plain(record)
            self._by_name[record.class_name, record.name].append(layer)
            self.classes[layer] = record.class_name
        if record.shared_id is not None:
            self._shared[record.shared_id] = layer
        return layer

    def _met_before(self, record: Record) -> Layer | None:
        """The layer that this record repeats: networks can share a layer, and the file then has it twice.

        Keras marks both places with a number, but loses the first mark when that place is in a nested network.
        """
        if record.shared_id is None:
            return None
        if record.shared_id in self._shared:
            return self._shared[record.shared_id]
        named_so = self._by_name[record.class_name, record.name]
        if not named_so:
            return None
        if len(named_so) == 1 and self._mentions[record.shared_id] == 1:
            return named_so[0]
        raise UnsupportedError(
            f"several networks share a layer {record.name!r}, and the file does not say which of its layers of that "
            "name they share. Give layers different names and save again."
        )

    def _nested(self, record: Record) -> Network:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise FileFormatError(f"networks nest deeper than {MAX_NESTING} levels in the configuration")
        network = self._sequential(record) if record.class_name == "Sequential" else self._functional(record)
        self._depth -= 1
        return network

    def _plain(self, record: Record) -> Layer:
        config = dict(record.config)
        supplied = self.supplied.get(record.name) or self.supplied.get(record.class_name)
        if (not record.is_keras or record.class_name not in LAYERS) and supplied:
            return LAYERS["Activation"](activation=supplied, name=record.name)  # type: ignore[call-arg]
        if not record.is_keras or record.class_name not in LAYERS:
            raise _unknown(record)
        if self.dtype is not None and record.class_name != "InputLayer":
            config["dtype"] = self.dtype
        with settings_of(record.name, record.class_name):
            for key, value in config.items():
                if key.endswith("activation"):
                    config[key] = read_activation(value, self.supplied, self.dialect)
            return LAYERS[record.class_name].from_config(config)

    # -- networks ---------------------------------------------------------------------------------------------

    def _sequential(self, record: Record) -> Sequential:
        network = Sequential(name=record.name, trainable=bool(record.config.get("trainable", True)))
        for stored in plain.listing(record.config.get("layers"), f"the layers of {record.name!r}"):
            layer = self.layer(stored)
            with settings_of(layer.name, type(layer).__name__):
                network.add(layer)
        shape = record.config.get("build_input_shape") or record.build_shape
        if not network.inputs and shape is not None:
            with settings_of(record.name, "Sequential"):
                network.build(plain.shape(shape, f"the input shape of {record.name!r}"))
        return network

    def _functional(self, record: Record) -> Model:
        what = f"network {record.name!r}"
        layers: dict[str, Layer] = {}
        nodes: dict[str, list[Node]] = {}
        for stored in plain.listing(record.config.get("layers"), f"the layers of {what}"):
            layer = self.layer(stored)
            if layer.name in layers:
                raise FileFormatError(f"{what} has two layers named {layer.name!r}")
            layers[layer.name] = layer
            nodes[layer.name] = [
                read_node(node, layer)
                for node in plain.listing(stored.get("inbound_nodes", []), "inbound nodes")
            ]
        inputs = read_structure(record.config.get("input_layers"), f"the inputs of {what}")
        outputs = read_structure(record.config.get("output_layers"), f"the outputs of {what}")
        calls = _join(layers, nodes, outputs, what)

        def tensor(ref: Ref) -> SymbolicTensor:
            return calls.tensor(ref, ends=True)

        model = Model(
            map_structure(tensor, inputs),
            map_structure(tensor, outputs),
            name=record.name,
            trainable=bool(record.config.get("trainable", True)),
        )
        used = {call.layer for call in model.graph_calls}
        if idle := [name for name, layer in layers.items() if layer not in used]:
            raise FileFormatError(f"{what} has layers that lead to no output: {idle[:10]}")
        model._join(model.input_structure, model.output_structure, list(layers.values()))
        return model


def shared_ids(stored: Any) -> Iterator[int]:
    """The numbers by which the file marks objects that it mentions in several places."""
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


class settings_of:  # noqa: N801 - used as a with-statement
    """Turns what a layer's code raises on nonsense into one error that names the layer."""

    def __init__(self, name: str, kind: str) -> None:
        self._name, self._where = repr(name), f"layer {name!r} ({kind})"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, FoldnetError):
            if self._name in str(error):
                return
            raise type(error)(f"{self._where}: {error}") from None
        if isinstance(error, BAD_SETTINGS):
            raise FileFormatError(f"{self._where}: the stored settings make no sense: {error}") from None


# -- activations ------------------------------------------------------------------------------------------------


def read_activation(stored: Any, supplied: Mapping[str, Callable[..., Any]], dialect: int) -> Any:
    """The activation of a stored name, function record or layer record.

    Raises:
        UnsupportedError: it is none of Keras's, and was not supplied.
    """
    if isinstance(stored, Mapping):
        if stored.get("class_name") == "__lambda__" or set(stored) == {"value"}:
            stored = "<lambda>"  # either way, Keras 3 puts marshalled code into it
        elif isinstance(stored.get("config"), str):
            stored = stored["config"]
    if isinstance(stored, str) and stored not in supplied:
        short = stored.rsplit(">", 1)[-1]  # "package>name" is how Keras writes a registered function
        if short in supplied:
            return supplied[short]
        if dialect < 3 and stored == "hard_sigmoid":
            stored = "hard_sigmoid_keras2"
    return activations.get(stored, supplied)


def _unknown(record: Record) -> UnsupportedError:
    supply = (
        f"If it is an elementwise function of one tensor, supply it: "
        f"load_model(path, activations={{{record.name!r}: fn}}) with a NumPy function."
    )
    if record.class_name == "Lambda":
        return UnsupportedError(
            f"layer {record.name!r} is a Lambda: Python code kept in the file, which foldnet never runs. {supply}"
        )
    if not record.is_keras:
        return UnsupportedError(
            f"layer {record.name!r} is a {record.class_name} from {record.origin}, not one of Keras's layers, "
            f"and the file does not hold what it computes. {supply} Otherwise "
            "build it from Keras's layers and save again."
        )
    return UnsupportedError(
        f"layer {record.name!r} is a {record.class_name}, which foldnet cannot represent; it knows "
        f"{', '.join(sorted(LAYERS))}. {supply}"
    )


# -- calls ------------------------------------------------------------------------------------------------------


@dataclass
class Node:
    """One stored call of a layer: what it is called on, and how."""

    args: Any
    kwargs: dict[str, Any]
    old_style: bool


def read_node(stored: Any, layer: Layer) -> Node:
    """A call, from Keras 3's ``{"args", "kwargs"}`` or the nested lists of Keras 1 and 2."""
    where = f"a call of layer {layer.name!r}"
    if isinstance(stored, Mapping) and "args" in stored:
        args = plain.listing(stored["args"], f"the arguments of {where}")
        kwargs = dict(plain.mapping(stored.get("kwargs") or {}, f"the arguments of {where}"))
        structure = map_leaves(lambda v: _tensor_ref(v, where), args)
        return Node(structure, _kwargs(kwargs, layer), old_style=False)
    kwargs = {}
    if isinstance(stored, list) and len(stored) in (3, 4) and isinstance(stored[0], str):
        stored = [stored]

    def ref(entry: Any) -> Ref:
        entry = plain.listing(entry, where)
        if entry and entry[0] == "_CONSTANT_VALUE":
            raise _constant(where)
        if len(entry) == 4:
            kwargs.update(plain.mapping(entry[3] or {}, f"the arguments of {where}"))
        return _ref(entry[:3], where)

    if isinstance(stored, Mapping):
        structure = {key: ref(entry) for key, entry in stored.items()}
    else:
        structure = [ref(entry) for entry in plain.listing(stored, where)]
    return Node(structure, _kwargs(kwargs, layer), old_style=True)


def _constant(where: str) -> UnsupportedError:
    return UnsupportedError(
        f"{where} has a constant among its arguments; foldnet reads calls on tensors only. "
        "Put the constant into a layer of its own, such as Rescaling, and save again."
    )


def _tensor_ref(value: Any, where: str) -> Ref:
    if not isinstance(value, Mapping) or value.get("class_name") != "__keras_tensor__":
        raise _constant(where)
    return _ref(plain.mapping(value.get("config"), where).get("keras_history"), where)


def _ref(entry: Any, where: str) -> Ref:
    entry = plain.listing(entry, where)
    if len(entry) != 3:
        raise FileFormatError(f"{where} refers to {entry!r}, expected a layer, a call and a result")
    return plain.text(entry[0], where), plain.whole(entry[1], where), plain.whole(entry[2], where)


def _kwargs(stored: dict[str, Any], layer: Layer) -> dict[str, Any]:
    kwargs = {k: v for k, v in stored.items() if v is not None}
    is_batch_norm = isinstance(layer, LAYERS["BatchNormalization"])
    if kwargs.get("training") is False and not is_batch_norm and not isinstance(layer, Network):
        # Keras up to 3.15.1 writes this into every Dropout of a Functional model by itself; it means nothing.
        del kwargs["training"]
    if is_batch_norm:
        kwargs.pop("mask", None)  # masks steer the statistics of training only
    if unknown := set(kwargs) - {"training"}:
        raise UnsupportedError(
            f"layer {layer.name!r} is called with {', '.join(sorted(unknown))}=..., which foldnet cannot represent; "
            "leave it out of the call and save again"
        )
    if not isinstance(kwargs.get("training", False), bool | int):
        raise UnsupportedError(
            f"layer {layer.name!r} is called with training={kwargs['training']!r}, not a constant"
        )
    return kwargs


def read_structure(stored: Any, where: str) -> Any:
    """Inputs or outputs of a network: one reference, or a list or dict of them."""
    if isinstance(stored, Mapping):
        return {key: read_structure(value, where) for key, value in stored.items()}
    entries = plain.listing(stored, where)
    if len(entries) == 3 and isinstance(entries[0], str):
        return _ref(entries, where)
    if not entries:
        raise FileFormatError(f"{where} are missing")
    return [read_structure(value, where) for value in entries]


def map_structure(function: Callable[[Ref], Any], structure: Any) -> Any:
    """Apply a function to every reference in a structure."""
    if isinstance(structure, dict):
        return {key: map_structure(function, value) for key, value in structure.items()}
    if isinstance(structure, list):
        return [map_structure(function, value) for value in structure]
    return function(structure)


def map_leaves(function: Callable[[Any], Ref], stored: Any) -> Any:
    """Apply a function to everything in nested lists, and in dicts that are not records."""
    if isinstance(stored, list):
        return [map_leaves(function, value) for value in stored]
    if isinstance(stored, Mapping) and "class_name" not in stored:
        return {key: map_leaves(function, value) for key, value in stored.items()}
    return function(stored)


def refs_of(structure: Any) -> Iterator[Ref]:
    """Every reference in a structure."""
    if isinstance(structure, dict | list):
        for item in structure.values() if isinstance(structure, dict) else structure:
            yield from refs_of(item)
    else:
        yield structure


class Calls:
    """The calls made so far, by layer, and how stored indices count them.

    A nested network has a call of its own before any other, and Keras's releases differ on whether it is
    counted: Keras 2 counts it everywhere, Keras 3 only in a network's own outputs. Since every stored call leads
    to an output, the highest index that occurs tells.
    """

    def __init__(
        self, layers: Mapping[str, Layer], nodes: Mapping[str, list[Node]], outputs: Any, what: str
    ) -> None:
        self._what = what
        self.made: dict[str, list[Call]] = {
            name: layer.calls[:1] if isinstance(layer, InputLayer) else [] for name, layer in layers.items()
        }
        inner = [r for ns in nodes.values() for n in ns for r in refs_of(n.args)]
        ends = list(refs_of(outputs))
        new_style = any(not n.old_style for ns in nodes.values() for n in ns)
        self._inner_base, self._end_base = defaultdict(int), defaultdict(int)
        for name, layer in layers.items():
            if not isinstance(layer, Network):
                continue
            if new_style:
                self._end_base[name] = int(not isinstance(layer, Sequential))
            elif max((r[1] for r in [*inner, *ends] if r[0] == name), default=0) == len(nodes[name]):
                self._inner_base[name] = self._end_base[name] = 1

    def index(self, ref: Ref, ends: bool = False) -> int:
        """Which of the layer's calls in this network is meant."""
        return ref[1] - (self._end_base if ends else self._inner_base)[ref[0]]

    def tensor(self, ref: Ref, ends: bool = False) -> SymbolicTensor:
        """The tensor that a reference means."""
        made, index = self.made.get(ref[0]), self.index(ref, ends)
        if made is None or not 0 <= index < len(made) or not 0 <= ref[2] < len(made[index].outputs):
            raise FileFormatError(
                f"{self._what} refers to result {ref[2]} of call {ref[1]} of {ref[0]!r}: no such"
            )
        return made[index].outputs[ref[2]]


def _join(layers: Mapping[str, Layer], nodes: Mapping[str, list[Node]], outputs: Any, what: str) -> Calls:
    """Make every stored call, each once its operands exist."""
    calls = Calls(layers, nodes, outputs, what)
    waiting: dict[tuple[str, int], list[str]] = defaultdict(list)
    queue = deque(layers)
    while queue:
        name = queue.popleft()
        made = calls.made[name]
        while len(made) < len(nodes[name]):
            node = nodes[name][len(made)]
            missing = next(
                (r for r in refs_of(node.args) if calls.index(r) >= len(calls.made.get(r[0], ()))), None
            )
            if missing is not None:
                waiting[missing[0], calls.index(missing)].append(name)
                break
            layer = layers[name]
            with settings_of(name, type(layer).__name__):
                layer(map_structure(calls.tensor, node.args), **node.kwargs)
            made.append(layer.calls[-1])
            queue.extend(waiting.pop((name, len(made) - 1), ()))
    for (source, index), names in waiting.items():
        raise FileFormatError(
            f"{what}: layer {names[0]!r} waits for call {index} of {source!r}, which is missing or comes after it"
        )
    return calls
