"""C of the register tiles of matrix products and of the 16 by 16 transposition, written out by name.

A product is ``C[m][n] (+)= start[m] + sum over k of A(m, k) * B[k][n]``: ``A`` is read element by element and
spread over a vector, ``B`` and ``C`` are read and written as vectors of 16 along n. Every element is summed over k
in order, so results depend neither on the tile nor on the thread that made them.
"""

from __future__ import annotations

TALL = 6
"""Rows of the largest tile: with four vectors a row, 24 of 32 registers hold sums."""

WIDE = 4
"""Vectors a row of the largest tile."""

TILES = tuple((m, n) for n in (4, 2, 1) for m in ((6, 4, 2, 1) if n > 2 else (8, 4, 2, 1)))
"""Tiles that a product is made of: rows, and vectors a row."""


def tile(m: int, n: int) -> str:
    """One tile as a C function; ``part`` is how many lanes of the last vector to write."""
    rows, vectors = range(m), range(n)
    acc = [[f"a{i}{j}" for j in vectors] for i in rows]
    lines = [
        f"static void tile{m}x{n}(long count, const float *a, long am, long ak, const float *b, long ldb,",
        "    float *c, long ldc, const float *start, int add, int part) {",
    ]
    if m == 1:
        lines.append("  (void)am;")
    for i in rows:
        lines.append(f"  const float s{i} = start ? start[{i}] : 0.0f;")
        lines.append("  V " + ", ".join(f"{x} = SPREAD(s{i})" for x in acc[i]) + ";")
    lines.append("  for (long k = 0; k < count; k++, a += ak, b += ldb) {")
    lines.append("    const V " + ", ".join(f"b{j} = LOAD(b + {16 * j})" for j in vectors) + ";")
    lines.append("    V x;")
    for i in rows:
        lines.append(f"    x = SPREAD(a[{i} * am]);" if i else "    x = SPREAD(a[0]);")
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


def products() -> str:
    """All tiles and the function that covers a matrix with them."""
    lines = [tile(m, n) for m, n in TILES]
    lines.append(
        "static void product(long m, long n, long count, const float *a, long am, long ak, const float *b,\n"
        "    long ldb, long panel, float *c, long ldc, const float *start, int add) {\n"
        "  for (long j = 0; j < n;) {\n"
        "    const long left = (n - j + 15) / 16, in_panel = panel ? j % 64 : 0;\n"
        "    const float *bj = panel ? b + (j - in_panel) * panel + in_panel : b + j;\n"
        "    const int vectors = left >= 4 ? 4 : left >= 2 ? 2 : 1;\n"
        "    const int part = n - j >= vectors * 16 ? 16 : (int)(n - j - (vectors - 1) * 16);\n"
        "    long i = 0;\n"
        "#define COVER(M, N) for (; i + M <= m; i += M) tile##M##x##N(count, a + i * am, am, ak, bj, ldb, \\\n"
        "    c + i * ldc + j, ldc, start ? start + i : start, add, part);"
    )
    for n in (4, 2, 1):
        covers = " ".join(f"COVER({m}, {k})" for m, k in TILES if k == n)
        lines.append(f"    if (vectors == {n}) {{ {covers} }}")
    lines.append("#undef COVER\n    j += vectors * 16;\n  }\n}\n")
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
