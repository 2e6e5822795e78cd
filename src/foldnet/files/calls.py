"""Read the calls that connect a network's layers from a stored configuration."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from foldnet.errors import FileFormatError, FoldnetError, UnsupportedError
from foldnet.files import strict_json
from foldnet.files.masks import compared
from foldnet.files.missing import MissingLayersError
from foldnet.files.nodes import Constant, Node, Ref, constant_refused, keras_tensor, operand, reference
from foldnet.files.tf.arguments import function_node
from foldnet.files.tf.layers import FunctionLayer, Known
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network
from foldnet.sequential import Sequential
from foldnet.structure import flatten

BAD_SETTINGS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)
"""Errors that a layer's code raises when a setting in a file has an unexpected type."""


class settings_of:  # noqa: N801 - used as a with-statement
    """Turns errors that a layer's code raises on bad settings into one error that names the layer."""

    def __init__(self, name: str, kind: str) -> None:
        self._name, self._where = repr(name), f"layer {name!r} ({kind})"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, MissingLayersError):
            return  # it is about the whole file, not about this layer
        if isinstance(error, FoldnetError):
            if self._name in str(error):
                return
            raise type(error)(f"{self._where}: {error}") from None
        if isinstance(error, BAD_SETTINGS):
            raise FileFormatError(f"{self._where}: the stored settings are not valid: {error}") from None


def read_node(stored: object, layer: Layer) -> Node:
    """Read a call from Keras 3's ``{"args", "kwargs"}`` or from the nested lists of Keras 1 and 2."""
    where = f"a call of layer {layer.name!r}"
    if layer.is_operation:
        return operation_node(stored, where)
    if isinstance(layer, FunctionLayer):
        return function_node(stored, layer, where)
    if isinstance(stored, Mapping) and "args" in stored:
        args = strict_json.listing(stored["args"], f"the arguments of {where}")
        kwargs = dict(strict_json.mapping(stored.get("kwargs") or {}, f"the arguments of {where}"))
        structure = map_leaves(lambda v: keras_tensor(v, where), args)
        named = _named(kwargs, layer, lambda v: map_leaves(lambda t: keras_tensor(t, where), v))
        names = layer.tensor_arguments
        if len(names) > 1:
            named = dict(zip(names, structure, strict=False)) | named
            structure = named.pop(names[0], [])
        mask = _mask(kwargs, layer)
        if mask is not None:
            what = f"the mask of {where}"
            mask = map_leaves(lambda v: Constant(None) if v is None else keras_tensor(v, what), mask)
        return Node(structure, _kwargs(kwargs, layer), False, mask, named)
    kwargs = {}
    if isinstance(stored, list) and len(stored) in (3, 4) and isinstance(stored[0], str):
        stored = [stored]

    def ref(entry: object) -> Ref:
        entry = strict_json.listing(entry, where)
        if entry and entry[0] == "_CONSTANT_VALUE":
            raise constant_refused(where)
        if len(entry) == 4:
            kwargs.update(strict_json.mapping(entry[3] or {}, f"the arguments of {where}"))
        return reference(entry[:3], where)

    if isinstance(stored, Mapping):
        structure = {key: ref(entry) for key, entry in stored.items()}
    else:
        structure = [ref(entry) for entry in strict_json.listing(stored, where)]
    mask = _mask(kwargs, layer)
    if mask is not None:
        mask = reference(mask, f"the mask of {where}")
    named = _named(kwargs, layer, lambda v: read_structure(v, where))
    return Node(structure, _kwargs(kwargs, layer), True, mask, named)


def operation_node(stored: object, where: str) -> Node:
    """Read a call of an operation: its arguments are tensors and constants."""
    entry = strict_json.mapping(stored, where)
    args = strict_json.listing(entry.get("args"), f"the arguments of {where}")
    kwargs = strict_json.mapping(entry.get("kwargs") or {}, f"the arguments of {where}")
    if named := {k: v for k, v in kwargs.items() if v is not None}:
        raise UnsupportedError(
            f"{where} has arguments by name, {', '.join(sorted(named))}; give them by place and save again"
        )
    return Node([operand(value, where) for value in args], {}, False)


