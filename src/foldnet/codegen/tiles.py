"""C of the register tiles of matrix products, of the 16 by 16 transposition and of 16 sums at once, written by name.

A product is ``C[m][n] (+)= start[m] + sum over k of A(m, k) * B[k][n]``: ``A`` is read element by element and
spread over a vector, ``B`` and ``C`` are read and written as vectors of 16 along n. Every element is summed over k
in order, so results depend neither on the tile nor on the thread that made them.

A gathered product is a sum of such products: of each of ``parts``, ``places`` says where its ``A`` begins, and at how
many rows its ``B``.
"""

from __future__ import annotations

from dataclasses import dataclass

from foldnet.codegen.expressions import plus, times

TALL = 12
"""Rows of the largest tile: with two vectors a row, 24 of 32 registers hold sums."""

ANY = (12, 8, 4, 2, 1)
"""Heights that cover any number of rows, for programs that learn it when they run."""


@dataclass(frozen=True)
class Tile:
    """One tile: its size, and what is known of it when the code is written.

    Attributes:
        m: rows.
        n: vectors a row.
        start: whether sums begin at numbers of their own; None if only the call says.
        add: whether sums are added to what is there; None likewise.
        whole: whether the last vector is written whole; else the call says how much of it.
        gathered: whether it is of a gathered product.
    """

    m: int
    n: int
    start: bool | None = None
    add: bool | None = None
    whole: bool = False
    gathered: bool = False

    @property
    def name(self) -> str:
        """Of the C function."""
        given = zip("sap", (self.start, self.add, not self.whole), strict=True)
        marks = "".join({True: mark, False: "", None: mark.upper()}[known] for mark, known in given)
        return f"tile{self.m}x{self.n}{marks}{'g' * self.gathered}"

    @property
    def _head(self) -> list[str]:
        of = "const int32_t *places, long parts, " if self.gathered else ""
        return [
            f"static void {self.name}({of}long count, const float *a, long am, long ak, const float *b, long ldb,",
            "    float *c, long ldc, const float *start, int add, int part) {",
            "  (void)am; (void)ldc; (void)start; (void)add; (void)part;",
        ]

    def _first(self, row: int) -> str:
        """What the sums of a row begin at."""
        return {True: f"start[{row}]", False: "0.0f", None: f"start ? start[{row}] : 0.0f"}[self.start]

    @property
    def _adds(self) -> str:
        return {True: "1", False: "0", None: "add"}[self.add]

    def code(self) -> str:
        """The C function."""
        return either(self._written_out(), self._in_loops())

    def _in_loops(self) -> str:
        start = "NULL" if self.start is False else "start"
        part = "16" if self.whole else "part"
        of = "places, parts" if self.gathered else "(const int32_t[2]){0, 0}, 1"
        size = f"{self.m}, {self.n}, {of}, count"
        call = f"  any_tile({size}, a, am, ak, b, ldb, c, ldc, {start}, {self._adds}, {part});"
        return "\n".join([*self._head, call, "}", ""])

    def _written_out(self) -> str:
        rows, vectors = range(self.m), range(self.n)
        acc = [[f"a{i}x{j}" for j in vectors] for i in rows]
        lines = self._head
        for i in rows:
            lines.append("  V " + ", ".join(f"{x} = SPREAD({self._first(i)})" for x in acc[i]) + ";")
        a, b = "a", "b"
        if self.gathered:
            lines.append("  for (long q = 0; q < parts; q++) {")
            lines.append("  const float *from = a + places[2 * q], *bq = b + places[2 * q + 1] * ldb;")
            a, b = "from", "bq"
        # A pointer for each four rows: with one for each, compilers run out of registers for addresses.
        lines += [f"  const float *p{i} = {plus(a, times(i, 'am'))};" for i in range(0, self.m, 4)]
        step = " ".join(f"p{i} += ak," for i in range(0, self.m, 4))
        lines.append(f"  for (long k = 0; k < count; k++, {step} {b} += ldb) {{")
        lines.append("    const V " + ", ".join(f"b{j} = LOAD({plus(b, 16 * j)})" for j in vectors) + ";")
        lines.append("    V x;")
        for i in rows:
            lines.append(f"    x = SPREAD(p{i // 4 * 4}[{times(i % 4, 'am')}]);")
            lines += [f"    {acc[i][j]} = MULADD(x, b{j}, {acc[i][j]});" for j in vectors]
        lines += ["  }"] * (1 + self.gathered)
        for i in rows:
            for j in vectors:
                part = "part" if j == self.n - 1 and not self.whole else "16"
                place = plus("c", times(i, "ldc"), 16 * j)
                lines.append(f"  store_part({place}, {acc[i][j]}, {self._adds}, {part});")
        return "\n".join([*lines, "}", ""])


def either(written_out: str, in_loops: str) -> str:
    """A function as it is fast, and as it is compiled fast, which the tests ask for; both have the same bits."""
    return f"#ifndef QUICK_TO_COMPILE\n{written_out}#else\n{in_loops}#endif\n"


