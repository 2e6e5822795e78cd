"""What the files of a C export say and check about texts: the functions that give their codes."""

from __future__ import annotations

from collections.abc import Mapping

from foldnet.codegen.names import Namespace, identifier
from foldnet.codegen.text_codes import declaration
from foldnet.export.c_self_test import literal
from foldnet.graph.graph import Graph
from foldnet.graph.sample_texts import sample_texts
from foldnet.graph.texts import Texts

RECORDED_KNOWN, RECORDED_OTHERS = 12, 28
"""How many texts the self-test has, at most, for each input."""
LONGEST_RECORDED = 1000
"""In bytes: C99 promises string literals of up to 4095."""


def coder_names(graph: Graph, name: str) -> dict[str, str]:
    """For each input of texts the name of the function that gives their codes.

    Args:
        graph: of the network.
        name: prefix of every C name.
    """
    names = Namespace(())
    return {
        value: names.fresh(f"{name}_code_{identifier(value)}")
        for value in graph.inputs
        if value in graph.texts
    }


def text_words(
    graph: Graph, name: str, ports: Mapping[str, str], coders: Mapping[str, str]
) -> dict[str, str]:
    """The texts about codes for ``c_texts``; empty ones for a network that takes numbers.

    Args:
        graph: of the network.
        name: prefix of every C name.
        ports: the name of each input's parameter.
        coders: the name of each function from a text to its code.
    """
    words = {
        "declared_codes": "",
        "codes_note": "",
        "codes_words": "",
        "recorded_codes": "",
        "self_test_codes": "",
    }
    if not coders:
        return words
    tables = {value: graph.texts[value] for value in coders}
    return {
        "declared_codes": "".join(_declared(tables[v], ports[v], f, name.upper()) for v, f in coders.items()),
        "codes_note": f"\n   Texts are whole numbers there, their codes by {' and '.join(coders.values())}.",
        "codes_words": _readme(tables, ports, coders),
        "recorded_codes": "\n".join([_RECORD, *(_recorded(tables[v], f) for v, f in coders.items())]),
        "self_test_codes": "".join(_CHECK.replace("CODER", f) for f in coders.values()),
    }


def _declared(table: Texts, port: str, function: str, macro: str) -> str:
    known, others = len(table.known), "-1" if table.bins == 1 else f"{-table.bins} to -1"
    words = "is 1 known text" if known == 1 else f"are {known:,} known texts"
    return f"""\
/* The number that `{port}` takes for a text. The text is `length` bytes of UTF-8, of which any may be NUL. There
   {words}, with codes from 0; others have a code of {others}. */
{macro}_API {declaration(function)};

"""


_RECORD = """\
struct recorded_text {
  const char *text;
  size_t length;
  int32_t code;
};
"""

_CHECK = """\
  for (size_t i = 0; i < sizeof CODER_texts / sizeof *CODER_texts; i++) {
    const struct recorded_text *const known = CODER_texts + i;
    if (CODER(known->text, known->length) != known->code) {
      fprintf(stderr, "self-test: CODER gives text %lu another code\\n", (unsigned long)i);
      return EXIT_FAILURE;
    }
  }
"""


def _recorded(table: Texts, function: str) -> str:
    known = [text for text in table.known if _is_short(text)]
    others = [text for text in sample_texts(table) if _is_short(text) and text not in set(known)]
    lines = [
        f'  {{"{_literal(text)}", {len(text.encode())}, {literal(table.code(text), "int32_t")}}},'
        for text in (*_some(known, RECORDED_KNOWN), *_some(others, RECORDED_OTHERS))
    ]
    return "\n".join([f"static const struct recorded_text {function}_texts[] = {{", *lines, "};"])


def _is_short(text: str) -> bool:
    return len(text.encode()) <= LONGEST_RECORDED


def _some(texts: list[str], most: int) -> list[str]:
    """At most so many, evenly spread."""
    return texts[:: max(1, -(-len(texts) // most))]


def _literal(text: str) -> str:
    """The UTF-8 bytes of a text for a C string: all but letters, digits and blanks as three octal digits.

    >>> print(_literal("a?é"))
    a\\077\\303\\251
    """
    return "".join(
        chr(b) if b < 128 and (chr(b).isalnum() or b == 32) else f"\\{b:03o}" for b in text.encode()
    )


def _readme(tables: Mapping[str, Texts], ports: Mapping[str, str], coders: Mapping[str, str]) -> str:
    value, function = next(iter(coders.items()))
    simple = (text for text in tables[value].known if text.isascii() and text.isalnum() and len(text) <= 40)
    example = next(simple, "some text")
    size = sum(len(text.encode()) + 4 for table in tables.values() for text in table.known)
    listed = "\n".join(f"- `{f}` for `{ports[v]}`" for v, f in coders.items())
    return f"""
## Texts

A text is a whole number here, its code. A function gives the code of each text:

{listed}

```c
{ports[value]}[0] = {function}("{_literal(example)}", {len(example.encode())});
```

It takes the text as UTF-8 and the number of its bytes. A row of numbers for `./predict` has the codes. All known texts
take {size:,} bytes, on AVR in flash.
"""
