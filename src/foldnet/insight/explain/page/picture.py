"""The network as a picture: a box per layer, from top to bottom, with an arrow for each value passed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from foldnet.insight.explain.formulas import shape_text
from foldnet.insight.explain.page.markup import Html, tag
from foldnet.insight.sites import Site

WIDTH, HEIGHT = 200, 44
ACROSS, DOWN = 24, 30
NARROW = 16
"""The width reserved for an arrow that passes a rank of layers."""


@dataclass
class _Item:
    """A layer, or an arrow on its way past a rank of layers."""

    site: int | None
    x: float = 0.0

    @property
    def width(self) -> int:
        return NARROW if self.site is None else WIDTH


def network_svg(sites: Sequence[Site], link: Callable[[int], str] | None = None) -> Html:
    """The picture.

    Args:
        sites: of ``sites_of(network)`` without a graph, in computing order.
        link: from the index of a site to the link target of its box; None for no links.
    """
    arrows = _arrows(sites)
    depth = _depths(len(sites), arrows)
    ranks, paths = _ranks(depth, arrows)
    _order(ranks, paths)
    width = _place(ranks)
    height = len(ranks) * HEIGHT + (len(ranks) - 1) * DOWN
    boxes = {item.site: item for rank in ranks for item in rank if item.site is not None}
    drawn = [_curve(path, depth[source]) for (source, _), path in paths.items()]
    for i, site in enumerate(sites):
        box = _box(site, boxes[i].x, depth[i] * (HEIGHT + DOWN))
        drawn.append(tag("a", box, href=link(i)) if link else box)
    label = f"The network: {len(sites)} layers, joined by {len(arrows)} arrows"
    return tag(
        "svg", *drawn, viewBox=f"0 0 {width:g} {height + 2}", width=f"{width:g}", height=height + 2,
        role="group" if link else "img", aria_label=label, class_="network",
    )  # fmt: skip


def is_wide(sites: Sequence[Site]) -> bool:
    """Whether the picture has parallel branches, and so needs more than a page column."""
    ranks, paths = _ranks(_depths(len(sites), _arrows(sites)), _arrows(sites))
    return bool(paths) and _place(ranks) > 1.5 * WIDTH


def _arrows(sites: Sequence[Site]) -> list[tuple[int, int]]:
    made = {site.output: i for i, site in enumerate(sites)}
    pairs = [(made[v], i) for i, site in enumerate(sites) for v in site.operands if v in made]
    return list(dict.fromkeys(pairs))


def _depths(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The length of the longest path from the inputs to each site; inputs are placed directly above their first use."""
    depth = [0] * count
    for source, target in sorted(arrows, key=lambda arrow: arrow[1]):
        depth[target] = max(depth[target], depth[source] + 1)
    fed = {target for _, target in arrows}
    for i in range(count):
        below = [depth[target] for source, target in arrows if source == i]
        if i not in fed and below:
            depth[i] = min(below) - 1
    return depth


def _ranks(
    depth: Sequence[int], arrows: Sequence[tuple[int, int]]
) -> tuple[list[list[_Item]], dict[tuple[int, int], list[_Item]]]:
    """The items of each rank, and the items on each arrow's path, including its ends."""
    ranks: list[list[_Item]] = [[] for _ in range(max(depth, default=0) + 1)]
    items = [_Item(i) for i in range(len(depth))]
    for item, rank in zip(items, depth, strict=True):
        ranks[rank].append(item)
    paths = {}
    for source, target in arrows:
        passing = [_Item(None) for _ in range(depth[source] + 1, depth[target])]
        for offset, item in enumerate(passing, start=depth[source] + 1):
            ranks[offset].append(item)
        paths[source, target] = [items[source], *passing, items[target]]
    return ranks, paths


def _order(ranks: list[list[_Item]], paths: dict[tuple[int, int], list[_Item]]) -> None:
    """Order each rank by the positions of its neighbours, down and up several times, so that fewer arrows cross."""
    above: dict[int, list[_Item]] = {}
    below: dict[int, list[_Item]] = {}
    for path in paths.values():
        for upper, lower in pairwise(path):
            above.setdefault(id(lower), []).append(upper)
            below.setdefault(id(upper), []).append(lower)
    for sweep in range(4):
        neighbours = above if sweep % 2 == 0 else below
        place = {id(item): i for rank in ranks for i, item in enumerate(rank)}
        for rank in ranks if sweep % 2 == 0 else reversed(ranks):
            means = {}
            for item in rank:
                near = neighbours.get(id(item), [item])
                means[id(item)] = sum(place[id(n)] for n in near) / len(near)
            rank.sort(key=lambda item, means=means: means[id(item)])  # type: ignore[misc]
            place |= {id(item): i for i, item in enumerate(rank)}


def _place(ranks: list[list[_Item]]) -> float:
    """Set every item's horizontal centre; return the total width."""
    widths = [sum(item.width for item in rank) + ACROSS * (len(rank) - 1) for rank in ranks]
    whole = max(widths, default=0) + 2
    for rank, width in zip(ranks, widths, strict=True):
        x = (whole - width) / 2
        for item in rank:
            item.x = x + item.width / 2
            x += item.width + ACROSS
    return whole


def _curve(path: Sequence[_Item], first: int) -> Html:
    points = [f"M{path[0].x:g} {first * (HEIGHT + DOWN) + HEIGHT + 1}"]
    for step, (a, b) in enumerate(pairwise(path), start=first):
        top = step * (HEIGHT + DOWN) + HEIGHT + 1
        bottom = top + DOWN
        points.append(f"C{a.x:g} {top + DOWN / 2:g} {b.x:g} {bottom - DOWN / 2:g} {b.x:g} {bottom}")
        if step + 2 < first + len(path):
            points.append(f"V{bottom + HEIGHT}")
    end_x, end_y = path[-1].x, (first + len(path) - 1) * (HEIGHT + DOWN) + 1
    head = f"M{end_x - 4:g} {end_y - 6}L{end_x:g} {end_y}L{end_x + 4:g} {end_y - 6}"
    return tag("path", d=" ".join(points) + head, fill="none", stroke="currentColor", class_="arrow")


def _box(site: Site, x: float, y: float) -> Html:
    kind, shape = site.kind, shape_text(site.shape)
    lines = [
        tag("title", f"{site.path}: {kind} {shape}"),
        tag(
            "rect", x=f"{x - WIDTH / 2:g}", y=y + 1, width=WIDTH, height=HEIGHT, rx=6,
            fill="none", stroke="currentColor", class_=f"box {_family(kind)}",
        ),
        tag("text", _short(site.path, 22), x=f"{x:g}", y=y + 18, class_="name", **_TEXT),
        tag("text", _short(f"{_brief(kind)} {shape}", 32), x=f"{x:g}", y=y + 35, class_="kind", **_SMALL),
    ]  # fmt: skip
    return tag("g", *lines)


_TEXT: dict[str, Any] = {"text_anchor": "middle", "font_size": 13, "font_weight": 600, "fill": "currentColor"}
_SMALL: dict[str, Any] = {"text_anchor": "middle", "font_size": 11, "fill": "currentColor"}


def _brief(kind: str) -> str:
    return kind if kind == "Normalization" else kind.replace("Normalization", "Norm")


def _family(kind: str) -> str:
    for family in ("Normalization", "Dropout", "Noise", "Input"):
        if family in kind:
            return "drop" if family in ("Dropout", "Noise") else family.lower()
    return "other"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
