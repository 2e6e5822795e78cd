"""The C of a prediction: the statements of a graph for one row, or for a block of rows as lanes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf, prod
from typing import Any

from foldnet.codegen.around import LoopsAround
from foldnet.codegen.convolution import Tile
from foldnet.codegen.expressions import Number, plus, times
from foldnet.codegen.layout import Weights, row_shape
from foldnet.codegen.loops import (
    C_TYPES,
    CType,
    Operand,
    Strides,
    broadcast_strides,
    collapse,
    laid_out,
    loop,
    place,
    strides_of,
    whole_numbers,
)
from foldnet.codegen.matrix import panels
from foldnet.codegen.names import C_RESERVED, Namespace, identifier
from foldnet.codegen.plain_names import PlainNames, title
from foldnet.codegen.product_tiles import ProductTile
from foldnet.codegen.workspace import Plan, scratch_at
from foldnet.codegen.writer import DOUBLE, Along, Body, Stage
from foldnet.engines.native.prediction.along import AlongAxes
from foldnet.engines.native.prediction.convolution import conv_calls, is_one_by_one
from foldnet.engines.native.prediction.dense import dense_calls, raises, vector_calls
from foldnet.engines.native.prediction.narrow import Chain, Chains, call
from foldnet.engines.native.prediction.products import product_calls
from foldnet.engines.native.prediction.steps import Lines, Step, in_order
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.graph.sizes import free
from foldnet.operations import catalogue
from foldnet.operations.elementwise.c import activate, lowest

OUTSIDE = "  "
"""The indent of statements that are in no loop or block."""

_Nest = tuple[list[int], list[list[int]]]
"""Sizes of loops, and strides of each operand in them."""


def _in_blocks(nest: _Nest) -> _Nest:
    """A single loop as two, so that the inner one has a known number of turns, and compilers write it once."""
    (n, *inner), strides = nest
    block = next((b for b in (512, 256, 128, 64, 32, 16) if free(n) is None and n % b == 0), 1)
    if inner or block == 1:
        return nest
    return [n // block, block], [[s * block, s] for (s,) in strides]


_OF_CODE = re.compile(r"[iko]\d+|n_\d+|fn_.*|.*_t")
"""Names of loops' variables, sizes, functions and types."""


