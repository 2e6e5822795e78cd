"""Gradients through several operations: compiled, against the float64 reference, and that against finite differences.

Those of single operations are in ``operations/test_catalogue.py``.
"""

import numpy as np
import pytest

from foldnet import layers, ops
from foldnet.engines.fit import Data
from foldnet.engines.native import cache
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.native.training.source import source
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.lowering.lower import Lowering, Mode
from foldnet.operations.along.op import Reduce
from foldnet.operations.batch.op import BatchRenorm
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.kernels import StepContext
from foldnet.operations.matrix.op import Dense, Product
from foldnet.operations.structure.op import (
    Cast,
    OneHot,
    Reshape,
)
from tests.native_training import programs
from tests.native_training.programs import expression
from tests.support.compilers import COMPILERS, assert_no_warnings

ROWS = 37


class Build:
    """A graph under construction with weights, each of which ends up as a trainable variable."""

    def __init__(self, seed=0):
        self.b = Lowering(Mode.TRAIN)
        self.random = np.random.default_rng(seed)
        self.owner = layers.Dense(1)
        self.parts = []
        self.moving = []
        self.stopped = set()

    def input(self, *shape, dtype="float"):
        return self.b.input(f"x{len(self.b.inputs)}", (None, *shape), dtype)

    def weight(self, *shape, low=-1.0, high=1.0):
        name = f"w{len(self.b.constants)}"
        self.b.constant(name, self.random.uniform(low, high, shape).astype(np.float32))
        return name

    def frozen(self, *shape, low=0.5, high=1.5):
        name = self.weight(*shape, low=low, high=high)
        self.moving.append(name)
        return name

    def emit(self, op, *operands):
        return self.b.emit(op, *operands)

    def dense(self, x, units):
        size = self.b.shape(x)[-1]
        return self.emit(Dense(), x, self.weight(size, units), self.weight(units))

    def end(self, *values):
        """Add values to the loss, each multiplied by a weight of its own so that no gradient is uniform."""
        for value in values:
            v = expression(self.b, value)
            row = ops.square(v + 0.3) * 0.5 + v * 0.2
            while row.ndim > 1:
                row = ops.mean(row, axis=-1)
            self.parts.append(row)

    def program(self, update=None):
        total = self.parts[0]
        for part in self.parts[1:]:
            total = total + part
        weight = expression(self.b, self.b.input("sample_weight", (None,)))
        loss = total * weight
        graph = self.b.build([loss.value])
        found = [
            programs.Variable(n, n, n, a.shape, n not in self.moving)
            for n, a in graph.constants.items() if n.startswith("w")
        ]  # fmt: skip
        return programs.TrainingProgram(graph, loss.value, tuple(found), (), update or programs.sgd())


RENORMS = [
    {},
    {"r_min": 0.7, "r_max": 1.2, "d_max": 0.4},
    {"r_min": 1.3, "d_max": 0.0, "scale": False},
    {"r_max": 0.6, "center": False},
    {"d_max": 0.1, "scale": False, "center": False},
]


def renorm(b, x, shape, *mask, far=0.0, scale=True, center=True, **limits):
    """A BatchRenorm and its weights."""
    op = BatchRenorm(0.8, 0.02, 0.7, scale=scale, center=center, masked=bool(mask), **limits)
    statistics = [b.frozen(*shape, low=0.3 + away, high=1.5 + away) for away in (0, 0, 0, far, 0)]
    return b.emit(op, x, *statistics, *(b.weight(*shape) for _ in range(scale + center)), *mask)


def renormalizations(b):
    # Held to one value by their limits, r and d are constants to finite differences, too.
    x = b.input(6)
    h = b.emit(Reshape((2, 3, 4)), b.dense(x, 24))
    for shape in ((1, 1, 4), (2, 1, 1), (2, 3, 4), (1, 3, 4)):
        for scale, center in ((True, True), (True, False), (False, True), (False, False)):
            pinned = {"r_min": 1.3, "r_max": 1.3, "d_max": 0.4, "far": 30.0, "scale": scale, "center": center}
            b.end(renorm(b, h, shape, **pinned))


