"""The sections of a page, one per layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from foldnet.insight.explain.describe import weights_words
from foldnet.insight.explain.explanation import Block
from foldnet.insight.explain.formulas import formula_of, shape_text
from foldnet.insight.explain.normalization import weight_blocks
from foldnet.insight.explain.own_settings import settings_words
from foldnet.insight.explain.page.histograms import histograms_html, training_values
from foldnet.insight.explain.page.markup import Html, block_html, joined, steps_html, tag
from foldnet.insight.explain.page.numbers import Numbers, numbers_of
from foldnet.insight.explain.page.tensor import tensor_html, views_of
from foldnet.insight.explain.sharing import is_normalization
from foldnet.insight.explain.source import Source
from foldnet.insight.sites import Site
from foldnet.layers.normalization import BatchNormalization


@dataclass(frozen=True)
class LayerPage:
    """One layer call.

    Attributes:
        name: unique in the page; not taken from the file.
        path: of the call.
        kind: class of the layer.
        input_shape: as text.
        output_shape: as text.
        body: the visible content.
        data: for the page's script.
    """

    name: str
    path: str
    kind: str
    input_shape: str
    output_shape: str
    body: Html
    data: dict[str, Any] = field(default_factory=dict)


def layer_pages(source: Source) -> list[LayerPage]:
    """Every chosen layer call, in computing order."""
    training, why = training_values(source) if source.inputs else ({}, "")
    pages = []
    for i, site in enumerate(source.chosen):
        name = f"layer-{i}"
        data: dict[str, Any] = {}
        said: list[Block] = [formula_of(site.layer, site.input_shapes), *settings_words(site.layer)]
        parts = [block_html(block) for block in said]
        if is_normalization(site.layer):
            near, masked = source.formats.get(site.path), site.path in source.masks
            views = views_of(site.layer, site.input_shapes[0], near, masked)
            data["views"] = {view.layout: view.data() for view in views}
            title = "Which values share a statistic?"
            parts += [tag("h3", title), tensor_html(site.layer, views, name)]
        parts += [block_html(block) for block in _weights(site)]
        if is_normalization(site.layer) and source.inputs:
            x, mask = source.values[site.operands[0]], source.masks.get(site.path)
            numbers = numbers_of(site.layer, x, source.row, source.channel, mask)
            if numbers is not None:
                data["numbers"] = numbers.data()
                parts.append(_numbers_html(numbers, name))
        if source.inputs:
            parts.append(histograms_html(training.get(site.path), source.values[site.output], why))
        shapes = " and ".join(shape_text(s) for s in site.input_shapes)
        pages.append(
            LayerPage(name, site.path, site.kind, shapes, shape_text(site.shape), joined(parts), data)
        )
    return pages


def _weights(site: Site) -> list[Block]:
    if isinstance(site.layer, BatchNormalization):
        return weight_blocks(site.layer)
    return [weights_words(site.layer)] if site.layer.specs else []


def _numbers_html(numbers: Numbers, name: str) -> Html:
    rows = [tag("option", str(r), value=i, selected=i == numbers.row) for i, r in enumerate(numbers.rows)]
    channels = [
        tag("option", label, value=i, selected=i == numbers.channel) for i, label in enumerate(numbers.labels)
    ]
    trails = []
    for trail in numbers.trails:
        steps = numbers.steps(trail, numbers.row, numbers.channel)
        trails.append(tag("div", tag("p", steps.title), steps_html(steps), class_="trail"))
    return tag(
        "div",
        tag("h3", "Step by step"),
        tag(
            "div",
            tag("label", "row ", tag("select", *rows, class_="row")),
            tag("label", "channel ", tag("select", *channels, class_="channel")),
            class_="controls",
        ),
        tag("div", *trails, class_="columns" if len(trails) > 1 else None, aria_live="polite"),
        tag("p", numbers.note, class_="note") if numbers.note else None,
        class_="numbers", data_name=name,
    )  # fmt: skip
