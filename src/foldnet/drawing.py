"""``utils.plot_model``: a network's layers and the values between them, as an SVG picture.

Every layer is a box below its inputs. Boxes of a rank are in the order of their inputs, so that few lines cross.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.literals import member

if TYPE_CHECKING:
    from foldnet.layers.tensors import Call
    from foldnet.network import Network

LINE, PAD, GAP_X, GAP_Y, CHARACTER = 18, 10, 28, 44, 7.3
"""Pixels: height of a line, room in a box and between boxes, width of a character of 12-pixel type."""

RankDir = Literal["TB", "LR"]
"""From top to bottom, or from left to right."""

RANK_DIRS: tuple[RankDir, ...] = get_args(RankDir)


@dataclass
class Box:
    """One call of a layer; without ``lines``, a position where a long line passes a row of boxes.

    Attributes:
        lines: of text, the first one bold.
        sources: boxes of its inputs.
        rank: the largest number of boxes before it.
        x, y: of the upper left corner.
    """

    lines: list[str]
    sources: list[Box]
    rank: int = 0
    x: float = 0.0
    y: float = 0.0
    passed: float = 0.0
    """For a position that a line passes: the length of the line through the row."""

    @property
    def width(self) -> float:
        """Of the box."""
        return max((len(line) for line in self.lines), default=0) * CHARACTER + (2 * PAD if self.lines else 4)

    @property
    def height(self) -> float:
        """Of the box."""
        return len(self.lines) * LINE + 2 * PAD - 4 if self.lines else 4.0


@dataclass(frozen=True)
class Drawing:
    """An SVG picture; notebooks show it."""

    svg: str
    path: str | None = None

    def _repr_svg_(self) -> str:
        return self.svg


def plot_model(
    model: Network, to_file: str | Path | None = "model.svg", show_shapes: bool = False, show_dtype: bool = False,
    show_layer_names: bool = False, rankdir: str = "TB", expand_nested: bool = False, dpi: int | None = 200,
    show_layer_activations: bool = False, show_trainable: bool = False, **kwargs: Any,
) -> Drawing:  # fmt: skip
    """Draw a network, and write the picture to a file.

    Args:
        model: built.
        to_file: an ``.svg`` file; None writes none. (Keras's default is ``model.png``.)
        show_shapes: whether boxes show the shape of the result.
        show_dtype: whether they show its dtype.
        show_layer_names: whether they show the layer's name in addition to its class.
        rankdir: ``"TB"`` from top to bottom, ``"LR"`` from left to right.
        expand_nested: whether nested networks are drawn with their layers.
        dpi: not used, because SVG has no pixels.
        show_layer_activations: whether boxes show the layer's activation.
        show_trainable: whether they show if a layer's weights are trainable.
        kwargs: ``layer_range`` and others are refused.

    Returns:
        The picture, which a notebook shows.

    Raises:
        ConfigError: a network that is not built, or another direction.
        UnsupportedError: a file of another kind than SVG.
    """
    if kwargs:
        raise UnsupportedError(f"plot_model has no {', '.join(sorted(kwargs))} here; leave it out")
    way = member(rankdir, RANK_DIRS)
    if way is None:
        raise ConfigError(f'rankdir is "TB" or "LR", not {rankdir!r}')
    if not getattr(model, "built", False):
        raise ConfigError(
            f"the network {model.name!r} is not built, so it has no shapes; call model.build first"
        )
    if to_file is not None and Path(to_file).suffix.lower() != ".svg":
        raise UnsupportedError(
            f"plot_model draws SVG, and {str(to_file)!r} asks for {Path(to_file).suffix or 'no kind'}; write it to "
            f"{str(Path(to_file).with_suffix('.svg'))!r}"
        )
    wants = _Wants(
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested
    )
    boxes = _with_passages(list(_boxes(model, wants)))
    svg = _svg(boxes, *_placed(boxes, way), way)
    if to_file is not None:
        from foldnet.disk.atomic import write_text

        write_text(to_file, svg)
    return Drawing(svg, None if to_file is None else str(to_file))


def model_to_dot(*args: Any, **kwargs: Any) -> Any:
    """Refused: foldnet does not use Graphviz.

    Raises:
        UnsupportedError: always, naming ``plot_model``.
    """
    raise UnsupportedError(
        "foldnet does not make Graphviz graphs. utils.plot_model(model, 'model.svg') draws the network"
    )


@dataclass(frozen=True)
class _Wants:
    shapes: bool
    dtype: bool
    names: bool
    activations: bool
    trainable: bool
    nested: bool


def _boxes(model: Network, wants: _Wants) -> Iterator[Box]:
    makers: dict[Any, Box] = {}
    yield from _of_network(model, wants, makers, {})


def _of_network(
    model: Network, wants: _Wants, makers: dict[Any, Box], known: dict[Any, Box]
) -> Iterator[Box]:
    from foldnet.network import Network

    for call in model.graph_calls:
        if call.outputs[0] in known:
            makers[call.outputs[0]] = known[call.outputs[0]]
            continue
        layer = call.layer
        if isinstance(layer, Network) and wants.nested:
            inner: dict[Any, Box] = {}
            given = {t: makers[o] for t, o in zip(layer.inputs, call.inputs, strict=True)}
            yield from _of_network(layer, wants, inner, given)
            makers |= {
                outer: (inner | given)[t] for outer, t in zip(call.outputs, layer.outputs, strict=True)
            }
            continue
        box = Box(_lines(call, wants), _once(makers[t] for t in call.operands))
        box.rank = 1 + max((s.rank for s in box.sources), default=-1)
        makers |= dict.fromkeys(call.outputs, box)
        yield box


def _once(boxes: Iterable[Box]) -> list[Box]:
    return list({id(box): box for box in boxes}.values())


def _lines(call: Call, wants: _Wants) -> list[str]:
    layer = call.layer
    record = getattr(layer, "record", None)
    kind = record.keras_class if record is not None else type(layer).__name__
    lines = [f"{layer.name} ({kind})" if wants.names else kind]
    activation = getattr(layer, "activation", None)
    if wants.activations and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', activation)}")
    if wants.shapes:
        lines.append("gives " + ", ".join(str(t.shape) for t in call.outputs))
    if wants.dtype:
        lines.append("dtype " + ", ".join(dict.fromkeys(t.dtype for t in call.outputs)))
    if wants.trainable and layer.specs:
        lines.append("trained" if layer.trainable else "not trained")
    return lines


def _with_passages(boxes: Sequence[Box]) -> list[Box]:
    """The boxes, with a position in each row that a line passes, so that no line runs behind a box."""
    passages: dict[tuple[int, int], Box] = {}
    for box in boxes:
        for i, source in enumerate(box.sources):
            at = source
            for rank in range(source.rank + 1, box.rank):
                at = passages.setdefault((id(source), rank), Box([], [at], rank))
            box.sources[i] = at
    return [*boxes, *passages.values()]


def _placed(boxes: Sequence[Box], rankdir: RankDir) -> tuple[float, float]:
    """Set every box's position; return the total size."""
    ranks: dict[int, list[Box]] = {}
    for box in boxes:
        ranks.setdefault(box.rank, []).append(box)
    across = [box.height if rankdir == "LR" else box.width for box in boxes]
    gap = GAP_Y / 2 if rankdir == "LR" else GAP_X
    size = {id(box): n for box, n in zip(boxes, across, strict=True)}
    middle: dict[int, float] = {}
    widest = max(sum(size[id(b)] + gap for b in rank) for rank in ranks.values())
    along = float(PAD)
    for rank in sorted(ranks):
        row = ranks[rank]
        # Ordered by the centres of the inputs, so that few lines cross.
        row.sort(key=lambda b: sum(middle[id(s)] for s in b.sources) / max(len(b.sources), 1))
        at = PAD + (widest - sum(size[id(b)] + gap for b in row) + gap) / 2
        for box in row:
            box.x, box.y = (along, at) if rankdir == "LR" else (at, along)
            middle[id(box)] = at + size[id(box)] / 2
            at += size[id(box)] + gap
        deep = max(b.width if rankdir == "LR" else b.height for b in row)
        for box in row:
            box.passed = 0.0 if box.lines else deep
        along += deep + GAP_Y
    whole = widest + 2 * PAD, along - GAP_Y + PAD
    return (whole[1], whole[0]) if rankdir == "LR" else whole


def _svg(boxes: Sequence[Box], width: float, height: float, rankdir: RankDir) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, Menlo, monospace" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#5b6770"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    for box in boxes:
        parts += [_edge(source, box, rankdir) for source in box.sources]
    for box in (b for b in boxes if b.lines):
        parts.append(
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="6" '
            'fill="#eef3f8" stroke="#3b5673"/>'
        )
        for i, line in enumerate(box.lines):
            y = box.y + PAD + 10 + i * LINE
            weight = ' font-weight="bold"' if i == 0 else ""
            parts.append(
                f'<text x="{box.x + box.width / 2:.1f}" y="{y:.1f}" text-anchor="middle"{weight} fill="#1c2733">'
                f"{escape(_printable(line))}</text>"
            )
    return "\n".join([*parts, "</svg>", ""])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _edge(source: Box, box: Box, rankdir: RankDir) -> str:
    """A line from a box to the next, extended through the row if it only passes there."""
    if rankdir == "LR":
        x1, y1 = source.x + (source.width if source.lines else source.passed), source.y + source.height / 2
        x2, y2 = box.x, box.y + box.height / 2
        bend = (x2 - x1) / 2
        curve = f"C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
        on = f" H{x2 + box.passed:.1f}"
    else:
        x1, y1 = source.x + source.width / 2, source.y + (source.height if source.lines else source.passed)
        x2, y2 = box.x + box.width / 2, box.y
        bend = (y2 - y1) / 2
        curve = f"C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2:.1f}"
        on = f" V{y2 + box.passed:.1f}"
    tip = ' marker-end="url(#tip)"' if box.lines else ""
    path = f"M{x1:.1f},{y1:.1f} {curve}{'' if box.lines else on}"
    return f'<path d="{path}" fill="none" stroke="#5b6770"{tip}/>'
