"""Training programs for the tests, made from layers by hand: a network, a loss, an optimizer."""

import numpy as np

from foldnet import ops
from foldnet.engines.fit import Data, FitPlan, FitState
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.training import Accumulator, TrainingProgram, UpdateRule, Variable
from foldnet.lowering.lower import Lowering, Mode, lower_into


def expression(builder, value):
    return ops.Expression(builder, value)


def adam(**settings):
    b = GraphBuilder()
    w, g, m, v = (
        expression(b, b.input(n, (None,))) for n in ("variable", "gradient", "momentum", "velocity")
    )
    numbers = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "rate": 0.0, "weight_decay": 0.01}
    c = {k: expression(b, b.constant(k, np.asarray(n, np.float64))) for k, n in numbers.items()}
    new_m = m + (g - m) * (1 - c["beta_1"])
    new_v = v + (g * g - v) * (1 - c["beta_2"])
    decayed = w - w * c["weight_decay"] * c["rate"] if settings.pop("decayed", False) else w
    new_w = decayed - new_m * c["rate"] / (ops.sqrt(new_v) + c["epsilon"])
    graph = b.build([new_w.value, new_m.value, new_v.value])
    return UpdateRule(graph, ("momentum", "velocity"), (0.0, 0.0), ("rate",), **settings)


def sgd(**settings):
    b = GraphBuilder()
    w, g = (expression(b, b.input(n, (None,))) for n in ("variable", "gradient"))
    rate = expression(b, b.constant("rate", np.asarray(0.0)))
    return UpdateRule(b.build([(w - rate * g).value]), (), (), ("rate",), **settings)


def mse(y, p):
    return ops.mean(ops.square(y - p), axis=-1)


def mae(y, p):
    return ops.mean(ops.abs(y - p), axis=-1)


def crossentropy(y, p):
    p = p / ops.sum(p, axis=-1, keepdims=True)
    return -ops.sum(y * ops.log(ops.clip(p, 1e-7, 1 - 1e-7)), axis=-1)


def program(network, loss=mse, update=None, variables=None):
    """The training program of a network with one output, the loss as its only accumulator besides the error."""
    b = Lowering(Mode.TRAIN)
    out = lower_into(b, network)[0]
    return finish(b, out, loss, update, variables)


def finish(b, out, loss=mse, update=None, variables=None):
    b.layer = "loss"
    p = expression(b, out)
    y = expression(b, b.input("target", b.shape(out)))
    weight = expression(b, b.input("sample_weight", (None,)))
    rows = loss(y, p)
    while rows.ndim > 1:
        rows = ops.mean(rows, axis=-1)
    weighted = rows * weight
    error = ops.rows_of(ops.abs(y - p), (-1,))
    width = int(np.prod(b.shape(error.value)[1:]))
    graph = b.build([weighted.value, error.value])
    found = []
    for name, (layer, weight_name) in b.variables.items():
        moving = weight_name.startswith("moving") or not layer.trainable
        extra = (variables or {}).get(weight_name, {})
        found.append(
            Variable(
                name, layer.name, weight_name, layer.named_weights[weight_name].shape, not moving, **extra
            )
        )
    return TrainingProgram(
        graph, weighted.value, tuple(found), (Accumulator("error", error.value, width),),
        adam() if update is None else update,
    )  # fmt: skip


def start(p):
    shapes = {v.name: v.shape for v in p.variables}
    return FitState({n: np.array(p.graph.constants[n], np.float32).reshape(s) for n, s in shapes.items()})


def random_start(p, seed=0):
    """As ``start``, with weights and statistics drawn anew, the same at every run."""
    r, state = np.random.default_rng(seed), start(p)
    for v in p.variables:
        if v.weight in ("gamma", "moving_variance"):
            w = r.uniform(0.5, 1.5, v.shape)
        else:
            w = r.normal(size=v.shape) / np.sqrt(v.shape[0] if len(v.shape) > 1 else 10)
        state.weights[v.name] = w.astype(np.float32)
    return state


def data(p, rows, seed=0, target=None, low=0, high=5):
    r = np.random.default_rng(seed)
    arrays = []
    for name in p.graph.inputs:
        kind = p.graph.types[name]
        shape = (rows, *kind.shape[1:])
        if kind.dtype == "int":
            arrays.append(r.integers(low, high, shape).astype(np.int32))
        elif name == "sample_weight":
            arrays.append(r.uniform(0.5, 1.5, shape).astype(np.float32))
        elif name == "target" and target is not None:
            arrays.append(target(r, shape).astype(np.float32))
        else:
            arrays.append(r.normal(size=shape).astype(np.float32))
    return Data(arrays)


def plan(rows, batch, epochs, rate=0.01, columns=1, **settings):
    steps = epochs * -(-rows // batch)
    return FitPlan(batch, epochs, np.full((steps, columns), rate, np.float32), **settings)


def q2(rate=0.3):
    from foldnet import Sequential, layers

    model = Sequential([layers.Input((11,))])
    for units in (10, 8, 6):
        model.add(layers.Dense(units, activation="relu"))
        if rate:
            model.add(layers.Dropout(rate))
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(1))
    return model
