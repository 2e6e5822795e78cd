"""Products of matrices in a training program: of tiles that are known when it is written, or by one function."""

from __future__ import annotations

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.tiles import Tile, split

Left = tuple[str, Number, Number]
"""A matrix, and its steps along the result's rows and along the sum."""


def shared_product(
    m: int, n: Number, count: Number, a: Left, b: str, ldb: Number, c: str, ldc: Number, start: str, add: str
) -> str:
    """A call of the function for any size, for a thread's share of the rows."""
    left, am, ak = a
    low = f"LOW({m})"
    first = plus(start, low) if start else "NULL"
    return (
        f"product(job, HIGH({m}) - {low}, {n}, {count}, {plus(left, times(low, am))}, {am}, {ak}, {b}, {ldb}, "
        f"{0 if n == 'R' else 'R'}, {plus(c, times(low, ldc))}, {ldc}, {first}, {add});"
    )


def known_product(
    tiles: dict[Tile, None],
    m: int,
    n: int | str,
    count: Number,
    a: Left,
    b: str,
    ldb: Number,
    c: str,
    ldc: Number,
    start: str,
    add: str,
) -> list[str]:
    """Calls of tiles of a known height, which are added to ``tiles``.

    Rows of a batch are whole vectors in number. Where that is odd, the last vector has a function for all heights.
    """
    left, am, ak = a
    lines: list[str] = []
    if isinstance(n, str):
        last = (
            f"last_columns({m}, {count}, {left}, {am}, {ak}, {plus(b, 'R - 16')}, {ldb}, {plus(c, 'R - 16')}, {ldc}, "
            f"{start or 'NULL'}, {add});"
        )
        lines += ["if (R & 16)", last]
    first = 0
    for height, turns in split(m):
        i: Number = first if turns == 1 else "i"

        def call(
            vectors: int, j: Number, right: Number, part: int, i: Number = i, height: int = height
        ) -> str:
            tile = Tile(height, vectors, bool(start), add == "1", part == 16)
            tiles[tile] = None
            return (
                f"{tile.name}({count}, {plus(left, times(i, am))}, {am}, {ak}, {plus(b, right)}, {ldb}, "
                f"{plus(c, times(i, ldc), j)}, {ldc}, {plus(start, i) if start else 'NULL'}, {add}, {part});"
            )

        if isinstance(n, str):
            calls = ["for (long j = 0; j + 32 <= R && !HALTED; j += 32)", f"  {call(2, 'j', 'j', 16)}"]
        else:
            calls = []
            for j in range(0, n, 32):
                vectors = 2 if n - j > 16 else 1
                part = min(n - j - 16 * (vectors - 1), 16)
                calls.append(call(vectors, j, plus(times(j - j % 64, "R"), j % 64), part))
        end = first + height * turns
        head = f"for (long i = {first}; i < {end} && !HALTED; i += {height}) {{"
        lines += [head, *calls, "}"] if turns != 1 else calls
        first = end
    return lines


def gathered_product(
    tiles: dict[Tile, None],
    m: int,
    count: int,
    places: str,
    parts: Number,
    a: Left,
    b: str,
    c: str,
    start: str,
    few_rows: bool,
) -> list[str]:
    """The same of a gathered product over all rows of a batch, 16 if they are few; see ``codegen/tiles.py``."""
    left, am, ak = a
    lines: list[str] = []
    first = 0
    for height, turns in split(m):
        i: Number = first if turns == 1 else "i"

        def call(vectors: int, j: Number, i: Number = i, height: int = height) -> str:
            tile = Tile(height, vectors, bool(start), False, whole=True, gathered=True)
            tiles[tile] = None
            return (
                f"{tile.name}({places}, {parts}, {count}, {plus(left, times(i, am))}, {am}, {ak}, {plus(b, j)}, R, "
                f"{plus(c, times(i, 'R'), j)}, R, {plus(start, i) if start else 'NULL'}, 0, 16);"
            )

        if few_rows:
            calls = [call(1, 0)]
        else:
            calls = ["if (R & 16)", f"  {call(1, 'R - 16')}"]
            calls += ["for (long j = 0; j + 32 <= R && !HALTED; j += 32)", f"  {call(2, 'j')}"]
        end = first + height * turns
        head = f"for (long i = {first}; i < {end} && !HALTED; i += {height}) {{"
        lines += [head, *calls, "}"] if turns != 1 else calls
        first = end
    return lines
