"""Metrics that run in Python between the steps of a fit, on the outputs that the step computes.

A metric whose ``update_state`` or ``reset_state`` is user code cannot be compiled. The reference engine computes
the network again for it, with the weights and the random numbers of the current step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.fit import FitState
from foldnet.engines.reference.training import forward
from foldnet.errors import ConfigError, FoldnetError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.lowering.lower import Lowering, Mode, lower_into
from foldnet.network import Network
from foldnet.operations.kernels import StepContext
from foldnet.optional_inputs import Absent
from foldnet.passes.guards import in_evaluation
from foldnet.training.data import Rows
from foldnet.training.metric import Metric
from foldnet.training.metrics import SummedMetric, plain
from foldnet.warn import warn

_warned: set[str] = set()


def runs_in_python(metric: Metric) -> bool:
    """Whether a metric's state is updated by user code."""
    own = any(_is_users(metric, method) for method in ("update_state", "reset_state"))
    return own or not isinstance(metric, SummedMetric)


def _is_users(metric: Metric, method: str) -> bool:
    owner = next(cls for cls in type(metric).__mro__ if method in cls.__dict__)
    return not owner.__module__.startswith("foldnet.")


@dataclass(frozen=True)
class PythonMetric:
    """A metric that runs in Python: its output, its name in the logs, and whether it uses sample weights."""

    output: int
    name: str
    metric: Metric
    weighted: bool


class PythonMetrics:
    """Updates metrics that run in Python between the steps.

    Args:
        network: whose outputs the metrics get.
        metrics: those of them that run in Python.
    """

    def __init__(self, network: Network, metrics: Sequence[PythonMetric]) -> None:
        self.network, self.metrics = network, metrics
        self._graph: Graph | None = None
        self._absent: Absent = frozenset()
        self._names: dict[str, tuple[Any, str]] = {}
        fresh = [w.metric for w in metrics if type(w.metric).__name__ not in _warned]
        if fresh:
            _warned.update(type(m).__name__ for m in fresh)
            named = ", ".join(type(m).__name__ for m in fresh)
            warn(
                f"{named}: a metric with an update_state or reset_state of its own runs in Python between the steps, "
                "which is slow; a function of y_true and y_pred written with foldnet.ops compiles",
                RuntimeWarning,
            )

    def reset(self) -> None:
        """Reset all of them, before an epoch or an evaluation."""
        for entry in self.metrics:
            entry.metric.reset_state()

    def update(self, rows: Rows, state: FitState, training: bool, seed: int = 0) -> dict[str, Any]:
        """Update the metrics with a batch, computed as in the current step, and return their results by name.

        Raises:
            ConfigError: the metric's own code fails.
        """
        return self.update_from(rows, self._outputs(rows, state, training, seed))

    def update_from(self, rows: Rows, outputs: Sequence[Array]) -> dict[str, Any]:
        """The same with the network's outputs for the batch.

        Raises:
            ConfigError: the metric's own code fails.
        """
        return {w.name: self._shown(w, rows, outputs[w.output]) for w in self.metrics}

    def _shown(self, entry: PythonMetric, rows: Rows, y_pred: Array) -> Any:
        metric = entry.metric
        given = {"sample_weight": rows.weights[entry.output]} if entry.weighted else {}
        try:
            metric.update_state(rows.targets[entry.output], y_pred, **given)
            return plain(metric.result())
        except FoldnetError:
            raise
        except Exception as error:
            raise ConfigError(
                f"the metric {metric.name!r} ({type(metric).__name__}) fails on targets of shape "
                f"{rows.targets[entry.output].shape} and outputs of shape {y_pred.shape}: "
                f"{type(error).__name__}: {str(error)[:400]}"
            ) from error

    def _outputs(self, rows: Rows, state: FitState, training: bool, seed: int) -> list[Array]:
        if self._graph is None or self._absent != rows.absent:
            b = Lowering(Mode.TRAIN)
            self._graph = b.build(lower_into(b, self.network, absent=rows.absent))
            self._absent = rows.absent
            self._names = b.variables
        graph = self._graph if training else in_evaluation(self._graph)
        values = {k: v if v.dtype.kind in "iu" else v.astype(np.float32) for k, v in graph.constants.items()}
        for name, (layer, weight) in self._names.items():
            if name in values:
                values[name] = np.asarray(layer.named_weights[weight], np.float32).reshape(values[name].shape)
        for name, array in zip(graph.inputs, rows.inputs, strict=True):
            values[name] = array.astype(np.int32 if graph.types[name].dtype == INT else np.float32)
        context = StepContext(training=training, seed=seed, step=state.iterations)
        with np.errstate(all="ignore"):
            forward(graph, values, context, np.dtype(np.float32))
        return [np.array(values[name]) for name in graph.outputs]
