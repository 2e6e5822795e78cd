"""A network in the browser: a module of WebAssembly, an ES module around it, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foldnet.codegen.names import identifier, plain
from foldnet.export.c_texts import fill
from foldnet.export.files import write_files
from foldnet.export.shapes import InputShapes, sized
from foldnet.export.wasm.compile import PURPOSE, compile_wasm
from foldnet.export.wasm.files import package_json, script_json, shipped
from foldnet.export.wasm.page import page_html, page_parts
from foldnet.export.wasm.source import Port, wasm_source
from foldnet.export.wasm.types import declarations
from foldnet.export.zig import find_zig
from foldnet.files.overwrite import MARK, refuse_foreign
from foldnet.graph.graph import Graph

if TYPE_CHECKING:
    from os import PathLike

    from foldnet.predictor import Predictor

_OF_PAGE = ("index.html", "page.css", "page.js", "table.js", "package.json")


def wasm_files(directory: str | PathLike[str], name: str | None = None) -> list[Path]:
    """The files that ``to_wasm`` writes.

    Args:
        directory: to write into.
        name: as for ``to_wasm``.
    """
    folder = Path(directory)
    stem = identifier(name if name is not None else _stem(folder), "network")
    stem = f"{stem}_" if stem in ("page", "table") else stem
    of_network = (f"{stem}.js", f"{stem}.d.ts", f"{stem}.wasm", f"{stem}.simd.wasm")
    return [folder / file for file in (*of_network, *_OF_PAGE)]


def to_wasm(
    source: Graph | Predictor,
    directory: str | PathLike[str],
    *,
    name: str | None = None,
    x: object = None,
    input_shapes: InputShapes = None,
    feature_names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a frozen network for browsers and node: WebAssembly, an ES module with types, and a page.

    The ES module needs no package, and ``index.html`` no program but a web server for files. Numbers are those of
    ``to_c`` compiled without fused multiply-add, bit for bit but for functions of the library of C.

    Args:
        source: a Predictor or a Graph.
        directory: to write into; created if missing. Other files in it are not changed.
        name: of the ES module, as in ``wine.js``; by default the directory's name without ``_web`` or ``_wasm``.
        x: rows for the page to offer as examples and to check itself with, as ``predict`` takes them (a list of
            arrays for several inputs); by default random ones.
        input_shapes: shape of a row of each input. Without it, free axes take any length.
        feature_names: for the page's form and its tables: the name of each number of a row; for several inputs by
            their names.
        overwrite: whether to overwrite files that no export wrote.

    Returns:
        The files written.

    Raises:
        CompileError: there is no zig (``pip install foldnet[compiler]``), or it failed.
        UnsupportedError: an activation is the caller's own function, or a size must be known.
        FileExistsError: the directory has a file with one of these names that no export wrote, and ``overwrite`` is
            False.
        InputError: ``x``, ``input_shapes`` or ``feature_names`` do not fit the network.

    Example::

        predict = foldnet.freeze("wine.keras")
        predict.to_wasm("web/", name="wine")
        # python -m http.server -d web, and open http://localhost:8000
    """
    files = wasm_files(directory, name)
    for path in files:
        refuse_foreign(path, overwrite=overwrite)
    find_zig(PURPOSE)
    folder, stem = Path(directory), files[0].stem
    graph = sized(source if isinstance(source, Graph) else source.graph, input_shapes)
    input_names, output_names = _names(source, graph)
    made = wasm_source(graph, input_names, output_names or _numbered(graph))
    title = plain(name if name is not None else _stem(folder))
    network = {
        "inputs": [_described(port) for port in made.inputs],
        "outputs": [_described(port) for port in made.outputs],
        "lengths": made.lengths,
        "faults": made.faults,
        "named": output_names is not None,
    }
    parts = {
        *page_parts(made),
        *(["lengths"] if made.lengths else []),
        *(["texts"] if any(port.kind == "text" for port in made.inputs) else []),
    }
    words = {"title": title, "mark": MARK, "file": stem, "network": script_json(network)}
    texts: list[str | bytes] = [
        fill(shipped("runtime.js", parts), words),
        declarations(made, title, output_names is not None),
        compile_wasm(made.code, simd=False),
        compile_wasm(made.code, simd=True),
        page_html(graph, made, title, stem, x, feature_names),
        *(fill(shipped(file, parts), words) for file in _OF_PAGE[1:-1]),
        package_json(stem),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    contents = (text if isinstance(text, bytes) else text.encode() for text in texts)
    write_files(dict(zip(files, contents, strict=True)), overwrite=overwrite)
    return files


def _stem(folder: Path) -> str:
    return folder.resolve().name.removesuffix("_wasm").removesuffix("_web")


def _names(source: Graph | Predictor, graph: Graph) -> tuple[Sequence[str], Sequence[str] | None]:
    """What the caller calls the inputs; and the results, if they are a dict."""
    if isinstance(source, Graph):
        return graph.inputs, None
    return source.options.input_names, source.options.output_names


def _numbered(graph: Graph) -> list[str]:
    count = len(graph.outputs)
    return ["prediction"] if count == 1 else [f"prediction_{i + 1}" for i in range(count)]


def _described(port: Port) -> dict[str, object]:
    found: dict[str, object] = {"name": port.name, "kind": port.kind, "shape": port.shape}
    return found | {"coder": port.coder} if port.coder else found
