"""Writes the statements of a training program's functions: what the emitters of single ops write into."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

from foldnet.codegen.expressions import Number, composed, plus, times
from foldnet.codegen.loops import (
    Operand,
    Strides,
    collapse,
    laid_out,
    place,
    strides_of,
)
from foldnet.codegen.loops import loop as loop_head
from foldnet.codegen.names import Namespace
from foldnet.codegen.tiles import Tile
from foldnet.codegen.writer import SINGLE, Along, Body, Each, Once, Stage, Total
from foldnet.engines.native.training.dense import dense, turned_dense
from foldnet.engines.native.training.dots import Dots
from foldnet.engines.native.training.functions import Function, JointLoop, written
from foldnet.engines.native.training.places import Places
from foldnet.engines.native.training.positions import PositionsTile, kernel_gradients
from foldnet.engines.native.training.products import Left, gathered_product, known_product, shared_product
from foldnet.engines.native.training.window_dots import WindowDots
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.graph.training import TrainingProgram
from foldnet.operations.windows.step_c import conv as conv_of_windows

THREADED_FROM = 200_000
"""Multiplications a row from which a program is worth threads."""

CACHED = 250_000
"""Gradients that stay in the second-level cache."""

MUCH = 16
"""Multiplications a row, for each gradient that memory must hold, beside which adding up gradients is little."""

ROWS = "ROWS(r, 0, R)"
"""The head of a loop over all rows."""


def loop(variable: str, low: Number, high: Number) -> str:
    """The head of a loop of a training program, which counts with ``long``."""
    return loop_head(variable, low, high, "long")


def shared(variable: str, count: int) -> str:
    """The head of a loop whose turns are divided among threads."""
    return loop(variable, f"LOW({count})", f"HIGH({count})")


class BatchWriter(Places):
    """Collects the statements of one function.

    Attributes:
        lines: of C so far.
        tiles: that products of known size are made of.
        dot_sums: that gradients of kernels with rows as lanes are made of.
        position_tiles: that gradients of kernels over many positions are made of.
        written: results of nodes of the gradients that were written along with earlier ones.
        any_product: whether one of a size that is known only when the program runs is called.
        threaded: whether threads share each operation.
        by_blocks: whether forward and backward run for one block of rows after the other, as no operation of the
            network mixes rows. Threads share each block if ``threaded``, else each has blocks of its own.
        walks: whether the network goes through sequences step by step.
        few_rows: whether these are blocks of 16 rows, the number R then: a network with values of many positions, which
            stay in the cache so, and whose threads need not wait for each other.
    """

    real = SINGLE
    lanes = 0

    def __init__(self, program: TrainingProgram) -> None:
        super().__init__(program)
        self.lines: list[str | JointLoop] = []
        self.tiles: dict[Tile, None] = {}
        self.dot_sums: dict[Dots | WindowDots, None] = {}
        self.position_tiles: dict[PositionsTile, None] = {}
        self.written: set[str] = set()
        self.any_product = False
        self._seals: list[int] = []
        self._open: tuple[int, list[str]] = (-1, [])
        self._statements: list[list[str]] = []
        self._handed_on: list[tuple[list[str], str]] = []
        self._inside = 0
        self._comment = ""
        mixed = any(node.op.mixes_rows or node.op.moves for node in self.forward)
        self.by_blocks = not mixed
        self.walks = any(node.op.walks for node in self.forward)
        # Gradients are added up once a block: that must be little beside the work on a block.
        most = self.work() if self.layout.trainable <= CACHED else self.work() // MUCH
        positions = any(node.op.has_positions for node in self.forward)
        self.few_rows = positions and not mixed and self.layout.trainable <= most
        self.threaded = not self.few_rows and self.work() >= THREADED_FROM
        #: How many operations read the array of this name; more for what is read at the end of a step.
        self._reads: dict[str, int] = {}
        for value in [v for n in self.graph.nodes for v in dict.fromkeys(n.inputs)] + 2 * list(
            self.graph.outputs
        ):
            name = self.names.value(self.roots[value])
            self._reads[name] = self._reads.get(name, 0) + 1
        self._adding = False

    def announce(self, comment: str) -> None:
        """Put a comment above the next statement."""
        self._comment = f"/* {comment} */"

    def _announced(self) -> list[str]:
        comment, self._comment = self._comment, ""
        return [comment] if comment else []

    def add(self, *lines: str | JointLoop) -> None:
        """Append statements."""
        self.lines += [*self._announced(), *lines]

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

    def add_ahead(self, line: str) -> None:
        """Append a statement, or put it ahead of the operation before a loop over elements, which stays open to others.

        For what depends on no other statement. Ahead of a product it is done while its operands are waited for.
        """
        end, heads = self._open
        if self.threaded or end != len(self.lines):
            self.add(line)
            self.wait()
            return
        opened = next(k for k in reversed(range(end)) if isinstance(self.lines[k], JointLoop))
        at = [0, 0, *(seal for seal in self._seals if seal <= opened)][-2]
        self.lines[at:at] = added = [*self._announced(), line]
        self._seals = [seal + len(added) * (seal > at) for seal in self._seals]
        self._open = (len(self.lines), heads)

    def seal(self) -> None:
        """Say that statements may be divided here, between one op and the next."""
        self._comment = ""
        self._seals.append(len(self.lines))

    def function(self, name: str, parameters: str, arguments: str) -> Function:
        """The statements so far as a C function, with declarations of its arrays; then start again."""
        self._hand_on()
        groups: list[list[str]] = []
        done = 0
        for end in [*self._seals, len(self.lines)]:
            groups.append([line for part in self.lines[done:end] for line in written(part)])
            done = end
        self.lines, self._seals, self._open = [], [], (-1, [])
        return Function(name, parameters, arguments, groups, self._declared)

    def nest(self, shape: Sequence[int], operands: Sequence[Operand], body: Body, sums: bool = False) -> None:
        """Loops over a shape and the rows around ``body(*elements)``.

        The outermost loop is divided among threads unless ``sums``, for bodies that add up over it.
        """
        laned = any(o.laned and not o.rows for o in operands)
        sizes, steps = collapse(shape, [o.strides for o in operands])
        if (
            laned
            and len(sizes) <= 1
            and all(
                o.laned and not o.rows and o.start == 0 and (not sizes or s == [1])
                for o, s in zip(operands, steps, strict=True)
            )
        ):
            self._flat(sizes[0] if sizes else 1, operands, body, sums)
            return
        heads = [loop(f"i{d}", 0, n) if d or sums else shared("i0", n) for d, n in enumerate(sizes)]
        if sums or not sizes:
            heads = ["if (FIRST)", *heads]
        pointers, elements, names = [], [], Namespace(())
        for operand, step in zip(operands, steps, strict=True):
            at = place(step, operand.start)
            lanes = plus(operand.base, times(at, "R"))
            if not operand.base:
                elements.append("r" if operand.laned else at)
            elif operand.rows:
                elements.append(lanes)
            elif operand.laned and at == "0":
                elements.append(f"{operand.base}[r]")
            elif operand.written and not operand.laned:
                elements.append(f"{operand.base}[{at}]")
            else:
                name = names.fresh(f"{operand.base}_at" if operand.laned else f"{operand.base}_here")
                const = "" if operand.written else "const "
                pointers.append(
                    f"{const}{operand.kind} *{name} = {lanes};"
                    if operand.laned
                    else f"const {operand.kind} {name} = {operand.base}[{at}];"
                )
                elements.append(f"{name}[r]" if operand.laned else name)
        inner = body(*elements)
        rows = [ROWS] if laned and ROWS not in inner else []
        self.add(*laid_out(heads, "\n".join([*pointers, *laid_out(rows, inner)])))
        self.wait()

    def _flat(self, count: int, operands: Sequence[Operand], body: Body, sums: bool) -> None:
        """One loop over all elements and rows, of which all operands have the same."""
        whole = sums or count == 1
        low, high = (0, count) if whole else (f"LOW({count})", f"HIGH({count})")
        text = body(*(f"{o.base}[r]" if o.base else "r" for o in operands))
        heads = ["if (FIRST)"] * whole + [f"ROWS(r, {times(low, 'R')}, {times(high, 'R')})"]
        # One loop for several operations: arrays with names of their own share no element but the same.
        joined = all(o.base in self._declared for o in operands)
        if joined and self._open == (len(self.lines), heads):
            self._statements[-1].append("\n".join([*self._announced(), text]))
            read = [o.base for o in operands if not o.written and o.kind == "float"]
            self._handed_on += [(self._statements[-1], base) for base in read if self._reads.get(base) == 1]
        else:
            self._statements.append([text])
            self.add(JointLoop(heads, self._statements[-1]))
            self.wait()
        self._open = (len(self.lines), heads) if joined else (-1, [])

    def _hand_on(self) -> None:
        """Have loops hand on from statement to statement, without an array, what nothing else reads."""
        text = "\n".join(line for part in self.lines for line in written(part))
        words = Counter(re.findall(r"\b[a-z]\w*", text)) if self._handed_on else {}
        for statements, base in self._handed_on:
            element, write = f"{base}[r]", f"{base}[r] = "
            at = next((k for k, text in enumerate(statements) if write in text), -1)
            own = statements[at].split("\n")
            # What a statement declares is in braces with it.
            if at < 0 or any(line.startswith("const ") for line in own) or statements[at].count(element) != 1:
                continue
            if sum(text.count(element) for text in statements[at:]) != words[base]:
                continue
            # Without the layer's number, so that loops of like layers have the same text; and without const, at which a
            # statement would get braces around it.
            here = f"{re.sub(r'_[0-9]+$', '', base)}_value"
            if any(f" {here} = " in text for text in statements):
                continue
            statements[at] = statements[at].replace(write, f"float {here} = ")
            statements[at + 1 :] = [text.replace(element, here) for text in statements[at + 1 :]]
        self._handed_on = []

    def wait(self) -> None:
        """Threads wait for each other, so that all see what has been written; inside a loop, only after it."""
        if not self._inside:
            self.barrier()

    def barrier(self) -> None:
        """Threads wait for each other, wherever this is."""
        if self.lines and self.lines[-1] != "BARRIER":
            self.lines.append("BARRIER")

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """A block around all that is written inside, in which threads do not wait for each other."""
        self.add(head)
        self._inside += 1
        yield
        self._inside -= 1
        self.add("}")
        self.wait()

    @contextmanager
    def loop(self, variable: str, count: int) -> Iterator[Number]:
        """A loop around all that is written inside; gives its variable."""
        if count == 1:
            yield 0
            return
        with self.inside(f"{loop(variable, 0, count)} {{"):
            yield variable

    @contextmanager
    def table(self, name: str, numbers: Sequence[int]) -> Iterator[tuple[Number, Number]]:
        """A loop over a table of whole numbers; gives the position and the number there."""
        if len(numbers) == 1:
            yield 0, numbers[0]
            return
        with self.numbers(name, numbers), self.loop("p", len(numbers)) as p:
            yield p, f"{name}[{p}]"

    @contextmanager
    def numbers(self, name: str, numbers: Sequence[int]) -> Iterator[str]:
        """An array of whole numbers around all that is written inside; gives its name."""
        self.add("{", f"static const int32_t {name}[] = {{{', '.join(map(str, numbers))}}};")
        yield name
        self.add("}")

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
