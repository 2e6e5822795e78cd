"""The types of a module's function, as TypeScript reads them."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.export.c_texts import fill
from foldnet.export.wasm.files import script_json, shipped
from foldnet.export.wasm.source import Port, WasmSource
from foldnet.files.overwrite import MARK


def declarations(source: WasmSource, title: str, is_named: bool) -> str:
    """The ``.d.ts`` of a network.

    Args:
        source: its inputs and outputs.
        title: its name for the reader.
        is_named: whether the results are an object by name.
    """
    results, flat = [_nested(port) for port in source.outputs], ["Flat"] * len(source.outputs)
    given = [_nested(port) for port in source.inputs]
    either = [
        f"{nested} | Flat" if port.kind != "text" else nested
        for port, nested in zip(source.inputs, given, strict=True)
    ]
    several = len(given) > 1
    words = {
        "title": title,
        "rows": _object(source.inputs, given) + f" | {_list(given) if several else given[0]}",
        "mixed": _object(source.inputs, either) + f" | {_list(either) if several else 'Flat'}",
        "result": _object(source.outputs, results) if is_named else _list(results),
        "flat_result": _object(source.outputs, flat) if is_named else _list(flat),
        "alone": ""
        if several or source.inputs[0].kind == "text"
        else "\n(x: Numbers, rows?: number): FlatResult;",
    }
    return fill(shipped("types.d.ts"), words | {"mark": MARK})


def _nested(port: Port) -> str:
    base = "string" if port.kind == "text" else "number"
    return base + "[]" * (1 + len(port.shape))


def _list(types: Sequence[str]) -> str:
    return types[0] if len(types) == 1 else f"[{', '.join(types)}]"


def _object(ports: Sequence[Port], types: Sequence[str]) -> str:
    members = (f"{script_json(p.name)}: {t}" for p, t in zip(ports, types, strict=True))
    return f"{{ {'; '.join(members)} }}"
