"""What a training program's emitter works on: the graph made ready, places in buffers, arrays in loops."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from foldnet.graph.graph import Graph, with_nodes
from foldnet.graph.training import TrainingProgram
from foldnet.passes.differentiate import unfused

Strides = tuple[int, ...]


def prepared(program: TrainingProgram) -> Graph:
    """The program's graph with fused activations as nodes of their own and without what nothing asks for."""
    graph = unfused(program.graph)
    results = [program.loss_rows, *(a.value for a in program.accumulators)]
    needed, kept = set(results), []
    for node in reversed(graph.nodes):
        if node.output in needed or node.op.moves:
            needed |= set(node.inputs)
            kept.append(node)
    bare = replace(graph, layer_outputs={})
    outputs = tuple(dict.fromkeys(results))
    return with_nodes(bare, reversed(kept), constants=dict(graph.constants), outputs=outputs)


@dataclass
class Layout:
    """Places of everything in the buffers that the compiled code is given.

    Attributes:
        weights: offset of each constant in the buffer of weights, trainable variables first.
        trainable: size of the first part, which gradients, slots and averages mirror.
        size: of the whole buffer.
        numbers: floats that the code reads as N[i]: rates, factors, limits; so that other values compile nothing.
        lanes: elements a row that the workspace holds.
        kept: floats that are put aside before a step.
        free: single floats that it holds beside those (statistics, gradients of computed numbers).
    """

    weights: dict[str, int] = field(default_factory=dict)
    trainable: int = 0
    decaying: int = 0
    size: int = 0
    numbers: list[float] = field(default_factory=list)
    lanes: int = 0
    free: int = 0
    kept: int = 0

    def number(self, value: float) -> str:
        """The C expression of a number that is given at run time."""
        self.numbers.append(float(value))
        return f"N[{len(self.numbers) - 1}]"
