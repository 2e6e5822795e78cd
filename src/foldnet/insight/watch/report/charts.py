"""Line charts as inline SVG, coloured by the page's own style."""

from __future__ import annotations

import math

import numpy as np

from foldnet.arrays import Array
from foldnet.escaping import escaped_html
from foldnet.insight.watch.report.figures import Figure, Line

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 34


def chart(figure: Figure, number: int) -> str:
    """The figure as an ``<svg>``; ``number`` is unique in the page."""
    low, high = value_range(figure)
    x = _Scale(float(figure.steps[0]), float(figure.steps[-1]), LEFT, WIDTH - RIGHT)
    y = _Scale(low, high, HEIGHT - BOTTOM, TOP, figure.logarithmic)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escaped_html(figure.title)}: {escaped_html(figure.about)}" '
        f'data-figure="{number}" data-low="{x.low:g}" data-high="{x.high:g}" data-left="{LEFT}" '
        f'data-right="{WIDTH - RIGHT}">'
    ]
    for tick, text in ticks(low, high, figure.logarithmic):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{text}</text>'
        )
    for tick, text in ticks(x.low, x.high, False, most=6):
        anchor = "end" if x(tick) > WIDTH - RIGHT - 6 else "middle"
        parts.append(
            f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{text}</text>'
        )
    parts.append(f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">step</text>')
    for line in sorted(figure.lines, key=lambda line: not line.faint):
        parts.append(_path(line, figure.steps, x, y))
    parts.append(f'<line class="cursor" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></svg>')
    return "".join(parts)


def _path(line: Line, steps: Array, x: _Scale, y: _Scale) -> str:
    """A polyline through the known values; a single value between gaps is a dot."""
    points = [(x(s), y(v)) for s, v in zip(steps, line.values, strict=True) if y.shows(v)]
    kind = f"line c{line.colour % 8}" + (" faint" if line.faint else "")
    if len(points) == 1:
        return f'<circle class="{kind} dot" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>'
    # Records without a value (an epoch's logs among steps) are skipped, so that curves stay connected.
    return f'<path class="{kind}" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in points)}"/>' if points else ""


class _Scale:
    """Converts values to positions in the picture."""

    def __init__(self, low: float, high: float, start: float, end: float, logarithmic: bool = False) -> None:
        self.low, self.high, self.start, self.end, self.logarithmic = low, high, start, end, logarithmic

    def shows(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.logarithmic)

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (self.end - self.start) * ((value - low) / (high - low) if high > low else 0.5)


def value_range(figure: Figure) -> tuple[float, float]:
    """Lowest and highest value of an axis, with room at both ends."""
    values = np.concatenate([line.values for line in figure.lines]) if figure.lines else np.zeros(0)
    values = values[np.isfinite(values) & ((values > 0) | (not figure.logarithmic))]
    if not len(values):
        return (0.1, 10.0) if figure.logarithmic else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if figure.logarithmic:
        room = (high / low) ** 0.05 if high > low else 2.0
        return low / room, high * room
    room = 0.05 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def ticks(low: float, high: float, logarithmic: bool, most: int = 5) -> list[tuple[float, str]]:
    """Round numbers within a range, and their text."""
    if logarithmic:
        first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
        if last > first:
            stride = 1 + (last - first) // most
            return [(10.0**e, _text(10.0**e)) for e in range(first, last + 1, stride)]
    if high <= low:
        return [(low, _text(low))]
    raw = (high - low) / most
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw * (1 - 1e-9))
    numbers = [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    return [(n, _text(n, step)) for n in numbers if low <= n <= high]


def _text(number: float, step: float | None = None) -> str:
    if number == 0:
        return "0"
    if not 1e-3 <= abs(number) < 1e6:
        return f"{number:.3g}".replace("-", "−")
    digits = 0 if step is None or step >= 1 else -math.floor(math.log10(step) + 1e-9)
    text = f"{number:,.{digits}f}" if step is not None else f"{number:,g}"
    return text.replace("-", "−").replace(",", "\u202f")