def mask(b, *shape):
    """1 and 0 of whole numbers."""
    index = b.input(*shape, dtype="int")
    zero = b.b.constant("zero", np.zeros(()))
    return b.emit(Binary(kind="greater"), b.emit(Cast("float"), index), zero)


def free_renormalizations(b):
    x = b.input(6)
    h = b.emit(Reshape((2, 3, 4)), b.dense(x, 24))
    counts = mask(b, 2, 3)
    for shape in ((1, 1, 4), (2, 1, 1), (2, 3, 4), (1, 3, 4)):
        for limits in RENORMS:
            b.end(renorm(b, h, shape, **limits), renorm(b, h, shape, counts, **limits))


def expressions(b):
    x, index = b.input(6), b.input(1, dtype="int")

    def h():
        return expression(b.b, b.dense(x, 4))

    for name in (
        "negative",
        "abs",
        "sign",
        "square",
        "exp",
        "expm1",
        "tanh",
        "sigmoid",
        "softplus",
        "sin",
        "cos",
        "floor",
    ):
        b.end(getattr(ops, name)(h()).value)
    for name in ("sqrt", "rsqrt", "reciprocal", "log", "log1p"):
        b.end(getattr(ops, name)(ops.square(h()) + 0.3).value)
    b.end(ops.logical_not(ops.floor(h())).value)
    stopped = h()
    b.stopped = set(b.b.nodes[-1].inputs[1:])
    b.end((ops.stop_gradient(stopped) * h()).value)
    for name in (
        "add",
        "subtract",
        "multiply",
        "maximum",
        "minimum",
        "equal",
        "less",
        "greater_equal",
        "logical_and",
    ):
        b.end((getattr(ops, name)(h(), h()) * h()).value)
    b.end(ops.divide(h(), ops.square(h()) + 0.5).value, ops.power(ops.square(h()) + 0.3, h()).value)
    b.end(ops.maximum(h(), np.array([0.1, 0.2, -0.3, 0.0])).value)
    b.end(
        ops.where(ops.greater(h(), 0.1), h(), 0.5 * h()).value,
        ops.where(ops.greater(h(), 0.1), 0.3, h()).value,
    )
    b.end((h() * expression(b.b, b.weight(4)) + expression(b.b, b.weight())).value)
    tall = expression(b.b, b.emit(Reshape((2, 3, 4)), b.dense(x, 24)))
    for kind in ("sum", "mean", "max", "min"):
        b.end(
            getattr(ops, kind)(tall, axis=(1, 3)).value, getattr(ops, kind)(tall, axis=2, keepdims=True).value
        )
    b.end(b.emit(Reduce("argmax", (1,)), h().value))
    for whole in (ops.batch_sum, ops.batch_mean):
        b.end((ops.square(whole(h())) * h()).value, whole(tall).value)
    hot = expression(b.b, b.emit(OneHot(4), b.emit(Reshape((-1,)), index)))
    b.end((expression(b.b, b.emit(Reshape((1, 4)), h().value)) * hot).value)


