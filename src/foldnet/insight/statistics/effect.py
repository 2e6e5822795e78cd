"""A metric on validation data, of a network's predictions before and after its statistics change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, FoldnetError, InputError, UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.insight.oracle import Oracle
from foldnet.insight.statistics.streams import Stream
from foldnet.literals import member
from foldnet.lowering.masks import masked_outputs
from foldnet.network import Network
from foldnet.training.compiled import Compiled, Target, loss_for, metric_for
from foldnet.training.data import as_array, split_structure
from foldnet.training.losses import Loss
from foldnet.training.metric import Direction, Metric
from foldnet.training.program import output_names
from foldnet.training.standard_callbacks import MODES

Judge = Callable[[list[Array], list[Array], Any], float]


class Validation:
    """Validation data and the metric.

    Args:
        network: whose predictions are measured.
        graph: its lowering; for the names and shapes of its inputs.
        data: ``(x, y)`` or ``(x, y, sample_weight)``, or an iterable of such batches, iterated several times.
        metric: as for ``recalibrate``.
        mode: ``"min"``, ``"max"``, or ``"auto"``, by the metric's name.
        batch_size: rows at a time.

    Raises:
        InputError: there are no targets, or not as many as rows.
        UnsupportedError: an output has a mask, and the metric would count masked values.
        ConfigError: no such metric, or none is given and the network was never compiled.
    """

    def __init__(
        self, network: Network, graph: Graph, data: object, metric: object, mode: str, batch_size: int
    ) -> None:
        self.names = output_names(network)
        masked = masked_outputs(network)
        if masked and (metric is None or not callable(metric) or isinstance(metric, Metric | Loss)):
            raise UnsupportedError(
                f"the output {masked[0].name!r} has a mask, which a loss or metric of the whole validation data would "
                "count in; give metric= a function of y_true and y_pred that leaves out what does not count"
            )
        self._weight: Array | None = None
        if isinstance(data, tuple):
            if not 2 <= len(data) <= 3:
                raise InputError("validation_data is (x, y) or (x, y, sample_weight)")
            x, y, *weight = data
            self._targets = self._target_arrays(y)
            if weight and weight[0] is not None:
                self._weight = np.asarray(weight[0])
            self._stream = Stream(graph, x, batch_size)
        else:
            self._stream = Stream(graph, data, batch_size)
            self._targets, self._weight = self._gathered()
        self.metric, self._judge, direction = _judge(network, metric, self._targets)
        self.higher_is_better = _rises(self.metric, mode, direction)

    def _target_arrays(self, y: object) -> list[Array]:
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
        if {len(t) for t in self._targets} != {len(predictions[0])}:
            raise InputError(f"validation has {len(predictions[0])} rows and {len(self._targets[0])} targets")
        with np.errstate(all="ignore"):
            return float(self._judge(self._targets, predictions, self._weight))


def _rises(metric: str, mode: str, direction: Direction | None) -> bool:
    known = member(mode, MODES)
    if known is None:
        raise ConfigError(f"mode is 'auto', 'min' or 'max', not {mode!r}")
    if known == "auto" and direction is None:
        raise ConfigError(
            f"it cannot be told whether {metric!r} should rise or fall; give mode='max' or 'min'"
        )
    return known == "max" or (known == "auto" and direction == "up")


def _judge(network: Network, metric: object, targets: Sequence[Array]) -> tuple[str, Judge, Direction | None]:
    """The metric's name, its function, and whether higher is better."""
    if metric is None:
        return "loss", _loss(_compiled(network)), "down"
    single = len(targets) == 1
    if isinstance(metric, str | Metric | Loss) and not single:
        raise ConfigError(
            "a metric by name measures one output, and the network has several; give a function of y_true and "
            "y_pred, which gets a list of arrays for each"
        )
    if isinstance(metric, str):
        target = Target((None, *targets[0].shape[1:]), False)
        metric = metric_for(metric, target, network.outputs[0].shape)
    if isinstance(metric, Metric):
        measured = _guarded(metric.name, lambda y, p, w: _measured(metric, y[0], p[0], w))
        return metric.name, measured, metric.direction
    if isinstance(metric, Loss):
        return metric.name, _guarded(metric.name, lambda y, p, w: float(metric(y[0], p[0], w))), "down"
    if not callable(metric):
        raise ConfigError(f"metric is a name or a function of y_true and y_pred, not {metric!r}")
    name = getattr(metric, "__name__", "metric")
    judge = _guarded(name, lambda y, p, w: float(metric(y[0] if single else y, p[0] if single else p)))
    return name, judge, "down"


def _guarded(name: str, judge: Judge) -> Judge:
    """The same function; if it raises, the error names the metric."""

    def guarded(y_true: list[Array], y_pred: list[Array], weight: object) -> float:
        try:
            return judge(y_true, y_pred, weight)
        except FoldnetError:
            raise
        except Exception as error:
            shapes = [[a.shape for a in arrays] for arrays in (y_true, y_pred)]
            raise ConfigError(
                f"the metric {name!r} gives no number for targets of shape {_plain(shapes[0])} and outputs of shape "
                f"{_plain(shapes[1])}: {type(error).__name__}: {str(error)[:400]}. It is called with NumPy arrays"
            ) from error

    return guarded


def _plain(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | list[tuple[int, ...]]:
    return shapes[0] if len(shapes) == 1 else shapes


def _measured(metric: Metric, y_true: Array, y_pred: Array, weight: object) -> float:
    metric.reset_state()
    metric.update_state(y_true, y_pred, weight)
    value = metric.result()
    metric.reset_state()
    return float(np.mean(value))


def _compiled(network: Network) -> Compiled:
    if network.trainer is None:
        raise ConfigError(
            f'{network.name!r} was not compiled, so there is no loss to compare; name a metric: metric="mse"'
        )
    compiled: Compiled = network.trainer.compiled
    return compiled


def _loss(compiled: Compiled) -> Judge:
    def judge(y_true: list[Array], y_pred: list[Array], weight: object) -> float:
        total = 0.0
        for i, (given, share) in enumerate(zip(compiled.losses, compiled.loss_weights, strict=True)):
            target = Target((None, *y_true[i].shape[1:]), y_true[i].dtype.kind in "iu")
            loss = loss_for(given, target, compiled.network.outputs[i].shape)
            if loss is not None:
                total += share * float(loss(y_true[i], y_pred[i], weight))
        return total

    return judge
