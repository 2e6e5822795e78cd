"""Where things lie: values in a workspace, constants in one buffer of float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import FLOAT, INT, Op

ALIGN = 16
"""Floats to which every constant is aligned: 64 bytes, a cache line."""


def row_shape(graph: Graph, value: str) -> tuple[int, ...]:
    """Shape of one row of a value; of the whole array for a constant."""
    shape = graph.types[value].shape
    kept = shape if value in graph.constants else shape[1:]
    return tuple(int(n) for n in kept if n is not None)


def elements(graph: Graph, value: str) -> int:
    """Number of elements in one row of a value."""
    return prod(row_shape(graph, value))


@dataclass(frozen=True)
class Plan:
    """Offsets of values in the workspace, in elements of one row; floats and ints have a workspace each.

    Attributes:
        roots: for each value, the value whose memory it has.
        offsets: for each root, its place.
        rooms: for each root, the elements of its place.
        floats: size of the float workspace.
        ints: size of the int workspace.
    """

    roots: Mapping[str, str]
    offsets: Mapping[str, int]
    rooms: Mapping[str, int]
    floats: int
    ints: int


def plan(graph: Graph, *, align: int = 1, inputs: bool = True, apart: int = 0) -> Plan:
    """Give every value a place that nothing else needs while it lives.

    Args:
        graph: with sizes known.
        align: places are multiples of this, and have room for whole vectors of so many elements from each position of
            the last axis on.
        inputs: whether inputs have places, too; else they are read where the caller keeps them.
        apart: elements, a multiple of ``align``, that belong to nobody after each value, none of which then takes
            another's place: so that a write past an end is seen (a sanitizer does not, within one workspace).
    """
    roots = {name: name for name in graph.inputs}
    for node in graph.nodes:
        first = node.inputs[0]
        alias = first in roots and node.op.is_alias(graph.types[first].dtype)
        roots[node.output] = roots[first] if alias else node.output
    end = len(graph.nodes)
    dies = {roots[v]: i for i, n in enumerate(graph.nodes) for v in n.inputs if v in roots}
    dies |= {roots[v]: end for v in (roots if apart else graph.outputs) if v in roots}
    offsets: dict[str, int] = {}
    rooms: dict[str, int] = {}
    totals = {FLOAT: 0, INT: 0}

    def place(name: str, born: int, count: int) -> None:
        dtype = graph.types[name].dtype
        rooms[name] = -(-max(count, 1) // align) * align
        size = rooms[name] + apart
        taken = sorted(
            (offsets[o], offsets[o] + rooms[o] + apart)
            for o in offsets
            if dies.get(o, -1) >= born and graph.types[o].dtype == dtype and o != name
        )
        start = 0
        for low, high in taken:
            if start + size <= low:
                break
            start = max(start, high)
        offsets[name] = start
        totals[dtype] = max(totals[dtype], start + size)

    for name in graph.inputs if inputs else ():
        place(name, 0, _needed(graph, name, align))
    for index, node in enumerate(graph.nodes):
        name = node.output
        if roots[name] != name:
            continue
        reused = _overwritable(graph, index, roots, dies, offsets)
        if reused is not None:
            offsets[name], rooms[name] = offsets[reused], rooms[reused]
        else:
            place(name, index, _with_scratch(graph, node) or _needed(graph, name, align))
    return Plan(roots, offsets, rooms, totals[FLOAT], totals[INT])


def scratch_at(graph: Graph, value: str) -> int:
    """Where the scratch of the operation that makes a value begins: behind the value, at a multiple of ``ALIGN``."""
    return -(-elements(graph, value) // ALIGN) * ALIGN


def _needed(graph: Graph, value: str, align: int) -> int:
    """Elements of a value, and those that a vector at the last position of its last axis has beyond it."""
    *_, last = (1, *row_shape(graph, value))
    return elements(graph, value) + -last % align


def _with_scratch(graph: Graph, node: Node[Op]) -> int:
    """Elements of a result and of the scratch behind it; 0 for an operation without scratch."""
    scratch = node.op.scratch(*(row_shape(graph, v) for v in (node.output, *node.inputs)))
    return scratch and scratch_at(graph, node.output) + scratch


def _overwritable(
    graph: Graph, index: int, roots: Mapping[str, str], dies: Mapping[str, int], offsets: Mapping[str, int]
) -> str | None:
    node = graph.nodes[index]
    if not node.op.in_place:
        return None
    for operand in node.inputs:
        root = roots.get(operand)
        same = graph.types[operand] == graph.types[node.output]
        if (
            root is not None
            and root in offsets
            and same
            and dies.get(root) == index
            and _alone(node.inputs, operand, roots)
        ):
            return root
    return None


def _alone(operands: Sequence[str], chosen: str, roots: Mapping[str, str]) -> bool:
    # A broadcast operand that shares memory with the chosen one would be read after it is overwritten.
    return all(o == chosen or roots.get(o) != roots[chosen] for o in operands)


@dataclass(frozen=True)
class Packed:
    """One constant in the weights buffer: where, and in what arrangement.

    ``widths`` is empty for row-major order. For a matrix it lists the widths of the panels of columns, which
    lie one after the other, each row-major and padded with zeros to its width; for a vector, its padding.
    """

    name: str
    offset: int
    widths: tuple[int, ...] = ()


@dataclass
class Weights:
    """The arrangement of all constants in one buffer; collected while code is emitted."""

    graph: Graph
    parts: dict[tuple[str, tuple[int, ...]], Packed] = field(default_factory=dict)
    size: int = 0

    def at(self, name: str, widths: tuple[int, ...] = ()) -> int:
        """Offset of a constant in this arrangement."""
        key = (name, widths)
        if key not in self.parts:
            shape = self.graph.constants[name].shape
            count = prod(shape[:-1]) * sum(widths) if widths else prod(shape)
            self.parts[key] = Packed(name, self.size, widths)
            self.size += -(-max(count, 1) // ALIGN) * ALIGN
        return self.parts[key].offset


def pack(layout: Sequence[Packed], size: int, constants: Mapping[str, Array]) -> Array:
    """The weights buffer: every constant rounded once to float32 (ints kept as their bits), 64-byte aligned."""
    raw = np.zeros(size + ALIGN, np.float32)
    start = (-raw.ctypes.data // 4) % ALIGN
    buffer = raw[start : start + size]
    for part in layout:
        array = constants[part.name]
        if array.dtype.kind in "iub":
            array = array.astype(np.int32).view(np.float32)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, np.float32)
        if not part.widths:
            buffer[part.offset : part.offset + array.size] = array.ravel()
            continue
        matrix = array.reshape(-1, array.shape[-1])
        offset, column = part.offset, 0
        for width in part.widths:
            panel = buffer[offset : offset + len(matrix) * width].reshape(len(matrix), width)
            columns = matrix[:, column : column + width]
            panel[:, : columns.shape[1]] = columns
            offset, column = offset + panel.size, column + width
    return buffer