def _named(kwargs: dict[str, Any], layer: Layer, read: Callable[[Any], Any]) -> dict[str, Any]:
    """Remove the tensors from the arguments that were given by name, and return them."""
    given = {name: kwargs.pop(name) for name in layer.tensor_arguments if name in kwargs}
    return {name: read(value) for name, value in given.items() if value is not None}


def _mask(kwargs: dict[str, Any], layer: Layer) -> Any:
    """Remove the mask from the arguments of a layer that takes one, and return it."""
    if not layer.takes_mask:
        return None
    mask = kwargs.pop("mask", None)
    given = mask if isinstance(mask, list) else [mask]
    return None if all(m is None for m in given) else mask


def _kwargs(stored: dict[str, Any], layer: Layer) -> dict[str, Any]:
    kwargs = {k: v for k, v in stored.items() if v is not None}
    if kwargs.get("training") is False and not layer.obeys_training_false:
        # Keras up to 3.15.1 writes this into every Dropout of a Functional model; it has no meaning.
        del kwargs["training"]
    if unknown := set(kwargs) - {"training"} - layer.own_arguments:
        raise UnsupportedError(
            f"layer {layer.name!r} is called with {', '.join(sorted(unknown))}=..., which foldnet cannot represent; "
            "leave it out of the call and save again"
        )
    if not isinstance(kwargs.get("training", False), bool | int):
        raise UnsupportedError(
            f"layer {layer.name!r} is called with training={kwargs['training']!r}, not a constant"
        )
    return kwargs


def own_mask(makers: Mapping[str, Any], name: str, layer: str) -> list[tuple[Ref, float]]:
    """The tensors from which Keras made the mask of a layer's call, each with the number it is compared with."""
    where = f"the mask of layer {layer!r}"
    found = compared(makers, name)
    if found is None:
        raise UnsupportedError(f"{where} does not compare with a number, as an Embedding or Masking does")
    return [(reference(history, where), number) for history, number in found]


def read_structure(stored: object, where: str) -> Any:
    """Inputs or outputs of a network: one reference, or a list or dict of them."""
    if isinstance(stored, Mapping):
        return {key: read_structure(value, where) for key, value in stored.items()}
    entries = strict_json.listing(list(stored) if isinstance(stored, tuple) else stored, where)
    if len(entries) == 3 and isinstance(entries[0], str):
        return reference(entries, where)
    if not entries:
        raise FileFormatError(f"{where} are missing")
    return [read_structure(value, where) for value in entries]


def as_stored(stored: Any, structure: Any) -> Any:
    """Turn lists of a structure into tuples where the configuration has tuples (JSON has none, live models do)."""
    if isinstance(structure, dict):
        return {key: as_stored(stored[key], value) for key, value in structure.items()}
    if isinstance(structure, list):
        values = [as_stored(entry, value) for entry, value in zip(stored, structure, strict=True)]
        return tuple(values) if isinstance(stored, tuple) else values
    return structure


def map_structure(function: Callable[[Ref], Any], structure: Any) -> Any:
    """Apply a function to every reference in a structure."""
    if isinstance(structure, dict):
        return {key: map_structure(function, value) for key, value in structure.items()}
    if isinstance(structure, list):
        return [map_structure(function, value) for value in structure]
    return structure.value if isinstance(structure, Constant) else function(structure)


def map_leaves(function: Callable[[Any], Ref | Constant], stored: object) -> Any:
    """Apply a function to every leaf of nested lists, and of dicts that are not records of objects."""
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
    elif not isinstance(structure, Constant):
        yield structure


