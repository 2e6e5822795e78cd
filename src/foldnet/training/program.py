"""Build the program that a training engine runs, from a network and its losses and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldnet import constraints, ops, regularizers
from foldnet.errors import FoldnetError, UnsupportedError
from foldnet.graph.check import check
from foldnet.graph.graph import Graph
from foldnet.graph.training import Accumulator, Orthogonal, TrainingProgram, UpdateRule, Variable
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import Weight, WeightSpec
from foldnet.lowering.lower import Lowering, Mode, lower_into
from foldnet.network import Network
from foldnet.ops import Expression
from foldnet.optional_inputs import Absent
from foldnet.structure import flatten, is_flat, is_nested, pack

LossRows = Callable[[Any, Any, Any, Any], Any]
"""Takes y_true, y_pred, sample weights and the output's mask (or None); returns one number per row."""

MetricRows = Callable[[Any, Any, Any, Any], tuple[Any, Any]]
"""Takes the same (weights may be None); returns what each row adds, (None,) or (None, n), and its weight or None."""


@dataclass(frozen=True)
class RowMetric:
    """A metric in a program: what each row adds, and whether it uses sample weights.

    The metric's value is computed in Python from the sums over all rows.
    """

    rows: MetricRows
    weighted: bool = False


@dataclass(frozen=True)
class LossPlan:
    """One loss: its function, its weight in the total, and the indices of its outputs.

    The indices are nested like the arrays that the loss takes: one index, or a list, tuple or dict of them.
    """

    rows: LossRows
    weight: float
    at: Any


@dataclass(frozen=True)
class OutputPlan:
    """One output's metrics, and the shapes of its targets and sample weights.

    ``weight_shape`` is (None,) for one weight per row, and has more axes for one weight per timestep.
    """

    metrics: Sequence[RowMetric] = ()
    target_shape: tuple[int | None, ...] | None = None
    weight_shape: tuple[int | None, ...] = (None,)


WEIGHT = "sum of weights"
"""Last part of the name of the accumulator of a metric's weights."""


def loss_sum(number: int) -> str:
    """The name of the accumulator of a loss; without a layer's name, since networks of one kind share a program."""
    return f"loss {number}"


def metric_sum(output: int, number: int) -> str:
    """The name of the accumulator of one of an output's metrics."""
    return f"output {output}, metric {number}"


Decays = Callable[[Layer, str], bool]

Owners = dict[str, tuple[Layer, str]]
"""For each variable of a program its layer, and its name in the layer."""


def build_program(
    network: Network,
    losses: Sequence[LossPlan],
    plans: Sequence[OutputPlan],
    update: UpdateRule | None,
    decays: Decays = lambda layer, weight: True,
    absent: Absent = frozenset(),
    shapes: Sequence[Shape] | None = None,
) -> tuple[TrainingProgram, Owners]:
    """The training program of a network, and the layer and weight of each variable.

    Args:
        network: to train.
        losses: at least one.
        plans: one per output of the network, in order.
        update: the optimizer's rule; None for evaluation only.
        decays: whether the weight decay applies to a layer's weight.
        absent: names of optional inputs for which there is no data.
        shapes: of the data for the others, batch axis first; None for a program whose free axes stay free.

    Raises:
        UnsupportedError: a layer, setting or loss that cannot be trained exactly.
    """
    b = Lowering(Mode.TRAIN)
    predictions = lower_into(b, network, absent=absent, shapes=shapes)
    masks = [None if m is None else m.value() for m in b.output_masks]
    graph, accumulators, total = _judged(b, network, predictions, masks, losses, plans)
    variables = _variables(b, graph, decays, network.trainable)
    owners = {v.name: b.variables[v.name] for v in variables}
    return TrainingProgram(graph, total, variables, accumulators, update), owners


def program_of_predictions(
    network: Network, losses: Sequence[LossPlan], plans: Sequence[OutputPlan], masks: Sequence[Shape | None]
) -> TrainingProgram:
    """A program for evaluation that takes predictions and their masks in place of the network's inputs.

    Args:
        network: whose predictions they are.
        losses: at least one.
        plans: one per output of the network, in order.
        masks: the shape of each output's mask; None if it has none.
    """
    b = Lowering(Mode.TRAIN)
    names = output_names(network)
    predictions = [
        b.input(f"{name}/prediction", output.shape)
        for name, output in zip(names, network.outputs, strict=True)
    ]
    given = [
        None if shape is None else b.input(f"{name}/mask", shape)
        for name, shape in zip(names, masks, strict=True)
    ]
    graph, accumulators, total = _judged(b, network, predictions, given, losses, plans)
    return TrainingProgram(graph, total, (), accumulators, None)


