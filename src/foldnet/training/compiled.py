"""What ``compile`` was told, resolved for each output of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.graph.training import TrainingProgram
from foldnet.network import Network
from foldnet.training import losses, optimizers
from foldnet.training import metric_names as metrics
from foldnet.training.losses import Loss
from foldnet.training.metrics import Metric
from foldnet.training.program import OutputPlan, Owners, RowMetric, build_program, output_names

Array = np.ndarray[Any, Any]


@dataclass
class Target:
    """Shape and kind of the targets of one output, as the data shows them."""

    shape: tuple[int | None, ...]
    integer: bool


@dataclass
class Compiled:
    """A network's optimizer, losses and metrics.

    Attributes:
        optimizer: the one optimizer.
        losses: one an output; None where an output is not trained.
        loss_weights: one an output.
        metrics: for each output, as given; "accuracy" is resolved when the targets are seen.
        weighted_metrics: likewise; sample weights count in these.
    """

    network: Network
    optimizer: optimizers.Optimizer
    losses: list[Loss | None]
    loss_weights: list[float]
    metrics: list[list[Any]]
    weighted_metrics: list[list[Any]]
    given: Mapping[str, Any] = field(default_factory=dict)

    def plans(self, targets: Sequence[Target]) -> list[OutputPlan]:
        """Loss and metrics of each output for targets as the data has them."""
        resolved = self.resolved(targets)
        plans = []
        for i, (loss, target) in enumerate(zip(self.losses, targets, strict=True)):
            rows = [RowMetric(name, metric.rows, weighted) for name, metric, weighted in resolved[i]]
            plans.append(
                OutputPlan(None if loss is None else loss.rows, self.loss_weights[i], rows, target.shape)
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
                    metric = metric_for(entry, targets[i], self.network.outputs[i].shape, self.losses[i])
                    name = metric.name if len(names) == 1 else f"{names[i]}_{metric.name}"
                    if name in seen and weighted:
                        name = f"weighted_{name}" if len(names) == 1 else f"{names[i]}_weighted_{metric.name}"
                    count = seen[name] = seen.get(name, 0) + 1
                    result[i].append((name if count == 1 else f"{name}_{count - 1}", metric, weighted))
        return result

    def program(self, targets: Sequence[Target]) -> tuple[TrainingProgram, Owners]:
        """The training program for targets as the data has them, and whose its variables are."""
        return build_program(self.network, self.plans(targets), self.optimizer.rule())


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
    entries = _per_output(loss, names, "loss")
    if all(entry is None for entry in entries):
        raise ConfigError('compile needs a loss, such as compile("adam", "mse")')
    weights = [1.0 if w is None else float(w) for w in _per_output(loss_weights, names, "loss_weights")]
    given = {
        "optimizer": optimizer, "loss": loss, "loss_weights": loss_weights, "metrics": metrics,
        "weighted_metrics": weighted_metrics,
    }  # fmt: skip
    return Compiled(
        network,
        optimizers.get(optimizer),
        [None if entry is None else losses.get(entry) for entry in entries],
        weights,
        _metric_lists(metrics, names, "metrics"),
        _metric_lists(weighted_metrics, names, "weighted_metrics"),
        given,
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
    return [leaf for entry in value for leaf in _flat(entry)] if isinstance(value, list | tuple) else [value]


def metric_for(entry: Any, target: Target, output: Sequence[int | None], loss: Loss | None) -> Metric:
    """The metric that is meant; ``"accuracy"`` and ``"crossentropy"`` by the shapes, as Keras chooses.

    Raises:
        ConfigError: there is none of this name.
    """
    key = str(entry).lower() if isinstance(entry, str) else ""
    if key in ("accuracy", "acc", "crossentropy", "ce"):
        binary = output[-1] == 1
        sparse = not binary and (len(target.shape) < len(output) or target.shape[-1] == 1)
        kind = "binary" if binary else "sparse_categorical" if sparse else "categorical"
        suffix = "accuracy" if key.startswith("acc") else "crossentropy"
        metric = metrics.get(f"{kind}_{suffix}")
        metric.name = entry if isinstance(entry, str) else metric.name
        return metric
    return metrics.get(entry)
