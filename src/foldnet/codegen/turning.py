"""C that turns rows into lanes and back: between rows of a few features and, for each feature, a vector of all rows.

Four features of all rows at a time: four numbers of every fourth row are a vector, and four such vectors, mixed twice
within their quarters, are the features of all rows in order. The same mixing turns them back.
"""

from __future__ import annotations

from foldnet.codegen.expressions import plus, times

LEAST = 4
"""Features of a row from which on it is turned in this way."""


def functions(size: int, code: str) -> str:
    """Those of ``turned``, ``to_lanes`` and ``to_rows`` that the code calls, for so many rows, floats in a vector."""
    turned, lanes, rows = (f"{name}{size}(" in code for name in ("turned", "to_lanes", "to_rows"))
    parts = [*([_quarters(size)] if size > 4 else []), _turned_rows(size)] if turned or lanes else []
    return "\n".join([*parts, *([_to_lanes(size)] if lanes else []), *([_to_rows(size)] if rows else [])])


def turned_from(rows: str, width: int, features: str, size: int) -> list[str]:
    """Statements that turn rows round: each feature of ``size`` rows is a vector then.

    Args:
        rows: C of the first row; the others follow.
        width: features of a row, at least ``LEAST``.
        features: an array of vectors.
        size: floats in a vector.

    >>> turned_from("x", 6, "h", 16)
    ['turned16(x, 6, h);', 'turned16(x + 2, 6, h + 2);']
    """
    firsts = [min(first, width - 4) for first in range(0, width, 4)]
    return [f"turned{size}({plus(rows, k)}, {width}, {plus(features, k)});" for k in firsts]


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


_JOINED = {
    8: ("__AVX__", "__builtin_ia32_vinsertf128_ps256(__builtin_ia32_ps256_ps(a), b, 1)"),
    16: (
        "__AVX512DQ__",
        "__builtin_ia32_insertf32x8_mask(__builtin_ia32_ps512_256ps(a), b, 1, (v16){0}, (unsigned short)-1)",
    ),
}
"""What gcc joins two vectors by in one instruction: a macro of the processor, and C; by the floats in the result."""


def _joined(size: int) -> str:
    """A function that joins two vectors."""
    half, (feature, gcc) = size // 2, _JOINED[size]
    return f"""\
static inline v{size} joined{size}(v{half} a, v{half} b) {{
#if defined({feature}) && !defined(__clang__)
  return {gcc};
#else
  return __builtin_shufflevector(a, b, {", ".join(map(str, range(size)))});
#endif
}}
"""


def _quarters(size: int) -> str:
    """A function that loads four numbers of every fourth row, and those that it calls."""
    parts = [f"load4({plus('x', times(4 * k, 'width'))})" for k in range(size // 4)]
    functions, wide = [], 4
    while len(parts) > 1:
        wide *= 2
        functions.append(_joined(wide))
        parts = [f"joined{wide}({a}, {b})" for a, b in zip(parts[::2], parts[1::2], strict=True)]
    head = f"static inline v{size} quarters{size}(const float *x, long width) {{"
    return "\n".join([*functions, head, f"  return {parts[0]};", "}"]) + "\n"


def _turned_rows(size: int) -> str:
    """A function that turns four features of rows round."""
    lines = [f"static inline void turned{size}(const float *x, long width, v{size} *y) {{"]
    for k, name in enumerate("abcd"):
        first = plus("x", times(k, "width"))
        loaded = f"quarters{size}({first}, width)" if size > 4 else f"load4({first})"
        lines.append(f"  const v{size} {name} = {loaded};")
    lines += [line[2:] for line in _turned(size)]
    return "\n".join([*lines, *(f"  y[{k}] = r{k};" for k in range(4)), "}"]) + "\n"


def _head(name: str) -> list[str]:
    return [
        f"static inline void {name}(const float *x, float *y, long width, long lanes) {{",
        "  for (long k = 0; k < width; k += 4) {",
        "    const long i = k + 4 > width ? width - 4 : k;",
    ]


def _to_lanes(size: int) -> str:
    lines = _head(f"to_lanes{size}")
    lines += [f"    v{size} r[4];", f"    turned{size}(x + i, width, r);"]
    lines += [
        f"    store{size}(y + {times('i' if not k else f'(i + {k})', 'lanes')}, r[{k}]);" for k in range(4)
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
