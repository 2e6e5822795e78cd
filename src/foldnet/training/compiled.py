"""The arguments of ``compile``, resolved for each output of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, TypeGuard

from foldnet.errors import ConfigError
from foldnet.graph.training import TrainingProgram
from foldnet.layers.tensors import Shape
from foldnet.naming import snake_case
from foldnet.network import Network
from foldnet.optional_inputs import Absent
from foldnet.structure import has, is_flat, is_nested, shown, up_to
from foldnet.training import losses, optimizers
from foldnet.training import metric_names as metrics
from foldnet.training.absent_optimizer import AbsentOptimizer
from foldnet.training.losses import Loss
from foldnet.training.metric import Direction, Metric
from foldnet.training.metrics import MeanMetricWrapper, SummedMetric
from foldnet.training.optimizer import Optimizer
from foldnet.training.program import (
    LossPlan,
    OutputPlan,
    Owners,
    RowMetric,
    build_program,
    output_names,
    program_of_predictions,
)
from foldnet.training.python_metrics import PythonMetric, runs_in_python
from foldnet.training.terms import Term, terms_of
from foldnet.use_compile import CompileArguments

NO_OPTIMIZER = 'the network was compiled without an optimizer, so it cannot train: model.compile("adam", ...)'


@dataclass
class Target:
    """Shape and kind of one output's targets, and the shape of its sample weights, as found in the data."""

    shape: tuple[int | None, ...]
    integer: bool
    weight: tuple[int | None, ...] = (None,)


@dataclass
class Compiled:
    """A network's optimizer, losses and metrics.

    Attributes:
        terms: the losses and their outputs; a loss is ``"crossentropy"`` where the target's shape decides which one.
        metrics: for each output, as given; "accuracy" is resolved when the targets' shapes are known.
        weighted_metrics: the same, but these use sample weights.
        given: the arguments of ``compile``, with the optimizer object instead of its name.
    """

    network: Network
    optimizer: Optimizer
    terms: list[Term]
    metrics: list[list[Any]]
    weighted_metrics: list[list[Any]]
    given: CompileArguments

    @property
    def losses(self) -> list[Loss | str | None]:
        """For each output the first loss that is for this output alone; None if there is none."""
        found: list[Loss | str | None] = [None] * len(self.network.outputs)
        for term in reversed(self.terms):
            if isinstance(term.at, int):
                found[term.at] = term.loss
        return found

    @property
    def loss_weights(self) -> list[float]:
        """The weight of each output's loss."""
        found = [1.0] * len(self.network.outputs)
        for term in reversed(self.terms):
            if isinstance(term.at, int):
                found[term.at] = term.weight
        return found

    @property
    def needed(self) -> list[bool]:
        """Whether each output needs targets: for a loss or a metric."""
        trained = {place for term in self.terms for place in term.places}
        return [
            i in trained or bool(self.metrics[i] or self.weighted_metrics[i])
            for i in range(len(self.network.outputs))
        ]

    def plans(self, targets: Sequence[Target]) -> tuple[list[LossPlan], list[OutputPlan]]:
        """The losses, and the metrics of each output, for targets of these shapes."""
        resolved = self.resolved(targets)
        losses = []
        for term in self.terms:
            loss = term.loss
            if isinstance(term.at, int):
                loss = loss_for(loss, targets[term.at], self.network.outputs[term.at].shape)
            losses.append(LossPlan(loss.weighted_rows, term.weight, term.at))
        plans = [
            OutputPlan(
                [
                    RowMetric(metric.weighted_rows, weighted)
                    for _, metric, weighted in metrics
                    if in_program(metric)
                ],
                target.shape,
                weight_shape=target.weight,
            )
            for metrics, target in zip(resolved, targets, strict=True)
        ]
        return losses, plans

    def resolved(self, targets: Sequence[Target]) -> list[list[tuple[str, Metric, bool]]]:
        """For each output its metrics as (name in the logs, metric, whether it uses sample weights)."""
        names = output_names(self.network)
        seen: dict[str, int] = {}
        result: list[list[tuple[str, Metric, bool]]] = [[] for _ in names]
        for weighted, lists in ((False, self.metrics), (True, self.weighted_metrics)):
            for i, entries in enumerate(lists):
                for entry in entries:
                    metric = metric_for(entry, targets[i], self.network.outputs[i].shape)
                    name = metric.name if len(names) == 1 else f"{names[i]}_{metric.name}"
                    if name in seen and weighted:
                        name = f"weighted_{name}" if len(names) == 1 else f"{names[i]}_weighted_{metric.name}"
                    count = seen[name] = seen.get(name, 0) + 1
                    result[i].append((name if count == 1 else f"{name}_{count - 1}", metric, weighted))
        return result

    @property
    def python_metrics(self) -> list[PythonMetric]:
        """The metrics that run in Python between steps, because their code cannot be compiled."""
        if not any(
            isinstance(e, Metric) and runs_in_python(e) for e in chain(*self.metrics, *self.weighted_metrics)
        ):
            return []
        targets = [Target((None, 1), False) for _ in self.losses]  # any: names do not depend on the targets
        return [
            PythonMetric(i, name, metric, weighted)
            for i, entries in enumerate(self.resolved(targets))
            for name, metric, weighted in entries
            if runs_in_python(metric)
        ]

    def program(
        self, targets: Sequence[Target], absent: Absent = frozenset(), shapes: Sequence[Shape] | None = None
    ) -> tuple[TrainingProgram, Owners]:
        """The training program for targets of these shapes, and the layer and weight of each of its variables.

        ``shapes``: of the inputs' data, see ``build_program``.
        """
        losses, plans = self.plans(targets)
        decays = self.optimizer.decay_applies
        return build_program(self.network, losses, plans, self.optimizer.rule(), decays, absent, shapes)

    def program_of_predictions(
        self, targets: Sequence[Target], masks: Sequence[Shape | None]
    ) -> TrainingProgram:
        """The program that evaluates predictions; see ``program.program_of_predictions``."""
        losses, plans = self.plans(targets)
        return program_of_predictions(self.network, losses, plans, masks)

    def direction(self, name: str) -> Direction | None:
        """Whether lower (``"down"``) or higher (``"up"``) values of a log are better; None if unknown."""
        name = name.removeprefix("val_")
        if name == "loss":
            return "down"
        names = output_names(self.network)
        if name in [f"{term.name}_loss" for term in self.terms]:
            return "down"
        for i, output in enumerate(self.network.outputs):
            for entry in (*self.metrics[i], *self.weighted_metrics[i]):
                metric = metric_for(entry, Target((None, 1), False), output.shape)
                if name in (metric.name, f"{names[i]}_{metric.name}"):
                    return metric.direction
        return None


