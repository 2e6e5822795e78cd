"""Time of one training step: the compiled engine, Keras-JAX ``fit``, and a hand-written JAX ``lax.scan`` loop.

All three train the same network on the same data in one run, turn by turn, and must reach the same loss (within
the chance of Dropout). Run: ``python benchmarks/train_kernels.py [q2] [mlp] [wide] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "native_training"))

import numpy as np
import programs

from foldnet import Sequential, layers
from foldnet.engines.native.train import NativeTraining

NETWORKS = {
    "q2": (11, (10, 8, 6), 1, 0.3, 32, 1600, 60),
    "mlp": (20, (64, 64), 1, 0.2, 32, 1600, 30),
    "wide": (784, (512, 512), 10, 0.2, 128, 2560, 3),
}
"""Inputs, hidden units, outputs, Dropout's rate, batch size, rows, epochs."""

TURNS = 5


def make_data(inputs, outputs, rows):
    """Rows with something to learn in them."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, inputs)).astype(np.float32)
    y = np.tanh(x @ random.normal(size=(inputs, outputs)) / np.sqrt(inputs)) + 0.1 * random.normal(
        size=(rows, outputs)
    )
    return x, y.astype(np.float32)


def rates(steps):
    """Adam's rate for each step, its correction for the young averages included, as Keras has it."""
    t = np.arange(1, steps + 1)
    return (1e-3 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)).astype(np.float32)


def network(name):
    """The network, whose first weights serve all sides."""
    inputs, hidden, outputs, rate, *_ = NETWORKS[name]
    np.random.seed(0)
    model = Sequential([layers.Input((inputs,))])
    for units in hidden:
        model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dropout(rate))
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(outputs))
    return model


