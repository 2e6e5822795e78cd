"""Draw the picture of the start page and the README: docs/pictures/overview.svg, and overview-tall.svg for phones.

The layers and steps are those of data/models/wine.keras. Run it with the Python that has foldnet.
"""

from html import escape
from pathlib import Path

import foldnet
from foldnet.escaping import escaped

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("shared library", "Python wheel", "NumPy module", "C99 source", "browser", "HTTP server")
ROW, HEAD, PAD, WIDTH, GAP = 24, 40, 12, 216, 58
FILL, EDGE, INK, QUIET, ACCENT, ARROW = "#0f2e33", "#2aa198", "#e8f5f4", "#9cc9c6", "#f2b84b", "#2aa198"
SANS = "font-family='system-ui,-apple-system,Segoe UI,Roboto,sans-serif'"
MONO = "font-family='ui-monospace,SFMono-Regular,Menlo,Consolas,monospace'"

Line = tuple[str, str]


def columns() -> list[tuple[str, list[Line]]]:
    """Title and lines of each box; a line is a text and its colour."""
    model = foldnet.load_model(ROOT / "data" / "models" / "wine.keras")
    predict = foldnet.freeze(model, engine="reference")
    layers = [type(layer).__name__ for layer in model.layers]
    gone = {"Dropout": QUIET, "BatchNormalization": ACCENT}
    file = [(name, gone.get(name, INK)) for name in layers]
    sizes = [layer.kernel.shape for layer in model.layers if type(layer).__name__ == "Dense"]
    assert len(predict.graph.nodes) == len(sizes), "each Dense should be one step"
    acts = [layer.activation.__name__ for layer in model.layers if type(layer).__name__ == "Dense"]
    steps = [
        (f"{'relu(' if act == 'relu' else ''}x·W + b{')' if act == 'relu' else ''}  {a}→{b}", INK)
        for (a, b), act in zip(sizes, acts, strict=True)
    ]
    steps += [("", INK), ("Dropout: gone", QUIET), ("Normalization: folded", ACCENT)]
    return [("wine.keras", file), ("predict(x)", steps), ("runs anywhere", [(name, INK) for name in SHIPPED])]


def box(x: float, y: float, height: float, title: str, lines: list[Line]) -> str:
    """One box with its title and lines."""
    parts = [
        f"<rect x='{x}' y='{y}' width='{WIDTH}' height='{height}' rx='10' fill='{FILL}' stroke='{EDGE}'/>",
        f"<text x='{x + PAD}' y='{y + 27}' font-size='17' font-weight='700' fill='{INK}' {SANS}>{escape(title)}</text>",
    ]
    for i, (text, colour) in enumerate(lines):
        where = f"x='{x + PAD}' y='{y + HEAD + 17 + i * ROW}'"
        parts.append(f"<text {where} font-size='14' fill='{colour}' {MONO}>{escape(escaped(text))}</text>")
    return "".join(parts)


def arrow(x: float, y: float, text: str, down: bool) -> str:
    """An arrow of length GAP from a point to the right or down, with its word."""
    long, tip = GAP - 16, 7
    line = f"M0 0H{long}M{long - tip} {-tip}L{long} 0L{long - tip} {tip}"
    turn = " rotate(90)" if down else ""
    label = f"x='{x + 18}' y='{y + 27}'" if down else f"x='{x + long / 2}' y='{y - 14}' text-anchor='middle'"
    return (
        f"<path d='{line}' transform='translate({x} {y}){turn}' fill='none' stroke='{ARROW}' stroke-width='3'/>"
        f"<text {label} font-size='14' font-weight='600' fill='{ARROW}' {SANS}>{text}</text>"
    )


def drawing(tall: bool) -> str:
    """The whole picture as SVG, from left to right or from top to bottom."""
    boxes = columns()
    heights = [HEAD + PAD + ROW * len(lines) for _, lines in boxes]
    most = max(heights)
    parts, x, y = list[str](), 1.0, 1.0
    for i, ((title, lines), height) in enumerate(zip(boxes, heights, strict=True)):
        top = y if tall else 1 + (most - height) / 2
        parts.append(box(x, top, height, title, lines))
        if i == len(boxes) - 1:
            break
        word = ("fold", "ship")[i]
        if tall:
            parts.append(arrow(x + WIDTH / 2, y + height + 8, word, down=True))
            y += height + GAP
        else:
            parts.append(arrow(x + WIDTH + 8, 1 + most / 2, word, down=False))
            x += WIDTH + GAP
    size = (WIDTH + 2, sum(heights) + 2 * GAP + 2) if tall else (3 * WIDTH + 2 * GAP + 2, most + 2)
    told = "A network file is folded into one function, which runs as a library, as C, in a browser or on a server."
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {size[0]} {size[1]}' width='{size[0]}' "
        f"height='{size[1]}' role='img'><title>{told}</title>{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    for name, tall in (("overview", False), ("overview-tall", True)):
        (ROOT / "docs" / "pictures" / f"{name}.svg").write_text(drawing(tall))
