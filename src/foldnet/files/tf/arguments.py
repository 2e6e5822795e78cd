"""Read calls of functions as tf.keras writes them: the first argument like a layer's input, the others by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.files import strict_json
from foldnet.files.nodes import Constant, Node, joined, operand, reference
from foldnet.files.tf.layers import FunctionLayer
from foldnet.files.tf.nodes import NodeLayer

CONSTANT = "_CONSTANT_VALUE"
"""Marks a first argument (or a part of it) that is a constant."""

SLICE = frozenset({"start", "stop", "step"})


def function_node(stored: object, layer: FunctionLayer, where: str) -> Node:
    """Read a call of a function, with arguments by TensorFlow's names; or of a graph node, with tensors in order.

    Raises:
        FileFormatError: it is written in another way.
    """
    entry = strict_json.listing(stored, where)
    if isinstance(layer, NodeLayer):
        tensors = [reference(strict_json.listing(e, where)[:3], where) for e in entry]
        return Node({"tensors": tensors}, {}, True)
    named: dict[str, Any] = {}
    first = _first(entry, named, where)
    args = {name: _argument(value, where) for name, value in named.items()}
    return Node({layer.first: first, **args}, {}, True)


def _first(entry: list[Any], named: dict[str, Any], where: str) -> Any:
    """Read the first argument, and add the others, which are stored with each of its tensors, to ``named``."""
    if not entry or not isinstance(entry[0], str):
        return joined([_first(strict_json.listing(e, where), named, where) for e in entry])
    if len(entry) == 4:
        named.update(strict_json.mapping(entry[3] or {}, where))
    return (
        Constant(strict_json.numbers(entry[2]))
        if entry[0] == CONSTANT and len(entry) > 2
        else reference(entry[:3], where)
    )


def _argument(value: object, where: str) -> Any:
    if isinstance(value, list):
        is_reference = len(value) in (3, 4) and isinstance(value[0], str)
        return reference(value[:3], where) if is_reference else joined([_argument(v, where) for v in value])
    if isinstance(value, Mapping) and set(value) == SLICE:
        limits = {k: _argument(v, where) for k, v in value.items()}
        constant = all(isinstance(v, Constant) for v in limits.values())
        return Constant({k: v.value for k, v in limits.items()}) if constant else limits
    return operand(value, where)
