"""Draw the picture of docs/speed.md, docs/pictures/strategies.svg: how one row and several rows are computed."""

from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CELL, WIDTH, HEIGHT, PAD = 16, 310, 312, 20
FILL, EDGE, INK, QUIET, ACCENT = "#0f2e33", "#2aa198", "#e8f5f4", "#9cc9c6", "#f2b84b"
SANS = "font-family='system-ui,-apple-system,Segoe UI,Roboto,sans-serif'"


def grid(x: int, y: int, columns: int, rows: int, marked: set[tuple[int, int]], label: str) -> str:
    """A matrix, some of whose cells (column, row) are marked, and its name above."""
    cells = "".join(
        f"<rect x='{x + c * CELL}' y='{y + r * CELL}' width='{CELL - 2}' height='{CELL - 2}' rx='2' "
        f"fill='{ACCENT if (c, r) in marked else EDGE}' opacity='{1 if (c, r) in marked else 0.45}'/>"
        for c in range(columns)
        for r in range(rows)
    )
    return f"<text x='{x}' y='{y - 7}' font-size='13' fill='{QUIET}' {SANS}>{escape(label)}</text>{cells}"


def block(columns: range, rows: range) -> set[tuple[int, int]]:
    """Cells of a rectangle."""
    return {(c, r) for c in columns for r in rows}


def panel(number: int, title: str, lines: list[str], drawn: list[str]) -> str:
    """One box: its title, matrices, and what happens."""
    x = number * (WIDTH + PAD)
    texts = "".join(
        f"<text x='{x + PAD}' y='{HEIGHT - 58 + 19 * k}' font-size='13' fill='{INK}' {SANS}>{escape(line)}</text>"
        for k, line in enumerate(lines)
    )
    return (
        f"<rect x='{x + 1}' y='1' width='{WIDTH}' height='{HEIGHT}' rx='10' fill='{FILL}' stroke='{EDGE}'/>"
        f"<text x='{x + PAD}' y='30' font-size='17' font-weight='700' fill='{INK}' {SANS}>{escape(title)}</text>"
        f"<g transform='translate({x + PAD} 66)'>{''.join(drawn)}</g>{texts}"
    )


def drawing() -> str:
    """The three ways beside each other; what a vector or a tile has is marked."""
    row = [
        grid(0, 0, 5, 1, block(range(2, 3), range(1)), "x"),
        grid(110, 0, 8, 5, block(range(8), range(2, 3)), "kernel"),
        grid(110, 110, 8, 1, block(range(8), range(1)), "y"),
    ]
    lanes = [
        grid(0, 0, 8, 4, block(range(8), range(1, 2)), "x, turned: a row a lane"),
        grid(160, 0, 4, 4, block(range(2, 3), range(1, 2)), "kernel"),
        grid(0, 94, 8, 3, block(range(8), range(2, 3)), "y"),
    ]
    rows = [
        grid(0, 0, 5, 7, block(range(2, 3), range(3)), "x"),
        grid(110, 0, 8, 5, block(range(4), range(2, 3)), "kernel, in panels"),
        grid(110, 110, 8, 3, block(range(4), range(3)), "y, a tile"),
    ]
    panels = [
        panel(
            0,
            "One row",
            [
                "A number of x times a row of the kernel:",
                "a vector of units. The kernel is read once,",
                "so that memory sets the pace.",
            ],
            row,
        ),
        panel(
            1,
            "Rows as lanes",
            [
                "A vector of one feature of 16 rows times",
                "a number of the kernel; all layers of a",
                "block in turn. For narrow networks.",
            ],
            lanes,
        ),
        panel(
            2,
            "Rows in memory",
            [
                "A few rows times a panel's columns stay",
                "in registers; a panel serves all rows of a",
                "block. For wide networks.",
            ],
            rows,
        ),
    ]
    width = 3 * WIDTH + 2 * PAD + 2
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {HEIGHT + 2}' role='img'>"
        f"<title>One row, rows as lanes, and rows in memory</title>{''.join(panels)}</svg>\n"
    )


if __name__ == "__main__":
    (ROOT / "docs" / "pictures" / "strategies.svg").write_text(drawing())