def native(name, model, x, y):
    """Microseconds a step and the last epoch's loss, as a function of the number of epochs."""
    *_, batch, rows, _ = NETWORKS[name]
    program = programs.program(model)
    engine = NativeTraining(program)
    data = programs.Data([x, y, np.ones(rows, np.float32)])

    def run(epochs):
        state, scalars = programs.start(program), rates(epochs * -(-rows // batch))[:, None]
        plan = programs.FitPlan(batch, epochs, scalars)
        began = time.perf_counter()
        result = engine.fit(state, data, plan)
        took = time.perf_counter() - began
        return took / epochs / (rows // batch) * 1e6, result.training.loss[-1] / rows

    return run


def keras_fit(name, own, x, y):
    """The same by Keras's own ``fit``."""
    import keras

    inputs, hidden, outputs, rate, batch, rows, _ = NETWORKS[name]
    keras.utils.set_random_seed(0)
    stack: list = [keras.layers.Input((inputs,))]
    for units in hidden:
        stack += [
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(rate),
            keras.layers.BatchNormalization(),
        ]
    model = keras.Sequential([*stack, keras.layers.Dense(outputs)])
    model.compile("adam", "mse")
    first = [w for layer in own.layers for w in layer.named_weights.values()]
    model.fit(x, y, batch_size=batch, epochs=1, verbose=0)

    def run(epochs):
        model.set_weights(first)
        model.compile("adam", "mse")
        model.fit(x, y, batch_size=batch, epochs=1, verbose=0)
        began = time.perf_counter()
        history = model.fit(x, y, batch_size=batch, epochs=epochs - 1, verbose=0)
        took = time.perf_counter() - began
        return took / (epochs - 1) / (rows // batch) * 1e6, history.history["loss"][-1]

    return run


def scan_loop(name, own, x, y):
    """The same by a whole epoch in one ``jax.lax.scan``, as an expert would write it by hand."""
    import jax
    import jax.numpy as jnp

    _, hidden, _, rate, batch, rows, _ = NETWORKS[name]
    inner = [layer.named_weights for layer in own.layers]
    dense = [(w["kernel"], w["bias"]) for w in inner if "kernel" in w]
    norms = [(np.ones(u, np.float32), np.zeros(u, np.float32)) for u in hidden]
    moving = [(np.zeros(u, np.float32), np.ones(u, np.float32)) for u in hidden]

    def loss(weights, moving, key, xb, yb):
        h, now = xb, []
        for k, (gamma, beta) in enumerate(weights["norms"]):
            w, b = weights["dense"][k]
            h = jax.nn.relu(h @ w + b)
            keep = jax.random.bernoulli(jax.random.fold_in(key, k), 1 - rate, h.shape)
            h = jnp.where(keep, h / (1 - rate), 0)
            mean, variance = h.mean(0), h.var(0)
            now.append((moving[k][0] * 0.99 + mean * 0.01, moving[k][1] * 0.99 + variance * 0.01))
            h = (h - mean) / jnp.sqrt(variance + 1e-3) * gamma + beta
        w, b = weights["dense"][-1]
        return jnp.mean((h @ w + b - yb) ** 2), now

    def step(carry, rows_of_step):
        weights, m, v, moving, t, key = carry
        key, now = jax.random.split(key)
        batch = data[0][rows_of_step], data[1][rows_of_step]
        (value, moving), g = jax.value_and_grad(loss, has_aux=True)(weights, moving, now, *batch)
        t = t + 1
        m = jax.tree.map(lambda a, b: a + (b - a) * 0.1, m, g)
        v = jax.tree.map(lambda a, b: a + (b * b - a) * 0.001, v, g)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        weights = jax.tree.map(lambda w, a, b: w - rate * a / (jnp.sqrt(b) + 1e-7), weights, m, v)
        return (weights, m, v, moving, t, key), value

    data = (jnp.asarray(x), jnp.asarray(y))

    @jax.jit
    def epoch(carry):
        key, own = jax.random.split(carry[-1])
        order = jax.random.permutation(own, rows)[: rows // batch * batch].reshape(-1, batch)
        carry, values = jax.lax.scan(step, (*carry[:-1], key), order)
        return carry, values.mean()

    def start():
        weights = {"dense": dense, "norms": norms}
        zeros = jax.tree.map(np.zeros_like, weights)
        return (weights, zeros, zeros, moving, np.float32(0), jax.random.PRNGKey(0))

    jax.block_until_ready(epoch(start()))

    def run(epochs):
        carry = start()
        began = time.perf_counter()
        for _ in range(epochs):
            carry, value = epoch(carry)
        value = float(value)
        return (time.perf_counter() - began) / epochs / (rows // batch) * 1e6, value

    return run


def compare(name):
    """The best time of each side over several turns, and their losses."""
    inputs, _, outputs, _, _, rows, epochs = NETWORKS[name]
    x, y = make_data(inputs, outputs, rows)
    makers = {"foldnet": native, "keras-jax fit": keras_fit, "jax scan": scan_loop}
    model = network(name)
    sides = {side: make(name, model, x, y) for side, make in makers.items()}
    best = {side: (float("inf"), 0.0) for side in sides}
    for _ in range(TURNS):
        for side, run in sides.items():
            best[side] = min(best[side], run(epochs))
    own, loss = best["foldnet"]
    for side, (_, reached) in best.items():
        if abs(reached - loss) > 0.15 * max(reached, loss):
            raise SystemExit(
                f"{name}: {side} reached loss {reached:.4f}, foldnet {loss:.4f}; the times do not compare"
            )
    return {
        side: {"us_per_step": took, "loss": reached, "ratio": took / own}
        for side, (took, reached) in best.items()
    }


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=[], choices=[*NETWORKS, []], help="networks; all if none")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {name: compare(name) for name in given.names or NETWORKS}
    if given.json:
        print(json.dumps(results))
        return
    for name, sides in results.items():
        for side, r in sides.items():
            print(
                f"{name:5} {side:14} {r['us_per_step']:10.2f} us/step  {r['ratio']:7.1f}x  loss {r['loss']:.4f}"
            )


if __name__ == "__main__":
    main()
