"""Time of a training step: foldnet's fit against Keras's fit and a hand-written JAX loop, on the same work.

All sides train the same network from the same weights on the same batches (no shuffling; the losses of a run
without Dropout are compared first). They are timed in turn, several rounds, and the medians of the ratios printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from networks import as_installed

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Task:
    """A network, the data it is trained on, and the ratios that must be reached."""

    name: str
    units: tuple[int, ...]
    rows: int
    batch: int
    dropout: float
    epochs: int
    at_least: dict[str, float]


TASKS = [
    Task("11-10-8-6-1", (11, 10, 8, 6, 1), 1024, 32, 0.3, 300, {"Keras-JAX fit": 150, "JAX scan": 15}),
    Task("20-64-64-1", (20, 64, 64, 1), 10240, 32, 0.3, 20, {"Keras-JAX fit": 15, "JAX scan": 4}),
    Task("784-512-512-10", (784, 512, 512, 10), 2560, 128, 0.3, 3, {"Keras-JAX fit": 1, "Keras-TF fit": 1}),
]

COMPILE = 1.0
"""Seconds that the first fit of an architecture may take."""


def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(task.rows, task.units[0])).astype(np.float32)
    y = (x @ rng.normal(size=(task.units[0], task.units[-1])) / task.units[0] ** 0.5).astype(np.float32)
    return x, y


def build(lib, task: Task, dropout: float):
    """The task's network with the layers of foldnet or of Keras."""
    stack = [lib.layers.Input((task.units[0],))]
    for units in task.units[1:-1]:
        stack.append(lib.layers.Dense(units, activation="relu"))
        if dropout:
            stack.append(lib.layers.Dropout(dropout))
        stack.append(lib.layers.BatchNormalization())
    model = lib.Sequential([*stack, lib.layers.Dense(task.units[-1])])
    model.compile(lib.optimizers.Adam(0.001), "mse")
    return model


def weights(task: Task) -> list[np.ndarray]:
    import foldnet

    return build(foldnet, task, 0).get_weights()


class Side:
    """One way to train, ready to be timed: ``run(epochs)`` gives seconds."""

    def __init__(self, lib, task: Task) -> None:
        self.task, self.x, self.y = task, *data(task)
        self.model = build(lib, task, task.dropout)
        self.options = {"batch_size": task.batch, "shuffle": False, "verbose": 0}

    def run(self, epochs: int) -> float:
        started = time.perf_counter()
        self.model.fit(self.x, self.y, epochs=epochs, **self.options)
        return time.perf_counter() - started


class Scan:
    """A whole epoch as one ``lax.scan`` over the batches, as someone would write it by hand for speed."""

    def __init__(self, task: Task) -> None:
        import jax
        import jax.numpy as jnp

        self.jax, self.task = jax, task
        x, y = data(task)
        steps = task.rows // task.batch
        self.x = jnp.asarray(x).reshape(steps, task.batch, -1)
        self.y = jnp.asarray(y).reshape(steps, task.batch, -1)
        rng = np.random.default_rng(1)
        self.hidden = len(task.units) - 2
        self.params = []
        for i, (a, b) in enumerate(zip(task.units[:-1], task.units[1:], strict=True)):
            layer = [jnp.asarray(rng.normal(size=(a, b)).astype(np.float32) / a**0.5), jnp.zeros(b)]
            self.params.append(layer + ([jnp.ones(b), jnp.zeros(b)] if i < self.hidden else []))
        self.moving = [[jnp.zeros(u), jnp.ones(u)] for u in task.units[1:-1]]
        zeros = jax.tree.map(jnp.zeros_like, self.params)
        self.state = (self.params, self.moving, zeros, zeros, jnp.float32(0), jax.random.key(0))
        self.epoch = jax.jit(self._epoch)

    def _loss(self, params, moving, key, x, y):
        jnp, random = self.jax.numpy, self.jax.random
        keep, moved = 1 - self.task.dropout, []
        for i in range(self.hidden):
            kernel, bias, gamma, beta = params[i]
            x = jnp.maximum(x @ kernel + bias, 0)
            key, own = random.split(key)
            x = jnp.where(random.bernoulli(own, keep, x.shape), x / keep, 0)
            mean, variance = x.mean(0), x.var(0)
            moved.append([moving[i][0] * 0.99 + mean * 0.01, moving[i][1] * 0.99 + variance * 0.01])
            x = (x - mean) / jnp.sqrt(variance + 1e-3) * gamma + beta
        kernel, bias = params[-1]
        return jnp.mean((x @ kernel + bias - y) ** 2), moved

    def _epoch(self, state, x, y):
        jax, jnp = self.jax, self.jax.numpy

        def step(state, batch):
            params, moving, m, v, count, key = state
            key, own = jax.random.split(key)
            (loss, moving), g = jax.value_and_grad(self._loss, has_aux=True)(params, moving, own, *batch)
            count = count + 1
            m = jax.tree.map(lambda m, g: m + (g - m) * 0.1, m, g)
            v = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, v, g)
            alpha = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            params = jax.tree.map(lambda p, m, v: p - alpha * m / (jnp.sqrt(v) + 1e-7), params, m, v)
            return (params, moving, m, v, count, key), loss

        return jax.lax.scan(step, state, (x, y))

    def run(self, epochs: int) -> float:
        started = time.perf_counter()
        for _ in range(epochs):
            self.state, losses = self.epoch(self.state, self.x, self.y)
        losses.block_until_ready()
        return time.perf_counter() - started


