"""Gradients of kernels over many positions of sequences: what is turned round once serves several kernels.

A kernel's gradient is a sum over positions and rows. The gradient on the products is turned round for a few positions
at a time, and all kernels whose products it is the gradient on add up their sums of these while it is in the cache.
Each tile's sums stay in registers for all of these positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.tiles import either, split
from foldnet.graph.graph import Node
from foldnet.graph.op import Op

if TYPE_CHECKING:
    from foldnet.engines.native.training.writer import BatchWriter

AT_ONCE = 8
"""Positions of 16 rows that are turned round together, and fewer of more rows: with 128 units, 64 kB."""


@dataclass(frozen=True)
class PositionsTile:
    """A tile of so many inputs and vectors of units, whose sums go over positions and rows.

    Attributes:
        m: inputs.
        n: vectors.
        whole: whether the last vector is written whole; else the call says how much of it.
        sums: whether it adds up what is turned round itself, too: the gradient of a bias.
    """

    m: int
    n: int
    whole: bool
    sums: bool

    @property
    def name(self) -> str:
        """Of the C function."""
        return f"positions{self.m}x{self.n}{'' if self.whole else 'p'}{'s' * self.sums}"

    def code(self) -> str:
        """The C function."""
        rows, vectors = range(self.m), range(self.n)
        acc = [[f"a{i}x{j}" for j in vectors] for i in rows]
        part = "16" if self.whole else "part"
        ends = [
            f"  store_part({plus('c', times(i, 'ldc'), 16 * j)}, {acc[i][j]}, 1, {part if j == self.n - 1 else 16});"
            for i in rows
            for j in vectors
        ]
        added = [f"s{j} += b{j};" for j in vectors if self.sums]
        for i in rows:
            place = f"a[{times(i, 'R')}]" if i else "*a"
            added.append(f"x = SPREAD({place});")
            added += [f"{acc[i][j]} = MULADD(x, b{j}, {acc[i][j]});" for j in vectors]
        if self.sums:
            acc.append([f"s{j}" for j in vectors])
            last = len(vectors) - 1
            ends += [
                f"  store_part({plus('sums', 16 * j)}, s{j}, 1, {part if j == last else 16});"
                for j in vectors
            ]
        body = [
            *(f"  V {', '.join(f'{x} = {{0}}' for x in some)};" for some in acc),
            "  for (long t = 0; t < positions; t++, a += step - rows, b += (R - rows) * 64)",
            "    for (long r = 0; r < rows; r++, a++, b += 64) {",
            "      const V " + ", ".join(f"b{j} = LOAD({plus('b', 16 * j)})" for j in vectors) + ";",
            "      V x;",
            *(f"      {line}" for line in added),
            "    }",
            *ends,
        ]
        start = [
            f"static void {self.name}(long positions, long rows, long R, const float *a, long step, const float *b,",
            "    float *c, long ldc, float *sums, int part) {",
            "  (void)sums; (void)part;",
        ]
        given = f"{self.m}, {self.n}, positions, rows, R, a, step, b, c, ldc, {'sums' if self.sums else 'NULL'}, {part}"
        loops = [f"  any_positions({given});"]
        return either("\n".join([*start, *body, "}", ""]), "\n".join([*start, *loops, "}", ""]))


def any_positions() -> str:
    """``any_positions``: what the tiles compute, their size known when it runs."""
    return """\
#ifdef QUICK_TO_COMPILE
static void any_positions(long m, long n, long positions, long rows, long R, const float *a, long step,
                          const float *b, float *c, long ldc, float *sums, int part) {
  for (long j = 0; j < n && sums; j++) {
    V sum = {0};
    for (long t = 0; t < positions; t++)
      for (long r = 0; r < rows; r++)
        sum += LOAD(b + (t * R + r) * 64 + 16 * j);
    store_part(sums + 16 * j, sum, 1, j == n - 1 ? part : 16);
  }
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) {
      V sum = {0};
      for (long t = 0; t < positions; t++)
        for (long r = 0; r < rows; r++)
          sum = MULADD(SPREAD(a[t * step + i * R + r]), LOAD(b + (t * R + r) * 64 + 16 * j), sum);
      store_part(c + i * ldc + 16 * j, sum, 1, j == n - 1 ? part : 16);
    }
}
#endif"""