def split(m: int, tall: int = TALL) -> list[tuple[int, int]]:
    """Heights of the tiles, none above ``tall``, that share ``m`` rows evenly, and how many there are of each.

    >>> split(11), split(64), split(10, 6)
    ([(11, 1)], [(11, 4), (10, 2)], [(5, 2)])
    """
    parts = -(-m // tall)
    low, more = divmod(m, parts)
    return [(height, count) for height, count in ((low + 1, more), (low, parts - more)) if count]


def any_product() -> str:
    """The function that covers a matrix of any size, for rows that are shared among threads."""
    tiles = [Tile(m, n) for m in ANY for n in (2, 1)]
    height = " : ".join([*(f"left >= {m} ? {m}" for m in ANY[:-1]), str(ANY[-1])])
    cases = "\n".join(
        f"      case {t.m * 2 + t.n - 1}: {t.name}(count, ai, am, ak, bj, ldb, ci, ldc, si, add, part); break;"
        for t in tiles
    )
    return "\n".join(t.code() for t in tiles) + (
        "\nstatic void product(const Job *job, long m, long n, long count, const float *a, long am, long ak,\n"
        "    const float *b, long ldb, long panel, float *c, long ldc, const float *start, int add) {\n"
        "  for (long j = 0; j < n && !STOP(job);) {\n"
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


def any_tile() -> str:
    """``any_tile``: what every tile computes, its size known when it runs."""
    lines = [
        "#ifdef QUICK_TO_COMPILE",
        "static void any_tile(long m, long n, const int32_t *places, long parts, long count, const float *a, long am,",
        "    long ak, const float *b, long ldb, float *c, long ldc, const float *start, int add, int part) {",
        "  for (long i = 0; i < m; i++)",
        "    for (long j = 0; j < n; j++) {",
        "      V sum = SPREAD(start ? start[i] : 0.0f);",
        "      for (long q = 0; q < parts; q++)",
        "        for (long k = 0; k < count; k++)",
        "          sum = MULADD(SPREAD(a[places[2 * q] + i * am + k * ak]),",
        "                       LOAD(b + (places[2 * q + 1] + k) * ldb + 16 * j), sum);",
        "      store_part(c + i * ldc + 16 * j, sum, add, j == n - 1 ? part : 16);",
        "    }",
        "}",
        "#endif",
    ]
    return "\n".join(lines)


def last_columns() -> str:
    """``last_columns``: a product's last 16 columns where their number is odd, for any number of rows."""
    return """\
static __attribute__((noinline)) void last_columns(long m, long count, const float *a, long am, long ak, const float *b,
    long ldb, float *c, long ldc, const float *start, int add) {
  for (long i = 0; i < m; i += 4) {
    /* Four rows at a time; where fewer are left, the last one again in the place of those that are not there. */
    const long i1 = i + 1 < m ? i + 1 : m - 1, i2 = i + 2 < m ? i + 2 : m - 1, i3 = i + 3 < m ? i + 3 : m - 1;
    const float *a0 = a + i * am, *a1 = a + i1 * am, *a2 = a + i2 * am, *a3 = a + i3 * am;
    V s0 = SPREAD(start ? start[i] : 0.0f), s1 = SPREAD(start ? start[i1] : 0.0f);
    V s2 = SPREAD(start ? start[i2] : 0.0f), s3 = SPREAD(start ? start[i3] : 0.0f);
    for (long k = 0; k < count; k++) {
      const V x = LOAD(b + k * ldb);
      s0 = MULADD(SPREAD(a0[k * ak]), x, s0);
      s1 = MULADD(SPREAD(a1[k * ak]), x, s1);
      s2 = MULADD(SPREAD(a2[k * ak]), x, s2);
      s3 = MULADD(SPREAD(a3[k * ak]), x, s3);
    }
    store_part(c + i * ldc, s0, add, 16);
    if (i1 > i)
      store_part(c + i1 * ldc, s1, add, 16);
    if (i2 > i1)
      store_part(c + i2 * ldc, s2, add, 16);
    if (i3 > i2)
      store_part(c + i3 * ldc, s3, add, 16);
  }
}
"""


def transposition() -> str:
    """``turn``: sixteen vectors become the columns that they held."""
    lines = ["static inline __attribute__((always_inline)) void turn(V *x) {", "  V a, b;"]
    for s in (1, 2, 4, 8):
        low = ", ".join(str(k if not k & s else 16 + k - s) for k in range(16))
        high = ", ".join(str(k + s if not k & s else 16 + k) for k in range(16))
        for i in range(16):
            if not i & s:
                lines.append(f"  a = x[{i}]; b = x[{i + s}];")
                lines.append(f"  x[{i}] = __builtin_shufflevector(a, b, {low});")
                lines.append(f"  x[{i + s}] = __builtin_shufflevector(a, b, {high});")
    loops = [
        "static inline void turn(V *x) {",
        "  for (int i = 0; i < 16; i++)",
        "    for (int k = 0; k < i; k++) {",
        "      const float a = x[i][k];",
        "      x[i][k] = x[k][i];",
        "      x[k][i] = a;",
        "    }",
    ]
    return either("\n".join([*lines, "}", ""]), "\n".join([*loops, "}", ""]))


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
    loops = [
        "static inline V sums16(const V *x) {",
        "  V y;",
        "  for (int k = 0; k < 16; k++)",
        "    y[k] = across(x[k]);",
        "  return y;",
    ]
    return either("\n".join([*lines, f"  return {names[0]};", "}", ""]), "\n".join([*loops, "}", ""]))