class Elsewhere:
    """Keras on TensorFlow, which needs a separate process; it measures its own time on request."""

    def __init__(self, task: Task) -> None:
        environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
        command = [sys.executable, str(HERE / "train.py"), "--serve", task.name]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def run(self, epochs: int) -> float:
        self.process.stdin.write(f"{epochs}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def serve(name: str) -> None:
    import keras

    side = Side(keras, next(t for t in TASKS if t.name == name))
    for line in sys.stdin:
        print(side.run(int(line)), flush=True)


def check_losses(task: Task) -> float:
    """Relative difference of the two fits' losses without Dropout after an epoch, from the same weights.

    Adam makes a whole step of a gradient that is rounding noise, so that equal fits drift apart in later epochs.
    """
    import keras

    import foldnet

    x, y = data(task)
    start, histories = weights(task), []
    for lib in (foldnet, keras):
        model = build(lib, task, 0)
        model.set_weights(start)
        history = model.fit(x, y, batch_size=task.batch, epochs=1, shuffle=False, verbose=0)
        histories.append(np.array(history.history["loss"]))
    return float(np.abs(histories[0] / histories[1] - 1).max())


def first_fit(side: Side) -> float:
    """Seconds of one epoch if the compiled program is neither in this process nor on disk."""
    with tempfile.TemporaryDirectory() as empty:
        kept, os.environ["FOLDNET_CACHE"] = os.environ.get("FOLDNET_CACHE"), f"{empty}/cache"
        try:
            return side.run(1)
        finally:
            del os.environ["FOLDNET_CACHE"]
            if kept is not None:
                os.environ["FOLDNET_CACHE"] = kept


def compare(task: Task, rounds: int) -> bool:
    import keras

    import foldnet

    difference = check_losses(task)
    if difference > 1e-4:
        raise SystemExit(f"{task.name}: the losses differ by {difference:.1e}; nothing is timed")
    ours = Side(foldnet, task)
    peers = {"Keras-JAX fit": Side(keras, task), "JAX scan": Scan(task)}
    if "Keras-TF fit" in task.at_least:
        peers["Keras-TF fit"] = Elsewhere(task)
    compiled = first_fit(ours)
    for side in (ours, *peers.values()):
        side.run(1)
    steps = -(-task.rows // task.batch)
    short = max(task.epochs // 20, 1)
    taken = {"foldnet": []} | {name: [] for name in peers}
    for _ in range(rounds):
        taken["foldnet"].append(ours.run(task.epochs) / task.epochs / steps)
        for name, side in peers.items():
            taken[name].append(side.run(short) / short / steps)
    print(f"\n{task.name}, batch {task.batch}, Adam; losses without Dropout agree to {difference:.0e}")
    own = np.array(taken["foldnet"])
    print(f"  {'foldnet fit':<16}{np.median(own) * 1e6:>10.2f} µs/step")
    fine = compiled <= COMPILE
    print(f"  first fit, nothing compiled: {compiled:.2f} s  wanted {COMPILE:g} s: {'yes' if fine else 'NO'}")
    for name in peers:
        times = np.array(taken[name])
        ratio, bound = float(np.median(times / own)), task.at_least.get(name)
        verdict = "" if bound is None else f"  wanted {bound:g}x: {'yes' if ratio >= bound else 'NO'}"
        fine &= bound is None or ratio >= bound
        print(f"  {name:<16}{np.median(times) * 1e6:>10.2f} µs/step{ratio:>9.1f}x{verdict}")
    for side in peers.values():
        if isinstance(side, Elsewhere):
            side.close()
    return fine


def whole_process(rounds: int, wanted: float = 1.0) -> bool:
    """From the start of ``examples/iris.py`` to trained, with the compiled program cached and without."""
    script, fine = HERE.parent / "examples" / "iris.py", True
    with tempfile.TemporaryDirectory() as empty:
        for title, cache in (("compiled before", None), ("nothing compiled", empty)):
            times = []
            for i in range(rounds):
                extra = {} if cache is None else {"XDG_CACHE_HOME": f"{cache}/{i}"}
                started = time.perf_counter()
                subprocess.run(
                    [sys.executable, script], check=True, capture_output=True, env=as_installed() | extra
                )
                times.append(time.perf_counter() - started)
            median = float(np.median(times))
            verdict = "yes" if median <= wanted else "NO"
            took = f"{median:.2f} s from process start to trained"
            print(f"examples/iris.py, {title}: {took}  wanted {wanted:g} s: {verdict}")
            fine &= median <= wanted
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", metavar="TASK", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--task", help="only this network")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    rounds = 2 if options.quick else options.rounds
    chosen = [t for t in TASKS if options.task in (None, t.name)]
    results = [compare(task, rounds) for task in chosen]
    return 0 if all([*results, whole_process(rounds)]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
