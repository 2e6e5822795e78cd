"""The page of a network: what it is told, the names of its form's fields, and rows that it checks itself with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import InputError
from foldnet.export.c_self_test import allowed_difference
from foldnet.export.c_texts import fill
from foldnet.export.examples import example_rows, given_arrays, given_rows
from foldnet.export.wasm.files import script_json, shipped
from foldnet.export.wasm.source import Port, WasmSource
from foldnet.files.overwrite import MARK
from foldnet.graph.graph import Graph
from foldnet.graph.sample_texts import sample_texts

EXAMPLES = 2
LOOKED_AT = 16
"""So many rows are tried for numbers that a page can hold."""

MOST = 2000
"""Numbers of all examples together: rows with more are not recorded."""

FIELDS = 64
"""A row of so many values has a form with a field for each; longer ones are written as lists."""

Names = Sequence[str] | Mapping[str, Sequence[str]] | None


def page_html(
    graph: Graph, source: WasmSource, title: str, stem: str, x: object = None, feature_names: Names = None
) -> str:
    """The page.

    Args:
        graph: of the network.
        source: its inputs and outputs.
        title: for the reader.
        stem: of the ES module's file.
        x: rows to record; by default random ones.
        feature_names: of the numbers of a row, for several inputs by their names.

    Raises:
        InputError: ``x`` or ``feature_names`` do not fit the network, or no row of ``x`` is finite.
    """
    examples, allowed = _examples(graph, source, x)
    data = {
        "module": f"./{stem}.js",
        "columns": _columns(source.inputs, feature_names),
        "picture": _picture(source.inputs),
        "examples": examples,
        "allowed": allowed,
    }
    words = {"title": _text(title), "mark": MARK, "data": script_json(data)}
    return fill(shipped("index.html", page_parts(source)), words)


def page_parts(source: WasmSource) -> set[str]:
    """The parts of the page that a network needs, as they are called in its files."""
    shapes = [port.shape for port in source.inputs]
    sizes = [n for shape in shapes for n in shape if isinstance(n, int)]
    is_fixed = len(sizes) == sum(map(len, shapes))
    is_short = is_fixed and sum(prod(n for n in shape if isinstance(n, int)) for shape in shapes) <= FIELDS
    return {
        "fields" if is_short else "lists",
        *(["table"] if is_fixed else []),
        *(["picture"] if _picture(source.inputs) else []),
    }


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _columns(inputs: Sequence[Port], given: Names) -> list[list[str] | None]:
    """The caller's name for each number of a row of each input; None for an input without."""
    named: Mapping[str, Sequence[str]] = {}
    if given is not None:
        named = given if isinstance(given, Mapping) else {inputs[0].name: given}
        odd = sorted(set(named) - {port.name for port in inputs})
        if odd or (len(inputs) > 1 and not isinstance(given, Mapping)):
            raise InputError(
                f"feature_names must be names for one input, or a dict from {[p.name for p in inputs]} to names"
            )
    return [_names_of(port, named[port.name]) if port.name in named else None for port in inputs]


def _names_of(port: Port, given: Sequence[str]) -> list[str]:
    sizes = [n for n in port.shape if isinstance(n, int)]
    if len(sizes) < len(port.shape):
        raise InputError(f"input {port.name!r} has axes of any length, so its numbers have no names")
    names = [] if isinstance(given, str) else [str(name) for name in given]
    if len(names) != prod(sizes) or len(set(names)) != len(names):
        raise InputError(
            f"feature_names must be {prod(sizes)} different names for input {port.name!r}, got {given!r}"
        )
    return names


def _picture(inputs: Sequence[Port]) -> dict[str, object] | None:
    """How a picture is read, if rows of the only input have one or three channels."""
    if len(inputs) != 1 or inputs[0].kind == "text" or len(inputs[0].shape) != 3:
        return None
    first, *_, last = inputs[0].shape
    for order, channels in (("last", last), ("first", first)):
        if channels in (1, 3):
            return {"order": order, "channels": channels}
    return None


def _examples(graph: Graph, source: WasmSource, x: object) -> tuple[list[dict[str, object]], float]:
    """Rows with their predictions in double precision, and how far those of float32 may be from them."""
    arrays = None if x is None else given_arrays(graph, x)
    if source.free is not None:
        graph = source.free.recorded(arrays)
    rows = example_rows(graph, EXAMPLES) if arrays is None else given_rows(graph, arrays)
    rows = [array[:LOOKED_AT] for array in rows]
    truth = ReferenceProgram(graph, "float64").run(rows)
    finite = [k for k in range(len(rows[0])) if all(np.isfinite(array[k]).all() for array in (*rows, *truth))]
    if arrays is not None and not finite:
        raise InputError(
            f"none of the first {LOOKED_AT} rows of x has finite numbers and predictions; the page records such rows"
        )
    size = sum(array[0].size for array in (*rows, *truth))
    kept = finite[: min(EXAMPLES, MOST // max(size, 1))]
    rows, truth = [array[kept] for array in rows], [array[kept] for array in truth]
    rounded = ReferenceProgram(graph, "float32").run(rows)
    inputs = [_written(graph, name, array) for name, array in zip(graph.inputs, rows, strict=True)]
    examples: list[dict[str, object]] = [
        {
            "inputs": [row[k] for row in inputs],
            "shapes": [array.shape[1:] for array in rows],
            "outputs": [_numbers(array[k]) for array in truth],
        }
        for k in range(len(kept))
    ]
    return examples, allowed_difference(graph, truth, rounded)


def _written(graph: Graph, name: str, array: Array) -> Sequence[Sequence[float | str]]:
    """The numbers of each row of an input, or texts that have its codes."""
    rows = [_numbers(row) for row in array]
    if name not in graph.texts:
        return rows
    table = graph.texts[name]
    of_code = {table.code(text): text for text in reversed(sample_texts(table))}
    return [[of_code.get(int(code), "") for code in row] for row in rows]


def _numbers(array: Array) -> list[float]:
    """Numbers that read back to the same float32, and are as short as that allows."""
    if array.dtype.kind in "iu":
        return [int(v) for v in array.ravel()]
    return [float(str(v)) for v in array.astype(np.float32).ravel()]
