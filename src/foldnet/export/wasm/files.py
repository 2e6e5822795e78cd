"""The files of an export as they are shipped: what a network does not need left out, and without comments."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from foldnet.codegen.headers import header
from foldnet.files.overwrite import MARK


def shipped(file: str, parts: Collection[str] = ()) -> str:
    """A file beside this module without indents and lines of comments, which are for its readers here.

    Lines from ``// if NAME`` to ``// end`` stay only if ``parts`` holds the name. The first line stays as it is.

    Args:
        file: of JavaScript, CSS or HTML.
        parts: names of the parts to keep.
    """
    kept: list[str] = []
    skipping = False
    for number, line in enumerate(header(__file__, file).splitlines()):
        text = line.strip()
        condition = re.fullmatch(r"// if (\w+)", text)
        if condition or text == "// end":
            skipping = condition is not None and condition[1] not in parts
        elif not skipping and text and (number == 0 or not text.startswith("//")):
            kept.append(text)
    return "\n".join(kept) + "\n"


def package_json(name: str) -> str:
    """What tells node and bundlers that the folder is an ES module with types."""
    return json.dumps(
        {
            "name": name.replace("_", "-").strip("-"),
            "version": "1.0.0",
            "description": f"A network in WebAssembly. {MARK}.",
            "type": "module",
            "exports": {".": {"types": f"./{name}.d.ts", "default": f"./{name}.js"}},
        },
        indent=1,
    )


def script_json(value: object) -> str:
    """JSON for JavaScript and for a script element of HTML: no ``<``, and no line separators of Unicode.

    >>> script_json({"a": "</script>"})
    '{"a":"\\\\u003c/script>"}'
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
