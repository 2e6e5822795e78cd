"""HTML from text: the only place where text becomes markup, so that all of it is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable

from foldnet.escaping import escaped_html
from foldnet.insight.explain.explanation import Block, Code, Formula, Program, Steps, Table, Words


class Html(str):
    """Markup that is not escaped; any other string is text and is escaped."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | int | float | bool | None) -> Html:
    """One element.

    Args:
        name: of the element.
        children: markup (``Html``) or text, which is escaped; None is left out.
        attributes: ``class_`` and ``for_`` lose their ``_``; other ``_`` become ``-``. True gives the name
            alone; False and None are left out.

    >>> tag("p", "1 < 2", class_="note")
    '<p class="note">1 &lt; 2</p>'
    """
    opened = name + "".join(
        _attribute(k, v) for k, v in attributes.items() if v is not None and v is not False
    )
    if name in _VOID:
        return Html(f"<{opened}>")
    return Html(f"<{opened}>{joined(children)}</{name}>")


def joined(parts: Iterable[str | None]) -> Html:
    """Markup and text in a row."""
    return Html("".join(p if isinstance(p, Html) else escaped_html(p) for p in parts if p is not None))


def data_script(name: str, data: object) -> Html:
    """Data that the page's script reads: JSON in which no character can end the script element."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{escaped_html(name)}">{text}</script>')


def block_html(block: Block) -> Html:
    """One block of an explanation; with classes only, so that the page defines the style."""
    if isinstance(block, Words):
        return tag("p", block.text)
    if isinstance(block, Formula):
        return both_columns(tag("code", block.training), tag("code", block.prediction))
    if isinstance(block, Code | Program):
        return joined([tag("p", block.title), tag("pre", "\n".join(block.lines))])
    if isinstance(block, Table):
        head = tag("tr", *(tag("th", cell, scope="col") for cell in block.header))
        rows = [
            tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
            for row in block.rows
        ]
        return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")
    return joined([tag("p", block.title), steps_html(block)])


def both_columns(training: Html, prediction: Html) -> Html:
    """Content for training and for prediction, side by side."""
    columns = (("In training", training), ("At prediction time", prediction))
    return tag(
        "div", *(tag("div", tag("h4", title), content) for title, content in columns), class_="columns"
    )


def steps_html(block: Steps) -> Html:
    """A calculation step by step."""
    steps = [tag("li", tag("span", what), " → ", tag("b", result)) for what, result in block.steps]
    return tag("ol", *steps, class_="steps")


_VOID = frozenset({"input", "meta", "br"})


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped_html(value)}"'
