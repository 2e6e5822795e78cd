"""C that turns rows into lanes and back: between rows of a few features and, for each feature, a vector of all rows.

Four features of all rows at a time: four numbers of every fourth row are a vector, and four such vectors, mixed twice
within their quarters, are the features of all rows in order. The same mixing turns them back.
"""

from __future__ import annotations

from foldnet.codegen.expressions import plus, times

LEAST = 4
"""Features of a row from which on it is turned in this way."""


def functions(size: int, code: str) -> str:
    """Those of ``to_lanes`` and ``to_rows`` that the code calls, for so many rows, floats in a vector."""
    lanes, rows = (f"{name}{size}(" in code for name in ("to_lanes", "to_rows"))
    parts = [*([_quarters(size)] if size > 4 else []), _to_lanes(size)] if lanes else []
    return "\n".join([*parts, _to_rows(size)] if rows else parts)


def _mixed(a: str, b: str, pattern: tuple[int, ...], size: int) -> str:
    """A vector of elements of two; the pattern is of a quarter of each, 4 and more are the second one's."""
    picked = [
        quarter * 4 + k if k < 4 else size + quarter * 4 + k - 4
        for quarter in range(size // 4)
        for k in pattern
    ]
    return f"__builtin_shufflevector({a}, {b}, {', '.join(map(str, picked))})"


def _turned(size: int) -> list[str]:
    """Statements that turn the quarters of ``a`` to ``d``, which become ``r0`` to ``r3``."""
    kind = f"const v{size}"
    low, high = (0, 4, 1, 5), (2, 6, 3, 7)
    first, second = (0, 1, 4, 5), (2, 3, 6, 7)
    return [
        f"    {kind} ab = {_mixed('a', 'b', low, size)};",
        f"    {kind} cd = {_mixed('c', 'd', low, size)};",
        f"    {kind} ab2 = {_mixed('a', 'b', high, size)};",
        f"    {kind} cd2 = {_mixed('c', 'd', high, size)};",
        f"    {kind} r0 = {_mixed('ab', 'cd', first, size)};",
        f"    {kind} r1 = {_mixed('ab', 'cd', second, size)};",
        f"    {kind} r2 = {_mixed('ab2', 'cd2', first, size)};",
        f"    {kind} r3 = {_mixed('ab2', 'cd2', second, size)};",
    ]


def _quarters(size: int) -> str:
    """A function that loads four numbers of every fourth row."""
    count = size // 4
    lines = [f"static inline v{size} quarters{size}(const float *x, long width) {{"]
    names = [f"q{k}" for k in range(count)]
    for k, name in enumerate(names):
        lines.append(f"  const v4 {name} = load4({plus('x', times(4 * k, 'width'))});")
    wide = 4
    while len(names) > 1:
        pairs = [f"{a}{b}" for a, b in zip(names[::2], names[1::2], strict=True)]
        order = ", ".join(map(str, range(2 * wide)))
        for pair, a, b in zip(pairs, names[::2], names[1::2], strict=True):
            lines.append(f"  const v{2 * wide} {pair} = __builtin_shufflevector({a}, {b}, {order});")
        names, wide = pairs, 2 * wide
    return "\n".join([*lines, f"  return {names[0]};", "}"]) + "\n"


def _head(name: str) -> list[str]:
    return [
        f"static inline void {name}(const float *x, float *y, long width, long lanes) {{",
        "  for (long k = 0; k < width; k += 4) {",
        "    const long i = k + 4 > width ? width - 4 : k;",
    ]


def _to_lanes(size: int) -> str:
    lines = _head(f"to_lanes{size}")
    for k, name in enumerate("abcd"):
        first = plus("x + i", times(k, "width"))
        loaded = f"quarters{size}({first}, width)" if size > 4 else f"load4({first})"
        lines.append(f"    const v{size} {name} = {loaded};")
    lines += _turned(size)
    lines += [
        f"    store{size}(y + {times('i' if not k else f'(i + {k})', 'lanes')}, r{k});" for k in range(4)
    ]
    return "\n".join([*lines, "  }", "}"]) + "\n"


def _to_rows(size: int) -> str:
    lines = _head(f"to_rows{size}")
    for k, name in enumerate("abcd"):
        lines.append(
            f"    const v{size} {name} = load{size}(x + {times('i' if not k else f'(i + {k})', 'lanes')});"
        )
    lines += _turned(size)
    for quarter in range(size // 4):
        order = ", ".join(str(4 * quarter + k) for k in range(4))
        for k in range(4):
            part = f"r{k}" if size == 4 else f"__builtin_shufflevector(r{k}, r{k}, {order})"
            lines.append(f"    store4({plus('y + i', times(4 * quarter + k, 'width'))}, {part});")
    return "\n".join([*lines, "  }", "}"]) + "\n"