class Calls:
    """The calls made so far, by layer, and how stored indices count them.

    A nested network has one call of itself before all others. Keras's releases differ on whether this call is
    counted: Keras 2 counts it everywhere, Keras 3 only in a network's outputs. Since every stored call leads
    to an output, the highest index in the file shows which rule it follows.
    """

    def __init__(
        self,
        layers: Mapping[str, Layer],
        nodes: Mapping[str, list[Node]],
        outputs: Any,
        what: str,
        given: Container[Layer] = (),
    ) -> None:
        self._what, self.given = what, given
        self.made: dict[str, list[Call]] = {
            name: layer.calls[:1] if layer.is_input else [] for name, layer in layers.items()
        }
        inner = [r for ns in nodes.values() for n in ns for r in refs_of(n.tensors)]
        ends = list(refs_of(outputs))
        new_style = any(not n.old_style for ns in nodes.values() for n in ns)
        self._inner_base, self._end_base = defaultdict(int), defaultdict(int)
        for name, layer in layers.items():
            if not isinstance(layer, Network) or layer in given:
                continue  # what the caller gave for a single layer of the file is counted as one
            if new_style:
                self._end_base[name] = int(not isinstance(layer, Sequential))
            elif max((r[1] for r in [*inner, *ends] if r[0] == name), default=0) == len(nodes[name]):
                self._inner_base[name] = self._end_base[name] = 1

    def index(self, ref: Ref, ends: bool = False) -> int:
        """The index of the call among the layer's calls in this network."""
        return ref[1] - (self._end_base if ends else self._inner_base)[ref[0]]

    def tensor(self, ref: Ref, ends: bool = False) -> SymbolicTensor:
        """The tensor of a reference."""
        found = self.value(ref, ends)
        if isinstance(found, Known):
            raise UnsupportedError(
                f"{self._what} uses {ref[0]!r} as a tensor, and it is {found.value}, a constant"
            )
        return found

    def value(self, ref: Ref, ends: bool = False) -> SymbolicTensor | Known:
        """The tensor of a reference, or a value that TensorFlow computes from constants."""
        made, index = self.made.get(ref[0]), self.index(ref, ends)
        if made is None or not 0 <= index < len(made) or not 0 <= ref[2] < len(made[index].outputs):
            raise FileFormatError(
                f"{self._what} refers to result {ref[2]} of call {ref[1]} of {ref[0]!r}: no such"
            )
        return made[index].outputs[ref[2]]


def _check_count(node: Node, layer: Layer) -> None:
    """Check that only layers that join tensors are called on several."""
    count = sum(1 for _ in refs_of(node.args))
    several = layer.joins_inputs or len(layer.tensor_arguments) > 1
    if count == 0 or (count > 1 and not several):
        raise FileFormatError(
            f"layer {layer.name!r} ({type(layer).__name__}) is called on {count} tensors, but takes one"
            f"{' or more' if several else ''}"
        )


def _made(layer: Layer, node: Node, calls: Calls) -> Call:
    """Make the call that a node describes; its tensors must exist."""
    if isinstance(layer, FunctionLayer):
        return layer.made(map_structure(calls.value, node.args))
    mask = {} if node.mask is None else {"mask": map_structure(calls.tensor, node.mask)}
    given = map_structure(calls.tensor, node.args)
    if layer in calls.given:  # its inputs are those of the file's layer, in their order
        given = flatten(given)
    if layer.is_operation:
        layer(*given)
    else:
        named = {name: map_structure(calls.tensor, value) for name, value in node.named.items()}
        layer(given, **named, **node.kwargs, **mask)
    return layer.calls[-1]


def join(
    layers: Mapping[str, Layer],
    nodes: Mapping[str, list[Node]],
    outputs: object,
    what: str,
    given: Container[Layer] = (),
) -> Calls:
    """Make all stored calls, in an order in which their operands exist.

    Args:
        layers: of the network, by name.
        nodes: the stored calls of each.
        outputs: of the network.
        what: its name in errors.
        given: networks among the layers that were a single layer in the file.
    """
    calls = Calls(layers, nodes, outputs, what, given)
    waiting: dict[tuple[str, int], list[str]] = defaultdict(list)
    queue = deque(layers)
    while queue:
        name = queue.popleft()
        made = calls.made[name]
        while len(made) < len(nodes[name]):
            node = nodes[name][len(made)]
            missing = next(
                (r for r in refs_of(node.tensors) if calls.index(r) >= len(calls.made.get(r[0], ()))), None
            )
            if missing is not None:
                waiting[missing[0], calls.index(missing)].append(name)
                break
            layer = layers[name]
            if not (layer.is_operation or isinstance(layer, FunctionLayer)):
                _check_count(node, layer)
            kind = layer.kind if isinstance(layer, FunctionLayer) else type(layer).__name__
            with settings_of(name, kind):
                made.append(_made(layer, node, calls))
            queue.extend(waiting.pop((name, len(made) - 1), ()))
    for (source, index), names in waiting.items():
        raise FileFormatError(
            f"{what}: layer {names[0]!r} uses call {index} of {source!r}, which is missing or comes later"
        )
    return calls