def kernel_gradients(e: BatchWriter, node: Node[Op]) -> None:
    """The gradients of all kernels whose products have this gradient, summed over positions and rows, and of a bias."""
    value = node.inputs[1]
    nodes = e.together([n for n in e.backward if type(n.op) is type(node.op) and n.inputs[1] == value], node)
    sums = [
        n
        for n in e.backward
        if n.op.adds_up and n.inputs == (value,) and e.shape(n.output) == e.shape(value)[-1:]
    ]
    bias = next(iter(e.together(sums[:1], node)), None)
    *ahead, units = e.shape(value)
    count, panels = prod(ahead), -(-units // 64)
    turned = e.space(f"turned positions {panels}", panels * 64 * AT_ONCE)
    # The node itself last: whether its own gradient is added to is what is asked for in the end.
    for each in [*([bias] if bias else []), *reversed(nodes)]:
        e.zero_unless(e.adds(each.output), each.output)
    most = str(AT_ONCE) if e.few_rows else f"(R < {16 * AT_ONCE} ? {16 * AT_ONCE} / R : 1)"
    e.add("{", f"const long most = {most};", f"for (long t = 0; t < {count} && !HALTED; t += most) {{")
    e.add(f"const long some = {count} - t < most ? {count} - t : most;", "for (long k = 0; k < some; k++) {")
    g = plus(e.place(value), times(times(plus("t", "k"), units), "R"))
    for first in range(0, units, 64):
        size = min(units - first, 64)
        to = plus(turned, times(times(first, "most"), "R"), times(times("k", 64), "R"))
        blocks = -(-size // 16)
        e.add(f"to_panels({plus(g, times(first, 'R'))}, {size}, R, {to}, LOW({blocks}), HIGH({blocks}));")
    e.add("}")
    e.barrier()
    if e.threaded:
        e.add("long turn = 0;")
    for k, each in enumerate(nodes):
        fan_in, _ = e.shape(each.output)
        x = plus(e.place(each.inputs[0]), times(times("t", fan_in), "R"))
        own = e.place(bias.output) if bias and not k else ""
        _product(e, fan_in, units, x, turned, e.place(each.output), own)
    e.barrier()
    e.add("}", "}")
    e.wait()


def _product(e: BatchWriter, fan_in: int, units: int, x: str, turned: str, to: str, sums: str) -> None:
    """Tiles of one kernel's gradient, which add up some positions; the first ones what is turned round, too."""
    first = 0
    for height, turns in split(fan_in):
        # The tiles that add up more than the others are for themselves.
        parts = [(0, 1), (1, turns)] if sums and not first else [(0, turns)]
        for begin, end in (part for part in parts if part[0] < part[1]):
            several = end - begin > 1
            i: Number = "i" if several else first + begin * height
            calls = []
            for j in range(0, units, 32):
                vectors = 2 if units - j > 16 else 1
                part = min(units - j - 16 * (vectors - 1), 16)
                own = plus(sums, j) if sums and i == 0 else "NULL"
                tile = PositionsTile(height, vectors, part == 16, own != "NULL")
                e.position_tiles[tile] = None
                b = plus(turned, times(times(j - j % 64, "most"), "R"), j % 64)
                calls += ["if (turn++ % NT == ME)"] if e.threaded else []
                calls.append(
                    f"{tile.name}(some, rows, R, {plus(x, times(i, 'R'))}, {times(fan_in, 'R')}, {b}, "
                    f"{plus(to, times(i, units), j)}, {units}, {own}, {part});"
                )
            head = f"for (long i = {first + begin * height}; i < {first + end * height}; i += {height}) {{"
            e.add(*([head, *calls, "}"] if several else calls))
        first += height * turns
