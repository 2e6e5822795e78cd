"""The C of a prediction: the statements of a graph for one row, or for a block of rows as lanes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

from foldnet.codegen.layout import Plan, Weights, row_shape
from foldnet.codegen.loops import (
    C_TYPES,
    CType,
    Operand,
    broadcast_strides,
    collapse,
    index,
    place,
    strides_of,
)
from foldnet.codegen.names import C_RESERVED, Namespace, identifier
from foldnet.codegen.writer import DOUBLE, Along, Body, Each, Offset, Stage
from foldnet.engines.native.prediction.dense import dense_calls
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.operations import catalogue
from foldnet.operations.elementwise.c import activate


class BlockWriter:
    """The statements of a graph for a number of lanes, as far as they are written, and where its values lie.

    In the code, ``w`` is the weights buffer, ``f`` and ``j`` the workspaces of floats and ints, and ``BAD`` reports a
    row that cannot be computed.

    Args:
        graph: with sizes known.
        plan: places of the values.
        weights: collects the places of the constants.
        lanes: rows side by side; 1 for one row.
        simd: floats in a vector; 1 for portable C.
        direct: inputs that are read where the caller keeps them, by name, with their C expression.
        names: whether values and comments have the names of layers. Code to be cached does not: names would be part of
            its key.
    """

    real = DOUBLE

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        weights: Weights,
        *,
        lanes: int,
        simd: int,
        direct: dict[str, str],
        names: bool = False,
    ) -> None:
        self.graph, self.plan, self.weights = graph, plan, weights
        self.lanes, self.simd, self.direct, self.names = lanes, simd, direct, names
        self.tiles: set[int] = set()
        self.panel_widths: set[int] = set()
        self.faults: list[Node[Op]] = []
        self.lines: list[str] = []
        self._names = Namespace({*C_RESERVED, *direct.values()})
        self._pointers: dict[str, tuple[str, str]] = {}
        self._indent = "  "

    # -- where values are -----------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape of one row of a value; of the whole for a constant."""
        return row_shape(self.graph, value)

    def base(self, value: str) -> str:
        """The C name of a value's first element."""
        root = self.plan.roots.get(value, value)
        if root in self.direct:
            return self.direct[root]
        if root not in self._pointers:
            self._pointers[root] = self._named(root), self._declared(root)
        return self._pointers[root][0]

    def _declared(self, root: str) -> str:
        if root in self.graph.constants:
            return f"w + {self.weights.at(root)}"
        space = "f" if self._kind(root) == "float" else "j"
        return f"{space} + {self.plan.offsets[root] * self.lanes}"

    def _named(self, root: str) -> str:
        if not self.names:
            return f"v{len(self._pointers)}"
        name = identifier(root.rpartition(":")[0] or root)
        return self._names.fresh(f"{name}_" if re.fullmatch(r"[ik]\d+", name) else name)

    def declarations(self) -> list[str]:
        """Statements that name the values that the others read and write."""
        return [
            f"  {'const ' if root in self.graph.constants else ''}{self._kind(root)} *const {name} = {where};"
            for root, (name, where) in self._pointers.items()
        ]

    def _kind(self, value: str) -> CType:
        return C_TYPES[self.graph.types[value].dtype]

    def _pointer(self, value: str, offset: Offset) -> str:
        lanes = 1 if value in self.graph.constants else self.lanes
        base = self.base(value)
        if isinstance(offset, int):
            return f"({base} + {offset * lanes})" if offset else base
        return f"({base} + ({offset}) * {lanes})" if lanes != 1 else f"({base} + {offset})"

    def read(self, value: str, strides: Sequence[int] | None = None, offset: Offset = 0) -> Operand:
        """A value that a loop reads, over its own row's shape or by other strides."""
        own = strides_of(self.shape(value)) if strides is None else tuple(strides)
        constant = value in self.graph.constants
        return Operand(self._pointer(value, offset), own, not constant, self._kind(value), frozen=constant)

    write = read

    def spread(self, value: str, shape: Sequence[int]) -> Operand:
        """A value spread over a row of this shape; a constant may have the batch axis as a leading 1, or no axes."""
        strides, rank = broadcast_strides(self.shape(value)), len(shape)
        padded = (*(0 for _ in range(rank - len(strides))), *strides)
        return self.read(value, padded[-rank:] if rank else ())

    # -- statements -----------------------------------------------------------------------------------------

    def nest(self, shape: Sequence[int], operands: Sequence[Operand], body: Body, sums: bool = False) -> None:
        """Loops over a shape and the lanes around a statement."""
        self.lines += self._nested(shape, operands, body, self._indent)

    def _nested(
        self, shape: Sequence[int], operands: Sequence[Operand], body: Body, indent: str
    ) -> list[str]:
        if 0 in shape:
            return []
        # Lanes are one more axis, the innermost; an operand without lanes stands still on it.
        all_strides = [
            (*(s * (self.lanes if o.laned else 1) for s in o.strides), 1 if o.laned else 0) for o in operands
        ]
        sizes, strides = collapse((*shape, self.lanes), all_strides)
        lines = [f"{indent}{'  ' * d}for (int i{d} = 0; i{d} < {n}; i{d}++)" for d, n in enumerate(sizes)]
        elements = [self._element(o, place(s)) for o, s in zip(operands, strides, strict=True)]
        statement = body(*elements)
        if statement.count(";") > 1 and sizes:
            statement = f"{{ {statement} }}"
        return [*lines, f"{indent}{'  ' * len(sizes)}{statement}"]

    def _element(self, operand: Operand, at: str) -> str:
        if not operand.base:
            return at
        text = f"{operand.base}[{at}]"
        return f"WEIGHT({text})" if operand.frozen and self.simd == 1 else text

    @contextmanager
    def loop(self, variable: str, count: int) -> Iterator[None]:
        """A loop around all that is written inside."""
        once = f"{{ const int {variable} = 0;"
        head = once if count == 1 else f"for (int {variable} = 0; {variable} < {count}; {variable}++) {{"
        self.lines.append(f"{self._indent}{head}")
        self._indent += "  "
        yield
        self._indent = self._indent[:-2]
        self.lines.append(f"{self._indent}}}")

    @contextmanager
    def table(self, name: str, numbers: Sequence[int]) -> Iterator[None]:
        """A table of whole numbers for all that is written inside."""
        entries = ", ".join(map(str, numbers))
        self.lines += [f"{self._indent}{{", f"{self._indent}  static const int32_t {name}[] = {{{entries}}};"]
        self._indent += "  "
        yield
        self._indent = self._indent[:-2]
        self.lines.append(f"{self._indent}}}")

    def entry(self, constant: str, at: str) -> str:
        """C of an element of a constant."""
        return self._element(self.read(constant), at)

    def along(self, loops: Along, stages: Sequence[Stage]) -> None:
        """Stages of work along axes."""
        if 0 in loops.shape:
            return
        steps, lanes, indent = strides_of(loops.shape), self.lanes, self._indent
        small = strides_of([loops.shape[a] for a in loops.kept])
        at = "".join(f" + k{a} * {steps[a] * lanes}" for a in loops.kept)
        to = "".join(f" + k{a} * {s * lanes}" for a, s in zip(loops.kept, small, strict=True))
        for a in loops.kept:
            self.lines.append(f"{indent}for (int k{a} = 0; k{a} < {loops.shape[a]}; k{a}++) {{")
            indent += "  "
        if not loops.kept:
            self.lines.append(f"{indent}{{")
            indent += "  "
        for name, value in loops.reads.items():
            self.lines.append(f"{indent}const float *{name} = {self.base(value)}{at};")
        for name, value in loops.writes.items():
            self.lines.append(f"{indent}float *{name} = {self.base(value)}{at};")
        for name, value in loops.small.items():
            self.lines.append(f"{indent}float *{name} = {self.base(value)}{to};")
        if loops.sums:
            size = f"[{lanes}]" if lanes > 1 else ""
            names = ", ".join(f"{name}{size}" for name in loops.sums)
            self.lines.append(f"{indent}{'float' if loops.single else self.real.type} {names};")
        inner = tuple(steps[a] for a in loops.axes)
        for stage in stages:
            self._stage(loops, stage, inner, indent)
        for _ in loops.kept or [0]:
            indent = indent[:-2]
            self.lines.append(f"{indent}}}")

    def _stage(self, loops: Along, stage: Stage, inner: tuple[int, ...], indent: str) -> None:
        each = isinstance(stage, Each)
        sizes = [loops.shape[a] for a in loops.axes] if each else []
        zeros = (0,) * len(sizes)
        arrays = [n for n in (*loops.reads, *loops.writes, *loops.small) if f"{{{n}}}" in stage.text]
        turned = isinstance(stage, Each) and stage.reverse
        step = tuple(-s for s in inner) if turned else inner
        last = f" + {(sizes[0] - 1) * inner[0] * self.lanes}" if turned else ""
        operands = [
            Operand(n, zeros)
            if not each or n in loops.small
            else Operand(f"({n}{last})" if last else n, step)
            for n in arrays
        ]
        sums = [n for n in loops.sums if f"{{{n}}}" in stage.text]
        if self.lanes > 1:
            operands += [Operand(n, zeros) for n in sums]
        if "{k}" in stage.text:
            operands.append(index(0, len(sizes)))
            arrays = [*arrays, *(sums if self.lanes > 1 else []), "k"]
        else:
            arrays = [*arrays, *(sums if self.lanes > 1 else [])]

        def body(*elements: str) -> str:
            text = stage.text
            for name, element in [*zip(arrays, elements, strict=True), *((n, n) for n in sums)]:
                text = text.replace(f"{{{name}}}", element)
            return text

        self.lines += self._nested(sizes, operands, body, indent)

    def outer(self, node: Node[Op], axis: int, text: str) -> None:
        """A statement for every position ahead of an axis."""
        shape = self.shape(node.inputs[0])
        if 0 in shape:
            return
        outer, n, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]) * self.lanes
        step = f" + o * {n * inner}" if outer != 1 else ""
        x, y = f"{self.base(node.inputs[0])}{step}", f"{self.base(node.output)}{step}"
        loop = [f"{self._indent}for (int o = 0; o < {outer}; o++)"] if step else []
        self.lines += [*loop, f"{self._indent}{'  ' * len(loop)}{text.format(x=x, y=y, n=n, inner=inner)}"]

    def multiply_add(self, a: str, b: str, c: str) -> str:
        """C of ``a * b + c``, rounded once."""
        return f"FMA({a}, {b}, {c})"

    def zero(self, value: str) -> None:
        """Set a value to 0."""
        self.nest(self.shape(value), [self.write(value)], lambda y: f"{y} = 0.0f;")

    def number(self, value: float) -> str:
        """A setting as a double."""
        return repr(float(value))

    def keep(self, node: Node[Op], what: str, count: int) -> str:
        """Nothing: predictions have no gradients."""
        return ""

    def kept(self, value: str, what: str) -> str:
        """Nothing is kept.

        Raises:
            UnsupportedError: always: predictions have no gradients.
        """
        raise UnsupportedError(f"{value!r} has no gradient in a prediction")

    def fault(self, node: Node[Op], lane: str) -> str:
        """A statement that reports a row that the node cannot compute."""
        self.faults.append(node)
        return f"BAD({lane}, {len(self.faults) - 1});"

    def dense(self, node: Node[Op], turned: bool = False) -> None:
        """Calls of the matrix kernels, then the activation."""
        self.lines += dense_calls(self, node)
        activate(self, node)

    def all(self) -> list[str]:
        """The statements of all nodes, in order; ``declarations`` are to come before them.

        Raises:
            UnsupportedError: an operation that only the reference engine computes.
        """
        for node in self.graph.nodes:
            if node.op.aliases and self.plan.roots[node.output] != node.output:
                continue
            write = catalogue.rules("c", type(node.op))
            if write is None:
                raise UnsupportedError(
                    f"layer {node.layer!r}: {type(node.op).__name__} has no compiled form; "
                    'use engine="reference"'
                )
            start = len(self.lines)
            write(self, node)
            if len(self.lines) > start:
                self.lines.insert(start, f"  /* {self._comment(node)} */")
        return self.lines

    def _comment(self, node: Node[Op]) -> str:
        kind = type(node.op).__name__
        function = getattr(node.op, "function", None) or fused_activation(node.op)
        if not self.names or not node.layer:
            return kind
        kind += f", {_plain(function.name)}" if function is not None else ""
        return f"{_plain(node.layer)}: {kind}"


def _plain(name: str) -> str:
    """A name out of a file must not end the comment, nor join lines or make trigraphs."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
