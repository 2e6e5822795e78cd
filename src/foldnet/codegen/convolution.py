"""Convolutions of one row: kernels that keep a tile of positions and units in registers.

Every element of the result is summed in one fixed order, whatever the kernel: window positions in order, and within
each the channels, in stretches of at most ``STRETCH`` products. A stretch starts from zero and is added to what came
before, at first the bias. So few terms are added one by one that little is lost to rounding.

A tile is a few neighbouring positions of the last spatial axis times a few vectors of units: each number of x serves
all its units, and each vector of weights all its positions. A depthwise convolution has vectors of channels instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.loops import laid_out
from foldnet.codegen.matrix import raised
from foldnet.codegen.tiles import split
from foldnet.graph.sizes import free

STRETCH = 64


def tallest(vectors: int, simd: int) -> int:
    """Positions of the largest tile with so many vectors of units that its sums fit the registers.

    >>> tallest(2, 8), tallest(2, 16)
    (6, 12)
    """
    return (24 if simd == 16 else 12) // max(vectors, 2 if simd == 16 else 1)


HEIGHTS = (12, 6, 4, 2, 1)
"""Of tiles where the number of positions is known only when the code runs."""

HIGH = 5
"""Positions from which on a tile computes as many products a second as the largest; lower ones compute fewer."""


def heights(count: int, tall: int) -> list[tuple[int, int]]:
    """Heights of tiles, none above ``tall``, that cover so many positions, and how many there are of each.

    At most two kinds, as each is a kernel that compilers work long on.

    >>> heights(44, 12), heights(20, 12), heights(8, 6), heights(36, 4)
    ([(11, 4)], [(10, 2)], [(6, 1), (2, 1)], [(4, 9)])
    """
    even = split(count, tall)
    if count <= tall or even[-1][0] >= HIGH:
        return even
    whole, left = divmod(count, tall)
    return [(tall, whole), (left, 1)] if left else [(tall, whole)]


def heights_at_run_time(tall: int) -> list[int]:
    """Heights of tiles that cover any number of positions; few, as each is a kernel to be compiled.

    >>> heights_at_run_time(12), heights_at_run_time(6), heights_at_run_time(2)
    ([12, 4, 1], [6, 2, 1], [2, 1])
    """
    found = [h for h in HEIGHTS if h <= tall]
    return [found[0], *(h for h in found[1:-1] if 3 * h == found[0]), 1] if found[0] > 1 else found


def tile_turns(count: int, tall: int) -> int:
    """How many tiles ``in_tiles`` has for each turn of the outer loops; with free counts, largest ones.

    >>> tile_turns(44, 12), tile_turns(25, 12)
    (4, 3)
    """
    if free(count) is None:
        return sum(whole for _, whole in heights(count, tall))
    height = heights_at_run_time(tall)[0]
    return (count + (height - 1)) // height


def in_tiles(
    count: int,
    tall: int,
    call: Callable[[int, Number], str],
    outer: Sequence[str] = (),
    turns: tuple[Number, Number] | None = None,
) -> list[str]:
    """C that covers so many positions with tiles, none higher than ``tall``, inside loops.

    Args:
        count: of positions; it may be known only when the code runs.
        tall: see ``tallest``.
        call: the statement for one tile, given its height and its first position.
        outer: heads of loops around all of it.
        turns: which of the ``tile_turns``, C of the first and of the one after the last; None for all.
    """
    if free(count) is not None:
        first, *_ = found = heights_at_run_time(tall)
        lines, end = ["long p = 0;"], str(count)
        if turns is not None:
            last = times(turns[1], first)
            lines, end = [f"long p = {times(turns[0], first)};"], "end"
            lines.append(f"const long end = {last} < {count} ? {last} : {count};")
        for height in found:
            lines += laid_out([f"for (; {plus('p', height - 1)} < {end}; p += {height})"], call(height, "p"))
        return laid_out(outer, "\n".join(lines)) if outer else ["{", *(f"  {line}" for line in lines), "}"]
    lines, done = [], 0
    kinds = heights(count, tall)
    for height, whole in kinds:
        heads, start = list(outer), plus("p", done) if whole != 1 or turns else done
        if turns is not None:
            heads.append(_span(turns, height, kinds[0][1], done > 0, len(kinds) > 1))
        elif whole != 1:
            heads.append(f"for (int p = 0; p < {height * whole}; p += {height})")
        lines += laid_out(heads, call(height, start))
        done += height * whole
    return lines


def _span(turns: tuple[Number, Number], height: int, before: int, second: bool, both: bool) -> str:
    """The head of the loop over tiles of one height, of some turns; ``before`` of them are the first kind."""
    low, high = turns
    if second:
        low, high = f"({low} > {before} ? {low} - {before} : 0)", f"({high} - {before})"
    elif both:
        high = f"({high} < {before} ? {high} : {before})"
    return f"for (int p = {times(low, height)}; p < {times(high, height)}; p += {height})"


def together(simd: int, positions: int | None = None) -> int:
    """Vectors of units in a tile, at most.

    With 16 registers two: for three, no register is left, and compilers read the same weights again for each position.
    With 32, four, or two if only the tiles of two, which are higher, cover the positions without low ones.

    >>> together(16, 12), together(16, 8)
    (4, 2)
    """
    if simd != 16:
        return 2
    if positions is None or free(positions) is not None:
        return 4
    low = [min(height for height, _ in heights(positions, tallest(n, simd))) < HIGH for n in (2, 4)]
    return 2 if low == [False, True] else 4


@dataclass(frozen=True)
class Tile:
    """One kernel.

    Attributes:
        positions: in the tile.
        vectors: of units.
        size: floats in a vector.
        part: how many floats of the last vector are written; 0 for all.
        depthwise: whether each unit sees the channel with its own number alone.
    """

    positions: int
    vectors: int
    size: int
    part: int = 0
    depthwise: bool = False

    @property
    def name(self) -> str:
        """Of the C function."""
        kind = "depthwise" if self.depthwise else "conv"
        return f"{kind}{self.positions}x{self.vectors}v{self.size}" + (f"p{self.part}" if self.part else "")

    def _load(self, place: str) -> str:
        return f"load{self.size}({place})" if self.size > 1 else f"*({place})"

    def code(self) -> str:
        """The C function. It computes one tile, all taps and channels."""
        size, rows, columns = self.size, range(self.positions), range(self.vectors)
        kind = f"v{size}" if size > 1 else "float"
        zero = "{0}" if size > 1 else "0.0f"
        fma = f"fma{size}" if size > 1 else "FMA"
        sums = [[f"a{j}_{v}" for v in columns] for j in rows]
        last = "" if self.depthwise else ", int channels"
        alone = ["  (void)step;", "  (void)out;"] if self.positions == 1 else []
        lines = [
            # Copies in its callers would be no faster, and compiling them takes a quarter of the time.
            f"static __attribute__((noinline)) void {self.name}(const float *x, long step, const int32_t *taps,",
            f"    int count{last},",
            "    const float *w, int width, const float *bias, float *y, long out, float low) {",
            *alone,
        ]
        if self.depthwise:
            lines += [
                f"  for (int t = 0; t < count; t += {STRETCH}) {{",
                f"    const int end = count - t < {STRETCH} ? count : t + {STRETCH};",
                f"    const int first = t == 0, last = count - t <= {STRETCH};",
            ]
        else:
            lines += [
                f"  const int per = channels < {STRETCH} ? {STRETCH} / channels : 1;",
                "  for (int t = 0; t < count; t += per)",
                f"  for (int c = 0; c < channels; c += {STRETCH}) {{",
                f"    const int some = channels - c < {STRETCH} ? channels - c : {STRETCH};",
                "    const int end = count - t < per ? count : t + per, first = t + c == 0;",
                f"    const int last = count - t <= per && channels - c <= {STRETCH};",
            ]
        for j in rows:
            lines.append(f"    {kind} " + ", ".join(f"{a} = {zero}" for a in sums[j]) + ";")
        lines.append("    for (int k = t; k < end; k++) {")
        weights = [f"w{v} = {self._load(plus('q', v * size))}" for v in columns]
        if self.depthwise:
            lines.append("      const float *p = x + taps[k], *q = w + (long)k * width;")
            lines.append(f"      const {kind} {', '.join(weights)};")
            for j in rows:
                at = times(j, "step")
                lines += [
                    f"      {a} = {fma}({self._load(plus('p', at, v * size))}, w{v}, {a});"
                    for v, a in enumerate(sums[j])
                ]
        else:
            lines.append("      const float *p = x + taps[k] + c, *q = w + ((long)k * channels + c) * width;")
            lines.append("      for (int i = 0; i < some; i++, q += width) {")
            lines.append(f"        const {kind} {', '.join(weights)};")
            for j in rows:
                spread = f"p[{plus('i', times(j, 'step'))}]" + (f" - (v{size}){{0}}" if size > 1 else "")
                lines.append(f"        const {kind} x{j} = {spread};")
                lines += [f"        {a} = {fma}(x{j}, w{v}, {a});" for v, a in enumerate(sums[j])]
            lines.append("      }")
        lines.append("    }")
        for v in columns:
            start = f"bias ? {self._load(plus('bias', v * size))} : ({kind}){{0}}"
            lines.append(f"    const {kind} b{v} = {start};")
        places = [[plus("y", times(j, "out"), v * size) for v in columns] for j in rows]
        every = [(a, places[j][v], v) for j in rows for v, a in enumerate(sums[j])]
        lines += [f"    {a} = (first ? b{v} : {self._read(place, v)}) + {a};" for a, place, v in every]
        lines.append("    if (last) {")
        lines += [f"      {a} = {raised(a, 'low', size)};" for a, _, _ in every]
        lines.append("    }")
        lines += [f"    {self._store(place, a, v)}" for a, place, v in every]
        return "\n".join([*lines, "  }", "}"]) + "\n"

    def _whole(self, vector: int) -> bool:
        return not self.part or vector < self.vectors - 1

    def _read(self, place: str, vector: int) -> str:
        return self._load(place) if self._whole(vector) else f"some{self.size}({place}, {self.part})"

    def _store(self, place: str, value: str, vector: int) -> str:
        if not self._whole(vector):
            return f"__builtin_memcpy({place}, &{value}, {4 * self.part});"
        return f"store{self.size}({place}, {value});" if self.size > 1 else f"*({place}) = {value};"


def reading_some(size: int) -> str:
    """C of reading the first floats of a vector, with nothing read beyond them."""
    return (
        f"static inline v{size} some{size}(const float *p, int count) {{\n"
        f"  v{size} x = {{0}};\n"
        "  __builtin_memcpy(&x, p, sizeof(float) * (size_t)count);\n"
        "  return x;\n"
        "}\n"
    )


def kernels(tiles: Collection[Tile]) -> list[str]:
    """C of these kernels."""
    return [t.code() for t in sorted(tiles, key=lambda t: t.name)]


def one_position(weight: Callable[[str], str]) -> str:
    """C of a kernel for one position and all units, given how C reads a weight."""
    return f"""\
