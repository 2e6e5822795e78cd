"""Products of matrices for one row: kernels that keep a tile of the result in registers.

A tile is a few rows of the result times a few vectors along its columns: each number of ``A`` serves all its columns,
and each vector of ``B`` all its rows. Every element is summed in order, whatever the tile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from foldnet.codegen.convolution import together
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.matrix import raised
from foldnet.graph.sizes import free


@dataclass(frozen=True)
class ProductTile:
    """One kernel: ``C[m][n] = start[n] + sum over k of A(m, k) * B[k][n]``, or added to what is there.

    Results that are not more than ``low`` are raised to it; -inf changes none.

    Attributes:
        rows: of the tile.
        vectors: along the columns.
        size: floats in a vector.
        part: how many floats of the last vector are written; 0 for all.
    """

    rows: int
    vectors: int
    size: int
    part: int = 0

    @property
    def name(self) -> str:
        """Of the C function."""
        return f"product{self.rows}x{self.vectors}v{self.size}" + (f"p{self.part}" if self.part else "")

    def _load(self, place: str) -> str:
        return f"load{self.size}({place})" if self.size > 1 else f"*({place})"

    def code(self) -> str:
        """The C function."""
        size, rows, columns = self.size, range(self.rows), range(self.vectors)
        kind = f"v{size}" if size > 1 else "float"
        fma = f"fma{size}" if size > 1 else "FMA"
        zero = f"({kind}){{0}}" if size > 1 else "0.0f"
        sums = [[f"a{i}_{v}" for v in columns] for i in rows]
        lines = [
            f"static __attribute__((noinline)) void {self.name}(int count, const float *a, long am, long ak,",
            "    const float *b, long ldb, const float *start, float *c, long ldc, int add, float low) {",
            *(["  (void)am;", "  (void)ldc;"] if self.rows == 1 else []),
        ]
        for v in columns:
            begin = f"start ? {self._load(plus('start', v * size))} : {zero}"
            lines.append(f"  const {kind} s{v} = {begin};")
        for i in rows:
            lines.append(f"  {kind} " + ", ".join(f"{a} = s{v}" for v, a in enumerate(sums[i])) + ";")
        lines.append("  for (int k = 0; k < count; k++, a += ak, b += ldb) {")
        loads = ", ".join(f"b{v} = {self._load(plus('b', v * size))}" for v in columns)
        lines.append(f"    const {kind} {loads};")
        for i in rows:
            spread = f"a[{times(i, 'am')}]" + (f" - (v{size}){{0}}" if size > 1 else "")
            lines.append(f"    const {kind} x{i} = {spread};")
            lines += [f"    {a} = {fma}(x{i}, b{v}, {a});" for v, a in enumerate(sums[i])]
        lines.append("  }")
        places = [[plus("c", times(i, "ldc"), v * size) for v in columns] for i in rows]
        lines.append("  if (add) {")
        lines += [
            f"    {a} = {self._read(places[i][v], v)} + {a};" for i in rows for v, a in enumerate(sums[i])
        ]
        lines.append("  }")
        lines.append("  if (low > -(float)INFINITY) {")
        lines += [f"    {a} = {raised(a, 'low', size)};" for i in rows for a in sums[i]]
        lines.append("  }")
        lines += [f"  {self._store(places[i][v], a, v)}" for i in rows for v, a in enumerate(sums[i])]
        return "\n".join([*lines, "}"]) + "\n"

    def _whole(self, vector: int) -> bool:
        return not self.part or vector < self.vectors - 1

    def _read(self, place: str, vector: int) -> str:
        return self._load(place) if self._whole(vector) else f"some{self.size}({place}, {self.part})"

    def _store(self, place: str, value: str, vector: int) -> str:
        if not self._whole(vector):
            return f"__builtin_memcpy({place}, &{value}, {4 * self.part});"
        return f"store{self.size}({place}, {value});" if self.size > 1 else f"*({place}) = {value};"


@dataclass(frozen=True)
class Columns:
    """A few vectors of columns.

    Attributes:
        first: column.
        vectors: how many.
        size: floats in a vector.
        part: how many floats of the last vector exist; 0 for all.
        head: of a loop over several of them, where their number is known only when the code runs.
    """

    first: Number
    vectors: int
    size: int
    part: int = 0
    head: str = ""

    def repeated(self, lines: Sequence[str]) -> list[str]:
        """Statements for these columns, in the loop."""
        return [f"{self.head} {{", *(f"  {line}" for line in lines), "}"] if self.head else list(lines)


def columns_of(count: int, simd: int, padded: bool) -> list[Columns]:
    """Groups of vectors that cover so many columns.

    Args:
        count: of columns.
        simd: floats in a vector.
        padded: whether a last vector may read beyond the columns; else it is divided into smaller ones.

    >>> columns_of(36, 16, padded=True)
    [Columns(first=0, vectors=3, size=16, part=4, head='')]
    >>> columns_of(36, 16, padded=False)
    [Columns(first=0, vectors=2, size=16, part=0, head=''), Columns(first=32, vectors=1, size=4, part=0, head='')]
    """
    if free(count) is not None:
        return _columns_at_run_time(count, simd)
    found, first, size = [], 0, simd
    while first < count:
        left = count - first
        if padded:
            vectors = min(together(size), -(-left // size))
            part = max(0, vectors * size - left)
            found.append(Columns(first, vectors, size, size - part if part else 0))
        else:
            while size > left:
                size //= 2
            vectors = min(together(size) if size == simd else 1, left // size)
            found.append(Columns(first, vectors, size))
        first += vectors * size
    return found


def _columns_at_run_time(count: int, simd: int) -> list[Columns]:
    # Few shapes, as each is a kernel to be compiled.
    shapes = [(together(simd), simd), *((1, size) for size in (simd, 4, 1) if size <= simd)]
    return [
        Columns("c", n, size, head=f"for (; {plus('c', n * size - 1)} < {count}; c += {n * size})")
        for n, size in shapes
    ]


def counted(count: int, lines: Sequence[str]) -> list[str]:
    """Statements for all groups of so many columns; ``c`` is the first column of a group in a loop."""
    if free(count) is None:
        return list(lines)
    return ["{", "  long c = 0;", *(f"  {line}" for line in lines), "}"]


SIDE_BY_SIDE = """\
#ifdef __clang__
#define MIXED(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define MIXED(a, b, i, j, k, l) __builtin_shuffle(a, b, (i4){i, j, k, l})
#endif

