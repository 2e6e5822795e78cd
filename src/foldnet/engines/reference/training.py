"""The reference training engine: a fit in NumPy, step by step, which defines the results of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.fit import SHUFFLE_STREAM, Data, FitPlan, FitResult, FitState, Sums
from foldnet.engines.reference.penalties import penalty, slope
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Op
from foldnet.graph.training import ClipKind, Constraint, TrainingProgram, Variable
from foldnet.literals import Precision
from foldnet.operations import catalogue
from foldnet.operations.batch import philox
from foldnet.operations.chance.numpy import taken
from foldnet.operations.kernels import StepContext
from foldnet.passes.differentiate import Differentiated, differentiate
from foldnet.passes.guards import Condition, Guard, Taken, guards, in_evaluation


def forward(
    graph: Graph,
    values: dict[str, Array],
    context: StepContext,
    dtype: np.dtype[Any],
    needed: Mapping[str, Guard] | None = None,
) -> dict[str, Array]:
    """Compute the values of a program into ``values``, which holds inputs and constants already.

    Args:
        graph: of the program; for evaluation as ``in_evaluation`` gives it, so that nothing idle is computed.
        values: by name.
        context: of the step.
        dtype: working precision.
        needed: when the nodes are needed, if it is known; what no row takes is not computed.

    Returns:
        In a training step, the moving statistics after it, by the names of the constants. A layer that is called
        twice updates them twice; its second call reads the result of the first.
    """
    now: dict[str, Array] = {}
    if needed is None:
        needed = guards(graph)
    for node in graph.nodes:
        if not all(_holds(condition, values) for condition in needed[node.output]):
            continue
        for name in () if node.op.as_found else now.keys() & set(node.inputs):
            values[_found(node, name)] = now[name]
        # What no row takes is not there.
        operands: list[Any] = [values.get(_found(node, v), values.get(v)) for v in node.inputs]
        kernel = catalogue.find("numpy", node.op)
        values.update(zip(node.outputs, kernel.train(node.op, context, operands, dtype), strict=True))
        if context.training and kernel.moved is not None:
            now |= zip(node.inputs[1:], kernel.moved(node.op, *operands), strict=False)
    return now


def _holds(condition: Condition, values: Mapping[str, Array]) -> bool:
    """Whether some row takes the value. A graph for evaluation is given without what only training steps need."""
    if not isinstance(condition, Taken):
        return True
    return bool((taken(values[condition.which], condition.count) == condition.number).any())


def _found(node: Node[Op], name: str) -> str:
    """The name under which a moving statistic is stored as a node read it, after an update by an earlier node."""
    finder = node.inputs[0] if node.op.as_found else node.output
    return f"{name} at {finder}"


class ReferenceTraining:
    """A training program run in NumPy.

    Args:
        program: to run.
        dtype: working precision; the state stays float32 between calls unless this is ``"float64"``.

    Attributes:
        is_native: False.
    """

    is_native = False

    def __init__(self, program: TrainingProgram, dtype: Precision = "float32") -> None:
        self.program = program
        self.dtype = np.dtype(dtype)

    @cached_property
    def _differentiated(self) -> Differentiated:
        return differentiate(self.program)

    @cached_property
    def _needed(self) -> Mapping[str, Guard]:
        return guards(self._differentiated.graph, self._differentiated.forward)

    @cached_property
    def _judging(self) -> Graph:
        """What evaluation computes."""
        return in_evaluation(self.program.graph)

    def fit(
        self,
        state: FitState,
        data: Data,
        plan: FitPlan,
        validation: Data | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> FitResult:
        """Run the plan; see ``foldnet.engines.fit``."""
        training, judged, done, bad, stopped = [], [], 0, None, False
        judged_size = plan.validation_batch_size or plan.batch_size
        step = 0
        for epoch in range(plan.epochs):
            order = np.arange(data.rows)
            if plan.shuffle:
                order = philox.permutation(plan.seed, SHUFFLE_STREAM, plan.first_epoch + epoch, data.rows)
            sums = _Sums(self.program)
            for number, start in enumerate(range(0, data.rows, plan.batch_size)):
                rows = [a[order[start : start + plan.batch_size]] for a in data.arrays]
                loss = self.step(state, rows, plan.scalars[step], plan.seed, sums)
                step += 1
                if bad is None and not np.isfinite(loss):
                    bad = (plan.first_epoch + epoch, number)
                    if plan.stop_on_nan:
                        break
                if should_stop is not None and should_stop():
                    stopped = True
                    break
            if stopped:
                break
            training.append(sums)
            done += 1
            wanted = epoch < len(plan.validation_epochs) and plan.validation_epochs[epoch]
            if validation is not None:
                judged.append(self._evaluate(state, validation, judged_size) if wanted else None)
            if bad is not None and plan.stop_on_nan:
                break
        return FitResult(
            done,
            _joined(self.program, training),
            _joined(self.program, judged) if validation is not None else None,
            stopped,
            bad,
        )

    def evaluate(self, state: FitState, data: Data, batch_size: int) -> Sums:
        """Sums over the data; changes nothing."""
        return _joined(self.program, [self._evaluate(state, data, batch_size)])

    def _evaluate(self, state: FitState, data: Data, batch_size: int) -> _Sums:
        sums = _Sums(self.program)
        for start in range(0, data.rows, batch_size):
            values = self._values(state, [a[start : start + batch_size] for a in data.arrays])
            with np.errstate(all="ignore"):
                forward(self._judging, values, StepContext(training=False), self.dtype)
            sums.add(values, self._regularization(state))
        return sums

    def step(
        self, state: FitState, rows: Sequence[Array], scalars: Array, seed: int, sums: _Sums | None = None
    ) -> float:
        """One training step on a batch; returns its loss including regularizers."""
        context = StepContext(training=True, seed=seed, step=state.iterations)
        with np.errstate(all="ignore"):
            values, gradients, now = self._gradients(state, rows, context)
            for name, moving in now.items():
                state.weights[name] = moving.reshape(state.weights[name].shape)
            regularization = self._regularization(state)
            self._update(state, gradients, scalars)
        state.iterations += 1
        loss_rows = values[self.program.loss_rows]
        if sums is not None:
            sums.add(values, regularization)
        return float(loss_rows.sum(dtype=np.float64) / max(len(loss_rows), 1) + regularization)

    def gradients(
        self, state: FitState, rows: Sequence[Array], context: StepContext
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Every value of a step, and the loss's gradient on every trainable variable."""
        return self._gradients(state, rows, context)[:2]

    def _gradients(
        self, state: FitState, rows: Sequence[Array], context: StepContext
    ) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        values = self._values(state, rows)
        d = self._differentiated
        now = forward(d.graph, values, context, self.dtype, self._needed)
        trainable = [v for v in self.program.variables if v.trainable]
        gradients = {
            v.name: values[d.gradients[v.name]] if v.name in d.gradients else np.zeros_like(values[v.name])
            for v in trainable
        }
        for variable in trainable:
            w = values[variable.name]
            if variable.l1 or variable.l2 or variable.orthogonal:
                extra = slope(w.reshape(variable.shape), variable.l1, variable.l2, variable.orthogonal)
                gradients[variable.name] = gradients[variable.name] + extra.reshape(w.shape)
        return values, gradients, now

    def _values(self, state: FitState, rows: Sequence[Array]) -> dict[str, Array]:
        graph = self.program.graph
        values = {k: v if v.dtype.kind in "iu" else v.astype(self.dtype) for k, v in graph.constants.items()}
        for variable in self.program.variables:
            shape = graph.constants[variable.name].shape
            values[variable.name] = state.weights[variable.name].astype(self.dtype).reshape(shape)
        for name, array in zip(graph.inputs, rows, strict=True):
            is_int = graph.types[name].dtype == INT
            values[name] = array.astype(np.int32 if is_int else self.dtype)
        return values

    def _regularization(self, state: FitState) -> float:
        total = 0.0
        for v in self.program.variables:
            w = state.weights[v.name].astype(np.float64)
            if v.trainable:
                total += penalty(w.reshape(v.shape), v.l1, v.l2, v.orthogonal)
        return total

    def _update(self, state: FitState, gradients: dict[str, Array], scalars: Array) -> None:
        rule = self.program.update
        if rule is None:
            return
        trainable = [v for v in self.program.variables if v.trainable]
        for variable in trainable:
            weight = state.weights[variable.name]
            state.slots.setdefault(
                variable.name, [np.full(weight.shape, s, weight.dtype) for s in rule.slot_starts]
            )
        if rule.accumulate == 1 or self._gathered(state, trainable, gradients, rule.accumulate):
            self._change(state, trainable, gradients, scalars)
        self._average(state, trainable)
        for variable in trainable:
            state.weights[variable.name] = constrained(variable, state.weights[variable.name])

    def _gathered(
        self, state: FitState, trainable: Sequence[Variable], gradients: dict[str, Array], every: int
    ) -> bool:
        """Add gradients up in the last slot; after enough steps replace them by their means."""
        due = (state.iterations + 1) % every == 0
        for name, slots in ((v.name, state.slots[v.name]) for v in trainable):
            total = slots[-1] + gradients[name].reshape(slots[-1].shape).astype(slots[-1].dtype)
            slots[-1] = np.zeros_like(total) if due else total
            gradients[name] = (total / total.dtype.type(every)).reshape(gradients[name].shape)
        return due

    def _change(
        self,
        state: FitState,
        trainable: Sequence[Variable],
        gradients: dict[str, Array],
        scalars: Array,
    ) -> None:
        """The rule applied to every weight."""
        rule = self.program.update
        assert rule is not None
        clipped = clip(rule.clip, [gradients[v.name] for v in trainable])
        numbers = dict(zip(rule.scalars, scalars, strict=True))
        for variable, gradient in zip(trainable, clipped, strict=True):
            weight = state.weights[variable.name]
            slots = state.slots[variable.name]
            values = {k: np.asarray(numbers.get(k, v), self.dtype) for k, v in rule.graph.constants.items()}
            if not variable.decay and "weight_decay" in values:
                values["weight_decay"] = np.zeros((), self.dtype)
            own = len(rule.graph.inputs) - 2
            arrays = [weight, gradient, *slots[:own]]
            values |= {
                n: a.astype(self.dtype).reshape(-1) for n, a in zip(rule.graph.inputs, arrays, strict=True)
            }
            forward(rule.graph, values, StepContext(training=True), self.dtype)
            new = [values[o].reshape(weight.shape).astype(weight.dtype) for o in rule.graph.outputs]
            state.weights[variable.name] = new[0]
            state.slots[variable.name] = [*new[1:], *slots[own:]]

    def _average(self, state: FitState, trainable: Sequence[Variable]) -> None:
        rule = self.program.update
        if rule is None or rule.ema is None:
            return
        momentum, every = rule.ema
        done = state.iterations // rule.accumulate
        for variable in trainable:
            weight = state.weights[variable.name]
            # Keras starts the average at the weights after the first step.
            kept = momentum if done > 0 else 0.0
            old = state.averages.get(variable.name, np.zeros_like(weight))
            average = (kept * old + (1 - kept) * weight).astype(weight.dtype)
            state.averages[variable.name] = average
            if every and (done + 1) % every == 0:
                state.weights[variable.name] = average.copy()