def parts(b):
    x = b.input(6)
    tall = expression(b.b, b.emit(Reshape((2, 3, 4)), b.dense(x, 24)))
    flat = expression(b.b, b.dense(x, 4))
    w, v = expression(b.b, b.weight(4, 5)), expression(b.b, b.weight(3, 4))
    for value in (
        tall[:, 1], tall[:, :, ::-1], tall[:, ::2, 1:, -1:0:-2], flat[:, None, 1:3],
        ops.take(tall, [2, 0, 2], axis=2), ops.repeat(tall, 3, axis=1), ops.tile(flat, (1, 3)),
        ops.roll(tall, 1, axis=3), ops.pad(flat, ((0, 0), (2, 1))), ops.cumsum(tall, axis=2), ops.cumsum(flat, axis=1),
    ):  # fmt: skip
        b.end(value.value)
    product = Product
    for left, right, operands in (
        ("ijk", "ilk", (tall, tall)), ("ijk", "kl", (tall, w)), ("jk", "ijk", (v, tall)), ("ijk", "m", (tall, flat)),
    ):  # fmt: skip
        for result in ("".join(sorted(set(left) ^ set(right))), "i" if "i" in left + right else "k", "kj"):
            if set(result) <= set(left + right):
                b.end(b.emit(product(left, right, result), *(o.value for o in operands)))
    for name in ("round", "ceil", "trunc", "tan", "arctan", "sinh", "cosh", "arcsinh", "erf", "isfinite"):
        b.end((getattr(ops, name)(flat * 0.3) * flat).value)
    b.end(ops.arcsin(ops.tanh(flat) * 0.9).value, ops.arccos(ops.tanh(flat) * 0.9).value)
    b.end(ops.arctanh(ops.tanh(flat) * 0.5).value, ops.arccosh(ops.square(flat) + 1.5).value)
    b.end(ops.log2(ops.square(flat) + 0.5).value, ops.log10(ops.square(flat) + 0.5).value)
    b.end(ops.arctan2(flat, ops.square(flat) + 0.5).value, ops.mod(flat, 0.75).value)
    b.end((ops.floor_divide(flat, 0.75) * flat).value)
    for value in (
        ops.var(tall, axis=(1, 2)), ops.std(tall, axis=-1), ops.logsumexp(tall, axis=2), ops.norm(tall, axis=1),
        ops.logaddexp(flat, 0.3), ops.nan_to_num(flat),
    ):  # fmt: skip
        b.end(value.value)


CASES = [parts, renormalizations, expressions]
STOPPED = [free_renormalizations]
"""Programs with values that gradients take for constants: finite differences do not."""


def made(case):
    b = Build()
    case(b)
    p = b.program()
    return p, programs.data(p, ROWS, seed=3), b.stopped


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("case", [renormalizations, free_renormalizations], ids=lambda c: c.__name__)
def test_norms_compile_without_warnings(case, compiler, tmp_path):
    assert_no_warnings(compiler, source(made(case)[0]).code, tmp_path)


def reference(p, data, context):
    state = programs.start(p)
    for name in state.weights:
        state.weights[name] = state.weights[name].astype(np.float64)
    return ReferenceTraining(p, "float64").gradients(state, data.arrays, context)[1]


@pytest.mark.parametrize("case", [*CASES, *STOPPED], ids=lambda c: c.__name__)
def test_compiled_gradients_are_the_references(case, monkeypatch):
    # These programs are huge; without optimization they compile in a tenth of the time.
    load = cache.load
    monkeypatch.setattr(cache, "load", lambda code, symbol, *options, **units: load(code, symbol, "-O0"))
    p, data, _ = made(case)
    state = programs.start(p)
    before = {n: w.copy() for n, w in state.weights.items()}
    expected = reference(p, data, StepContext(training=True, seed=7, step=0))
    # With a rate of 1 and nothing else, a step subtracts the gradient.
    result = NativeTraining(p).fit(state, data, programs.plan(ROWS, ROWS, 1, rate=1.0, shuffle=False, seed=7))
    assert result.not_finite is None
    for name, gradient in expected.items():
        found = before[name] - state.weights[name]
        scale = np.abs(gradient).max()
        assert np.abs(found - gradient).max() <= 2e-4 * scale + 1e-6, name


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_reference_gradients_are_finite_differences(case):
    p, data, stopped = made(case)
    state = programs.start(p)
    engine = ReferenceTraining(p, "float64")
    context = StepContext(training=True, seed=7, step=0)
    wide = Data([a.astype(np.float64) if a.dtype.kind == "f" else a for a in data.arrays])
    for name in state.weights:
        state.weights[name] = state.weights[name].astype(np.float64)
    gradients = engine.gradients(state, wide.arrays, context)[1]
    random, step = np.random.default_rng(5), 1e-5

    def loss():
        return engine.gradients(state, wide.arrays, context)[0][p.loss_rows].mean()

    for name in stopped:
        assert not gradients[name].any()
    for name in sorted(gradients.keys() - stopped):
        array = state.weights[name]
        way = random.normal(size=array.shape)
        kept = array.copy()
        array += step * way
        up = loss()
        array[...] = kept - step * way
        slope = (up - loss()) / (2 * step)
        array[...] = kept
        expected = float((gradients[name] * way).sum())
        assert abs(slope - expected) <= 1e-3 * max(abs(expected), 0.01), name
