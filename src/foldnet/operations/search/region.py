"""Regions of operations that search: each element needs the one at its position."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.regions import Part, Region, Rule, Values
from foldnet.operations.search.op import Digitize, Hash, Lookup


def _digitize(values: Values, node: Node[Digitize], region: Region) -> Part:
    return Part(region, node.op, (region, None))


def _hash(values: Values, node: Node[Hash], region: Region) -> Part:
    return Part(region, node.op, (region,))


def _lookup(values: Values, node: Node[Lookup], region: Region) -> Part | str:
    if node.op.others == 0:
        return "it reports each number that its table does not have"
    return Part(region, node.op, (region,))


RULES: dict[type[Op], Rule] = {Digitize: _digitize, Hash: _hash, Lookup: _lookup}