def clip(how: tuple[ClipKind, float] | None, gradients: Sequence[Array]) -> list[Array]:
    """Gradients limited by value, by each one's norm, or by the norm of all together, as Keras does."""
    if how is None:
        return list(gradients)
    kind, limit = how
    if kind == "value":
        return [np.clip(g, -limit, limit) for g in gradients]
    norms = [np.sqrt(np.square(g, dtype=np.float64).sum()) for g in gradients]
    match kind:
        case "norm":
            pass
        case "global_norm":
            norms = [np.sqrt(np.square(norms).sum())] * len(gradients)
        case _:
            assert_never(kind)
    return [
        (g * (limit / norm if norm > limit else 1.0)).astype(g.dtype)
        for g, norm in zip(gradients, norms, strict=True)
    ]


def constrained(variable: Variable, w: Array) -> Array:
    """The weight after its constraint (Keras's constraints)."""
    return w if variable.constraint is None else constrain(variable.constraint, w)


def constrain(rule: Constraint, w: Array) -> Array:
    """An array after a constraint's rule."""
    if rule.kind == "non_neg":
        return np.maximum(w, w.dtype.type(0))
    norm = np.sqrt(np.square(w).sum(axis=rule.axes, keepdims=True))
    match rule.kind:
        case "unit_norm":
            desired = np.ones_like(norm)
        case "max_norm":
            desired = np.clip(norm, 0, rule.high)
        case "min_max_norm":
            desired = rule.rate * np.clip(norm, rule.low, rule.high) + (1 - rule.rate) * norm
        case _:
            assert_never(rule.kind)
    return (w * (desired / (w.dtype.type(rule.epsilon) + norm))).astype(w.dtype)


