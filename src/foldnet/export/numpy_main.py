"""The part of an exported NumPy file that makes it a program: rows of CSV in, predictions out."""

from __future__ import annotations

from math import prod

from foldnet.graph.graph import Graph
from foldnet.graph.op import Shape

_READ_ROWS = '''
def is_number(text):
    """Whether a cell of a table is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_rows(file, width=None):
    """Rows of comma-separated numbers; a first line of names, or of 0,1,2 as pandas names columns, is skipped."""
    rows = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        cells = line.split(",")
        numbers = sum(is_number(cell) for cell in cells)
        if number == 1 and numbers == 0:
            continue
        places = [str(i) for i in range(len(cells))]
        if number == 1 and len(cells) > 1 and [cell.strip() for cell in cells] == places:
            print("line 1 counts the columns and is not a row; write +0 to make it one", file=sys.stderr)
            continue
        if numbers < len(cells):
            sys.exit(f"line {number} is not a row of numbers: {line.strip()!r}")
        row = [float(cell) for cell in cells]
        width = width or len(row)
        if len(row) != width:
            sys.exit(f"line {number} has {len(row)} numbers, expected {width}")
        rows.append(row)
    return np.array(rows)
'''.strip()

_MAIN = '''
def main(arguments):
    """Print a prediction for each row of CSV in a file or from standard input."""
    if arguments:
        with open(arguments[0], encoding="utf-8") as file:
            rows = read_rows(file{width})
    else:
        rows = read_rows(sys.stdin{width})
    if len(rows) == 0:
        sys.exit("no rows to predict")
{predict}
    for row in y:
        print(",".join(str(value) for value in row))


if __name__ == "__main__":
    main(sys.argv[1:])
'''.strip()


def can_run(graph: Graph) -> bool:
    """Whether a line of numbers determines the inputs: no texts, and at most one axis may be free."""
    if graph.texts:
        return False
    shapes = [graph.types[v].shape[1:] for v in graph.inputs]
    free = sum(n is None for shape in shapes for n in shape)
    return free == 0 or (free == 1 and len(shapes) == 1 and 0 not in shapes[0])


def main_text(graph: Graph) -> str:
    """``read_rows`` and ``main``. Several inputs are flattened side by side in a line, and so are outputs."""
    shapes = [graph.types[v].shape[1:] for v in graph.inputs]
    widths = [prod(n for n in shape if n is not None) for shape in shapes]
    is_free = any(None in shape for shape in shapes)
    starts = [sum(widths[:i]) for i in range(len(widths))]
    arguments = [
        _argument("rows" if len(shapes) == 1 else f"rows[:, {start}:{start + width}]", shape)
        for shape, start, width in zip(shapes, starts, widths, strict=True)
    ]
    call = f"predict({', '.join(arguments)})"
    if len(graph.outputs) > 1:
        lines = [f"    parts = {call}", "    y = np.hstack([part.reshape(len(rows), -1) for part in parts])"]
    elif len(graph.types[graph.outputs[0]].shape) != 2:
        lines = [f"    y = {call}.reshape(len(rows), -1)"]
    else:
        lines = [f"    y = {call}"]
    text = _MAIN.format(width="" if is_free else f", {sum(widths)}", predict="\n".join(lines))
    return f"{_READ_ROWS}\n\n\n{text}"


def _argument(part: str, shape: Shape) -> str:
    if len(shape) == 1:
        return part
    sizes = ["-1" if n is None else str(n) for n in shape]
    return f"{part}.reshape({', '.join(['len(rows)', *sizes])})"
