"""What ``compile`` was told, resolved for each output of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.graph.training import TrainingProgram
from foldnet.layers.naming import snake_case
from foldnet.network import Network
from foldnet.training import losses, optimizers
from foldnet.training import metric_names as metrics
from foldnet.training.absent import AbsentOptimizer
from foldnet.training.between import Watched, runs_in_python
from foldnet.training.losses import Loss
from foldnet.training.metric import Metric
from foldnet.training.metrics import MeanMetricWrapper, SummedMetric
from foldnet.training.optimizer import Optimizer
from foldnet.training.program import OutputPlan, Owners, RowMetric, build_program, output_names

Array = np.ndarray[Any, Any]

NO_OPTIMIZER = 'the network was compiled without an optimizer, so it cannot train: model.compile("adam", ...)'


@dataclass
class Target:
    """Shape and kind of the targets of one output, and the shape of its sample weights, as the data shows them."""

    shape: tuple[int | None, ...]
    integer: bool
    weight: tuple[int | None, ...] = (None,)


@dataclass
class Compiled:
    """A network's optimizer, losses and metrics.

    Attributes:
        optimizer: the one optimizer.
        losses: one an output; None where an output is not trained, ``"crossentropy"`` where the shapes decide.
        loss_weights: one an output.
        metrics: for each output, as given; "accuracy" is resolved when the targets are seen.
        weighted_metrics: likewise; sample weights count in these.
    """

    network: Network
    optimizer: Optimizer
    losses: list[Loss | str | None]
    loss_weights: list[float]
    metrics: list[list[Any]]
    weighted_metrics: list[list[Any]]
    given: Mapping[str, Any] = field(default_factory=dict)

    def plans(self, targets: Sequence[Target]) -> list[OutputPlan]:
        """Loss and metrics of each output for targets as the data has them."""
        resolved = self.resolved(targets)
        plans = []
        for i, (given, target) in enumerate(zip(self.losses, targets, strict=True)):
            loss = loss_for(given, target, self.network.outputs[i].shape)
            rows = [
                RowMetric(name, metric.weighed_rows, weighted)
                for name, metric, weighted in resolved[i]
                if isinstance(metric, SummedMetric) and not runs_in_python(metric)
            ]
            weighed = None if loss is None else loss.weighed_rows
            plans.append(
                OutputPlan(weighed, self.loss_weights[i], rows, target.shape, weight_shape=target.weight)
            )
        return plans

    def resolved(self, targets: Sequence[Target]) -> list[list[tuple[str, Metric, bool]]]:
        """For each output its metrics: the name it is reported under, the metric, and whether weights count."""
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
    def watched(self) -> list[Watched]:
        """The metrics that run in Python between the steps."""
        if not any(
            isinstance(e, Metric) and runs_in_python(e) for e in chain(*self.metrics, *self.weighted_metrics)
        ):
            return []
        targets = [Target((None, 1), False) for _ in self.losses]  # on which names do not depend
        return [
            Watched(i, name, metric, weighted)
            for i, entries in enumerate(self.resolved(targets))
            for name, metric, weighted in entries
            if runs_in_python(metric)
        ]

    def program(self, targets: Sequence[Target]) -> tuple[TrainingProgram, Owners]:
        """The training program for targets as the data has them, and whose its variables are."""
        return build_program(
            self.network, self.plans(targets), self.optimizer.rule(), self.optimizer.decay_applies
        )

    def direction(self, name: str) -> str | None:
        """Whether the log of a name should fall (``"down"``) or rise (``"up"``); None if nobody knows."""
        name = name.removeprefix("val_")
        if name == "loss":
            return "down"
        names = output_names(self.network)
        if name in [f"{n}_loss" for n in names]:
            return "down"
        for i, output in enumerate(self.network.outputs):
            for entry in (*self.metrics[i], *self.weighted_metrics[i]):
                metric = metric_for(entry, Target((None, 1), False), output.shape)
                if name in (metric.name, f"{names[i]}_{metric.name}"):
                    return metric.direction
        return None


def compile_network(
    network: Network,
    optimizer: Any = "rmsprop",
    loss: Any = None,
    loss_weights: Any = None,
    metrics: Any = None,
    weighted_metrics: Any = None,
) -> Compiled:
    """Resolve the arguments of ``compile``.

    Raises:
        ConfigError: an unknown name, or a list or dict that does not fit the outputs.
    """
    names = output_names(network)
    for value, what in ((metrics, "metrics"), (weighted_metrics, "weighted_metrics")):
        if value is not None and not isinstance(value, list | tuple | Mapping):
            raise ConfigError(f"{what} must be a list or dict, such as {what}=['mae']; got {value!r}")
    optimizer = optimizers.get(optimizer) or AbsentOptimizer(NO_OPTIMIZER)
    optimizer.check_settings()
    entries = _per_output(loss, names, "loss")
    weights = [1.0 if w is None else float(w) for w in _per_output(loss_weights, names, "loss_weights")]
    given = {
        "optimizer": optimizer, "loss": loss, "loss_weights": loss_weights, "metrics": metrics,
        "weighted_metrics": weighted_metrics,
    }  # fmt: skip
    return Compiled(
        network,
        optimizer,
        [_loss(entry) for entry in entries],
        weights,
        _metric_lists(metrics, names, "metrics"),
        _metric_lists(weighted_metrics, names, "weighted_metrics"),
        given,
    )


def _loss(entry: Any) -> Loss | str | None:
    if isinstance(entry, str) and entry.lower() in ("crossentropy", "ce"):
        return "crossentropy"
    if entry is None:
        return None
    loss = losses.get(entry)
    if loss.reduction in (None, "none"):
        raise ConfigError(
            f"loss {loss.name!r}: training needs one number for a batch, which reduction={loss.reduction!r} does not "
            'give; use "sum_over_batch_size"'
        )
    return loss


def _kind(target: Target, output: Sequence[int | None]) -> str:
    """Which crossentropy or accuracy is meant, by the shapes, as Keras chooses."""
    if output[-1] == 1:
        return "binary"
    return "sparse_categorical" if len(target.shape) < len(output) or target.shape[-1] == 1 else "categorical"


def loss_for(given: Loss | str | None, target: Target, output: Sequence[int | None]) -> Loss | None:
    """The loss that is meant; ``"crossentropy"`` by the shapes."""
    return losses.get(f"{_kind(target, output)}_crossentropy") if isinstance(given, str) else given


CLASS_NUMBERS = frozenset({
    "sparse_categorical_crossentropy", "categorical_generalized_cross_entropy", "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
})  # fmt: skip
"""Functions of losses and metrics that take class numbers as targets."""


def class_axis(entry: Any, target: Target, output: Sequence[int | None]) -> tuple[int, int | None] | None:
    """Where a loss or metric looks for the classes, and which number it ignores; None if it takes no class numbers."""
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


def _per_output(value: Any, names: Sequence[str], what: str) -> list[Any]:
    if isinstance(value, Mapping) and not ("class_name" in value and "config" in value):
        unknown = [n for n in value if n not in names]
        if unknown:
            raise ConfigError(f"{what} names {unknown}, but the outputs are {list(names)}")
        return [value.get(n) for n in names]
    if isinstance(value, list | tuple):
        if len(value) != len(names):
            raise ConfigError(
                f"{what} has {len(value)} entries for {len(names)} outputs ({', '.join(names)})"
            )
        return list(value)
    return [value] * len(names)


def _metric_lists(value: Any, names: Sequence[str], what: str) -> list[list[Any]]:
    if value is None:
        return [[] for _ in names]
    if isinstance(value, Mapping) or len(names) > 1:
        return [_flat(entry) for entry in _per_output(value, names, what)]
    return [_flat(value)]


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in _flat(entry)]
    return [metrics.get(value) if isinstance(value, type) else value]  # one object, which keeps its state


def metric_for(entry: Any, target: Target, output: Sequence[int | None]) -> Metric:
    """The metric that is meant, named as it was asked for; ``"accuracy"`` by the shapes, as Keras chooses.

    Raises:
        ConfigError: there is none of this name.
    """
    if not isinstance(entry, str):
        return metrics.get(entry)
    key = entry.lower()
    suffix = {"accuracy": "accuracy", "acc": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
    metric = metrics.get(f"{_kind(target, output)}_{suffix[key]}" if key in suffix else entry)
    metric.name = entry
    return metric