class _Sums:
    """Sums over the rows of one epoch."""

    def __init__(self, program: TrainingProgram) -> None:
        self.program = program
        self.rows, self.loss, self.regularization = 0, 0.0, 0.0
        self.values = [np.zeros(a.width) for a in program.accumulators]

    def add(self, values: dict[str, Array], regularization: float) -> None:
        loss_rows = values[self.program.loss_rows]
        self.rows += len(loss_rows)
        self.loss += float(loss_rows.sum(dtype=np.float64))
        self.regularization += regularization * len(loss_rows)
        for total, accumulator in zip(self.values, self.program.accumulators, strict=True):
            total += values[accumulator.value].reshape(len(loss_rows), -1).sum(axis=0, dtype=np.float64)


def _joined(program: TrainingProgram, epochs: Sequence[_Sums | None]) -> Sums:
    def column(pick: Callable[[_Sums], float]) -> Array:
        return np.array([np.nan if e is None else pick(e) for e in epochs], np.float64)

    values = []
    for i, accumulator in enumerate(program.accumulators):
        nothing = np.full(accumulator.width, np.nan)
        rows = [nothing if e is None else e.values[i] for e in epochs]
        values.append(np.array(rows, np.float64).reshape(len(epochs), accumulator.width))
    return Sums(
        column(lambda e: e.rows), column(lambda e: e.loss),
        column(lambda e: e.regularization / max(e.rows, 1)), values,
    )  # fmt: skip