/* Copies columns, whose elements are `next` apart and which are `step` apart, into rows of `width` numbers, where they
   lie side by side; zeros fill the rows. */
static __attribute__((noinline)) void side_by_side(const float *from, long step, long next, int columns, int count,
    float *to, int width) {
  const int whole = next == 1 ? columns / 4 * 4 : 0, deep = count / 4 * 4;
  for (int n = 0; n < whole; n += 4)
    for (int k = 0; k < deep; k += 4) {
      const float *p = from + n * step + k;
      float *y = to + k * width + n;
      const v4 a = load4(p), b = load4(p + step), c = load4(p + 2 * step), d = load4(p + 3 * step);
      const v4 ab = MIXED(a, b, 0, 4, 1, 5), cd = MIXED(c, d, 0, 4, 1, 5);
      const v4 ab2 = MIXED(a, b, 2, 6, 3, 7), cd2 = MIXED(c, d, 2, 6, 3, 7);
      store4(y, MIXED(ab, cd, 0, 1, 4, 5));
      store4(y + width, MIXED(ab, cd, 2, 3, 6, 7));
      store4(y + 2 * width, MIXED(ab2, cd2, 0, 1, 4, 5));
      store4(y + 3 * width, MIXED(ab2, cd2, 2, 3, 6, 7));
    }
  for (int n = 0; n < columns; n++)
    for (int k = n < whole ? deep : 0; k < count; k++)
      to[k * width + n] = from[n * step + k * next];
  for (int k = 0; k < count; k++)
    for (int n = columns; n < width; n++)
      to[k * width + n] = 0.0f;
}
"""
"""C of a function for products whose second matrix does not lie as their kernels read it."""


def kernels(tiles: Collection[ProductTile]) -> list[str]:
    """C of these kernels."""
    return [tile.code() for tile in sorted(tiles, key=lambda t: t.name)]
