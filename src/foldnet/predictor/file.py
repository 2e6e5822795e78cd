"""The file of a predictor: a fixed head, a JSON header, and raw little-endian arrays.

Bytes 0-7 ``FOLDNET`` and the version 1; 8-15 length of the header; 16-23 length of the arrays; 24-27 CRC-32 of the
bytes after it; 28-31 zero. Then the header, padded with spaces to a multiple of 64 bytes, and the arrays, each at a
multiple of 64 bytes with zeros between. All numbers are little-endian. Nothing in a file is ever executed, and
everything is checked before it is used.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError, FoldnetError, UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.predictor.options import ENGINES, PRECISIONS, Options
from foldnet.predictor.program_json import graph_from_json, graph_to_json
from foldnet.structure import flatten, from_text, to_text

if TYPE_CHECKING:
    from foldnet.predictor.predictor import Predictor

MAGIC = b"FOLDNET\x01"
_HEAD = struct.Struct("<8sQQII")
_ALIGN = 64

T = TypeVar("T")
_DTYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8"}

Functions = Mapping[str, Callable[..., Any]]


def to_bytes(graph: Graph, options: Options) -> bytes:
    """An unfolded program and its options as the bytes of a file."""
    from foldnet import __version__

    arrays, places, offset = [], [], 0
    stored = {("constants", k): v for k, v in graph.constants.items()}
    stored |= {("spreads", k): v for k, v in graph.spreads.items()}
    for (kind, name), array in stored.items():
        if array.dtype.name not in _DTYPES:
            raise UnsupportedError(
                f"constant {name!r} has dtype {array.dtype}, which a predictor file cannot hold"
            )
        raw = np.ascontiguousarray(array, dtype=_DTYPES[array.dtype.name]).tobytes()
        places.append(
            {
                "kind": kind,
                "name": name,
                "dtype": array.dtype.name,
                "shape": list(array.shape),
                "offset": offset,
            }
        )
        padding = -len(raw) % _ALIGN
        arrays += [raw, bytes(padding)]
        offset += len(raw) + padding
    said: dict[str, Any] = {
        "engine": options.engine,
        "dtype": options.dtype,
        "fold": options.fold,
        "input_names": list(options.input_names),
        "output_names": None if options.output_names is None else list(options.output_names),
    }
    # Written only if they are nested, so that other files keep their bytes.
    for name, structure in (("inputs", options.input_structure), ("outputs", options.output_structure)):
        if structure is not None:
            said[name] = to_text(structure)
    header = {
        "foldnet": __version__,
        "options": said,
        "graph": graph_to_json(graph),
        "arrays": places,
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(_HEAD.size + len(text)) % _ALIGN)
    body = b"".join([text, *arrays])
    return _HEAD.pack(MAGIC, len(text), len(body) - len(text), zlib.crc32(body), 0) + body


def from_bytes(data: bytes | memoryview, functions: Functions) -> tuple[Graph, Options]:
    """The program and options from the bytes of a file.

    Raises:
        FileFormatError: the bytes are not what ``to_bytes`` writes.
    """
    try:
        return _from_bytes(memoryview(data), functions)
    except FoldnetError as error:
        if isinstance(error, FileFormatError | UnsupportedError):
            raise
        raise FileFormatError(f"the file's program breaks a rule: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"the file is not a predictor: {type(error).__name__}: {error}") from None


def _from_bytes(data: memoryview, functions: Functions) -> tuple[Graph, Options]:
    if len(data) < _HEAD.size or bytes(data[:7]) != MAGIC[:7]:
        raise FileFormatError("the file is not a foldnet predictor: it does not begin with FOLDNET")
    magic, header_size, arrays_size, checksum, zero = _HEAD.unpack(data[: _HEAD.size])
    if magic != MAGIC:
        raise FileFormatError(f"the file is of format {magic[7]}; this foldnet reads format {MAGIC[7]}")
    if _HEAD.size + header_size + arrays_size != len(data) or zero:
        raise FileFormatError(
            f"the file has {len(data)} bytes, but its header says {_HEAD.size + header_size + arrays_size}: "
            "it is cut off or damaged"
        )
    body = data[_HEAD.size :]
    if zlib.crc32(body) != checksum:
        raise FileFormatError("the file is damaged: its checksum does not match. Save the predictor again")
    header = json.loads(bytes(body[:header_size]), parse_constant=_no_constant)
    _keys(header, {"foldnet", "options", "graph", "arrays"}, "header")
    arrays = _arrays(header["arrays"], body[header_size:])
    graph = graph_from_json(header["graph"], arrays["constants"], arrays["spreads"], functions)
    return graph, _options(header["options"], graph)


def _arrays(places: object, data: memoryview) -> dict[str, dict[str, Array]]:
    """The arrays in order: each begins at the end of the one before, so that there are no gaps or overlaps."""
    arrays: dict[str, dict[str, Array]] = {"constants": {}, "spreads": {}}
    end = 0
    for place in _a(list, places, "arrays"):
        _keys(place, {"kind", "name", "dtype", "shape", "offset"}, "array")
        name, kind = _a(str, place["name"], "name"), _a(str, place["kind"], "kind")
        shape = tuple(_a(int, n, "size") for n in _a(list, place["shape"], "shape"))
        dtype = np.dtype(_DTYPES[_a(str, place["dtype"], "dtype")])
        count = 1
        for n in shape:
            count *= n
        if len(shape) > 16 or any(n < 0 for n in shape):
            raise FileFormatError(f"array {name!r} has shape {shape}")
        if place["offset"] != end or end + count * dtype.itemsize > len(data):
            raise FileFormatError(
                f"array {name!r} does not begin where the one before it ends, or ends after the end of the file"
            )
        if name in arrays[kind]:
            raise FileFormatError(f"array {name!r} occurs twice")
        array = (
            np.frombuffer(data, dtype, count, end).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
        )
        array.flags.writeable = False
        arrays[kind][name] = array
        end += count * dtype.itemsize
        padding = -end % _ALIGN
        if any(data[end : end + padding]):
            raise FileFormatError(f"there is data between array {name!r} and the next")
        end += padding
    if end != len(data):
        raise FileFormatError("there is data after the last array")
    return arrays


def _options(given: Mapping[str, Any], graph: Graph) -> Options:
    nested = {"inputs", "outputs"} & set(_a(dict, given, "options"))
    _keys(given, {"engine", "dtype", "fold", "input_names", "output_names", *nested}, "options")
    structures = [
        _structure(given.get(name), values)
        for name, values in (("inputs", graph.inputs), ("outputs", graph.outputs))
    ]
    names = tuple(_a(str, n, "input name") for n in _a(list, given["input_names"], "input_names"))
    results = given["output_names"]
    if results is not None:
        results = tuple(_a(str, n, "output name") for n in _a(list, results, "output_names"))
    options = Options(
        given["engine"], given["dtype"], _a(bool, given["fold"], "fold"), names, results, *structures
    )
    if (
        options.engine not in ENGINES
        or options.dtype not in PRECISIONS
        or len(names) != len(graph.inputs)
        or len(set(names)) != len(names)
        or (results is not None and (len(results) != len(graph.outputs) or len(set(results)) != len(results)))
    ):
        raise FileFormatError(f"the file's options contradict its program: {given}")
    return options


def _structure(text: object, values: Sequence[str]) -> Any:
    if text is None:
        return None
    structure = from_text(text)
    if flatten(structure) != list(range(len(values))):
        raise FileFormatError(
            "the file's inputs or outputs are nested in another way than its program has them"
        )
    return structure


def _keys(given: object, expected: set[str], what: str) -> None:
    if not isinstance(given, dict) or set(given) != expected:
        raise FileFormatError(f"the file's {what} must have the entries {sorted(expected)}")


def _a(kind: type[T], value: object, what: str) -> T:
    if type(value) is not kind:
        raise FileFormatError(f"the file's {what} must be {kind.__name__}, not {type(value).__name__}")
    return value


def _no_constant(name: str) -> float:
    raise FileFormatError(f"the file's header has the number {name}, which is not JSON")


def save(predictor: Predictor, path: str | os.PathLike[str]) -> None:
    """Write a predictor atomically."""
    from foldnet.disk.atomic import write_whole

    data = to_bytes(predictor.unfolded, predictor.options)
    write_whole(path, lambda part: part.write_bytes(data))


def is_frozen(file: str) -> bool:
    """Whether a file is a predictor that foldnet has saved, by its name or its first bytes."""
    if file.endswith(".foldnet"):
        return True
    if not os.path.isfile(file):  # noqa: PTH113 - on the way to a first prediction, without pathlib
        return False
    with open(file, "rb") as opened:  # noqa: PTH123
        return opened.read(7) == MAGIC[:7]


def load(path: str | os.PathLike[str], functions: Functions) -> tuple[Graph, Options]:
    """The program and options from a file; errors about its content name the file."""
    from foldnet.disk.opening import read_file

    try:
        return from_bytes(read_file(path), functions)
    except (FileFormatError, UnsupportedError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None
