"""What the emitters of single ops write a training program into: products and other kernels, and work along axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from foldnet.codegen.expressions import Number, composed, plus, times
from foldnet.codegen.loops import (
    Strides,
    laid_out,
    strides_of,
)
from foldnet.codegen.tiles import Tile
from foldnet.codegen.writer import SINGLE, Along, Each, Once, Stage, Total
from foldnet.engines.native.training.dense import dense, turned_dense
from foldnet.engines.native.training.dots import Dots
from foldnet.engines.native.training.positions import PositionsTile, kernel_gradients
from foldnet.engines.native.training.products import Left, gathered_product, known_product, shared_product
from foldnet.engines.native.training.statements import ROWS, Statements, loop, shared
from foldnet.engines.native.training.window_dots import WindowDots
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.graph.training import TrainingProgram
from foldnet.operations.windows.step_c import conv as conv_of_windows


class BatchWriter(Statements):
    """What the emitters of single ops write into.

    Attributes:
        tiles: that products of known size are made of.
        dot_sums: that gradients of kernels with rows as lanes are made of.
        position_tiles: that gradients of kernels over many positions are made of.
        written: results of nodes of the gradients that were written along with earlier ones.
        any_product: whether one of a size that is known only when the program runs is called.
    """

    real = SINGLE
    lanes = 0

    def __init__(self, program: TrainingProgram) -> None:
        super().__init__(program)
        self.tiles: dict[Tile, None] = {}
        self.dot_sums: dict[Dots | WindowDots, None] = {}
        self.position_tiles: dict[PositionsTile, None] = {}
        self.written: set[str] = set()
        self.any_product = False
        self._adding = False

    def product(
        self,
        m: int,
        n: int | str,
        count: int | str,
        a: tuple[str, Number, Number],
        b: str,
        ldb: Number,
        c: str,
        ldc: Number,
        start: str = "",
        add: str = "0",
        shared: bool = True,
    ) -> list[str]:
        """C of a product of matrices, see ``codegen/tiles.py``; its rows are shared among threads.

        Args:
            m: rows.
            n: columns: a number, when ``b`` lies in panels, or ``"R"``.
            count: of what is summed over.
            a: the left matrix and its steps along m and along the sum.
            b: the right matrix, and ``ldb`` its step along the sum.
            c: the result, and ``ldc`` the step from row to row.
            start: array of what the sums of each row start with.
            add: C of whether to add to what is in the result.
            shared: whether threads divide it; else the thread that comes here does the whole.
        """
        if self.threaded and shared:
            self.any_product = True
            return [shared_product(m, n, count, a, b, ldb, c, ldc, start, add)]
        return known_product(
            self.tiles, m, 16 if self.few_rows and n == "R" else n, count, a, b, ldb, c, ldc, start, add
        )

    def over_positions(self, node: Node[Op]) -> bool:
        """Write the gradient of a kernel of many positions, in a network of sequences; tells whether it did."""
        if self.walks:
            kernel_gradients(self, node)
        return self.walks

    def zero_unless(self, more: str, value: str) -> None:
        """Set a value to 0, unless it is added to."""
        if more == "0":
            self.zero(value)
        else:
            count = times("sizeof(float)", self.size(value))
            self.add(f"if (FIRST && !{more})", f"memset({self.place(value)}, 0, {count});")
            self.wait()

    def together(self, nodes: Sequence[Node[Op]], with_node: Node[Op]) -> list[Node[Op]]:
        """Those of some nodes of the gradients that can be written with one of them: what they read is known there."""
        later = self.backward[self.backward.index(with_node) :]
        unknown = {v for n in later for v in n.outputs}
        found = [n for n in nodes if n in later and not unknown.intersection(n.inputs)]
        self.written.update(n.output for n in found)
        return found

    def gathered(
        self, m: int, count: int, places: str, parts: Number, a: Left, b: str, c: str, start: str = ""
    ) -> list[str]:
        """C of a gathered product over all rows, see ``codegen/tiles.py``; the thread that comes here does all."""
        return gathered_product(self.tiles, m, count, places, parts, a, b, c, start, self.few_rows)

    def dots(self, units: int, given: str) -> str:
        """C of the sums over rows of each input's products with each of few units, see ``dots.py``."""
        function = Dots(units)
        self.dot_sums[function] = None
        return f"{function.name}({given});"

    def window_dots(self, inputs: int, units: int, given: str) -> str:
        """C of sums over windows and rows of products of inputs and units, see ``window_dots.py``."""
        function = WindowDots(inputs, units)
        self.dot_sums[function] = None
        return f"{function.name}({given});"

    def adds(self, value: str) -> str:
        """C of whether a sum over rows is added to what earlier blocks gave: gradients of blocks that threads share."""
        self._adding = self.by_blocks and self.threaded and self.roots[value] in self._gradients
        return "MORE" if self._adding else "0"

    def put_aside(self, outputs: Sequence[str], began: int) -> None:
        """See that what was written since ``began`` is added to what earlier blocks gave, if it was not yet."""
        adding, self._adding = self._adding, False
        if adding or not self.by_blocks or not self.threaded:
            return
        for value in outputs:
            if self.roots[value] not in self._gradients:
                continue
            array, count = self.place(value), self.size(value)
            before = self.space(f"gradient of earlier blocks {count}", count, laned=False)
            self.lines[began:began] = [
                "if (FIRST && MORE)", f"memcpy({before}, {array}, {times('sizeof(float)', count)});", "BARRIER",
            ]  # fmt: skip
            self.barrier()
            self.add(
                "if (FIRST && MORE)", f"for (long i = 0; i < {count}; i++)", f"{array}[i] += {before}[i];"
            )
            self.barrier()
            self._open = (-1, [])

    def along(self, loops: Along, stages: Sequence[Stage]) -> None:
        """Stages of work along axes."""
        if 0 in loops.shape:
            return
        ordered = _in_order(stages)
        steps, kept = strides_of(loops.shape), loops.kept
        small = strides_of([loops.shape[a] for a in kept])
        at = plus(*(times(f"i{a}", steps[a]) for a in kept))
        to = plus(*(times(f"i{a}", s) for a, s in zip(kept, small, strict=True)))
        heads = [
            loop(f"i{a}", 0, loops.shape[a]) if n else shared(f"i{a}", loops.shape[a])
            for n, a in enumerate(kept)
        ]
        if loops.sums:
            starts = "\n".join(f"{{{name}}} = {start};" for name, start in loops.sums.items())
            ordered = [Once(starts), *ordered]
        text = " ".join(stage.text for stage in ordered)
        lines = [
            f"{const}float *{name} = {plus(self._array(value), times(where, 'R'))};"
            for const, group, where in (("const ", loops.reads, at), ("", loops.writes, at), ("", loops.small, to))
            for name, value in group.items() if f"{{{name}}}" in text
        ]  # fmt: skip
        lines += [
            f"float *{name} = {self.space(f'row of sums {n}', 8)} + ME * R;"
            for n, name in enumerate(loops.sums)
        ]
        for stage in ordered:
            lines += self._stage(loops, stage)
        heads = heads or ["if (FIRST)"]
        self.add(*heads[:-1], f"{heads[-1]} {{", *lines, "}")
        self.wait()

    def _stage(self, loops: Along, stage: Each | Once) -> list[str]:
        text, each, shape = stage.text, isinstance(stage, Each), loops.shape
        axes = [a for a in loops.axes if shape[a] != 1] if each else []
        off = plus(*(times(f"k{a}", strides_of(shape)[a]) for a in axes))
        for name in (*loops.reads, *loops.writes):
            text = text.replace(f"{{{name}}}", f"{name}[{plus(times(off, 'R'), 'r')}]")
        for name in (*loops.small, *loops.sums):
            text = text.replace(f"{{{name}}}", f"{name}[r]")
        first = loops.axes[0]
        text = text.replace("{k}", f"k{first}" if first in axes else "0")
        heads = [loop(f"k{a}", 0, shape[a]) for a in axes]
        if isinstance(stage, Each) and stage.reverse and heads:
            heads = [f"for (long k{first} = {shape[first] - 1}; k{first} >= 0; k{first}--)"]
        return laid_out([*heads, ROWS], text)

    def _array(self, value: str) -> str:
        """The C name of a value's array, or of one that is kept."""
        return self.place(value) if value in self.graph.types else value

    def outer(self, node: Node[Op], axis: int, text: str) -> None:
        """A statement for every position ahead of an axis."""
        shape = self.shape(node.inputs[0])
        outer, n, inner = prod(shape[:axis]), shape[axis], times(prod(shape[axis + 1 :]), "R")
        at = times(times("o", n) if outer != 1 else 0, inner)
        x, y = (plus(self.place(v), at) for v in (node.inputs[0], node.output))
        heads = [shared("o", outer)] if outer != 1 else ["if (FIRST)"]
        self.add(*laid_out(heads, text.format(x=x, y=y, n=n, inner=composed("(int){0}", inner))))
        self.wait()

    def multiply_add(self, a: str, b: str, c: str) -> str:
        """C of ``a * b + c``, rounded twice."""
        return composed("{0} * {1} + {2}", a, b, c)

    def zero(self, value: str) -> None:
        """Set a value to 0."""
        count = times("sizeof(float)", self.size(value))
        count = times(count, "R") if self.laned(value) else count
        self.add("if (FIRST)", f"  memset({self.place(value)}, 0, {count});")
        self.wait()

    def number(self, value: float) -> str:
        """A setting that is given at run time, so that another value compiles nothing."""
        return f"(float){self.layout.number(value)}"

    def keep(self, node: Node[Op], what: str, count: int) -> str:
        """An array that an operation keeps for its gradient."""
        return self.space(what, count, of=node.output)

    def kept(self, value: str, what: str) -> str:
        """The array that the operation whose result is this value keeps for its gradient."""
        return self.space(what, 0, of=value)

    def fault(self, node: Node[Op], lane: str) -> str:
        """A statement that reports a row that the node cannot compute."""
        return f"if ({lane} < rows) job->outside = 1;"

    def entry(self, constant: str, at: str) -> str:
        """C of an element of a constant."""
        return f"{self.place(constant)}[{at}]"

    def dense(self, node: Node[Op], turned: bool = False) -> None:
        """A product with a kernel, its columns shared among threads."""
        (turned_dense if turned else dense)(self, node)

    def products_of(self, node: Node[Op], sizes: Sequence[int], strides: Sequence[Strides]) -> bool:
        """Loops do it."""
        return False

    def conv(self, node: Node[Any], low: float) -> bool:
        """Products of the kernel with all rows at every position."""
        conv_of_windows(self, node)
        return False


def _in_order(stages: Sequence[Stage]) -> list[Each | Once]:
    """The stages with totals in order; one directly after work on every element shares its loops."""
    found: list[Each | Once] = []
    for stage in stages:
        before = found[-1] if found else None
        if isinstance(stage, Total) and isinstance(before, Each) and not before.reverse:
            found[-1] = Each(f"{before.text}\n{stage.in_order.text}")
        else:
            found.append(stage.in_order if isinstance(stage, Total) else stage)
    return found
