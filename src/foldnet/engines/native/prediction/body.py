"""What the C of a network's body is written with: one row, or one block of rows as lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foldnet.codegen.layout import Plan, Weights, row_shape
from foldnet.codegen.loops import Operand, broadcast_strides, nest, strides_of
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import FLOAT
from foldnet.operations.elementwise.c import activated


class Body:
    """The statements of a graph for a number of lanes, as far as they are written, and where its values lie.

    In the code, ``w`` is the weights buffer, ``f`` and ``j`` the workspaces of floats and ints, and ``bad`` a
    statement's way to report an index outside its table.

    Args:
        graph: with sizes known.
        plan: places of the values.
        weights: collects the places of the constants.
        lanes: rows side by side; 1 for one row.
        simd: floats in a vector; 1 for portable C.
        direct: inputs that are read where the caller keeps them, by name, with their C expression.
        names: whether comments name layers. Code to be cached does not: names would be part of its key.
    """

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
        self.faults: list[Node] = []
        self.lines: list[str] = []

    # -- operands -------------------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape of one row of a value; of the whole for a constant."""
        return row_shape(self.graph, value)

    def base(self, value: str, offset: int = 0) -> str:
        """C expression of a value's first element, or of the one ``offset`` elements of a row further on."""
        root = self.plan.roots.get(value, value)
        if value in self.graph.constants:
            return self._pointer("w", self.weights.at(value) + offset)
        if root in self.direct:
            return self._pointer(self.direct[root], offset)
        space = "f" if self.graph.types[root].dtype == FLOAT else "j"
        return self._pointer(space, (self.plan.offsets[root] + offset) * self.lanes)

    @staticmethod
    def _pointer(name: str, offset: int) -> str:
        return f"({name} + {offset})" if offset else name

    def operand(self, value: str, strides: Sequence[int] | None = None, offset: int = 0) -> Operand:
        """A value in a loop over its own row's shape, or by other strides."""
        laned = value not in self.graph.constants
        if strides is None:
            strides = strides_of(self.shape(value))
        return Operand(self.base(value, offset), tuple(strides), laned)

    def spread(self, value: str, rank: int) -> Operand:
        """A value broadcast over a row of this rank; a constant may have the batch axis as a leading 1, or no axes."""
        strides = broadcast_strides(self.shape(value))
        return self.operand(
            value, (*(0 for _ in range(rank - len(strides))), *strides)[-rank:] if rank else ()
        )

    # -- statements -----------------------------------------------------------------------------------------

    def loop(self, node: Node, operands: Sequence[Operand], body: Callable[..., str]) -> None:
        """A loop over the elements of the node's result."""
        self.lines += nest(self.shape(node.output), operands, self.lanes, body, "  ")

    def finish(self, node: Node) -> None:
        """The fused activation, over the result in place."""
        function = getattr(node.op, "activation", None)
        if function is not None and activated(function, "v") != "v":
            y = self.operand(node.output)
            self.loop(node, [y], lambda v: f"{v} = {activated(function, v)};")

    def fault(self, node: Node) -> int:
        """The number by which code reports that something is wrong with a row at this node."""
        self.faults.append(node)
        return len(self.faults) - 1
