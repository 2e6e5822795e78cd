"""TrainingProgram: a network with its loss, metrics and optimizer as graphs; what a training engine runs."""

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
    """A rule that a weight is held to, with Keras's parameters.

    ``kind`` is ``non_neg``, ``unit_norm``, ``max_norm`` (uses ``high``) or ``min_max_norm`` (uses all). Norms are
    taken over ``axes`` of the layer's weight; ``epsilon`` is added to them where they divide.
    """

    kind: ConstraintKind
    axes: tuple[int, ...] = (0,)
    low: float = 0.0
    high: float = 1.0
    rate: float = 1.0
    epsilon: float = 1e-7


@dataclass(frozen=True)
class Orthogonal:
    """What a matrix adds to the loss for rows (or columns) that are not orthogonal to each other.

    With each row made of length 1, ``factor`` times the mean of the absolute products of all pairs of them.
    """

    factor: float
    columns: bool = False


@dataclass(frozen=True)
class Variable:
    """A weight as training sees it: a constant of the graph whose array is the start and then changes.

    Attributes:
        name: of the constant in the graph.
        shape: of the layer's weight; the graph's constant may have axes of size 1 more, never other values.
        trainable: whether the optimizer changes it. Moving statistics are not trainable and move by BatchNorm.
        l1, l2: of its regularizer: ``l1 * sum|w| + l2 * sum(w²)`` is added to the loss.
        orthogonal: likewise what it adds for rows or columns that are not orthogonal.
        decay: whether the optimizer's weight decay applies.
        constraint: what is done to the weight after each update; None for nothing.
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
    """A value summed over all rows of an epoch, in double precision: a loss or a metric in the making.

    Attributes:
        value: of shape (batch, width): what a row contributes, already multiplied by its weight.
        width: how many numbers.
    """

    name: str
    value: str
    width: int


@dataclass(frozen=True)
class UpdateRule:
    """The optimizer's step for every trainable variable, as an elementwise graph.

    Attributes:
        graph: inputs ``variable``, ``gradient``, then one input a slot, all of shape (None,) (the elements of a
            variable are the rows); batch-free rank-0 constants named in ``scalars``; outputs the new
            variable, then the new slots. Of Unary, Binary and Where nodes, and of BatchReduce, which is over the
            elements of one variable here.
        slots: names of the slot variables (``momentum``, ``velocity``), each of the variable's shape; where
            gradients are accumulated, the last one is their sum so far, of which the graph knows nothing.
        slot_starts: the value each slot starts with.
        scalars: names of the constants that are given anew at every step: ``learning_rate``, and functions of
            the step such as ``bias_correction``; their values come as a table (steps, scalars).
        clip: None, or ("value" | "norm" | "global_norm", number), applied to the gradients first.
        accumulate: over how many steps gradients are averaged before the rule makes one update of them.
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
    """Everything about a fit but its data, its numbers of rows and epochs, and its seed.

    Attributes:
        graph: inputs are the network's inputs, then the targets, then one weight of shape (None,) a row and
            output (the sample weights; ones if none). Outputs are ``loss_rows`` and all accumulators' values.
        loss_rows: value of shape (None,): each row's loss, weighted. A step's loss is its sum over the rows
            divided by the number of rows, plus the regularizers; that is what gradients are taken of.
        variables: every weight, trainable or not, in the network's order.
        accumulators: losses and metrics.
        update: the optimizer's rule; None when only evaluation is wanted.
    """

    graph: Graph
    loss_rows: str
    variables: tuple[Variable, ...]
    accumulators: tuple[Accumulator, ...]
    update: UpdateRule | None = None

    @property
    def by_batch(self) -> bool:
        """Whether a row's loss depends on the rows beside it, so that it matters how data is cut into batches."""
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
        # Binding drops constants that no node reads, which are variables all the same.
        types = {name: graph.types[name] for name in graph.constants} | dict(bound.types)
        return replace(self, graph=replace(bound, constants=graph.constants, types=types))