/* One position of a convolution: window positions in order and within each the channels, in stretches of {STRETCH}
   products that are added up. */
static void fn_conv(const float *x, const int32_t *taps, int count, int channels, const float *w, const float *bias,
                    float *y, int units, int columns) {{
  const int per = channels < {STRETCH} ? {STRETCH} / channels : 1;
  for (int first = 0; first < units; first += 16) {{
    const int width = units - first < 16 ? units - first : 16;
    float sum[16];
    for (int u = 0; u < width; u++)
      y[first + u] = bias ? {weight("bias[first + u]")} : 0.0f;
    for (int t = 0; t < count; t += per)
      for (int c = 0; c < channels; c += {STRETCH}) {{
        const int some = channels - c < {STRETCH} ? channels - c : {STRETCH};
        const int end = count - t < per ? count : t + per;
        for (int u = 0; u < width; u++)
          sum[u] = 0.0f;
        for (int k = t; k < end; k++)
          for (int i = c; i < c + some; i++)
            for (int u = 0; u < width; u++)
              sum[u] = FMA(x[taps[k] + i], {weight("w[((long)k * channels + i) * columns + first + u]")}, sum[u]);
        for (int u = 0; u < width; u++)
          y[first + u] = y[first + u] + sum[u];
      }}
  }}
}}
"""