def in_program(metric: Metric) -> TypeGuard[SummedMetric]:
    """Whether the program of a network computes a metric, from sums over rows."""
    return isinstance(metric, SummedMetric) and not runs_in_python(metric)


def compile_network(network: Network, given: CompileArguments) -> Compiled:
    """Resolve the arguments of ``compile``.

    Raises:
        ConfigError: an unknown name, or a list or dict that does not fit the outputs.
    """
    names = output_names(network)
    for value, what in ((given.metrics, "metrics"), (given.weighted_metrics, "weighted_metrics")):
        if value is not None and not isinstance(value, list | tuple | Mapping):
            raise ConfigError(f"{what} must be a list or dict, such as {what}=['mae']; got {value!r}")
    optimizer = optimizers.get(given.optimizer) or AbsentOptimizer(NO_OPTIMIZER)
    optimizer.check_settings()
    structure = network.output_structure
    compiled = Compiled(
        network,
        optimizer,
        [_resolved(term, network) for term in terms_of(given.loss, given.loss_weights, structure, names)],
        _metric_lists(given.metrics, structure, names, "metrics"),
        _metric_lists(given.weighted_metrics, structure, names, "weighted_metrics"),
        replace(given, optimizer=optimizer),
    )
    # Unknown names raise here. What "accuracy" means depends on the data.
    compiled.resolved([Target((None, 1), False) for _ in names])
    return compiled


def _resolved(term: Term, network: Network) -> Term:
    """The term with the loss object instead of its name."""
    loss = _loss(term.loss)
    if isinstance(loss, str) and not isinstance(term.at, int):
        raise ConfigError(f"loss {loss!r} is chosen by the shape of one output, and is given for several")
    return replace(term, loss=loss)


