"""Trainer: runs ``fit``, ``evaluate`` and single steps of a compiled network on an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.fit import SHUFFLE_STREAM, Data, FitPlan, FitResult, FitState, Sums, TrainingEngine
from foldnet.engines.training import training_engine
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph.training import Accumulator, TrainingProgram
from foldnet.layers.base import Layer
from foldnet.lowering.lower import check_can_evaluate
from foldnet.network import Network
from foldnet.operations.batch.numpy import wrong_rows
from foldnet.operations.batch.philox import permutation
from foldnet.random import random_seed
from foldnet.recent_cache import RecentCache
from foldnet.training.compiled import Compiled, Target, in_program
from foldnet.training.data import Rows
from foldnet.training.known_programs import Fixed, Ready, ready_program
from foldnet.training.known_tables import step_table
from foldnet.training.predicted_outputs import predicted
from foldnet.training.program import WEIGHT, Owners, loss_sum, metric_sum, output_names
from foldnet.training.python_metrics import PythonMetrics

LENGTHS = 16
"""Programs that a trainer keeps, for rows of other lengths; the one that was used longest ago goes first."""


class Trainer:
    """Runs steps and epochs of a compiled network.

    It holds the state between calls: optimizer slots and the number of epochs. The weights are in the
    network's layers; they are read before and written after each call, so that ``set_weights`` takes effect.

    Args:
        compiled: the network with optimizer, losses and metrics.
        seed: for shuffling and Dropout.

    Attributes:
        slots: the optimizer's arrays for each weight.
        averages: the weights' moving averages, if the optimizer keeps them.
        orders: number of shuffled orders drawn so far, so that every epoch gets another one.
    """

    def __init__(self, compiled: Compiled, seed: int | None = None) -> None:
        self.compiled = compiled
        self.network: Network = compiled.network
        self.seed = random_seed() if seed is None else seed
        self.targets: list[Target] = []
        self.slots: dict[tuple[Layer, str], list[Array]] = {}
        self.averages: dict[tuple[Layer, str], Array] = {}
        self._owners: Owners = {}
        self._engine: TrainingEngine | None = None
        self._program: TrainingProgram | None = None
        self._key: Any = None
        self._fixed: Fixed = []
        self._recent: RecentCache[Ready] = RecentCache(LENGTHS)
        self.orders = 0
        self._python_metrics = (
            PythonMetrics(self.network, compiled.python_metrics) if compiled.python_metrics else None
        )
        compiled.optimizer.trainer = self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.compiled.optimizer.trainer = self

    def __getstate__(self) -> dict[str, Any]:
        # The engine holds compiled code; it and its program are built again at the next use.
        made: dict[str, Any] = {
            "_engine": None,
            "_program": None,
            "_key": None,
            "_owners": {},
            "_recent": RecentCache(LENGTHS),
        }
        return self.__dict__ | made

    def prepare(self, rows: Rows) -> TrainingProgram:
        """The program for these rows; built again when shapes or ``trainable`` have changed."""
        targets = targets_of(rows)
        single = self.network.single_layers()
        frozen = (
            self.network.trainable,
            *(inner.trainable for layer in single for inner in layer.with_inner_layers),
        )
        key = (tuple((t.shape, t.integer, t.weight) for t in targets), frozen, rows.kind)
        if self._program is None or key != self._key or self._constants_changed():
            ready = self._recent.get(key)
            if ready is None or _changed(ready.fixed):
                ready = ready_program(self.compiled, targets, rows, training_engine)
                self._recent.put(key, ready)
            self._program, self._engine = ready.program, ready.engine
            self._owners, self._fixed = ready.owners, ready.fixed
            self._key = key
            self.targets = targets
        return self._program

    def _constants_changed(self) -> bool:
        """Whether weights that are constants of the program (those of frozen normalizations) have been replaced."""
        return _changed(self._fixed)

    def fit(
        self,
        rows: Rows,
        *,
        batch_size: int,
        epochs: int,
        shuffle: bool = True,
        validation: Rows | None = None,
        validation_epochs: Sequence[bool] = (),
        validation_batch_size: int | None = None,
        stop_on_nan: bool = False,
        should_stop: Callable[[], bool] | None = None,
    ) -> FitResult:
        """Train for some epochs in one engine call.

        ``not_finite`` of the result counts epochs from the first of this call.

        Raises:
            ConfigError: the network was compiled without an optimizer.
        """
        self.compiled.optimizer.check_steps()
        _check_batches(self.prepare(rows), len(rows), batch_size)
        steps = -(-len(rows) // batch_size) * epochs
        optimizer = self.compiled.optimizer
        plan = FitPlan(
            batch_size,
            epochs,
            step_table(optimizer, optimizer.steps, steps),
            self.orders,
            shuffle,
            self.seed,
            validation_epochs,
            validation_batch_size=validation_batch_size,
            stop_on_nan=stop_on_nan,
        )
        state = self.state()
        given = None if validation is None else Data(validation.arrays)
        # Python metrics are computed before the step, on its weights; the loop makes one step per call.
        seen = (
            {} if self._python_metrics is None else self._python_metrics.update(rows, state, True, self.seed)
        )
        try:
            result = self._prepared_engine().fit(state, Data(rows.arrays), plan, given, should_stop)
            result.training.results = seen
            if result.not_finite is not None:
                epoch, step = result.not_finite
                result.not_finite = (epoch - self.orders, step)
            return result
        finally:
            self.store(state)
            self.orders += epochs if shuffle else 0

    def order(self, count: int) -> Array:
        """The shuffled order of rows that an engine's next epoch would use."""
        order = permutation(self.seed, SHUFFLE_STREAM, self.orders, count)
        self.orders += 1
        return order

    def reset_python_metrics(self) -> None:
        """Reset the metrics that run in Python, before an epoch."""
        if self._python_metrics is not None:
            self._python_metrics.reset()

    def evaluate(self, rows: Rows, batch_size: int, fresh: bool = True) -> Sums:
        """Sums of losses and metrics over the rows; weights and state do not change.

        Metrics that run in Python are reset first if ``fresh``.

        Raises:
            UnsupportedError: the network calls a layer with ``training=True``.
        """
        check_can_evaluate(self.network)
        try:
            self.prepare(rows)
        except UnsupportedError as error:
            try:
                return self._evaluate_predictions(rows, batch_size, fresh)
            except UnsupportedError:
                raise error from None
        state = self.state()
        sums = self._prepared_engine().evaluate(state, Data(rows.arrays), batch_size)
        if self._python_metrics is not None:
            if fresh:
                self.reset_python_metrics()
            for start in range(0, len(rows), batch_size):
                sums.results = self._python_metrics.update(rows.part(start, start + batch_size), state, False)
        return sums

    def _evaluate_predictions(self, rows: Rows, batch_size: int, fresh: bool) -> Sums:
        """The same for a network that cannot be trained: its predictions, then the losses and metrics of them."""
        found = predicted(self.network, rows)
        self.targets = targets_of(rows)
        program = self.compiled.program_of_predictions(
            self.targets, [None if m is None else (None, *m.shape[1:]) for m in found.masks]
        )
        arrays = [*found.arrays, *rows.targets, *rows.weights]
        self._program = program.bound([(None, *a.shape[1:]) for a in arrays])
        self._engine, self._key = None, None  # it is no program that a fit can use
        sums = training_engine(self._program).evaluate(FitState({}), Data(arrays), batch_size)
        sums.regularization = np.full_like(sums.regularization, found.penalties)
        if self._python_metrics is not None:
            if fresh:
                self.reset_python_metrics()
            for start in range(0, len(rows), batch_size):
                part = slice(start, start + batch_size)
                outputs = [y[part] for y in found.outputs]
                sums.results = self._python_metrics.update_from(rows.part(start, part.stop), outputs)
        return sums

    def _prepared_engine(self) -> TrainingEngine:
        if self._engine is None:
            raise InputError("the network has not seen any data yet")  # prepare() runs before every use
        return self._engine

    # -- state ----------------------------------------------------------------------------------------------

    def state(self) -> FitState:
        """Copies of the layers' weights and the optimizer's slots, for an engine."""
        state = FitState({}, iterations=self.compiled.optimizer.steps)
        for name, owner in self._owners.items():
            layer, weight = owner
            state.weights[name] = np.array(layer.named_weights[weight], np.float32, order="C")
            if owner in self.slots:
                state.slots[name] = [slot.copy() for slot in self.slots[owner]]
            if owner in self.averages:
                state.averages[name] = self.averages[owner].copy()
        return state

    def store(self, state: FitState) -> None:
        """Store the weights and slots that an engine has changed."""
        for name, owner in self._owners.items():
            layer, weight = owner
            layer.set_weight(weight, state.weights[name])
            if name in state.slots:
                self.slots[owner] = state.slots[name]
            if name in state.averages:
                self.averages[owner] = state.averages[name]
        self.compiled.optimizer.steps = state.iterations

    def use_averages(self) -> None:
        """Replace the weights by the optimizer's moving averages, as Keras does at the end of ``fit``."""
        if self.compiled.optimizer.use_ema:
            for (layer, weight), average in self.averages.items():
                layer.set_weight(weight, average)

    def continue_from(self, other: Trainer) -> None:
        """Take over the other trainer's state if it has the same optimizer object."""
        if self.compiled.optimizer is other.compiled.optimizer:
            self.slots, self.averages, self.orders = other.slots, other.averages, other.orders

    # -- logs -----------------------------------------------------------------------------------------------

    def logs(self, sums: Sums, epoch: int = 0) -> dict[str, float]:
        """Loss and metrics of one epoch by their Keras names, in Keras's (sorted) order."""
        return {name: values[0] for name, values in self.columns(sums, [epoch]).items()}

    def columns(self, sums: Sums, epochs: Sequence[int]) -> dict[str, list[float]]:
        """``logs`` of several epochs: for each name the values of all epochs."""
        rows = np.maximum(sums.rows[epochs], 1.0)
        given = {a.name: values[epochs] for a, values in zip(self._accumulators(), sums.values, strict=True)}
        columns = {"loss": (sums.loss[epochs] / rows + sums.regularization[epochs]).tolist()}
        resolved = self.compiled.resolved(self.targets)
        if len(self.compiled.terms) > 1:
            for number, term in enumerate(self.compiled.terms):
                columns[f"{term.name}_loss"] = (given[loss_sum(number)][:, 0] / rows).tolist()
        for output, metrics in enumerate(resolved):
            number = 0
            for title, metric, _ in metrics:
                if not in_program(metric):
                    _put(columns, title, [sums.results.get(title, np.nan)] * len(epochs))
                    continue
                name = metric_sum(output, number)
                number += 1
                weight = given.get(f"{name}/{WEIGHT}")
                totals = rows if weight is None else weight[:, 0]
                found = [metric.result_of(v, t) for v, t in zip(given[name], totals.tolist(), strict=True)]
                _put(columns, title, found)
        self.network.logged = {name: values[-1] for name, values in columns.items() if values}
        return dict(sorted(columns.items()))

    def metrics(self) -> list[Any]:
        """The metrics as objects, in the order of ``compile``."""
        names = output_names(self.network)
        resolved = self.compiled.resolved(self.targets or [Target((None, 1), False) for _ in names])
        return [m for weighted in (False, True) for r in resolved for _, m, w in r if w is weighted]

    def values(self, logs: dict[str, Any]) -> Any:
        """Logs as ``evaluate`` and ``train_on_batch`` return them: the loss alone, or a list in Keras's order.

        The order is: loss, metrics in the order of ``compile``, then the outputs' losses. For several outputs the
        losses come before the metrics, which are sorted by name.
        """
        order = self.value_names()
        values = [logs[n] for n in order if n in logs] + [logs[n] for n in sorted(logs) if n not in order]
        return values[0] if len(values) == 1 else values

    def value_names(self) -> list[str]:
        """The names of ``values``, in order; known before any data has been seen."""
        names = output_names(self.network)
        # The names do not depend on the targets.
        resolved = self.compiled.resolved(self.targets or [Target((None, 1), False) for _ in names])
        own = [
            metric.name for weighted in (False, True) for r in resolved for _, metric, w in r if w is weighted
        ]
        logged = {"loss", *(title for r in resolved for title, _, _ in r)}
        of_terms = [f"{term.name}_loss" for term in self.compiled.terms]
        if len(of_terms) > 1:
            logged |= set(of_terms)
        first = dict.fromkeys(["loss", *own, *of_terms])
        return [n for n in first if n in logged] + sorted(logged - set(first))

    def _accumulators(self) -> Sequence[Accumulator]:
        return () if self._program is None else self._program.accumulators


def targets_of(rows: Rows) -> list[Target]:
    """Shapes and kinds of the targets and weights of rows."""
    return [
        Target((None, *t.shape[1:]), t.dtype.kind in "iu", (None, *w.shape[1:]))
        for t, w in zip(rows.targets, rows.weights, strict=True)
    ]


def _changed(fixed: Fixed) -> bool:
    return any(layer.named_weights[name] is not array for layer, name, array in fixed)


def _put(columns: dict[str, list[Any]], title: str, values: list[Any]) -> None:
    """Add a metric's values to the logs; a result that is a dict adds one log per key, as in Keras."""
    if not values or not isinstance(values[0], dict):
        columns[title] = values
        return
    for name in values[0]:
        columns[name] = [value[name] for value in values]


def _check_batches(program: TrainingProgram, rows: int, batch_size: int) -> None:
    """Refuse batches whose number of rows an op does not accept (Dropout with a fixed ``noise_shape``)."""
    for node in program.graph.nodes:
        wanted = node.op.batch_rows
        for length in {min(rows, batch_size), rows % batch_size or batch_size}:
            if wanted not in (None, length):
                raise InputError(f"layer {node.layer!r}: {wrong_rows(wanted, length)}")
