"""Graphs as JSON and back: ops by name from a closed table, with settings checked against the ops' types."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from foldnet.arrays import Array
from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.graph.check import check_prediction
from foldnet.graph.graph import Graph, Node, Type, constant_type, with_nodes
from foldnet.graph.op import FLOAT, INT, Elementwise, Op
from foldnet.graph.texts import Texts
from foldnet.operations.catalogue import op_named
from foldnet.operations.elementwise.functions import FUNCTIONS

_LARGEST_ROW = 1 << 40

T = TypeVar("T")


def activations_of(graph: Graph) -> Iterator[Elementwise]:
    """Every elementwise activation in a graph."""
    for node in graph.nodes:
        for field in fields(node.op):
            value = getattr(node.op, field.name)
            if isinstance(value, Elementwise):
                yield value


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """A graph without its arrays as JSON data."""
    return {
        "inputs": [
            {"name": n, "shape": list(graph.types[n].shape), "dtype": graph.types[n].dtype}
            for n in graph.inputs
        ],
        "outputs": list(graph.outputs),
        "nodes": [
            {
                "op": type(n.op).__name__,
                "settings": {f.name: _plain(getattr(n.op, f.name)) for f in fields(n.op)},
                "inputs": list(n.inputs),
                "output": n.output,
                "layer": n.layer,
            }
            for n in graph.nodes
        ],
        "layer_outputs": dict(graph.layer_outputs),
        "notes": list(graph.notes),
        # Written only if there are any, so that other files keep their bytes.
        **({"texts": _plain_texts(graph.texts)} if graph.texts else {}),
    }


def _plain_texts(texts: Mapping[str, Texts]) -> dict[str, Any]:
    return {name: {"known": list(own.known), "bins": own.bins} for name, own in texts.items()}


def _plain(value: object) -> object:
    if isinstance(value, Elementwise):
        return {
            "name": value.name,
            "params": {k: _plain(float(v)) for k, v in value.params},
            "supplied": value.function is not None,
        }
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def graph_from_json(
    data: Any,
    constants: Mapping[str, Array],
    spreads: Mapping[str, Array],
    functions: Mapping[str, Callable[..., Any]],
) -> Graph:
    """The graph, checked.

    Raises:
        FileFormatError: an unknown op or setting, or a setting of another type.
        GraphError: the program breaks a rule.
        UnsupportedError: an activation must be supplied and is not.
    """
    _entries(data, {"inputs", "outputs", "nodes", "layer_outputs", "notes", *({"texts"} & set(data))})
    given = {}
    for entry in _typed(data["inputs"], list):
        _entries(entry, {"name", "shape", "dtype"})
        shape = tuple(_size(n) for n in _typed(entry["shape"], list))
        if entry["dtype"] not in (FLOAT, INT) or not shape or shape[0] is not None:
            raise FileFormatError(f"the file's input {entry['name']!r} has type {entry}")
        given[_typed(entry["name"], str)] = Type(shape, entry["dtype"])
    if len(given) != len(data["inputs"]) or not given:
        raise FileFormatError("the file's program has no inputs, or two of one name")
    nodes = [_node(entry, functions) for entry in _typed(data["nodes"], list)]
    layer_outputs = {_typed(k, str): _typed(v, str) for k, v in _typed(data["layer_outputs"], dict).items()}
    texts = _texts(data.get("texts", {}), given)
    bare = Graph(
        tuple(given), _strings(data["outputs"]), (), given, notes=_strings(data["notes"]), texts=texts
    )
    graph = with_nodes(bare, nodes, constants=constants, layer_outputs=layer_outputs)
    if not graph.outputs or graph.layer_outputs != layer_outputs:
        raise FileFormatError("the file's program has no result, or layers whose result it does not compute")
    kept = {k: constant_type(v) for k, v in constants.items()}  # including those that no node uses
    graph = replace(graph, constants=dict(constants), types={**graph.types, **kept}, spreads=dict(spreads))
    for name, spread in spreads.items():
        if name not in constants or spread.shape != constants[name].shape:
            raise FileFormatError(f"the file has deviations for {name!r}, which is no mean of that shape")
    for name, type_ in graph.types.items():
        if math.prod(n or 1 for n in type_.shape[1:]) > _LARGEST_ROW:
            raise FileFormatError(f"a row of the value {name!r} would have shape {type_.shape[1:]}")
    check_prediction(graph)
    return graph


def _texts(given: Any, inputs: Mapping[str, Type]) -> dict[str, Texts]:
    found = {}
    for name, own in _typed(given, dict).items():
        _entries(own, {"known", "bins"})
        if name not in inputs or inputs[name].dtype != INT:
            raise FileFormatError(
                f"the file's program has texts for {name!r}, which is no input of whole numbers"
            )
        found[name] = Texts(_strings(own["known"]), _typed(own["bins"], int))
    return found


def _node(entry: Any, functions: Mapping[str, Callable[..., Any]]) -> Node[Op]:
    _entries(entry, {"op", "settings", "inputs", "output", "layer"})
    entry = _today(entry)
    cls = op_named(_typed(entry["op"], str))
    if cls is None or not cls.predicts:
        raise FileFormatError(f"the file's program has the op {entry['op']!r}, which does not exist")
    hints = _hints(cls)
    _entries(entry["settings"], set(hints))
    settings = {k: _setting(v, hints[k], functions) for k, v in entry["settings"].items()}
    return Node(
        cls(**settings), _strings(entry["inputs"]), _typed(entry["output"], str), _typed(entry["layer"], str)
    )


def _today(entry: Any) -> Any:
    """Translate an operation of an older file to its current name."""
    op, settings = entry["op"], entry["settings"]
    plain = {"params": {}, "supplied": False}
    if op == "Unary" and isinstance(settings, dict) and set(settings) == {"kind"}:
        return {**entry, "settings": {"function": {"name": settings["kind"], **plain}}}
    if op == "Activation":
        return {**entry, "op": "Unary"}
    if op == "Combine":
        return {**entry, "op": "Binary", "settings": {**settings, "activation": None}}
    if op == "PRelu":
        return {**entry, "op": "Binary", "settings": {"kind": "prelu", "activation": None}}
    if op == "CumulativeSum" and isinstance(settings, dict) and set(settings) == {"axis"}:
        return {**entry, "settings": {**settings, "reverse": False}}
    return entry


def _hints(cls: type[Op]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls)}


def _setting(value: object, hint: object, functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Convert a value to the type that an op's field declares."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (hint,) = (a for a in arguments if a is not type(None))
        return _setting(value, hint, functions)
    if origin is tuple:
        items = _typed(value, list)
        if arguments[-1] is not Ellipsis and len(items) != len(arguments):
            raise FileFormatError(f"a setting has {len(items)} entries, not {len(arguments)}")
        kinds = [arguments[0]] * len(items) if arguments[-1] is Ellipsis else arguments
        return tuple(_setting(v, k, functions) for v, k in zip(items, kinds, strict=True))
    if origin is typing.Literal:
        if value not in arguments or type(value) is not str:
            raise FileFormatError(
                f"one of {', '.join(map(repr, arguments))} was expected, not {value!r:.200}"
            )
        return value
    if hint is Elementwise:
        return _elementwise(value, functions)
    if hint is float:
        return _number(value)
    if hint in (int, bool, str):
        return _typed(value, hint)
    raise FileFormatError(f"a predictor file cannot hold a setting of type {hint}")


def _elementwise(value: Any, functions: Mapping[str, Callable[..., Any]]) -> Elementwise:
    _entries(value, {"name", "params", "supplied"})
    name = _typed(value["name"], str)
    params = tuple((_typed(k, str), _number(v)) for k, v in _typed(value["params"], dict).items())
    if _typed(value["supplied"], bool):
        if name not in functions:
            raise UnsupportedError(
                f"the predictor was frozen with your own activation {name!r}; supply it: "
                f"load_predictor(path, activations={{{name!r}: fn}})"
            )
        return Elementwise(name, params, functions[name])
    if name not in FUNCTIONS or {k for k, _ in params} != set(FUNCTIONS[name].parameters):
        raise FileFormatError(
            f"the file's program has the activation {name!r} with parameters {dict(params)}"
        )
    return Elementwise(name, params)


def _number(value: Any) -> float:
    if value in ("inf", "-inf", "nan") and type(value) is str:
        return float(value)
    if type(value) not in (int, float):
        raise FileFormatError(f"a number was expected, not {value!r}")
    return float(value)


def _size(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= _LARGEST_ROW:
        raise FileFormatError(f"a size was expected, not {value!r}")
    return value


def _typed(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise FileFormatError(f"{kind.__name__} was expected, not {value!r}")
    return value


def _strings(value: object) -> tuple[str, ...]:
    return tuple(_typed(v, str) for v in _typed(value, list))


def _entries(given: object, expected: set[str]) -> None:
    if not isinstance(given, dict) or set(given) != expected:
        raise FileFormatError(f"the entries {sorted(expected)} were expected, not {given!r:.200}")
