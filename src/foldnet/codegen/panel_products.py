"""Products of rows with a kernel that lies in panels, in C: one function for all layers whose panels are the same.

A tile is a few rows of the result times the columns of one panel (``product_tiles.py``). A stretch of a panel serves
all rows before the next one is read, so that the kernel is read once; the sums are in the order of ``matrix.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from foldnet.codegen.convolution import tallest, together
from foldnet.codegen.expressions import plus, times
from foldnet.codegen.loops import laid_out
from foldnet.codegen.matrix import STRETCH
from foldnet.codegen.product_tiles import ProductTile


@dataclass(frozen=True, order=True)
class PanelProduct:
    """One function: rows times panels of one width.

    Attributes:
        vectors: that a panel's columns are.
        size: floats in a vector.
        part: how many floats of the last vector are columns; 0 for all.
        simd: floats in a vector register.
    """

    vectors: int
    size: int
    part: int
    simd: int

    @property
    def width(self) -> int:
        """Columns that a panel has room for."""
        return self.vectors * self.size

    @property
    def name(self) -> str:
        """Of the C function."""
        return f"panels{self.vectors}v{self.size}" + (f"p{self.part}" if self.part else "")

    @property
    def groups(self) -> list[tuple[int, list[ProductTile]]]:
        """First column of the vectors that a tile has, and tiles that cover any number of rows, the highest first."""
        most, found = together(self.simd), []
        for first in range(0, self.vectors, most):
            vectors = min(most, self.vectors - first)
            part = self.part if first + vectors == self.vectors else 0
            tall = tallest(vectors, self.simd)
            heights = sorted({tall, -(-tall // 2), -(-tall // 4), 1}, reverse=True)
            found.append((first * self.size, [ProductTile(n, vectors, self.size, part) for n in heights]))
        return found

    @property
    def tiles(self) -> list[ProductTile]:
        """All of them."""
        return [tile for _, tiles in self.groups for tile in tiles]

    def cost(self, inputs: int) -> float:
        """Of one row and one panel, in multiply-adds of whole vectors, as measured; storing results included."""
        each = 0.6 if self.size < self.simd else 1.02 * self.vectors
        return inputs * each + 1.3 * self.vectors + 1

    def code(self) -> str:
        """The C function."""
        lines = [
            f"static void {self.name}(const float *x, long ldx, int rows, int inputs, const float *w,",
            "    const float *bias, float *y, long ldy, float low, int first, int last) {",
            "  for (int p = first; p < last; p++)",
            f"    for (int s = 0; s < inputs || s == 0; s += {STRETCH}) {{",
            f"      const int count = inputs - s < {STRETCH} ? inputs - s : {STRETCH}, more = s > 0;",
            f"      const float *b = w + {times('((long)p * inputs + s)', self.width)};",
            f"      const float *start = bias && !more ? bias + {times('p', self.width)} : NULL;",
            f"      const float least = s + {STRETCH} < inputs ? -(float)INFINITY : low;",
            *(line for group in self.groups for line in self._in_tiles(*group)),
        ]
        return "\n".join([*lines, "    }", "}"]) + "\n"

    def _in_tiles(self, column: int, tiles: list[ProductTile]) -> list[str]:
        """Calls for all rows and the columns from this one on."""
        start = f"start ? {plus('start', column)} : NULL" if column else "start"
        place = plus("y + m * ldy", times("p", self.width), column)
        lines = ["      {", "        int m = 0;"]
        for tile in tiles:
            call = (
                f"{tile.name}(count, x + m * ldx + s, ldx, 1, {plus('b', column)}, {self.width}, {start}, "
                f"{place}, ldy, more, least);"
            )
            step = f"m += {tile.rows}" if tile.rows > 1 else "m++"
            lines += laid_out([f"for (; {plus('m', tile.rows - 1)} < rows; {step})"], call, "        ")
        return [*lines, "      }"]


def kernels(products: Collection[PanelProduct]) -> list[str]:
    """C of these functions; their tiles are to come before them."""
    return [product.code() for product in sorted(products)]