def _loss(entry: Any) -> Loss | str:
    if isinstance(entry, str) and entry.lower() in ("crossentropy", "ce"):
        return "crossentropy"
    loss = losses.get(entry)
    if loss.reduction in (None, "none"):
        raise ConfigError(
            f"loss {loss.name!r}: training needs one number for a batch, which reduction={loss.reduction!r} does not "
            'give; use "sum_over_batch_size"'
        )
    return loss


def _kind(
    target: Target, output: Sequence[int | None]
) -> Literal["binary", "categorical", "sparse_categorical"]:
    """Which crossentropy or accuracy to use: chosen by the shapes, as Keras does."""
    if output[-1] == 1:
        return "binary"
    return "sparse_categorical" if len(target.shape) < len(output) or target.shape[-1] == 1 else "categorical"


def loss_for(given: Any, target: Target, output: Sequence[int | None]) -> Any:
    """The loss to use; ``"crossentropy"`` is chosen by the shapes."""
    return losses.get(f"{_kind(target, output)}_crossentropy") if isinstance(given, str) else given


CLASS_NUMBERS = frozenset({
    "sparse_categorical_crossentropy", "categorical_generalized_cross_entropy", "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
})  # fmt: skip
"""Functions of losses and metrics that take class numbers as targets."""


def class_axis(entry: Any, target: Target, output: Sequence[int | None]) -> tuple[int, int | None] | None:
    """The axis of the classes and the ignored class of a loss or metric; None if its targets are not class numbers."""
    if isinstance(entry, str):
        key = entry.lower()
        suffix = {"acc": "accuracy", "ce": "crossentropy"}.get(key, key)
        name = f"{_kind(target, output)}_{suffix}" if suffix in ("accuracy", "crossentropy") else entry
        return (-1, None) if name in CLASS_NUMBERS or snake_case(name) in CLASS_NUMBERS else None
    function = entry.fn if isinstance(entry, MeanMetricWrapper) else getattr(entry, "function", entry)
    settings = getattr(entry, "settings", {})
    known = metrics.FUNCTIONS.get(getattr(function, "__name__", ""))
    if known is not function or known is None or known.__name__ not in CLASS_NUMBERS:
        return None
    return (
        None if settings.get("from_sorted_ids") else (settings.get("axis", -1), settings.get("ignore_class"))
    )


def _metric_lists(value: Any, structure: Any, names: Sequence[str], what: str) -> list[list[Any]]:
    """The metrics of each output, from a list, a dict by name, or a structure nested like the outputs."""
    if value is None:
        return [[] for _ in names]
    if len(names) == 1:
        known = {*names, *([] if not isinstance(structure, Mapping) else structure)}
        if isinstance(value, Mapping) and (unknown := [key for key in value if key not in known]):
            raise ConfigError(f"{what} names {unknown}, but the output is {names[0]!r}")
        return [_flat(list(value.values()) if isinstance(value, Mapping) else value)]
    if isinstance(value, Mapping) and (not is_nested(structure) or is_flat(structure)):
        if unknown := [key for key in value if key not in names]:
            raise ConfigError(f"{what} names {unknown}, but the outputs are {list(names)}")
        return [_flat(value.get(name)) for name in names]
    if is_flat(structure) and len(value) == len(names):
        return [_flat(entry) for entry in value]
    if not has(structure, value):
        raise ConfigError(
            f"{what} must be nested as the outputs are, with a list of metrics for each of the {len(names)} outputs: "
            f"{shown(structure, lambda t: t.name)}; got {len(value)} entries: {shown(value, repr)}"
        )
    return [_flat(entry) for entry in up_to(structure, value)]


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in _flat(entry)]
    return [metrics.get(value) if isinstance(value, type) else value]  # one object, which keeps its state


def metric_for(entry: Any, target: Target, output: Sequence[int | None]) -> Metric:
    """The metric for an argument of ``compile``; ``"accuracy"`` is chosen by the shapes, as Keras does.

    Raises:
        ConfigError: the name is unknown.
    """
    if not isinstance(entry, str):
        return metrics.get(entry)
    key = entry.lower()
    suffix = {"accuracy": "accuracy", "acc": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
    metric = metrics.get(f"{_kind(target, output)}_{suffix[key]}" if key in suffix else entry)
    metric.name = entry
    return metric
