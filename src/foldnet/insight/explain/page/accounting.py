"""A network's parameters: in which layers they are, how many training changes, and why there are so many."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from foldnet.insight.explain.normalization import ROLES
from foldnet.insight.explain.page.markup import Html, joined, tag
from foldnet.layers.base import Layer
from foldnet.layers.normalization import BatchNormalization
from foldnet.network import Network
from foldnet.summary import counts, normalization_note


def accounting_html(network: Network) -> Html:
    """The table, its totals, and why a BatchNormalization has four vectors."""
    layers = dict.fromkeys(_layers(network))
    rows = [_row(layer) for layer in layers if layer.specs]
    trained, fixed = counts(network)
    head = tag("tr", *(tag("th", t, scope="col") for t in ("layer", "trained", "not trained", "counted as")))
    total = tag(
        "tr",
        tag("th", "all", scope="row"),
        _count(trained),
        _count(fixed),
        tag("td", f"{trained + fixed:,} parameters"),
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows), tag("tfoot", total))
    found = [layer for layer in layers if isinstance(layer, BatchNormalization)]
    note = tag("p", normalization_note(found[0], len(found) - 1)) if found else None
    return joined([tag("div", table, class_="wide"), note])


def _layers(network: Network) -> Iterator[Layer]:
    for layer in network.layers:
        if isinstance(layer, Network):
            yield from _layers(layer)
        else:
            yield layer


def _row(layer: Layer) -> Html:
    trained, fixed = counts(layer)
    return tag(
        "tr", tag("th", layer.name, scope="row"), _count(trained), _count(fixed), tag("td", _counted(layer))
    )


def _count(n: int) -> Html:
    return tag("td", f"{n:,}", class_="number")


def _counted(layer: Layer) -> str:
    """``kernel 11 × 10 + bias 10``; for a BatchNormalization, four (or fewer) times its channels."""
    if layer.normalizes_by == "batch":
        channels = prod(layer.specs[0].shape)
        names = ", ".join(s.name for s in layer.specs if s.name in ROLES)
        more = len(layer.specs) - sum(s.name in ROLES for s in layer.specs)
        return f"{len(layer.specs)} × {channels:,} channels: {names}" + f" and {more} of renorm" * bool(more)
    return " + ".join(f"{s.name} {' × '.join(f'{n:,}' for n in s.shape) or '1'}" for s in layer.specs)
