"""The C of a library: a translation unit for each level of a processor, and one that chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.codegen.headers import header
from foldnet.codegen.layout import Packed, Weights, pack
from foldnet.engines.native.prediction.source import LONGEST, Source, emit, run_time_sizes
from foldnet.export.c_texts import fill
from foldnet.export.library.network import Network
from foldnet.export.library.targets import Target
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op

HEAD = """\
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define API __declspec(dllexport)
#else
#define API __attribute__((visibility("default")))
#endif
#define NAME(x) @name@_##x
#define DATA ((const char *)data)
@lengths@
/* The weights, as the bytes of little-endian numbers: compilers read texts much faster than tables. */
static const char data[] __attribute__((aligned(64))) =
@data@;

"""

OF_LEVEL = """\
/* @title@. All names but these two are of this file alone. */
#ifdef _WIN32
#define FOLDNET_EXPORT
#else
#define FOLDNET_EXPORT __attribute__((visibility("hidden")))
#endif
#define foldnet_run @name@_run_@level@
#define foldnet_sizes @name@_sizes_@level@
"""

_BYTES = [f"\\{value:03o}" for value in range(256)]


@dataclass(frozen=True)
class LibraryCode:
    """The C of a library.

    Attributes:
        levels: a translation unit for each, in the target's order.
        dispatch: the one that calls them, with the weights.
        faults: the nodes that can find fault with a row, by number.
    """

    levels: tuple[str, ...]
    dispatch: str
    faults: tuple[Node[Op], ...]


def library_code(network: Network, target: Target) -> LibraryCode:
    """The C of a network for a target.

    Raises:
        UnsupportedError: something that only the reference engine computes.
    """
    graph, name = network.graph, network.name
    sources = [emit(graph, simd=level.simd, threads=target.has_threads) for level in target.levels]
    data = Weights(graph)  # each constant once, in its own order
    for part in (part for source in sources for part in source.layout):
        data.at(part.name)
    places = {key: part.offset for (key, _), part in data.parts.items()}
    raw = pack(tuple(data.parts.values()), max(data.size, 1), graph.constants)
    tables = [
        _table(graph, source, level.name, places)
        for source, level in zip(sources, target.levels, strict=True)
    ]
    words = {
        "name": name,
        "data": literal_of(raw),
        "lengths": _lengths(network),
    }
    code = fill(HEAD, words) + fill(
        header(__file__, "dispatch.c"), {"tables": _declared(network, target, sources, tables)}
    )
    levels = tuple(
        fill(OF_LEVEL, {"title": f"Predictions, {level.name}", "name": name, "level": level.name})
        + source.code
        for level, source in zip(target.levels, sources, strict=True)
    )
    return LibraryCode(levels, code, sources[0].faults)


def literal_of(array: Array) -> str:
    """C of a text with the bytes of an array, little-endian.

    >>> print(literal_of(np.array([1.0], np.float32)))
    "\\000\\000\\200\\077"
    """
    raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    lines = (raw[k : k + 64] for k in range(0, len(raw), 64))
    return "\n".join('"' + "".join(_BYTES[byte] for byte in line) + '"' for line in lines)


def _lengths(network: Network) -> str:
    if not network.lengths:
        return ""
    count = 1 + max(number for _, _, number in network.lengths)
    sizes = len(run_time_sizes(network.graph))
    return f"#define LENGTHS {count}\n#define LONGEST {LONGEST}\n#define SIZES {sizes}\n"


def _table(graph: Graph, source: Source, level: str, places: dict[str, int]) -> list[str]:
    """C of the parts of a level's weights."""
    parts = [row for part in source.layout for row in _copies(graph, part, places[part.name])]
    rows = [f"  {{{', '.join(map(str, row))}}}," for row in parts or [(0, 0, 0, 0, 0, 0)]]
    return [f"static const part_t parts_{level}[] = {{", *rows, "};"]


def _copies(graph: Graph, part: Packed, start: int) -> list[tuple[int, ...]]:
    """The copies that make a constant's arrangement from its own order; see ``layout.pack``."""
    array = graph.constants[part.name]
    if not part.widths:
        return [(start, part.offset, 1, 0, array.size, array.size)]
    columns = array.shape[-1]
    rows = array.size // columns
    found: list[tuple[int, ...]] = []
    offset, column = part.offset, 0
    for width in part.widths:
        count = min(width, columns - column)
        if count > 0:
            found.append((start + column, offset, rows, columns, count, width))
        offset, column = offset + rows * width, column + width
    return found


def _declared(
    network: Network, target: Target, sources: Sequence[Source], tables: Sequence[Sequence[str]]
) -> str:
    """C of what each level has."""
    name, lines, entries = network.name, [], []
    for level, source, table in zip(target.levels, sources, tables, strict=True):
        run, sizes = f"{name}_run_{level.name}", f"{name}_sizes_{level.name}"
        lines.append(
            f"int64_t {run}(const void *const *, void *const *, const float *, int64_t, int64_t, const int64_t *);"
        )
        if network.lengths:
            lines.append(f"int64_t {sizes}(const int64_t *, int64_t *);")
        lines += table
        functions = [run, *([sizes] if network.lengths else [])]
        count = max(len(table) - 2, 0)
        entries.append(
            f'  {{"{level.name}", {", ".join(functions)}, parts_{level.name}, {count}, {source.floats}}},'
        )
    return "\n".join([*lines, "", "static const level_t levels[] = {", *entries, "};"])
