"""Masks in stored calls: those that Keras built from operations, and those that the caller passed.

Keras 3 writes the mask that an ``Embedding(mask_zero=True)`` or a ``Masking`` attaches to a tensor into the calls of
layers that take one, and the operations that compute it as layers. foldnet propagates masks itself, so both are
removed, after checking that foldnet's mask is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network

_MAKERS = frozenset({
    "NotEqual", "LogicalOr", "ExpandDims", "ZerosLike", "OnesLike", "Concatenate", "Any", "ConvertToTensor",
})  # fmt: skip
"""The operations from which Keras's layers build masks."""

_OPERATIONS = "keras.src.ops."
"""The modules of these operations."""

Sources = frozenset[tuple[SymbolicTensor, float]]
"""The tensors that a mask compares with a number, with the number."""


def without_makers(stored: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The records of layers, and, by name, those of operations that only compute masks."""
    found = {record["name"]: record for record in stored if _is_maker(record)}
    layers = [record for record in stored if not _is_maker(record)]
    masks = {name for record in layers for node in _nodes(record) for name in _named(_mask(node))}
    data = {name for record in layers for node in _nodes(record) for name in _named(node.get("args"))}
    makers = {name: found[name] for name in _reached(found, masks) if name not in data}
    return [r for r in stored if not (_is_maker(r) and r["name"] in makers)], makers


def _is_maker(record: object) -> bool:
    kind = record.get("class_name") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or not isinstance(kind, str) or kind not in _MAKERS:
        return False
    config, module = record.get("config"), record.get("module")
    # A legacy file has no module, but every layer has the setting "trainable", and operations do not.
    is_operation = isinstance(config, Mapping) and "trainable" not in config if module is None else True
    return (
        is_operation
        and str(module or _OPERATIONS).startswith(_OPERATIONS)
        and isinstance(record.get("name"), str)
    )


def _mask(node: Mapping[str, Any]) -> Any:
    kwargs = node.get("kwargs")
    return kwargs.get("mask") if isinstance(kwargs, Mapping) else None


def _reached(makers: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """These operations, and all operations that they depend on."""
    found = dict.fromkeys(name for name in names if name in makers)
    pending = list(found)
    while pending:
        for node in _nodes(makers[pending.pop()]):
            new = [n for n in _named(node.get("args")) if n in makers and n not in found]
            found |= dict.fromkeys(new)
            pending += new
    return list(found)


def _nodes(record: object) -> list[Mapping[str, Any]]:
    nodes = record.get("inbound_nodes") if isinstance(record, Mapping) else None
    return [n for n in nodes if isinstance(n, Mapping)] if isinstance(nodes, list) else []


def _histories(value: object) -> Iterator[Any]:
    if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        yield config.get("keras_history") if isinstance(config, Mapping) else None
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _histories(item)


def _named(value: object) -> Iterator[str]:
    for history in _histories(value):
        if isinstance(history, list) and history and isinstance(history[0], str):
            yield history[0]


def compared(makers: Mapping[str, Any], name: str) -> list[tuple[Any, float]] | None:
    """The tensors that a mask compares with a number, and the number; None if it is computed in another way."""
    found: list[tuple[Any, float]] = []
    for maker in _reached(makers, [name]):
        for node in _nodes(makers[maker]) if makers[maker]["class_name"] == "NotEqual" else ():
            args = node.get("args")
            if not isinstance(args, list) or len(args) != 2 or not isinstance(args[1], int | float):
                return None
            found += [(history, float(args[1])) for history in _histories(args[0])]
    return found


def check_own(network: Network, named: Mapping[Call, Sources]) -> None:
    """Check that the masks named in calls are those that foldnet propagates to them.

    Raises:
        UnsupportedError: a call has another mask.
    """
    if not named:
        return
    reached: dict[Call, Sources] = {}
    _follow(network, [frozenset()] * len(network.inputs), reached)
    for call, sources in named.items():
        if reached.get(call) != sources:
            raise UnsupportedError(
                f"layer {call.layer.name!r} is called with a mask that is not the one that comes with its input. Hand "
                "it over as an input of the network, or leave it out of the call, and save again."
            )


def _follow(network: Network, given: Sequence[Sources], reached: dict[Call, Sources]) -> list[Sources]:
    nothing: Sources = frozenset()
    known = dict(zip(network.inputs, given, strict=True))
    for call in network.graph_calls:
        if call.outputs[0] in known:
            continue  # an input
        masks = [known.get(t, nothing) for t in call.inputs]
        reached[call] = nothing.union(*masks)
        if isinstance(call.layer, Network):
            known.update(zip(call.outputs, _follow(call.layer, masks, reached), strict=True))
        elif (value := call.layer.masked_value) is not None and not call.kwargs.get("reverse"):
            known[call.outputs[0]] = frozenset((t, value) for t in call.inputs)
        elif call.output_mask(*(bool(m) for m in masks)):
            known[call.outputs[0]] = reached[call]
    return [known.get(t, nothing) for t in network.outputs]