class BlockWriter(LoopsAround):
    """The statements of a graph for a number of lanes, as far as they are written, and where its values lie.

    In the code, ``w`` is the weights buffer, ``f`` and ``j`` the workspaces of floats and ints, and ``BAD`` reports a
    row that cannot be computed.

    Args:
        graph: with sizes known, or known when the code runs.
        plan: places of the values.
        weights: collects the places of the constants.
        lanes: rows side by side; 1 for one row.
        simd: floats in a vector; 1 for portable C.
        direct: inputs that are read where the caller keeps them, by name, with their C expression.
        names: whether values and comments have the names of layers. Code to be cached does not: names would be part of
            its key.
        taken: names that no value may have.
        chains: of Dense layers whose values stay in registers; ``plan`` gives these no places.
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
        taken: Sequence[str] = (),
        chains: Chains | None = None,
    ) -> None:
        self.graph, self.plan, self.weights = graph, plan, weights
        self.lanes, self.simd, self.direct, self.names = lanes, simd, direct, names
        self.chains = chains or Chains()
        self.dense_nodes: list[Node[Op]] = []
        self.tiles: set[int] = set()
        self.row_panels: set[tuple[int, int]] = set()
        self.convs: set[Tile] = set()
        self.products: set[ProductTile] = set()
        self.multiplied = 0
        self.portable_convs = False
        self.packs = False
        self.faults: list[Node[Op]] = []
        self.lines: list[str | Step] = []
        self._names = Namespace({*C_RESERVED, *direct.values(), *taken})
        self._plain = None if names else PlainNames(graph, direct.values())
        self._pointers: dict[tuple[str, tuple[int, ...]], tuple[str, str]] = {}
        self._indent = OUTSIDE

    # -- where values are -----------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape of one row of a value; of the whole for a constant."""
        return row_shape(self.graph, value)

    def base(self, value: str) -> str:
        """The C name of a value's first element."""
        root = self.plan.roots.get(value, value)
        return self.direct[root] if root in self.direct else self.packed(root, ())

    def packed(self, root: str, widths: tuple[int, ...]) -> str:
        """The C name of a value's first element; of a weight in panels of these widths."""
        key = root, widths
        if key not in self._pointers:
            self._pointers[key] = self._named(root), self._where(root, widths)
        return self._pointers[key][0]

    def _where(self, root: str, widths: tuple[int, ...]) -> str:
        if root in self.graph.constants:
            return plus("w", self.weights.at(root, widths))
        space = "f" if self._kind(root) == "float" else "j"
        return plus(space, self.plan.offsets[root] * self.lanes)

    def _named(self, root: str) -> str:
        if self._plain is not None:
            return self._plain.value(root)
        name = identifier(root.rpartition(":")[0] or root)
        return self._names.fresh(f"{name}_" if _OF_CODE.fullmatch(name) else name)

    def declarations(self) -> list[str]:
        """Statements that name the values that the others read and write."""
        return [
            f"  {'const ' if root in self.graph.constants else ''}{self._kind(root)} *const {name} = {where};"
            for (root, _), (name, where) in self._pointers.items()
        ]

    @property
    def arrays(self) -> dict[str, str]:
        """Types of what the names of values point to."""
        found = {name: self._pointed(root) for (root, _), (name, _) in self._pointers.items()}
        return found | {name: self._pointed(root) for root, name in self.direct.items()}

    def _pointed(self, root: str) -> str:
        constant = root in self.graph.constants or (root in self.graph.inputs and root in self.direct)
        return f"{'const ' if constant else ''}{self._kind(root)}"

    @property
    def used(self) -> set[str]:
        """Of ``w``, ``f`` and ``j`` those in which values lie that the statements name."""
        return {where[0] for _, where in self._pointers.values()}

    def _kind(self, value: str) -> CType:
        return C_TYPES[self.graph.types[value].dtype]

    def read(self, value: str, strides: Sequence[int] | None = None, offset: Number = 0) -> Operand:
        """A value that a loop reads, over its own row's shape or by other strides."""
        own = strides_of(self.shape(value)) if strides is None else tuple(strides)
        constant = value in self.graph.constants
        return Operand(self.base(value), own, not constant, self._kind(value), frozen=constant, start=offset)

    def write(self, value: str, strides: Sequence[int] | None = None, offset: Number = 0) -> Operand:
        """A value that a loop writes."""
        return replace(self.read(value, strides, offset), written=True)

    def spread(self, value: str, shape: Sequence[int]) -> Operand:
        """A value spread over a row of this shape; a constant may have the batch axis as a leading 1, or no axes."""
        strides, rank = broadcast_strides(self.shape(value)), len(shape)
        padded = (*(0 for _ in range(rank - len(strides))), *strides)
        return self.read(value, padded[-rank:] if rank else ())

    # -- statements -----------------------------------------------------------------------------------------

    def nest(self, shape: Sequence[int], operands: Sequence[Operand], body: Body, sums: bool = False) -> None:
        """Loops over a shape and the lanes around a statement; turns of the outermost touch different elements.

        Unless ``sums``, for statements that add up over it.
        """
        if sums or self._indent != OUTSIDE:
            self.lines += self.nested(shape, operands, body, self._indent)
            return
        nest = self._collapsed(shape, operands)
        if nest is None:
            return
        sizes, strides = nest
        steps = [s[:1] for o, s in zip(operands, strides, strict=True) if o.written]
        if not steps or any(not s or (free(s[0]) is None and s[0] == 0) for s in steps):
            self.lines += self._laid_out(nest, operands, body, self._indent)
            return

        blocks = _in_blocks(nest)

        def turns(low: Number, high: Number) -> list[str]:
            if low == 0 and high == blocks[0][0]:
                return self._laid_out(nest, operands, body, OUTSIDE)
            return self._laid_out(blocks, operands, body, OUTSIDE, (low, high))

        self.lines.append(Step(blocks[0][0], 10 * prod(sizes), turns))

    def nested(
        self, shape: Sequence[int], operands: Sequence[Operand], body: Body, indent: str = ""
    ) -> list[str]:
        """The lines of loops over a shape and the lanes around a statement."""
        nest = self._collapsed(shape, operands)
        return [] if nest is None else self._laid_out(nest, operands, body, indent)

    def _collapsed(self, shape: Sequence[int], operands: Sequence[Operand]) -> _Nest | None:
        """Sizes of the loops, and the strides of each operand; None if there is no turn."""
        if any(free(n) is None and n == 0 for n in shape):  # others are loops without a turn
            return None
        # Lanes are one more axis, the innermost; an operand without lanes stands still on it.
        all_strides = [
            (*(s * (self.lanes if o.laned else 1) for s in o.strides), 1 if o.laned else 0) for o in operands
        ]
        return collapse((*shape, self.lanes), all_strides)

    def _laid_out(
        self,
        nest: _Nest,
        operands: Sequence[Operand],
        body: Body,
        indent: str,
        turns: tuple[Number, Number] | None = None,
    ) -> list[str]:
        """The lines of these loops; of some turns of the outermost."""
        sizes, strides = nest
        starts = [times(o.start, self.lanes if o.laned else 1) for o in operands]
        elements = [
            self._element(o, place(s, start)) for o, s, start in zip(operands, strides, starts, strict=True)
        ]
        spans = [(0, n) for n in sizes] if turns is None else [turns, *((0, n) for n in sizes[1:])]
        heads = [loop(f"i{d}", low, high) for d, (low, high) in enumerate(spans)]
        return laid_out(heads, body(*elements), indent)

    def _element(self, operand: Operand, at: str) -> str:
        if not operand.base:
            return at
        text = f"{operand.base}[{at}]"
        return f"WEIGHT({text})" if operand.frozen and self.simd == 1 else text

    def add(self, *lines: str) -> None:
        """Statements as they are."""
        self.lines += [f"{self._indent}{line}" for line in lines]

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """A block around all that is written inside."""
        self.lines.append(f"{self._indent}{head}".rstrip())
        self._indent += "  "
        yield
        self._indent = self._indent[:-2]
        self.lines.append(f"{self._indent}}}")

    @contextmanager
    def turns(self, variable: str, count: int, cost: int) -> Iterator[None]:
        """A loop around all that is written inside, whose turns touch different elements."""
        if self._indent != OUTSIDE:
            with self.inside(f"{loop(variable, 0, count)} {{"):
                yield
            return
        before, self.lines, self._indent = self.lines, [], OUTSIDE + "  "
        yield
        inner, self.lines, self._indent = in_order(self.lines), before, OUTSIDE

        def lines(low: Number, high: Number) -> list[str]:
            return [f"{OUTSIDE}{loop(variable, low, high)} {{", *inner, f"{OUTSIDE}}}"]

        self.lines.append(Step(count, cost, lines))

    @contextmanager
    def numbers(self, name: str, numbers: Sequence[int]) -> Iterator[str]:
        """An array of whole numbers around all that is written inside; gives its name."""
        with self.inside("{"):
            self.add(whole_numbers(name, numbers))
            yield name

    def entry(self, constant: str, at: str) -> str:
        """C of an element of a constant."""
        return self._element(self.read(constant), at)

    def along(self, loops: Along, stages: Sequence[Stage]) -> None:
        """Stages of work along axes."""
        if 0 not in loops.shape:
            AlongAxes(self, loops).write(stages)

    def outer(self, node: Node[Op], axis: int, text: str) -> None:
        """A statement for every position ahead of an axis."""
        shape = self.shape(node.inputs[0])
        if 0 in shape:
            return
        outer, n, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]) * self.lanes
        at = times("o", n * inner) if outer != 1 else 0
        x, y = plus(self.base(node.inputs[0]), at), plus(self.base(node.output), at)
        statement = text.format(x=x, y=y, n=n, inner=inner)
        if outer == 1:
            self.lines += laid_out([], statement, self._indent)
            return
        with self.turns("o", outer, 10 * prod(shape)):
            self.add(*laid_out([], statement))

    def stored(self, value: str, target: str, count: int) -> list[str]:
        """Statements that copy a value to where the caller wants it."""
        operands = [Operand(target, (1,), laned=False), self.read(value, (1,))]
        return self.nested((count,), operands, lambda to, x: f"{to} = {x};", self._indent)

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
        """Calls of the matrix kernels, and the activation, which some of them include."""
        self.dense_nodes.append(node)
        if self._in_chain(node):
            return
        low = lowest(fused_activation(node.op)) if raises(self, node) else None
        self.lines += dense_calls(self, node, -inf if low is None else low)
        if low is None:
            activate(self, node)

    def _in_chain(self, node: Node[Op]) -> bool:
        """Whether a chain has this layer; the last one of it calls its function."""
        chain = self.chains.by_output.get(node.output)
        if chain is not None:
            x = plus(self.base(chain.input), times("l", chain.sizes[0]) if chain.of_rows else "l")
            text = self.chain_call(chain, x, plus(self.base(chain.output), "l"))
            self.lines += laid_out(
                [f"for (int l = 0; l < {self.lanes}; l += {self.simd})"], text, self._indent
            )
            if chain.activated:
                activate(self, node)
        return chain is not None or node.output in self.chains.within

    def chain_call(self, chain: Chain, x: str, y: str) -> str:
        """A call of a chain's function for a vector of rows."""
        constants = [
            self.packed(v, panels(self.shape(node.inputs[1])[1], self.simd))
            for node in chain.nodes
            for v in node.inputs[1:]
        ]
        return call(self.chains.name(chain, self.lanes), x, constants, y)

    def products_of(self, node: Node[Op], sizes: Sequence[int], strides: Sequence[Strides]) -> bool:
        """Calls of the kernels for products of matrices, for one row."""
        calls = product_calls(self, node, sizes, strides)
        self.lines += calls or []
        self.multiplied += prod(sizes) if calls else 0
        return calls is not None

    def scratch(self, node: Node[Op], at: int) -> str:
        """C of a place in an operation's scratch."""
        assert self.lanes == 1, "programs with scratch compute their rows one by one"
        return plus(self.base(node.output), scratch_at(self.graph, node.output) + at)

    def vector_product(self, x: str, kernel: str, bias: str, y: str, back: str = "") -> None:
        """Calls of the matrix kernels."""
        self.add(*vector_calls(self, x, kernel, bias, y, back))

    def conv(self, node: Node[Any], low: float) -> bool:
        """Calls of the kernels."""
        assert self.lanes == 1, "programs with convolutions compute their rows one by one"
        self.lines += conv_calls(self, node, low)
        return not is_one_by_one(self, node)

    def all(self) -> Lines:
        """The statements of all nodes, in order; ``declarations`` are to come before them.

        Raises:
            UnsupportedError: an operation that only the reference engine computes.
        """
        for node in self.graph.nodes:
            if self.plan.roots[node.output] != node.output:
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
        # Names of layers stand in what is exported; what is cached serves networks that name theirs otherwise.
        named = self.names and node.layer
        return f"{_plain(node.layer)}: {title(node.op)}" if named else title(node.op)


def _plain(name: str) -> str:
    """A name out of a file must not end the comment, nor join lines or make trigraphs."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
