"""Reverse-mode differentiation: add the gradients of its loss to a training program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from foldnet.errors import GraphError
from foldnet.graph.graph import Graph, GraphBuilder, Node
from foldnet.graph.op import FLOAT, Fusable, Op
from foldnet.graph.training import TrainingProgram
from foldnet.operations import catalogue
from foldnet.operations.batch.op import RowShare, SumTo
from foldnet.operations.elementwise.op import Binary, Unary


@dataclass(frozen=True)
class Differentiated:
    """A graph with gradients.

    Attributes:
        graph: the nodes of the program, then those of its gradients.
        forward: how many nodes compute the program itself.
        gradients: for each trainable variable that the loss depends on, the value that holds its gradient, without
            regularizers.
    """

    graph: Graph
    forward: int
    gradients: Mapping[str, str]


def differentiate(program: TrainingProgram, graph: Graph | None = None) -> Differentiated:
    """The program's graph, with the gradient of the mean of its losses on every trainable variable.

    Args:
        program: to differentiate.
        graph: its graph, if an engine has prepared it; by default the program's.

    Raises:
        UnsupportedError: the gradient of a function that the caller supplied.
    """
    b = _Differentiation(program, unfused(program.graph if graph is None else graph))
    return b.run()


def unfused(graph: Graph) -> Graph:
    """The graph with fused activations as separate nodes."""
    b = GraphBuilder()
    b.types.update(graph.types)
    nodes: list[Node[Op]] = []
    types = dict(graph.types)
    for node in graph.nodes:
        if isinstance(node.op, Fusable) and node.op.activation is not None:
            inner = f"{node.output} before activation"
            types[inner] = graph.types[node.output]
            nodes.append(Node(replace(node.op, activation=None), node.inputs, inner, node.layer))
            nodes.append(Node(Unary(node.op.activation), (inner,), node.output, node.layer))
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), types=types)


class _Differentiation(GraphBuilder):
    """The graph under construction; see ``foldnet.operations.gradients.GradientBuilder``."""

    def __init__(self, program: TrainingProgram, graph: Graph) -> None:
        super().__init__()
        self._program, self._graph = program, graph
        self.inputs, self.nodes = list(graph.inputs), list(graph.nodes)
        self.types, self.constants = dict(graph.types), dict(graph.constants)
        self._wanted = self._find_wanted()
        self._found: dict[str, str] = {}

    def _find_wanted(self) -> set[str]:
        """Values on a path from a trainable variable to the loss."""
        active = {v.name for v in self._program.variables if v.trainable}
        for node in self._graph.nodes:
            if any(v in active for v in node.inputs):
                active |= {v for v in node.outputs if self.types[v].dtype == FLOAT}
        leads = {self._program.loss_rows}
        for node in reversed(self._graph.nodes):
            if not leads.isdisjoint(node.outputs):
                leads |= set(node.inputs)
        return active & leads

    def wants(self, value: str) -> bool:
        """Whether the gradient on a value is needed."""
        return value in self._wanted

    def gathered(self, gradient: str, operand: str) -> str:
        """A gradient summed over the axes along which the operand was broadcast."""
        shape = self.shape(operand)
        return gradient if self.shape(gradient) == shape else self.emit(SumTo(shape), gradient)

    def run(self) -> Differentiated:
        """The whole."""
        count, loss = len(self.nodes), self._program.loss_rows
        if loss in self._wanted:
            self.layer = "gradient"
            self._found[loss] = self.emit(RowShare(), loss)
        for node in reversed(self._graph.nodes):
            g = self._found.get(node.output)
            if g is None:
                continue
            self.layer = f"gradient {node.layer}"
            rule = catalogue.find("gradient", node.op)
            for value, gradient in zip(node.inputs, rule(self, node, g), strict=True):
                if gradient is not None and value in self._wanted:
                    self._add(value, gradient)
        trainable = [v.name for v in self._program.variables if v.trainable]
        gradients = {name: self._found[name] for name in trainable if name in self._found}
        outputs = list(dict.fromkeys([*self._graph.outputs, *gradients.values()]))
        return Differentiated(replace(self.build(outputs), layer_outputs={}), count, gradients)

    def _add(self, value: str, gradient: str) -> None:
        if self.shape(gradient) != self.shape(value):
            raise GraphError(
                f"the gradient on {value!r} has shape {self.shape(gradient)}, and the value {self.shape(value)}"
            )
        known = self._found.get(value)
        self._found[value] = gradient if known is None else self.emit(Binary(kind="add"), known, gradient)
        assert self.shape(self._found[value]) == self.shape(value)
