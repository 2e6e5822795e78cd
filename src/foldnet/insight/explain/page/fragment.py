"""An explanation in a notebook: a fragment that styles only itself and needs no script."""

from __future__ import annotations

from collections.abc import Mapping

from foldnet.insight.explain.explanation import ENDING, Block, Explanation, Formula, Section
from foldnet.insight.explain.page.markup import Html, block_html, joined, tag
from foldnet.insight.explain.page.picture import network_svg
from foldnet.insight.explain.page.tensor import key_of, view_svg, views_of
from foldnet.insight.explain.sharing import axes_of, is_normalization
from foldnet.insight.sites import Site, sites_of
from foldnet.literals import DataFormat

_CODE = "font-family:monospace"


def fragment_html(explanation: Explanation) -> str:
    """The network as a picture, if known, and a section per layer; the first normalization's is open."""
    full = max(explanation.sections, key=lambda s: len(s.blocks), default=None)
    parts = [tag("p", tag("b", explanation.title))]
    if explanation.source is not None and len(explanation.sections) > 1:
        picture = network_svg(sites_of(explanation.source.network))
        frame = "max-height:24em;overflow:auto;text-align:left"
        parts.append(tag("details", tag("summary", "The network"), tag("div", picture, style=frame)))
    chosen = (
        explanation.source.chosen if explanation.source is not None else (None,) * len(explanation.sections)
    )
    formats = {} if explanation.source is None else explanation.source.formats
    parts += [
        _section(s, site, formats, is_open=s is full)
        for s, site in zip(explanation.sections, chosen, strict=True)
    ]
    if explanation.ending:
        body = tag("div", *(_block(b) for b in explanation.ending), style="padding:0 0 .5em 1.2em")
        summary = tag("summary", tag("b", ENDING), style="cursor:pointer")
        parts.append(tag("details", summary, body))
    return tag("div", *parts, style="max-width:62em")


def _section(section: Section, site: Site | None, formats: Mapping[str, DataFormat], is_open: bool) -> Html:
    shapes = (
        f"{section.input_shape} → {section.output_shape}" if section.input_shape else section.output_shape
    )
    summary = tag(
        "summary",
        tag("b", section.name),
        f" · {section.kind} ",
        tag("span", shapes, style=_CODE),
        style="cursor:pointer",
    )
    body = tag(
        "div",
        *(_block(b) for b in section.blocks),
        _tensor(site, formats) if is_open else None,
        style="padding:0 0 .5em 1.2em",
    )
    return tag("details", summary, body, open=is_open)


def _tensor(site: Site | None, formats: Mapping[str, DataFormat]) -> Html | None:
    """Which values of a normalization's input share a statistic."""
    if site is None or not is_normalization(site.layer):
        return None
    view = views_of(site.layer, site.input_shapes[0], formats.get(site.path))[0]
    choice = view.choices[key_of(axes_of(site.layer, len(view.shape)))]
    said = tag("p", "Values of the same number and colour share a statistic:")
    return joined([said, view_svg(view, choice, styled=False)])


def _block(block: Block) -> Html:
    if not isinstance(block, Formula):
        return block_html(block)
    cell = "text-align:left;vertical-align:top"
    rows = (("In training", block.training), ("At prediction time", block.prediction))
    lines = [
        tag("tr", tag("th", title, scope="row", style=cell), tag("td", tag("code", text), style=cell))
        for title, text in rows
    ]
    return joined([tag("table", tag("tbody", *lines))])
