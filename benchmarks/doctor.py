"""How long the doctor takes with data and targets: on small networks, and on 10,000 rows of 784 values.

python benchmarks/doctor.py [--quick]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import foldnet
from foldnet import Sequential, layers, losses

Case = tuple[Sequential, np.ndarray, np.ndarray]
ROWS, LARGE = 512, 10_000
MEDIAN, LARGEST = 0.1, 3.0
"""Seconds that are wanted: of the median of small networks, and of each of the large ones."""

LARGE_NAMES = ("784-512-512-10", "two convolutions, three Dense layers")
SLOW_NAMES = ("30 normalized convolutions of 400 images of 64 by 64", "two LSTMs of 3,000 rows of 200 steps")
"""What ``large`` and ``slow`` have; for the slow ones no time is promised."""

D, N = layers.Dense, layers.BatchNormalization
STACKS: tuple[Callable[[], list[layers.Layer]], ...] = (
    lambda: [D(16, activation="relu"), D(8, activation="relu")],
    lambda: [D(12, activation="relu"), N(), D(8, activation="relu"), N()],
    lambda: [D(12, use_bias=False), N(), layers.ReLU(), D(8, activation="relu")],
    lambda: [N(), D(12, activation="relu")],
    lambda: [D(32, activation="tanh"), layers.Dropout(0.1), D(16, activation="relu")],
    lambda: [D(12), layers.LayerNormalization(), layers.Activation("gelu"), D(8, activation="relu")],
    lambda: [D(12, activation="sigmoid"), N(), D(8, activation="silu")],
    lambda: [D(512, activation="relu")],
    lambda: [D(24, activation="relu") for _ in range(10)],
    lambda: [],
)
ENDS = (
    (1, None, "mse"), (3, "softmax", "sparse_categorical_crossentropy"),
    (1, None, losses.BinaryCrossentropy(from_logits=True)), (4, None, "mae"),
)  # fmt: skip


def filled(model: Sequential, rng: np.random.Generator) -> Sequential:
    """Random weights, as if trained."""
    for layer in model.layers:
        layer.set_weights(
            [
                rng.normal(size=w.shape) / np.sqrt(w[..., 0].size)
                if w.ndim > 1
                else rng.uniform(0.5, 1, w.shape)
                for w in layer.get_weights()
            ]
        )
    return model


def small(rng: np.random.Generator) -> list[Case]:
    """Each stack with each end."""
    cases: list[Case] = []
    for stack in STACKS:
        for units, activation, loss in ENDS:
            model = filled(Sequential([layers.Input((5,)), *stack(), D(units, activation=activation)]), rng)
            model.compile("adam", loss)
            x = rng.normal(size=(ROWS, 5)).astype(np.float32)
            label = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.float32)
            cases.append((model, x, label if units != 4 else x[:, :4] ** 2))
    return cases


def large(rng: np.random.Generator) -> list[Case]:
    """Wide Dense layers, and convolutions like those of LeNet."""
    dense = Sequential([layers.Input((784,)), D(512, activation="relu"), D(512, activation="relu")])
    images = Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(6, 5, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        D(120, activation="relu"), D(84, activation="relu"),
    ])  # fmt: skip
    x, y = rng.normal(size=(LARGE, 784)).astype(np.float32), rng.integers(0, 10, LARGE)
    cases: list[Case] = []
    for model, rows in ((dense, x), (images, x.reshape(-1, 28, 28, 1))):
        model.add(D(10, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy")
        cases.append((filled(model, rng), rows, y))
    return cases


def slow(rng: np.random.Generator) -> list[Case]:
    """Many normalized convolutions of large images, and recurrences of many steps."""
    convolutions = Sequential([layers.Input((64, 64, 3))])
    for _ in range(30):
        for part in (layers.Conv2D(16, 3, padding="same"), N(), layers.ReLU()):
            convolutions.add(part)
    convolutions.add(layers.GlobalAveragePooling2D())
    recurrences = Sequential(
        [layers.Input((200, 8)), layers.LSTM(32, return_sequences=True), layers.LSTM(32)]
    )
    cases: list[Case] = []
    for model, shape in ((convolutions, (400, 64, 64, 3)), (recurrences, (3000, 200, 8))):
        model.add(D(1))
        model.compile("sgd", "mse")
        cases.append(
            (filled(model, rng), rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[0]))
        )
    return cases


def seconds(case: Case, turns: int) -> float:
    """The median of several turns, after one that imports what is needed."""
    times = []
    for _ in range(turns + 1):
        started = time.perf_counter()
        report = foldnet.doctor(*case)
        times.append(time.perf_counter() - started)
    if "learns-less-than-a-simple-fit" not in report.checks:
        raise SystemExit("the doctor has not compared the network with a simple fit; nothing is timed")
    return float(np.median(times[1:]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 1 if parser.parse_args().quick else 5
    rng = np.random.default_rng(0)
    times = [seconds(case, turns) for case in small(rng)]
    median, largest = float(np.median(times)), max(times)
    print(
        f"doctor with data, {len(times)} small networks of {ROWS} rows: median {median:.3f} s (wanted {MEDIAN:g} s), "
        f"largest {largest:.3f} s"
    )
    for name, case in zip(LARGE_NAMES, large(rng), strict=True):
        took = seconds(case, turns)
        largest = max(largest, took)
        print(f"doctor with {LARGE:,} rows of 784 values, {name}: {took:.2f} s (wanted {LARGEST:g} s)")
    for name, case in zip(SLOW_NAMES, slow(rng), strict=True):
        print(f"doctor with data, {name}: {seconds(case, turns):.2f} s")
    return 0 if median <= MEDIAN and largest <= LARGEST else 1


if __name__ == "__main__":
    raise SystemExit(main())