def _judged(
    b: Lowering,
    network: Network,
    predictions: Sequence[str],
    given_masks: Sequence[str | None],
    losses: Sequence[LossPlan],
    plans: Sequence[OutputPlan],
) -> tuple[Graph, tuple[Accumulator, ...], str]:
    """A program completed by losses and metrics: its graph, its sums, and its value to minimize."""
    b.layer = "loss"
    targets = []
    for name, output, plan in zip(output_names(network), predictions, plans, strict=True):
        shape = b.shape(output) if plan.target_shape is None else plan.target_shape
        targets.append(b.input(f"{name}/target", shape))
    names = output_names(network)
    weights = [b.input(f"{n}/weight", p.weight_shape) for n, p in zip(names, plans, strict=True)]
    masks = [None if m is None else Expression(b, m) for m in given_masks]
    true, pred, given = ([Expression(b, v) for v in values] for values in (targets, predictions, weights))
    summed: list[Expression] = []
    accumulators: list[Accumulator] = []
    for number, loss in enumerate(losses):
        at, one = flatten(loss.at), not is_nested(loss.at)
        # A loss over several outputs uses the first output's sample weights and, as in Keras, no mask.
        mask = masks[loss.at] if one else None
        rows = loss.rows(
            pack(loss.at, [true[i] for i in at]), pack(loss.at, [pred[i] for i in at]), given[at[0]], mask
        )
        summed.append(rows * loss.weight if loss.weight != 1 else rows)
        accumulators.append(Accumulator(loss_sum(number), rows.value, 1))
    for i, plan in enumerate(plans):
        for number, metric in enumerate(plan.metrics):
            found = metric.rows(true[i], pred[i], given[i] if metric.weighted else None, masks[i])
            accumulators += _accumulators(metric_sum(i, number), *found)
    total = summed[0]
    for part in [*summed[1:], *_penalties(b)]:
        total = total + part
    graph = b.build([total.value, *(a.value for a in accumulators)])
    check(graph)
    return graph, tuple(accumulators), total.value


def _accumulators(name: str, rows: Expression, weight: Expression | None) -> list[Accumulator]:
    """The accumulator of a metric's sums, and one of its weights if it uses any."""
    if rows.ndim == 1:
        rows = ops.rows_of(rows, (1,))
    found = [Accumulator(name, rows.value, int(rows.shape[1] or 1))]
    return found if weight is None else [*found, Accumulator(f"{name}/{WEIGHT}", weight.value, 1)]


def output_names(network: Network) -> list[str]:
    """Names of the outputs in logs, as in Keras: the keys of a dict of outputs, else the layers' names."""
    if isinstance(network.output_structure, Mapping) and is_flat(network.output_structure):
        return sorted(str(key) for key in network.output_structure)
    names = [t.name for t in network.outputs]
    return [n if n not in names[:i] else f"{n}_{names[:i].count(n)}" for i, n in enumerate(names)]


def _variables(b: Lowering, graph: Graph, decays: Decays, trainable: bool) -> tuple[Variable, ...]:
    def place(item: tuple[str, tuple[Layer, str]]) -> int:
        layer, weight = item[1]
        return [s.name for s in layer.specs].index(weight)

    # In the order of the layers' calls; within a layer in the order of its specs, which is Keras's.
    owners = list(dict.fromkeys(layer for layer, _ in b.variables.values()))
    found = sorted(b.variables.items(), key=lambda item: (owners.index(item[1][0]), place(item)))
    return tuple(
        _variable(key, layer, weight, decays, trainable)
        for key, (layer, weight) in found
        if key in graph.constants
    )


def _variable(key: str, layer: Layer, weight: str, decays: Decays, trainable: bool) -> Variable:
    spec = next(s for s in layer.specs if s.name == weight)
    own = Weight(layer, weight)
    try:
        regularizer, constraint = regularizers.get(own.regularizer), constraints.get(own.constraint)
    except FoldnetError as error:
        raise type(error)(f"layer {layer.name!r}, {weight}: {error}") from None
    return Variable(
        name=key,
        layer=key.rsplit("/", 1)[0],
        weight=weight,
        shape=spec.shape,
        trainable=layer.trains(weight) and trainable,
        l1=regularizer.l1 if regularizer else 0.0,
        l2=regularizer.l2 if regularizer else 0.0,
        orthogonal=_orthogonal(regularizer, layer, spec),
        decay=decays(layer, weight),
        constraint=constraint.rule(len(spec.shape)) if constraint else None,
    )


def _orthogonal(
    regularizer: regularizers.Regularizer | None, layer: Layer, spec: WeightSpec
) -> Orthogonal | None:
    found: Orthogonal | None = None if regularizer is None else regularizer.orthogonal
    if found is not None and len(spec.shape) != 2:
        raise UnsupportedError(
            f"layer {layer.name!r}, {spec.name}: OrthogonalRegularizer is for matrices, and this weight has shape "
            f"{spec.shape}"
        )
    return found


def _penalties(b: Lowering) -> list[Expression]:
    """What activity regularizers add to each row's loss; sample weights do not apply (Keras divides by batch size)."""
    found = []
    for layer, value in b.activities:
        regularizer = regularizers.get(layer.activity_regularizer)
        if regularizer is not None and regularizer.orthogonal:
            raise UnsupportedError(
                f"layer {layer.name!r}: OrthogonalRegularizer as activity_regularizer would compare the rows of a "
                "batch with each other; put it on the kernel"
            )
        x = Expression(b, value)
        if regularizer is not None and regularizer.l1:
            found.append(ops.sum(ops.abs(x)) * regularizer.l1)
        if regularizer is not None and regularizer.l2:
            found.append(ops.sum(ops.square(x)) * regularizer.l2)
    return found
