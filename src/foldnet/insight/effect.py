"""A metric on validation data, of a network's prediction with one set of statistics or another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, InputError
from foldnet.graph.graph import Graph
from foldnet.insight.oracle import Oracle
from foldnet.insight.streams import Stream
from foldnet.network import Network
from foldnet.training.callbacks import better
from foldnet.training.compiled import Compiled, Target, compile_network, metric_for
from foldnet.training.data import as_array, split_structure
from foldnet.training.losses import Loss
from foldnet.training.metrics import Metric
from foldnet.training.program import output_names

Array = np.ndarray[Any, Any]
Judge = Callable[[list[Array], list[Array], Any], float]


class Validation:
    """Validation data and what is measured on it.

    Args:
        network: whose predictions are judged.
        graph: its lowering; for the names and shapes of its inputs.
        data: ``(x, y)`` or ``(x, y, sample_weight)``, or something that gives such batches again and again.
        metric: as ``recalibrate`` takes it.
        mode: ``"min"``, ``"max"``, or ``"auto"``, by the metric's name.
        batch_size: rows at a time.

    Raises:
        InputError: there are no targets, or not as many as rows.
        ConfigError: no such metric, or none is given and the network was never compiled.
    """

    def __init__(
        self, network: Network, graph: Graph, data: Any, metric: Any, mode: str, batch_size: int
    ) -> None:
        self.names = output_names(network)
        self._whole = isinstance(data, tuple)
        if self._whole:
            if not 2 <= len(data) <= 3:
                raise InputError("validation_data is (x, y) or (x, y, sample_weight)")
            x, y, *weight = data
            self._targets: list[Array] | None = self._target_arrays(y)
            self._weight = np.asarray(weight[0]) if weight and weight[0] is not None else None
            self._stream = Stream(graph, x, batch_size)
        else:
            self._stream = Stream(graph, data, batch_size)
            self._targets, self._weight = self._gathered()
        self.metric, self._judge = _judge(network, metric, self._targets)
        comparison, _ = better(self.metric, mode)
        self.higher_is_better = comparison is np.greater

    def _target_arrays(self, y: Any) -> list[Array]:
        parts = split_structure(y, self.names, "validation targets")
        return [as_array(part, "a validation target") for part in parts]

    def _gathered(self) -> tuple[list[Array], Array | None]:
        targets: list[list[Array]] = []
        weights: list[Array] = []
        for _, rest in self._stream:
            if not rest:
                raise InputError("validation_data gives batches without targets; expected (x, y)")
            targets.append(self._target_arrays(rest[0]))
            if len(rest) > 1 and rest[1] is not None:
                weights.append(np.asarray(rest[1]))
        joined = [np.concatenate(parts) for parts in zip(*targets, strict=True)]
        return joined, np.concatenate(weights) if weights else None

    def score(self, graph: Graph) -> float:
        """The metric of what a graph predicts, computed in float64.

        Raises:
            InputError: there are not as many targets as rows.
        """
        oracle = Oracle(graph)
        parts: list[list[Array]] = []
        for inputs, _ in self._stream:
            values = oracle.values(inputs)
            parts.append([values[name] for name in graph.outputs])
        predictions = [np.concatenate(p) for p in zip(*parts, strict=True)]
        targets = self._targets or []
        if {len(t) for t in targets} != {len(predictions[0])}:
            raise InputError(
                f"validation has {len(predictions[0])} rows and {[len(t) for t in targets]} targets; it needs as many"
            )
        with np.errstate(all="ignore"):
            return float(self._judge(targets, predictions, self._weight))


def _judge(network: Network, metric: Any, targets: Sequence[Array] | None) -> tuple[str, Judge]:
    if metric is None:
        return "loss", _loss(_compiled(network))
    single = targets is not None and len(targets) == 1
    if isinstance(metric, str | Metric | Loss) and not single:
        raise ConfigError(
            "a metric by name measures one output, and the network has several; give a function of y_true and "
            "y_pred, which gets a list of arrays for each"
        )
    if isinstance(metric, str) and targets is not None:
        shape = targets[0].shape
        metric = metric_for(metric, Target((None, *shape[1:]), False), network.outputs[0].shape, None)
    if isinstance(metric, Metric):
        return metric.name, lambda y, p, w: _measured(metric, y[0], p[0], w)
    if isinstance(metric, Loss):
        return metric.name, lambda y, p, w: float(metric(y[0], p[0], w))
    if not callable(metric):
        raise ConfigError(f"metric is a name or a function of y_true and y_pred, not {metric!r}")
    name = getattr(metric, "__name__", "metric")
    return name, lambda y, p, w: float(metric(y[0] if single else y, p[0] if single else p))


def _measured(metric: Metric, y_true: Array, y_pred: Array, weight: Any) -> float:
    metric.reset_state()
    metric.update_state(y_true, y_pred, weight)
    value = metric.result()
    metric.reset_state()
    return float(np.mean(value))


def _compiled(network: Network) -> Compiled:
    if network.trainer is not None:
        compiled: Compiled = network.trainer.compiled
        return compiled
    stored = network.compile_config or {}
    if stored.get("loss") is None:
        raise ConfigError(
            f'{network.name!r} was not compiled, so there is no loss to judge it by; name a metric: metric="mse"'
        )
    return compile_network(network, "sgd", stored["loss"], stored.get("loss_weights"))


def _loss(compiled: Compiled) -> Judge:
    def judge(y_true: Iterable[Array], y_pred: Iterable[Array], weight: Any) -> float:
        rows = zip(compiled.losses, compiled.loss_weights, y_true, y_pred, strict=True)
        return sum(share * float(loss(y, p, weight)) for loss, share, y, p in rows if loss is not None)

    return judge
