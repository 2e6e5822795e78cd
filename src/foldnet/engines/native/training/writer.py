"""Where a training program's values lie, and the loops over them; what the emitters of single ops write into.

A value with a batch axis is laid out [element][row] in the workspace, at a fixed number of elements times R, the
rounded-up number of rows, which is known only when the program runs. Values without a batch axis (weights,
numbers) lie in the buffer of weights, trainable ones first and in one piece, so that an update is one loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod

from foldnet.codegen.loops import Operand, broadcast_strides, collapse, place, strides_of
from foldnet.codegen.tiles import Tile, split
from foldnet.codegen.writer import SINGLE, Along, Body, Each, Offset, Stage
from foldnet.engines.native.training.dense import dense, turned_dense
from foldnet.engines.native.training.functions import Function, Part
from foldnet.engines.native.training.layout import Layout, prepared
from foldnet.graph.graph import Node
from foldnet.graph.op import INT
from foldnet.graph.training import TrainingProgram, Variable
from foldnet.operations.structure.op import Cast
from foldnet.passes.differentiate import Differentiated, differentiate

_WHOLE = re.compile(r"[vgwx]\d+")

PART_LINES = 60
"""Statements from which a function is divided at the next op."""

THREADED_FROM = 200_000
"""Multiplications a row from which a program is worth threads."""


class _Loop:
    """One loop over rows for one statement, or for several that read and write the same elements of it."""

    def __init__(self, start: str, statements: list[str]) -> None:
        self._start, self._statements = start, statements

    def __str__(self) -> str:
        single = len(self._statements) == 1
        body = self._statements[0] if single else " ".join(f"{{ {s} }}" for s in self._statements)
        return f"{self._start} {body} }}"


class BatchWriter:
    """Collects the statements of one function; knows each value's place, shape and gradient.

    Attributes:
        lines: of C so far.
        forward: the nodes of the program; ``backward`` those of its gradients.
        copies: gradients of variables that lie elsewhere and are to be copied: variable and value.
        tiles: that products of known size are made of.
        any_product: whether one of a size that is known only when the program runs is called.
    """

    real = SINGLE
    lanes = 0

    def __init__(self, program: TrainingProgram) -> None:
        self.program = program
        graph, trains = prepared(program), program.update is not None
        d = differentiate(program, graph) if trains else Differentiated(graph, len(graph.nodes), {})
        self.graph, self.gradients = d.graph, d.gradients
        self.forward, self.backward = d.graph.nodes[: d.forward], d.graph.nodes[d.forward :]
        self.layout = Layout()
        self.lines: list[str | _Loop] = []
        self.tiles: dict[Tile, None] = {}
        self.any_product = False
        self._ids: dict[str, int] = {}
        self._declared: dict[str, str] = {}
        self._where: dict[str, str] = {}
        self._pool: dict[int, list[str]] = {}
        self._released: set[str] = set()
        self._seals: list[int] = []
        self._open = (-1, "")
        self._statements: list[list[str]] = []
        self._inside = 0
        self._place_weights()
        self.roots = self._roots()
        self._late = {v for node in self.backward for v in node.outputs}
        self._gradients: dict[str, int] = {}
        self.copies: list[tuple[str, str]] = []
        self._place_gradients()
        self._dies = self._deaths()
        self._dying: list[str] = []
        self.threaded = self.work() >= THREADED_FROM

    def _place_weights(self) -> None:
        moving = [v for v in self.program.variables if not v.trainable]
        changing = [v for v in self.program.variables if v.trainable]
        # Ends at whole vectors: what lies between may be computed with, and is never read.
        at = 0
        for decay in (True, False):
            for v in (v for v in changing if v.decay == decay):
                self.layout.weights[v.name] = at
                at += prod(v.shape)
            at = -(-at // 16) * 16
            if decay:
                self.layout.decaying = at
        self.layout.trainable = at
        rest = [v.name for v in moving]
        rest += [n for n in self.graph.constants if n not in self.layout.weights and n not in rest]
        for name in rest:
            self.layout.weights[name] = at
            at += -(-self.size(name) // 16) * 16
        self.layout.size = at

    def _place_gradients(self) -> None:
        """A variable's gradient lies in the buffer of gradients; one that is another's, too, is copied there."""
        for variable, value in self.gradients.items():
            root = self.roots[value]
            if root in self._gradients or root not in self._late:
                self.copies.append((variable, value))
            else:
                self._gradients[root] = self.layout.weights[variable]

    def _roots(self) -> dict[str, str]:
        roots = {name: name for name in self.graph.types}
        for node in self.graph.nodes:
            same = self.graph.types[node.inputs[0]].dtype == self.graph.types[node.output].dtype
            if node.op.aliases or (isinstance(node.op, Cast) and same):
                roots[node.output] = roots[node.inputs[0]]
        return roots

    def work(self) -> int:
        """Multiply-adds of a row, forward."""
        return sum(
            node.op.multiply_adds(self.shape(node.output), *map(self.shape, node.inputs))
            for node in self.forward
        )

    # -- what values are ------------------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape without the batch axis."""
        shape = self.graph.types[value].shape
        return tuple(int(n or 0) for n in (shape[1:] if self.laned(value) else shape))

    def size(self, value: str) -> int:
        """Elements of a row, or of the whole of a value without rows."""
        return prod(self.shape(value))

    def laned(self, value: str) -> bool:
        """Whether a value has a batch axis."""
        shape = self.graph.types[value].shape
        return value not in self.graph.constants and bool(shape) and shape[0] is None

    def is_int(self, value: str) -> bool:
        """Whether a value holds indices."""
        return self.graph.types[value].dtype == INT

    def variable(self, value: str) -> Variable | None:
        """The variable of this name."""
        return next((v for v in self.program.variables if v.name == value), None)

    # -- where they lie -------------------------------------------------------------------------------------------

    def _id(self, key: str) -> int:
        return self._ids.setdefault(key, len(self._ids))

    def place(self, value: str) -> str:
        """The C name of a value's array."""
        root = self.roots[value]
        kind = "int32_t" if self.is_int(root) else "float"
        if root in self.layout.weights:
            name = f"w{self._id(root)}"
            self._declared.setdefault(
                name, f"{kind} *const {name} = ({kind} *)(W + {self.layout.weights[root]});"
            )
            return name
        if root in self._gradients:
            name = f"g{self._id(root)}"
            self._declared.setdefault(name, f"float *const {name} = G + {self._gradients[root]};")
            return name
        name = f"v{self._id(root)}"
        if name not in self._declared:
            free = self._pool.get(self.size(root)) if root in self._late and self.laned(root) else None
            if free:
                self._declared[name], self._where[name] = self._at(name, kind, free[-1]), free.pop()
            else:
                self._declare(name, self.size(root), self.laned(root), kind)
        return name

    @staticmethod
    def _at(name: str, kind: str, where: str) -> str:
        return f"{kind} *const {name} = ({kind} *)({where});"

    def space(self, hint: str, count: int, laned: bool = True, kind: str = "float") -> str:
        """A new array of ``count`` elements, with or without rows; the same again for the same hint."""
        name = f"x{self._id(hint)}"
        if name not in self._declared:
            self._declare(name, count, laned, kind)
        return name

    def _declare(self, name: str, count: int, laned: bool, kind: str = "float") -> None:
        if laned:
            place, self.layout.lanes = f"S + {self.layout.lanes}L * R", self.layout.lanes + count
        else:
            place, self.layout.free = f"F + {self.layout.free}", self.layout.free + -(-count // 16) * 16
        self._declared[name], self._where[name] = self._at(name, kind, place), place

    def begin(self, node: Node) -> None:
        """Say that a node of the gradients comes next: what it alone still needs may lie where its result will."""
        self._dying = self._dies.get(node.output, [])
        if node.op.in_place:
            self._release([v for v in self._dying if self.size(v) == self.size(node.output)])

    def end(self) -> None:
        """Say that it is written: what nothing needs any more leaves its place to others."""
        self._release(self._dying)

    def _release(self, values: Sequence[str]) -> None:
        for root in values:
            name = f"v{self._id(root)}"
            if name in self._declared and root not in self._released:
                self._released.add(root)
                self._pool.setdefault(self.size(root), []).append(self._where[name])

    def _deaths(self) -> dict[str, list[str]]:
        """For each node of the gradients the values with rows, made among them, that it is the last to read."""
        made = {v for node in self.backward for v in node.outputs}
        kept = {self.roots[v] for v in self.graph.outputs}
        last: dict[str, str] = {}
        for node in self.backward:
            for value in node.inputs:
                root = self.roots[value]
                if root in made and root not in kept and self.laned(root):
                    last[root] = node.output
        found: dict[str, list[str]] = {}
        for root, output in last.items():
            found.setdefault(output, []).append(root)
        return found

    # -- code -----------------------------------------------------------------------------------------------------

    def add(self, *lines: str | _Loop) -> None:
        """Append statements."""
        self.lines += lines

    def product(
        self,
        m: int,
        n: int | str,
        count: int | str,
        a: tuple[str, int | str, int | str],
        b: str,
        ldb: int | str,
        c: str,
        ldc: int | str,
        start: str = "",
        add: bool = False,
    ) -> str:
        """C of a product of matrices, see ``train_tiles``; its rows are shared among threads.

        Args:
            m: rows.
            n: columns: a number, when ``b`` lies in panels, or ``"R"``.
            count: of what is summed over.
            a: the left matrix and its steps along m and along the sum.
            b: the right matrix, and ``ldb`` its step along the sum.
            c: the result, and ``ldc`` the step from row to row.
            start: array of what the sums of each row start with.
            add: to what is in the result.
        """  # fmt: skip
        left, am, ak = a
        panel = "0" if n == "R" else "R"
        if self.threaded:
            self.any_product = True
            return (
                f"product(job, HIGH({m}) - LOW({m}), {n}, {count}, {left} + LOW({m}) * {am}, {am}, {ak}, {b}, {ldb}, "
                f"{panel}, {c} + LOW({m}) * {ldc}, {ldc}, {f'{start} + LOW({m})' if start else '0'}, {int(add)});"
            )
        lines, first = [], 0
        for height, times in split(m):
            last = first + height * times
            lines.append(f"for (long i = {first}; i < {last} && !HALTED; i += {height}) {{")
            begin = f"{start} + i" if start else "0"

            def call(
                vectors: int, j: str, right: str, part: int, begin: str = begin, height: int = height
            ) -> str:
                tile = Tile(height, vectors, bool(start), add, part == 16)
                self.tiles[tile] = None
                return (
                    f"{tile.name}({count}, {left} + i * {am}, {am}, {ak}, {b} + {right}, {ldb}, {c} + i * {ldc} + {j}, "
                    f"{ldc}, {begin}, {int(add)}, {part});"
                )

            if isinstance(n, str):
                lines.append(f"long j = 0; for (; j + 32 <= R && !HALTED; j += 32) {call(2, 'j', 'j', 16)}")
                lines.append(f"if (j < R) {call(1, 'j', 'j', 16)}")
            else:
                for j in range(0, n, 32):
                    vectors = 2 if n - j > 16 else 1
                    part = min(n - j - 16 * (vectors - 1), 16)
                    lines.append(call(vectors, str(j), f"{j - j % 64} * R + {j % 64}", part))
            lines.append("}")
            first = last
        return "\n".join(lines)

    def seal(self) -> None:
        """Say that statements may be divided here, between one op and the next."""
        self._seals.append(len(self.lines))

    def function(self, name: str, parameters: str, arguments: str) -> Function:
        """The statements so far as a C function, with declarations of its arrays; then start again."""
        parts: list[list[str | _Loop]] = [[]]
        done = 0
        for end in [*self._seals, len(self.lines)]:
            if len(parts[-1]) >= PART_LINES:
                parts.append([])
            parts[-1] += self.lines[done:end]
            done = end
        self.lines, self._seals, self._open = [], [], (-1, "")
        return Function(name, parameters, arguments, [self._part(lines) for lines in parts])

    def _part(self, lines: Sequence[str | _Loop]) -> Part:
        statements = "\n".join(map(str, lines))
        used = dict.fromkeys(re.findall(r"\b[vgwx]\d+\b", statements))
        return Part([self._declared[name] for name in used if name in self._declared], statements)

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
                o.laned and not o.rows and (not sizes or s == [1])
                for o, s in zip(operands, steps, strict=True)
            )
        ):
            self._flat(sizes[0] if sizes else 1, operands, body, sums)
            return
        lines = []
        for depth, size in enumerate(sizes):
            split = depth == 0 and not sums
            low, high = (f"LOW({size})", f"HIGH({size})") if split else ("0", str(size))
            lines.append(f"for (long i{depth} = {low}; i{depth} < {high}; i{depth}++)")
        head, elements = [], []
        for k, (operand, step) in enumerate(zip(operands, steps, strict=True)):
            at = place(step)
            if not operand.base:
                elements.append("r" if operand.laned else at)
            elif operand.rows:
                elements.append(f"({operand.base} + ({at}) * R)")
            elif operand.laned:
                const = "" if operand.written else "const "
                head.append(f"{const}{operand.kind} *p{k} = {operand.base} + ({at}) * R;")
                elements.append(f"p{k}[r]")
            elif operand.written:
                elements.append(f"{operand.base}[{at}]")
            else:
                head.append(f"const {operand.kind} c{k} = {operand.base}[{at}];")
                elements.append(f"c{k}")
        inner = body(*elements)
        loop = f"ROWS(r, 0, R) {{ {inner} }}" if laned and "ROWS(" not in inner else inner
        guard = ["if (FIRST)"] if sums or not sizes else []
        self.add(*guard, *lines, "{", *head, loop, "}")
        self.wait()

    def _flat(self, count: int, operands: Sequence[Operand], body: Body, sums: bool) -> None:
        """One loop over all elements and rows, of which all operands have the same."""
        whole = sums or count == 1
        low, high = ("0", f"{count}") if whole else (f"LOW({count})", f"HIGH({count})")
        text = body(*(f"{o.base}[r]" if o.base else "r" for o in operands))
        start = f"{'if (FIRST) ' if whole else ''}ROWS(r, {low} * R, {high} * R) {{"
        # One loop for several operations: arrays with names of their own share no element but the same.
        joined = all(_WHOLE.fullmatch(o.base) for o in operands)
        if joined and self._open == (len(self.lines), start):
            self._statements[-1].append(text)
        else:
            self._statements.append([text])
            self.add(_Loop(start, self._statements[-1]))
            self.wait()
        self._open = (len(self.lines), start) if joined else (-1, "")

    def wait(self) -> None:
        """Threads wait for each other, so that all see what has been written; inside a loop, only after it."""
        if not self._inside:
            self.add("BARRIER")

    @contextmanager
    def loop(self, variable: str, count: int) -> Iterator[None]:
        """A loop around all that is written inside; its turns touch different elements."""
        self.add(f"for (long {variable} = 0; {variable} < {count}; {variable}++) {{")
        self._inside += 1
        yield
        self._inside -= 1
        self.add("}")
        self.wait()

    @contextmanager
    def table(self, name: str, numbers: Sequence[int]) -> Iterator[None]:
        """A table of whole numbers for all that is written inside."""
        self.add("{", f"static const int32_t {name}[] = {{{', '.join(map(str, numbers))}}};")
        yield
        self.add("}")

    def along(self, loops: Along, stages: Sequence[Stage]) -> None:
        """Stages of work along axes."""
        if 0 in loops.shape:
            return
        steps, kept = strides_of(loops.shape), loops.kept
        small = strides_of([loops.shape[a] for a in kept])
        at = " + ".join(f"i{a} * {steps[a]}" for a in kept) or "0"
        to = " + ".join(f"i{a} * {s}" for a, s in zip(kept, small, strict=True)) or "0"
        off = " + ".join(f"k{a} * {steps[a]}" for a in loops.axes) or "0"
        outer = [
            f"for (long i{a} = {low}; i{a} < {high}; i{a}++)"
            for n, a in enumerate(kept)
            for low, high in [
                (f"LOW({loops.shape[a]})", f"HIGH({loops.shape[a]})") if n == 0 else ("0", loops.shape[a])
            ]
        ]
        inner = " ".join(f"for (long k{a} = 0; k{a} < {loops.shape[a]}; k{a}++)" for a in loops.axes)
        text = " ".join(stage.text for stage in stages)
        head = [
            f"{const}float *{name} = {self._array(value)} + ({where}) * R;"
            for const, group, where in (("const ", loops.reads, at), ("", loops.writes, at), ("", loops.small, to))
            for name, value in group.items() if f"{{{name}}}" in text
        ]  # fmt: skip
        head += [
            f"float *{name} = {self.space(f'sum {n}', 8)} + ME * R;"
            for n, name in enumerate(loops.sums)
            if f"{{{name}}}" in text
        ]
        lines = [self._stage(loops, stage, inner, off) for stage in stages]
        self.add(*(outer or ["if (FIRST)"]), "{", *head, *lines, "}")
        self.wait()

    def _stage(self, loops: Along, stage: Stage, inner: str, off: str) -> str:
        text, each = stage.text, isinstance(stage, Each)
        for name in (*loops.reads, *loops.writes):
            text = text.replace(f"{{{name}}}", f"{name}[({off}) * R + r]" if each else f"{name}[r]")
        for name in (*loops.small, *loops.sums):
            text = text.replace(f"{{{name}}}", f"{name}[r]")
        k = f"k{loops.axes[0]}"
        text = f"ROWS(r, 0, R) {{ {text.replace('{k}', k)} }}"
        if isinstance(stage, Each) and stage.reverse:
            inner = f"for (long {k} = {loops.shape[loops.axes[0]] - 1}; {k} >= 0; {k}--)"
        return f"{inner} {text}" if each else text

    def _array(self, value: str) -> str:
        """The C name of a value's array, or of one that is kept."""
        return self.place(value) if value in self.graph.types else value

    def outer(self, node: Node, axis: int, text: str) -> None:
        """A statement for every position ahead of an axis."""
        shape = self.shape(node.inputs[0])
        outer, n, inner = prod(shape[:axis]), shape[axis], f"{prod(shape[axis + 1 :])} * R"
        x, y = (f"({self.place(v)} + o * {n} * {inner})" for v in (node.inputs[0], node.output))
        self.add(
            f"for (long o = LOW({outer}); o < HIGH({outer}); o++)",
            text.format(x=x, y=y, n=n, inner=f"(int)({inner})"),
        )
        self.wait()

    def multiply_add(self, a: str, b: str, c: str) -> str:
        """C of ``a * b + c``, rounded twice."""
        return f"{a} * {b} + {c}"

    def zero(self, value: str) -> None:
        """Set a value to 0."""
        rows = " * R" if self.laned(value) else ""
        self.add(f"if (FIRST) memset({self.place(value)}, 0, sizeof(float) * {self.size(value)}L{rows});")
        self.wait()

    def number(self, value: float) -> str:
        """A setting that is given at run time, so that another value compiles nothing."""
        return f"(float){self.layout.number(value)}"

    def keep(self, node: Node, what: str, count: int) -> str:
        """An array that an operation keeps for its gradient."""
        return self.space(f"{what} {node.output}", count)

    def kept(self, value: str, what: str) -> str:
        """The array that the operation whose result is this value keeps for its gradient."""
        return self.space(f"{what} {value}", 0)

    def fault(self, node: Node, lane: str) -> str:
        """A statement that reports a row that the node cannot compute."""
        return f"if ({lane} < rows) job->outside = 1;"

    def entry(self, constant: str, at: str) -> str:
        """C of an element of a constant."""
        return f"{self.place(constant)}[{at}]"

    def dense(self, node: Node, turned: bool = False) -> None:
        """A product with a kernel, its columns shared among threads."""
        (turned_dense if turned else dense)(self, node)

    def read(self, value: str, strides: Sequence[int] | None = None, offset: Offset = 0) -> Operand:
        """A value that a loop reads, over its own row's shape or by other strides."""
        own = strides_of(self.shape(value)) if strides is None else tuple(strides)
        laned = self.laned(value)
        base = self.place(value)
        if offset != 0:
            base = f"({base} + ({offset}) * R)" if laned else f"({base} + {offset})"
        return Operand(base, own, laned, "int32_t" if self.is_int(value) else "float")

    def write(self, value: str, strides: Sequence[int] | None = None, offset: Offset = 0) -> Operand:
        """A value that a loop writes."""
        return replace(self.read(value, strides, offset), written=True)

    def spread(self, value: str, shape: Sequence[int]) -> Operand:
        """A value as it is read when spread over ``shape``."""
        own = self.shape(value)
        padded = (1,) * (len(shape) - len(own)) + own
        return self.read(value, broadcast_strides(padded))
