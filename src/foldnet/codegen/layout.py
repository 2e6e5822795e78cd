"""Where constants lie: in one buffer of float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.codegen.loops import C_TYPES, CType
from foldnet.graph.graph import Graph

ALIGN = 16
"""Floats to which every constant is aligned: 64 bytes, a cache line."""


def row_shape(graph: Graph, value: str) -> tuple[int, ...]:
    """Shape of one row of a value; of the whole array for a constant."""
    shape = graph.types[value].shape
    kept = shape if value in graph.constants else shape[1:]
    return tuple(n for n in kept if n is not None)


def shape_of_row(graph: Graph, name: str) -> tuple[int, ...]:
    """Shape of a row of an input or output; an output that is a constant has rows, too."""
    return row_shape(graph, name)[int(name in graph.constants) :]


def ctype(graph: Graph, value: str) -> CType:
    """The type of a value's elements in C."""
    return C_TYPES[graph.types[value].dtype]


def elements(graph: Graph, value: str) -> int:
    """Number of elements in one row of a value."""
    return prod(row_shape(graph, value))


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

    def copied(self) -> Weights:
        """Another collection, which begins with these."""
        return replace(self, parts=dict(self.parts))

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
