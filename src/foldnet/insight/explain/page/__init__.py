"""An explanation as one self-contained page: it loads nothing, so it can be sent by mail and kept.

Python computes everything on the page; ``page.js`` only switches between views and shows calculations.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from foldnet.errors import InputError
from foldnet.files.overwrite import MARK
from foldnet.insight.explain.explanation import ENDING, Explanation
from foldnet.insight.explain.page.accounting import accounting_html
from foldnet.insight.explain.page.markup import Html, block_html, data_script, joined, tag
from foldnet.insight.explain.page.picture import is_wide, network_svg
from foldnet.insight.explain.page.sections import LayerPage, layer_pages
from foldnet.insight.explain.source import Source
from foldnet.insight.sites import sites_of

HERE = Path(__file__).parent


def source_of(explanation: Explanation) -> Source:
    """The network and data that the explanation was made from.

    Raises:
        InputError: it was not made by ``explain``, so there is nothing to draw.
    """
    if explanation.source is None:
        raise InputError("only an Explanation that foldnet.explain made can be drawn: it knows its network")
    return explanation.source


def page_html(explanation: Explanation) -> str:
    """The whole page.

    Raises:
        InputError: the explanation was not made by ``explain``.
    """
    source = source_of(explanation)
    layers = layer_pages(source)
    places = {page.path: page.name for page in layers}
    sites = sites_of(source.network)
    picture = network_svg(sites, lambda i: f"#{places.get(source.sites[i].path, 'layers')}")
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    body = [
        tag("a", "Skip to the layers", href="#layers", class_="skip"),
        tag(
            "header",
            tag("h1", explanation.title),
            tag("button", "Light or dark", type="button", id="theme", aria_pressed="false"),
        ),
        tag(
            "div",
            tag(
                "nav",
                tag("h2", "The network"),
                tag("div", picture, class_="picture"),
                aria_label="The network",
            ),
            tag(
                "main",
                _intro(source),
                *(_section(p) for p in layers),
                _parameters(source),
                _ending(explanation),
                id="layers",
                tabindex=-1,
            ),
            class_="halves stacked" if is_wide(sites) else "halves",
        ),
        tag("footer", f"{MARK}. This page loads nothing: it can be kept and read anywhere."),
        data_script("data", _data(layers)),
        # Browsers do not decode entities inside script and style elements, so these must not be escaped.
        Html(f"<script>{script}</script>"),
    ]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=MARK),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", explanation.title),
        Html(f"<style>{style}</style>"),
    ]
    return "<!DOCTYPE html>\n" + tag("html", tag("head", *head), tag("body", *body), lang="en") + "\n"


def _policy(script: str) -> str:
    """Forbid all loading and all scripts except the page's own, even if a name in the network contains one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _data(layers: list[LayerPage]) -> dict[str, Any]:
    return {page.name: page.data for page in layers if page.data}


def _intro(source: Source) -> Html:
    if source.inputs:
        rows = len(source.inputs[0])
        return tag(
            "p",
            f"Numbers and histograms are of the {rows:,} rows that were given. In training mode they are one batch: "
            "its statistics normalize, and Dropout drops. At prediction time each row stands alone. The bars of a "
            "histogram are as high as the square root of their count, so that rare values are seen.",
            class_="note",
        )
    return tag("p", "No rows were given, so there are no histograms: pass data to see them.", class_="note")


def _section(page: LayerPage) -> Html:
    shapes = f"{page.input_shape} → {page.output_shape}" if page.input_shape else page.output_shape
    heading = tag("h2", tag("span", page.path), " ", tag("small", page.kind))
    return tag("section", heading, tag("p", shapes, class_="shapes"), page.body, id=page.name, tabindex=-1)


def _ending(explanation: Explanation) -> Html | None:
    """The code to copy: a click selects all of it, without a script."""
    if not explanation.ending:
        return None
    blocks = [block_html(block) for block in explanation.ending]
    return tag("section", tag("h2", ENDING), *blocks, id="prediction", class_="prediction")


def _parameters(source: Source) -> Html:
    return tag("section", joined([tag("h2", "Parameters"), accounting_html(source.network)]), id="parameters")
