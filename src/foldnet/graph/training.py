"""TrainingProgram: a network with its loss, metrics and optimizer as graphs, for training engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from foldnet.graph.graph import Graph, bind
from foldnet.graph.op import Shape

ConstraintKind = Literal["non_neg", "unit_norm", "max_norm", "min_max_norm"]
ClipKind = Literal["value", "norm", "global_norm"]


@dataclass(frozen=True)
class Constraint:
    """A weight's constraint, with Keras's parameters.

    ``kind`` is ``non_neg``, ``unit_norm``, ``max_norm`` (uses ``high``) or ``min_max_norm`` (uses all). Norms are
    taken over ``axes`` of the layer's weight; ``epsilon`` is added to them before dividing.
    """

    kind: ConstraintKind
    axes: tuple[int, ...] = (0,)
    low: float = 0.0
    high: float = 1.0
    rate: float = 1.0
    epsilon: float = 1e-7


@dataclass(frozen=True)
class Orthogonal:
    """The penalty for rows (or columns) of a matrix that are not orthogonal to each other.

    After scaling each row to length 1: ``factor`` times the mean of the absolute products of all pairs of rows.
    """

    factor: float
    columns: bool = False


@dataclass(frozen=True)
class Variable:
    """A weight in training: a constant of the graph whose array is its initial value.

    Attributes:
        name: of the constant in the graph.
        shape: of the layer's weight; the graph's constant may have additional axes of size 1.
        trainable: whether the optimizer changes it. Moving statistics are not trainable; BatchNorm updates them.
        l1, l2: of its regularizer: ``l1 * sum|w| + l2 * sum(w²)`` is added to the loss.
        orthogonal: its penalty for rows or columns that are not orthogonal.
        decay: whether the optimizer's weight decay applies.
        constraint: applied to the weight after each update; None for no constraint.
    """

    name: str
    layer: str
    weight: str
    shape: tuple[int, ...]
    trainable: bool
    l1: float = 0.0
    l2: float = 0.0
    orthogonal: Orthogonal | None = None
    decay: bool = True
    constraint: Constraint | None = None


@dataclass(frozen=True)
class Accumulator:
    """A value summed over all rows of an epoch, in double precision, for a loss or a metric.

    Attributes:
        value: of shape (batch, width): each row's contribution, already multiplied by its weight.
        width: how many numbers.
    """

    name: str
    value: str
    width: int


@dataclass(frozen=True)
class UpdateRule:
    """The optimizer's step for every trainable variable, as an elementwise graph.

    Attributes:
        graph: inputs ``variable``, ``gradient``, then one input per slot, all of shape (None,) (the elements of a
            variable are the rows); batch-free rank-0 constants named in ``scalars``; outputs the new
            variable, then the new slots. It has Unary, Binary and Where nodes, and BatchReduce, which here
            reduces over the elements of one variable.
        slots: names of the slot variables (``momentum``, ``velocity``), each of the variable's shape; if
            gradients are accumulated, the last one is their sum so far, which is not in the graph.
        slot_starts: the value each slot starts with.
        scalars: names of the constants that change at every step: ``learning_rate``, and functions of
            the step such as ``bias_correction``; their values come as a table (steps, scalars).
        clip: None, or ("value" | "norm" | "global_norm", number), applied to the gradients first.
        accumulate: over how many steps gradients are averaged before each update.
        ema: None, or (momentum, overwrite frequency) of the moving average of the weights.
    """

    graph: Graph
    slots: tuple[str, ...]
    slot_starts: tuple[float, ...]
    scalars: tuple[str, ...]
    clip: tuple[ClipKind, float] | None = None
    ema: tuple[float, int] | None = None
    accumulate: int = 1

    @property
    def by_variable(self) -> bool:
        """Whether an element's update depends on the other elements of its variable."""
        return any(node.op.mixes_rows for node in self.graph.nodes)


@dataclass(frozen=True)
class TrainingProgram:
    """Everything about a fit except its data, numbers of rows and epochs, and seed.

    Attributes:
        graph: inputs are the network's inputs, then the targets, then one weight of shape (None,) per row and
            output (the sample weights; ones if there are none). Outputs are ``loss_rows`` and all accumulators' values.
        loss_rows: value of shape (None,): each row's loss, weighted. A step's loss is its sum over the rows
            divided by the number of rows, plus the regularizers; that is what gradients are taken of.
        variables: every weight, trainable or not, in the network's order.
        accumulators: losses and metrics.
        update: the optimizer's rule; None for evaluation only.
    """

    graph: Graph
    loss_rows: str
    variables: tuple[Variable, ...]
    accumulators: tuple[Accumulator, ...]
    update: UpdateRule | None = None

    @property
    def by_batch(self) -> bool:
        """Whether a row's loss depends on the other rows, so that the division into batches matters."""
        return any(node.op.mixes_rows for node in self.graph.nodes)

    def bound(self, shapes: Sequence[Shape]) -> TrainingProgram:
        """The program for data of these shapes, batch axis first: free axes of inputs become sizes.

        Raises:
            ConfigError: an op cannot take the shapes.
        """
        graph = self.graph
        if all(graph.types[name].shape == shape for name, shape in zip(graph.inputs, shapes, strict=True)):
            return self
        bound = bind(graph, shapes)
        # Binding drops constants that no node reads, but they are variables, too.
        types = {name: graph.types[name] for name in graph.constants} | dict(bound.types)
        return replace(self, graph=replace(bound, constants=graph.constants, types=types))
