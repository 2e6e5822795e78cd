"""A picture of a normalization's input: cells that share a statistic have the same colour and number.

Picture and text for every choice of ``axis`` are computed here; the page's script only switches between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import Any, Literal

from foldnet.errors import FoldnetError
from foldnet.insight.explain.explanation import Code, Words
from foldnet.insight.explain.formulas import shape_text
from foldnet.insight.explain.page.markup import Html, block_html, joined, tag
from foldnet.insight.explain.sharing import axes_of, axis_keeps, sharing, sharing_blocks, with_axis
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.literals import DataFormat

CELL, TALL, GAP = 26, 22, 10
DRAWN = {2: (4, 14), 3: (3, 4, 7), 4: (3, 3, 4, 4), 5: (2, 2, 3, 3, 3)}
"""By rank, the largest number of positions drawn for each axis."""

NAMES = {
    2: ("features",),
    3: ("steps", "channels"),
    4: ("height", "width", "channels"),
    5: ("depth", "height", "width", "channels"),
}
"""Axes after the batch, channels last."""


@dataclass(frozen=True)
class AxisChoice:
    """What one choice of ``axis`` means.

    Attributes:
        axis: the setting as it is written.
        groups: for each drawn cell, in row-major order, the number of its statistic; empty for a choice that
            the layer does not take.
        text: the sentences, in order.
    """

    axis: str
    groups: tuple[int, ...]
    text: tuple[Words | Code, ...]


@dataclass(frozen=True)
class View:
    """The picture of one layer's input in one layout.

    Attributes:
        layout: ``channels_last``, ``channels_first``, or empty if there is only one.
        shape: of the input, batch axis first.
        names: of its axes.
        drawn: how many positions of each axis are in the picture.
        choices: by the axes chosen, such as ``"1,3"``.
    """

    layout: DataFormat | Literal[""]
    shape: Shape
    names: tuple[str, ...]
    drawn: tuple[int, ...]
    choices: dict[str, AxisChoice]

    def data(self) -> dict[str, Any]:
        """Plain data for the page's script."""
        choices = {
            key: {
                "axis": c.axis,
                "groups": c.groups,
                "text": [b.text if isinstance(b, Words) else [b.title, "\n".join(b.lines)] for b in c.text],
            }
            for key, c in self.choices.items()
        }
        return {
            "shape": shape_text(self.shape),
            "axes": axis_labels(self),
            "drawn": self.drawn,
            "choices": choices,
        }


def views_of(layer: Layer, shape: Shape, said: DataFormat | None = None, masked: bool = False) -> list[View]:
    """The picture of a built normalization's input: in its own layout, then in the other one if there are two.

    Args:
        layer: built.
        shape: of its input, batch axis first.
        said: where the layers around it have their channels; if they do not say so, the layer's axis decides.
        masked: whether a mask comes with the input.
    """
    rank = len(shape)
    own = axes_of(layer, rank)
    if rank not in NAMES or rank == 2:
        names = NAMES.get(rank, tuple(f"axis {a}" for a in range(1, rank)))
        return [_view(layer, own, "", shape, names, False, masked)]
    first = own == (1,) if said is None else said == "channels_first"
    last_names = NAMES[rank]
    first_names = (last_names[-1], *last_names[:-1])
    last_shape = (shape[0], *shape[2:], shape[1]) if first else shape
    first_shape = shape if first else (shape[0], shape[-1], *shape[1:-1])
    views = [
        _view(layer, own, "channels_last", last_shape, last_names, said is not None, masked),
        _view(layer, own, "channels_first", first_shape, first_names, said is not None, masked),
    ]
    return views[::-1] if first else views


def key_of(axes: Sequence[int]) -> str:
    """The key of a choice of axes."""
    return ",".join(str(a) for a in sorted(axes))


def axis_labels(view: View) -> list[str]:
    """The axes after the batch as text: ``axis 1: features (11)``."""
    sizes = ("any size" if n is None else str(n) for n in view.shape[1:])
    return [
        f"{a}: {name} ({n})" for a, (name, n) in enumerate(zip(view.names[1:], sizes, strict=True), start=1)
    ]


def _view(
    layer: Layer,
    own: Sequence[int],
    layout: DataFormat | Literal[""],
    shape: Shape,
    names: Sequence[str],
    is_said: bool,
    masked: bool,
) -> View:
    most = DRAWN.get(len(shape), (2,) * len(shape))
    drawn = tuple(m if n is None else min(n, m) for n, m in zip(shape, most, strict=True))
    axes = range(1, len(shape))
    chosen = [c for size in range(len(shape)) for c in combinations(axes, size)]
    said = layout if is_said and layout else None
    choices = {key_of(c): _choice(layer, c, c == tuple(own), shape, drawn, said, masked) for c in chosen}
    return View(layout, shape, ("rows", *names), drawn, choices)


