"""The normalizations of a batch, compiled, over any rank, axes, mask, batch and weights: as the reference has them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import ops
from foldnet.engines.fit import Data
from foldnet.engines.native import cache
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.lowering.lower import Lowering, Mode
from foldnet.operations.batch.op import BatchNorm, BatchRenorm, FixedNorm
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.structure.op import Cast
from tests.native_training import programs
from tests.native_training.programs import expression

BATCH = 16


@st.composite
def cases(draw):
    """A norm op, the shape of its rows, which axes keep statistics, and whether its mask is spread."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    kept = draw(st.lists(st.sampled_from(range(len(shape))), unique=True, min_size=1))
    switches = {name: draw(st.booleans()) for name in ("scale", "center")}
    kind = draw(st.sampled_from(["batch", "renorm", "fixed"]))
    masked = kind != "fixed" and draw(st.booleans())
    momentum, epsilon = draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])), draw(st.sampled_from([1e-3, 0.1]))
    if kind == "fixed":
        op = FixedNorm(epsilon, **switches)
    elif kind == "batch":
        op = BatchNorm(momentum, epsilon, **switches, masked=masked)
    else:
        limits = {k: draw(st.none() | st.floats(*ends)) for k, ends in LIMITS.items()}
        renorm_momentum = draw(st.sampled_from([0.0, 0.5, 1.0]))
        op = BatchRenorm(momentum, epsilon, renorm_momentum, **limits, **switches, masked=masked)
    spread = [draw(st.booleans()) for _ in shape[:-1]]
    return op, shape, kept, spread, draw(st.integers(1, 2 * BATCH + 3)), draw(st.integers(0, 1000))


LIMITS = {"r_min": (0.1, 1.0), "r_max": (1.0, 3.0), "d_max": (0.0, 2.0)}


def program(op, shape, kept, spread, random):
    """``norm(norm(x) + w)``: statistics are moved twice, and gradients go through both."""
    b = Lowering(Mode.TRAIN)
    x = b.input("x", (None, *shape))
    mask = b.input("mask", (None, *(1 if s else n for s, n in zip(spread, shape, strict=False))), "int")
    sizes = tuple(n if a in kept else 1 for a, n in enumerate(shape))
    statistics = 5 if isinstance(op, BatchRenorm) else 2
    moving = [f"m{i}" for i in range(statistics)]
    learning = ["w", *[f"l{i}" for i in range(op.scale + op.center)]]
    for name in [*moving, *learning]:
        b.constant(name, random.uniform(0.4, 1.6, shape if name == "w" else sizes).astype(np.float32))
    operands = [*moving, *learning[1:]]
    if getattr(op, "masked", False):
        counts = b.emit(Cast("float"), mask)
        operands.append(b.emit(Binary(kind="not_equal"), counts, b.constant("zero", np.zeros(()))))
    y = b.emit(op, x, *operands)
    y = expression(b, b.emit(op, ops.tanh(expression(b, y) + expression(b, "w")).value, *operands))
    rows = ops.square(y + 0.3)
    while rows.ndim > 1:
        rows = ops.mean(rows, axis=-1)
    loss = rows * expression(b, b.input("sample_weight", (None,)))
    graph = b.build([loss.value])
    variables = [
        programs.Variable(n, n, n, graph.constants[n].shape, n in learning)
        for n in [*moving, *learning]
        if n in graph.constants
    ]
    return programs.TrainingProgram(graph, loss.value, tuple(variables), (), programs.sgd())


@settings(max_examples=25, deadline=None)
@given(cases())
def test_compiled_norms_are_the_references(case):
    op, shape, kept, spread, rows, seed = case
    random = np.random.default_rng(seed)
    p = program(op, shape, kept, spread, random)
    mask_shape = [int(n) for n in p.graph.types["mask"].shape[1:]]
    data = Data([
        random.normal(random.normal(0, 2, shape), random.uniform(0.2, 2, shape), (rows, *shape)).astype(np.float32),
        random.integers(0, 2, (rows, *mask_shape)).astype(np.int32),
        random.uniform(0.5, 1.5, rows).astype(np.float32),
    ])  # fmt: skip
    plan = programs.plan(rows, BATCH, 2, rate=0.01, shuffle=False, seed=0)
    load = cache.load
    cache.load = lambda code, symbol, *options: load(code, symbol, "-O0")
    try:
        native = NativeTraining(p)
    finally:
        cache.load = load
    states = []
    for engine in (ReferenceTraining(p, "float64"), native):
        state = programs.start(p)
        if engine is not native:
            state.weights = {k: v.astype(np.float64) for k, v in state.weights.items()}
        engine.fit(state, data, plan)
        states.append(state.weights)
    for name, expected in states[0].items():
        assert np.abs(states[1][name] - expected).max() <= 2e-4 * max(np.abs(expected).max(), 0.1), name
