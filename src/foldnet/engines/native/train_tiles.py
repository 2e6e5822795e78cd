"""C of the register tiles of matrix products, of the 16 by 16 transposition and of 16 sums at once, written by name.

A product is ``C[m][n] (+)= start[m] + sum over k of A(m, k) * B[k][n]``: ``A`` is read element by element and
spread over a vector, ``B`` and ``C`` are read and written as vectors of 16 along n. Every element is summed over k
in order, so results depend neither on the tile nor on the thread that made them.
"""

from __future__ import annotations

from collections.abc import Iterable

TALL = 12
"""Rows of the largest tile: with two vectors a row, 24 of 32 registers hold sums."""

ANY = frozenset((12, 8, 4, 2, 1))
"""Heights that cover any number of rows, for programs that learn it when they run."""


def heights(m: int) -> frozenset[int]:
    """Heights of the tiles that share ``m`` rows evenly.

    >>> sorted(heights(11)), sorted(heights(64))
    ([11], [10, 11])
    """
    parts = -(-m // TALL)
    return frozenset({m // parts, -(-m // parts)})


def tile(m: int, n: int) -> str:
    """One tile as a C function; ``part`` is how many lanes of the last vector to write."""
    rows, vectors = range(m), range(n)
    acc = [[f"a{i}x{j}" for j in vectors] for i in rows]
    lines = [
        f"static void tile{m}x{n}(long count, const float *a, long am, long ak, const float *b, long ldb,",
        "    float *c, long ldc, const float *start, int add, int part) {",
    ]
    if m == 1:
        lines.append("  (void)am; (void)ldc;")
    for i in rows:
        lines.append(f"  const float s{i} = start ? start[{i}] : 0.0f;")
        lines.append("  V " + ", ".join(f"{x} = SPREAD(s{i})" for x in acc[i]) + ";")
    # A pointer for each four rows: with one for each, compilers run out of registers for addresses.
    lines += [f"  const float *p{i} = a + {i} * am;" for i in range(0, m, 4)]
    step = " ".join(f"p{i} += ak," for i in range(0, m, 4))
    lines.append(f"  for (long k = 0; k < count; k++, {step} b += ldb) {{")
    lines.append("    const V " + ", ".join(f"b{j} = LOAD(b + {16 * j})" for j in vectors) + ";")
    lines.append("    V x;")
    for i in rows:
        lines.append(f"    x = SPREAD(p{i // 4 * 4}[{i % 4} * am]);" if i % 4 else f"    x = SPREAD(p{i}[0]);")
        lines += [f"    {acc[i][j]} = MULADD(x, b{j}, {acc[i][j]});" for j in vectors]
    lines.append("  }")
    for i in rows:
        for j in vectors:
            at = f"c + {i} * ldc + {16 * j}"
            if j < n - 1:
                lines.append(f"  STORE({at}, add ? LOAD({at}) + {acc[i][j]} : {acc[i][j]});")
            else:
                lines.append(f"  store_part({at}, {acc[i][j]}, add, part);")
    return "\n".join([*lines, "}", ""])


def products(needed: Iterable[int], evenly: bool) -> str:
    """Tiles of the needed heights and the function that covers a matrix with them.

    Args:
        needed: heights.
        evenly: whether rows are shared among tiles evenly; else the tallest that fits comes next.
    """
    tall = sorted(needed, reverse=True)
    if not tall:
        return ""
    if evenly:
        height = f"(left + (left + {TALL - 1}) / {TALL} - 1) / ((left + {TALL - 1}) / {TALL})"
    else:
        height = " : ".join([*(f"left >= {m} ? {m}" for m in tall[:-1]), str(tall[-1])])
    lines = [tile(m, n) for m in tall for n in (2, 1)]
    cases = "\n".join(
        f"      case {m * 2 + n - 1}: tile{m}x{n}(count, ai, am, ak, bj, ldb, ci, ldc, si, add, part); break;"
        for m in tall
        for n in (1, 2)
    )
    lines.append(
        "static void product(long m, long n, long count, const float *a, long am, long ak, const float *b,\n"
        "    long ldb, long panel, float *c, long ldc, const float *start, int add) {\n"
        "  for (long j = 0; j < n;) {\n"
        "    const long in_panel = panel ? j % 64 : 0, vectors = n - j > 16 ? 2 : 1;\n"
        "    const float *bj = panel ? b + (j - in_panel) * panel + in_panel : b + j;\n"
        "    const int part = n - j >= vectors * 16 ? 16 : (int)(n - j - (vectors - 1) * 16);\n"
        "    for (long i = 0, high; i < m; i += high) {\n"
        "      const long left = m - i;\n"
        f"      high = {height};\n"
        "      const float *ai = a + i * am, *si = start ? start + i : start;\n"
        "      float *ci = c + i * ldc + j;\n"
        "      switch (high * 2 + vectors - 1) {\n"
        f"{cases}\n"
        "      }\n    }\n    j += vectors * 16;\n  }\n}\n"
    )
    return "\n".join(lines)


def transposition() -> str:
    """``turn``: sixteen vectors become the columns that they held."""
    lines = ["static inline void turn(V *x) {", "  V a, b;"]
    for s in (1, 2, 4, 8):
        low = ", ".join(str(k if not k & s else 16 + k - s) for k in range(16))
        high = ", ".join(str(k + s if not k & s else 16 + k) for k in range(16))
        for i in range(16):
            if not i & s:
                lines.append(f"  a = x[{i}]; b = x[{i + s}];")
                lines.append(f"  x[{i}] = __builtin_shufflevector(a, b, {low});")
                lines.append(f"  x[{i + s}] = __builtin_shufflevector(a, b, {high});")
    return "\n".join([*lines, "}", ""])


def sixteen_sums() -> str:
    """``sums16``: the sums of the lanes of sixteen vectors as one vector, each added up in the order of ``across``."""
    lines = ["static inline V sums16(const V *x) {"]
    # Each round adds the halves of blocks of lanes, of two vectors at once; the pairs of the rounds and the order of
    # the first vectors are such that the last round leaves the sums in order.
    names = [f"x[{(s >> 2 & 1) * 8 + (s >> 3) * 4 + (s & 1) * 2 + (s >> 1 & 1)}]" for s in range(16)]
    for half in (8, 4, 2, 1):
        if half > 2:
            low = [k for k in range(32) if not k & half]
        else:  # within quarters, where a shuffle needs no table
            low = [q + n for q in range(0, 16, 4) for v in (0, 16) for n in range(v, v + 4) if not n & half]
        pick = [", ".join(str(k + shift) for k in low) for shift in (0, half)]
        made = []
        for k in range(half):
            a, b = names[k], names[k + half]
            made.append(f"s{half}x{k}")
            lines.append(
                f"  const V {made[-1]} = __builtin_shufflevector({a}, {b}, {pick[0]}) + "
                f"__builtin_shufflevector({a}, {b}, {pick[1]});"
            )
        names = made
    return "\n".join([*lines, f"  return {names[0]};", "}", ""])
