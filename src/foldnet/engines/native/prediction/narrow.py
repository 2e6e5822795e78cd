"""Narrow Dense layers, one after the other, of rows as lanes: their values stay in registers.

A vector has one feature of each row, and a layer of few units has few of them. So the values of all layers stay where
the next layer reads them, instead of going to memory and back, and the rows are turned round on the way. Weights are
read from memory by the multiply-adds themselves, which vectors of 16 floats can do at no cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, prod

from foldnet.codegen.expressions import plus
from foldnet.codegen.layout import row_shape
from foldnet.codegen.maths import literal
from foldnet.codegen.tiles import split
from foldnet.codegen.turning import LEAST, turned_from
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.operations.elementwise.c import lowest

SIMD = 16
"""Floats in the vectors that it is worth its while for: others have fewer registers, or read weights one by one."""

NEIGHBOURS = 48
"""Values of a layer and of the one before it, at most: of 32 registers, so that few of them go to memory and back."""

PRODUCTS = 350
"""Multiply-adds of all these layers, at most: each is written out, which takes compilers their time."""

LANES = 64
"""Rows in a block of a network that is one chain: so many that the activation of the last layer has several vectors."""

AT_ONCE = 4
"""Units whose sums go on at the same time, as a sum waits that long for its own last product. More would be of no use,
and the next layer could begin later."""


@dataclass(frozen=True)
class Chain:
    """Layers whose values stay in registers, but for the last one's.

    Attributes:
        nodes: Dense layers, each of which reads only the one before.
        sizes: of the first one's input, and of each one's output.
        lows: what each raises its results to, -inf where they stay as they are.
        of_rows: whether rows are read as the caller keeps them, and turned round.
        activated: whether the last one has an activation that is still to come.
    """

    nodes: tuple[Node[Op], ...]
    sizes: tuple[int, ...]
    lows: tuple[float, ...]
    of_rows: bool
    activated: bool

    @property
    def input(self) -> str:
        """The value that the first one reads."""
        return self.nodes[0].inputs[0]

    @property
    def output(self) -> str:
        """The value that the last one makes."""
        return self.nodes[-1].output

    @property
    def biased(self) -> tuple[bool, ...]:
        """Whether each has a bias."""
        return tuple(len(node.inputs) > 2 for node in self.nodes)


def products(sizes: Sequence[int]) -> int:
    """Multiply-adds of a row.

    >>> products((11, 10, 1))
    120
    """
    return sum(i * o for i, o in pairwise(sizes))


@dataclass
class Chains:
    """All of a program's.

    Attributes:
        by_output: each by the value that it makes.
        functions: C of them, which the program calls.
    """

    by_output: Mapping[str, Chain] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)

    @property
    def within(self) -> dict[str, str]:
        """For each value that stays in registers, the one that is made of it."""
        return {node.output: chain.output for chain in self.by_output.values() for node in chain.nodes[:-1]}

    @property
    def rows(self) -> set[str]:
        """The inputs that are read as the caller keeps them."""
        return {chain.input for chain in self.by_output.values() if chain.of_rows}

    def whole(self, graph: Graph) -> Chain | None:
        """The chain that is the whole network, which has one number for each row; None if there is no such chain."""
        chain = self.by_output.get(graph.outputs[0])
        alone = chain is not None and len(graph.outputs) == 1 and len(chain.nodes) == len(graph.nodes)
        return chain if chain and alone and chain.of_rows and chain.sizes[-1] == 1 else None

    def name(self, chain: Chain, lanes: int) -> str:
        """Name of the C function for a chain; those of the same layers share one."""
        text = _code(chain, lanes)
        return self.functions.setdefault(text, f"narrow{len(self.functions) + 1}")

    def code(self) -> list[str]:
        """C of the functions that have names."""
        return [text.replace("NAME(", f"{name}(", 1) for text, name in self.functions.items()]


def chains(graph: Graph, dense: Sequence[Node[Op]], simd: int) -> Chains:
    """The chains that a program has; none where there would be too much to write out.

    Args:
        graph: with sizes known.
        dense: its Dense layers, in order.
        simd: floats in a vector.
    """
    if simd != SIMD:
        return Chains()
    uses = Counter([v for node in graph.nodes for v in node.inputs] + list(graph.outputs))
    found: dict[str, Chain] = {}
    for node in dense:
        x, kernel = node.inputs[:2]
        sizes = row_shape(graph, kernel)
        if prod(row_shape(graph, x)[:-1]) != 1 or min(sizes) < 1 or sum(sizes) > NEIGHBOURS:
            continue
        low = lowest(fused_activation(node.op))
        before = found.get(x)
        if before is None or before.activated or uses[x] > 1:
            of_rows = x in graph.inputs and uses[x] == 1 and sizes[0] >= LEAST
            chain = Chain((), sizes[:1], (), of_rows, False)
        else:
            chain = found.pop(x)
        found[node.output] = Chain(
            (*chain.nodes, node),
            (*chain.sizes, sizes[1]),
            (*chain.lows, -inf if low is None else low),
            chain.of_rows,
            low is None,
        )
    different = {(c.sizes, c.lows, c.of_rows, c.biased) for c in found.values()}
    return Chains(found) if sum(products(sizes) for sizes, *_ in different) <= PRODUCTS else Chains()


def _code(chain: Chain, lanes: int) -> str:
    """C of the function for a vector of rows."""
    given = [
        text
        for k, biased in enumerate(chain.biased, 1)
        for text in (f"const float *w{k}", *([f"const float *b{k}"] if biased else []))
    ]
    read = chain.sizes[0]
    lines = [
        f"/* Dense layers of {SIMD} rows: {'-'.join(map(str, chain.sizes))}. */",
        "static __attribute__((noinline)) void",
        "NAME(const float *restrict x,",
        *(f"    {', '.join(given[k : k + 4])}," for k in range(0, len(given), 4)),
        "    float *restrict y) {",
        f"  v{SIMD} h0[{read}], {', '.join(f'h{k}[{n}]' for k, n in enumerate(chain.sizes[1:], 1))};",
    ]
    if chain.of_rows:
        lines += [f"  {line}" for line in turned_from("x", read, "h0", SIMD)]
    else:
        lines += [f"  h0[{i}] = load{SIMD}({plus('x', i * lanes)});" for i in range(read)]
    for k, ((inputs, units), low) in enumerate(zip(pairwise(chain.sizes), chain.lows, strict=True), 1):
        lines += _layer(k, inputs, units, chain.biased[k - 1], low)
    last = f"h{len(chain.nodes)}"
    lines += [f"  store{SIMD}({plus('y', u * lanes)}, {last}[{u}]);" for u in range(chain.sizes[-1])]
    return "\n".join([*lines, "}"]) + "\n"


def _layer(k: int, inputs: int, units: int, biased: bool, low: float) -> list[str]:
    """Statements for a layer's values, some units after the others."""
    from foldnet.codegen.matrix import panels

    lines, first, width = [], 0, panels(units, SIMD)[0]
    for size in (size for size, count in split(units, AT_ONCE) for _ in range(count)):
        for u in range(first, first + size):
            begin = f"b{k}[{u}] - (v{SIMD}){{0}}" if biased else f"(v{SIMD}){{0}}"
            lines.append(f"  h{k}[{u}] = {begin};")
        for i in range(inputs):
            at = plus(f"w{k}", i * width + first)
            lines.append(f"  ADD{size}({plus(f'h{k}', first)}, h{k - 1}[{i}], {at});")
        if low > -inf:
            lines += [
                f"  h{k}[{u}] = raised{SIMD}(h{k}[{u}], {literal(low)});" for u in range(first, first + size)
            ]
        first += size
    return lines


def macros(code: str) -> str:
    """C of what these functions are written with: products of a vector and some weights, added to sums."""
    found = []
    for size in range(1, AT_ONCE + 1):
        if f"ADD{size}(" in code:
            sums = [f"(h)[{u}] = fma{SIMD}(x, (w)[{u}] - (v{SIMD}){{0}}, (h)[{u}])" for u in range(size)]
            found.append(" \\\n".join([f"#define ADD{size}(h, x, w)", "  (" + ", \\\n   ".join(sums) + ")"]))
    return "\n".join(found)


def call(name: str, x: str, weights: Sequence[str], y: str) -> str:
    """A call of a chain's function.

    Args:
        name: of the function.
        x: C of the rows, or of the lanes.
        weights: C of each kernel and bias, in order.
        y: C of the result's lanes.
    """
    return f"{name}({', '.join([x, *weights, y])});"