def _choice(
    layer: Layer,
    axes: Sequence[int],
    is_own: bool,
    shape: Shape,
    drawn: Sequence[int],
    said: DataFormat | None,
    masked: bool,
) -> AxisChoice:
    written = (
        repr(layer.get_config()["axis"]) if is_own else str(axes[0]) if len(axes) == 1 else str(list(axes))
    )
    try:
        other: Any = with_axis(layer, axes, shape)
        if is_own:
            other.axis = layer.axis
        rule = sharing(other, shape)
        text = tuple(b for b in sharing_blocks(other, shape, said, masked) if isinstance(b, Words | Code))
    except FoldnetError as error:
        why = f"axis={written} is refused: {error}" if axes else "No axis is chosen: choose at least one."
        return AxisChoice(written, (), (Words(why),))
    numbers: dict[tuple[int, ...], int] = {}
    groups = tuple(
        numbers.setdefault(rule.statistic(place), len(numbers)) for place in product(*map(range, drawn))
    )
    return AxisChoice(written, groups, text)


# -- markup ---------------------------------------------------------------------------------------------------


def tensor_html(layer: Layer, views: Sequence[View], name: str) -> Html:
    """The picture with the controls to choose another axis, in its initial state.

    Args:
        layer: built.
        views: of ``views_of``.
        name: unique in the page; the key of the views' data in the page's data.
    """
    own = axes_of(layer, len(views[0].shape))
    choice = views[0].choices[key_of(own)]
    pictures = [
        tag("div", view_svg(v, v.choices[key_of(own)]), data_layout=v.layout, hidden=i > 0)
        for i, v in enumerate(views)
    ]
    shape = tag("span", shape_text(views[0].shape), class_="shape")
    readout = "Click a value, or move over them with the arrow keys, to see which others share its statistic."
    return tag(
        "div",
        _controls(layer, views, own, name),
        tag("p", "axis=", tag("b", choice.axis, class_="axis"), " · shape ", shape),
        tag(
            "div", *pictures, class_="tensor wide", tabindex=0, role="group",
            aria_label="Values of the input; the same number means the same statistic",
            aria_describedby=f"{name}-readout",
        ),
        tag("p", readout, id=f"{name}-readout", class_="readout", aria_live="polite"),
        tag("div", *(block_html(b) for b in choice.text), class_="said", aria_live="polite"),
        class_="sharing", data_name=name, data_own=key_of(own), data_now=key_of(own),
    )  # fmt: skip


def _controls(layer: Layer, views: Sequence[View], own: Sequence[int], name: str) -> Html:
    meaning = "keeps separate statistics" if axis_keeps(layer) else "is averaged over"
    if type(layer).__name__ == "GroupNormalization":
        meaning = "holds the channels"
    boxes = [
        tag("label", tag("input", type="checkbox", value=a, checked=a in own), " ", tag("span", label))
        for a, label in enumerate(axis_labels(views[0]), start=1)
    ]
    parts: list[Html] = [tag("fieldset", tag("legend", f"axis: what {meaning}"), *boxes)]
    if len(views) > 1:
        options = [tag("option", v.layout, value=v.layout) for v in views]
        parts.append(
            tag("label", "data format ", tag("select", *options, id=f"{name}-layout", class_="layout"))
        )
    parts.append(tag("button", "As in this network", type="button", class_="reset"))
    return tag("div", *parts, class_="controls")


def view_svg(view: View, choice: AxisChoice, *, styled: bool = True) -> Html:
    """The drawn cells in the colours of a choice; if not ``styled``, without the need for a style sheet."""
    steps, width, height = _geometry(view.drawn)
    cells = []
    groups = choice.groups or (-1,) * prod(view.drawn)
    for place, group in zip(product(*map(range, view.drawn)), groups, strict=True):
        x = sum(i * dx for i, (dx, _) in zip(place, steps, strict=True))
        y = sum(i * dy for i, (_, dy) in zip(place, steps, strict=True))
        cells.append(
            tag(
                "g",
                tag("rect", width=CELL - 2, height=TALL - 2, rx=3, fill=None if styled else _colour(group)),
                tag("text", "" if group < 0 else str(group), x=(CELL - 2) / 2, y=15),
                transform=f"translate({x + 1} {y + 1})", style=f"--g:{group}",
            )
        )  # fmt: skip
    names = " × ".join(f"{n} {name}" for n, name in zip(view.drawn, view.names, strict=True))
    return joined([
        tag(
            "svg", *cells, width=width, height=height, viewBox=f"0 0 {width} {height}", aria_hidden="true",
            font_size=11, text_anchor="middle",
        ),
        tag("p", f"Drawn: the first {names}, of {shape_text(view.shape)}.", class_="note"),
    ])  # fmt: skip


def _colour(group: int) -> str:
    """The colour of the page's style sheet, on light paper."""
    return f"hsl({(210 + group * 137.508) % 360:.0f} 62% 80%)"


def _geometry(drawn: Sequence[int]) -> tuple[list[tuple[int, int]], int, int]:
    """By axis, the distance between its positions, across and down; then the total width and height.

    The last axis goes across, the one before it down, then blocks of these across, then down, and so on.
    """
    across, down = CELL, TALL
    steps = []
    for back, size in enumerate(reversed(drawn)):
        if back % 2 == 0:
            steps.append((across, 0))
            across = size * across + GAP
        else:
            steps.append((0, down))
            down = size * down + GAP
    return steps[::-1], across, down
