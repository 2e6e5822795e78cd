"""From a docstring to Markdown: sections become lists, examples become code."""

import inspect
import re
from collections.abc import Iterator

SECTIONS = {name: name for name in ("Attributes", "Returns", "Raises", "Example")} | {"Args": "Arguments"}
_ITEM = re.compile(r"(\*{0,2}[A-Za-z_][\w., *]*?): (.*)", re.DOTALL)
_LIST = re.compile(r"\s*(?:[-*]|\d+\.) ")


def markdown(docstring: str) -> str:
    """The Markdown of a docstring in Google's style."""
    parts = []
    for title, lines in _sections(inspect.cleandoc(docstring).splitlines()):
        if not title:
            parts.append(_prose(lines))
        elif title in ("Args", "Attributes", "Raises"):
            parts.append(f"**{SECTIONS[title]}**\n\n{_items(lines)}")
        else:
            text = inspect.cleandoc("\n".join(["", *lines]))
            parts.append(f"**{SECTIONS[title]}**\n\n{_prose(text.splitlines())}")
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    title, section = "", list[str]()
    for line in lines:
        if line.endswith(":") and line[:-1] in SECTIONS:
            yield title, section
            title, section = line[:-1], []
        elif title and line and not line.startswith(" "):  # prose after a section
            yield title, section
            title, section = "", [line]
        else:
            section.append(line)
    yield title, section


def _items(lines: list[str]) -> str:
    """A list of ``name: what it is``, where deeper lines continue an item."""
    items = list[list[str]]()
    for line in lines:
        if line.startswith("    ") and not line.startswith("     "):
            items.append([line.strip()])
        elif items and line.strip():
            items[-1].append(line.strip())
    return "\n".join(f"- {_item(' '.join(item))}" for item in items)


def _item(text: str) -> str:
    named = _ITEM.match(text)
    return f"`{named[1]}`: {named[2]}" if named else text


def _prose(lines: list[str]) -> str:
    """Paragraphs, with fences around examples and a free line before lists."""
    out = list[str]()
    example = False
    for line in lines:
        starts = line.lstrip().startswith(">>> ")
        if starts and not example:
            out += ["", "```pycon"]
            example = True
        elif example and not line.strip():
            out += ["```", ""]
            example = False
            continue
        elif not example and _LIST.match(line) and out and out[-1].strip() and not _LIST.match(out[-1]):
            out.append("")
        out.append(line)
    return "\n".join([*out, "```"] if example else out)
