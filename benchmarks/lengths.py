"""What sizes that are known only at the call cost: the same network with free axes and without, by turns, one thread.

python benchmarks/lengths.py [--quick]

Also how long a new length takes, and what it takes to freeze a network and call it once. Exit code 1 if results differ
in a bit, if code for any length is slower than it may be, or if a new length takes milliseconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("FOLDNET_THREADS", "1")

import numpy as np

import foldnet
from foldnet import Model, Sequential, layers

Array = np.ndarray[Any, Any]
Build = Callable[[int | None], Model]
SLOWER = 1.35
"""How many times the time of code for fixed sizes that for any length may take."""
NEW = 1e-3
"""Seconds that a new length may add to a call."""


def convolutions(n: int | None) -> Model:
    """Dilated convolutions of a sequence."""
    x = inputs = layers.Input((n, 16))
    for _ in range(4):
        x = layers.Conv1D(32, 7, padding="same", activation="relu", dilation_rate=2)(x)
    return Model(inputs, x)


def images(n: int | None) -> Model:
    """A small network for images of any size."""
    x = inputs = layers.Input((n, n, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(32, 1, activation="relu")(x))
    return Model(inputs, layers.Dense(4)(x))


def recurrent(n: int | None) -> Model:
    """One LSTM."""
    return Sequential([layers.Input((n, 8)), layers.LSTM(64)])


def attention(n: int | None) -> Model:
    """Two blocks of a transformer."""
    x = inputs = layers.Input((n, 64))
    for _ in range(2):
        y = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, y]))
        y = layers.Dense(64)(layers.Dense(128, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    return Model(inputs, layers.GlobalAveragePooling1D()(x))


CASES: list[tuple[str, Build, int, int]] = [
    ("4 dilated convolutions, 1,000 steps", convolutions, 1000, 1),
    ("image of 64 by 64", images, 64, 2),
    ("LSTM(64), 100 steps", recurrent, 100, 1),
    ("2 blocks of attention, 32 steps", attention, 32, 1),
    ("2 blocks of attention, 100 steps", attention, 100, 1),
]


def frozen(build: Build, n: int | None, weights: list[Array]) -> Any:
    """The network with these weights, frozen."""
    model = build(n)
    model.set_weights(weights or model.get_weights())
    weights[:] = model.get_weights()
    return foldnet.freeze(model, engine="native")


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compared(name: str, build: Build, n: int, axes: int, turns: int) -> bool:
    """Both programs by turns; whether the ratio and the time of a new length are as wanted."""
    weights: list[Array] = []
    rng = np.random.default_rng(1)
    rest = build(n).input_shape[1 + axes :]

    def row(length: int) -> Array:
        return rng.normal(size=(1, *(length,) * axes, *rest)).astype(np.float32)

    x = row(n)
    # To freeze a network of known sizes compiles it; one with free axes is compiled at its first call.
    started = time.perf_counter()
    fixed = frozen(build, n, weights)
    fixed(x)
    known = time.perf_counter() - started
    started = time.perf_counter()
    free = frozen(build, None, weights)
    free(x)
    first = time.perf_counter() - started
    if not np.array_equal(fixed(x).view(np.int32), free(x).view(np.int32)):
        raise SystemExit(f"{name}: the results differ; nothing is timed")
    times: dict[Any, list[float]] = {fixed: [], free: []}
    for _ in range(turns):
        for predict, found in times.items():
            found.append(seconds(lambda predict=predict: predict(x)))
    new = []
    for length in range(n + 1, n + 21):
        other = row(length)
        new.append(seconds(lambda other=other: free(other)) - seconds(lambda other=other: free(other)))
    a, b, added = float(np.median(times[fixed])), float(np.median(times[free])), float(np.median(new))
    met = b <= SLOWER * a and added < NEW
    print(
        f"{name}: known sizes {a * 1e6:.0f} us, any length {b * 1e6:.0f} us, ratio {b / a:.2f}; a new length adds "
        f"{added * 1e6:.0f} us; compiled and called in {first:.2f} s, {known:.2f} s{'' if met else '  MISSED'}"
    )
    return met


def main() -> int:
    """All cases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 40 if parser.parse_args().quick else 200
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FOLDNET_CACHE"] = folder
        met = [compared(name, build, n, axes, turns) for name, build, n, axes in CASES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
