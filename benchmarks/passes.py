"""What a pass is worth: the same network with and without it, by turns, on one thread.

python benchmarks/passes.py [--quick]

Exit code 1 if results differ in a bit, or a network is not as much faster as it should be.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ.setdefault("FOLDNET_THREADS", "1")

import numpy as np

import foldnet
from foldnet import Model, layers
from foldnet.graph.graph import Graph, bind
from foldnet.passes import PASSES, cancel_transposes, narrow, optimize
from foldnet.passes.costs import cost

Array = np.ndarray[Any, Any]


def dilated(positions: int = 15_000, crop: int = 5_000) -> Model:
    """Residual blocks of dilated convolutions, 32 normalizations, of which the middle is wanted: as for genomes."""
    x = inputs = layers.Input((positions, 4))
    x = layers.Conv1D(32, 1)(x)
    skip = layers.Conv1D(32, 1)(x)
    for dilation in (1, 4, 10, 25):
        for _ in range(4):
            y = x
            for _ in range(2):
                y = layers.Activation("relu")(layers.BatchNormalization()(y))
                y = layers.Conv1D(32, 11, dilation_rate=dilation, padding="same")(y)
            x = layers.Add()([x, y])
        skip = layers.Add()([skip, layers.Conv1D(32, 1)(x)])
    return Model(inputs, layers.Conv1D(3, 1, activation="softmax")(layers.Cropping1D(crop)(skip)))


def channels_first(size: int = 48) -> Model:
    """A small network for images with the channels first."""
    first = {"data_format": "channels_first"}
    x = inputs = layers.Input((3, size, size))
    for channels in (16, 32, 32):
        x = layers.Conv2D(channels, 3, padding="same", **first)(x)
        x = layers.Activation("relu")(layers.BatchNormalization(axis=1)(x))
        y = layers.Conv2D(channels, 3, padding="same", **first)(x)
        y = layers.BatchNormalization(axis=1)(y)
        x = layers.MaxPooling2D(2, **first)(layers.Activation("relu")(layers.Add()([x, y])))
    return Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(x)))


def with_weights(model: Model) -> Model:
    """Random weights of such sizes that values neither vanish nor explode."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        weights = [
            rng.uniform(0.5, 1.5, w.shape) / np.sqrt(np.prod(w.shape[:-1])) for w in layer.get_weights()
        ]
        layer.set_weights(weights)
    return model


def products(graph: Graph, shape: tuple[int, ...]) -> int:
    """Multiply-adds of a row."""
    bound = bind(graph, [(None, *shape)])

    def row(value: str) -> Any:
        return bound.types[value].shape[0 if value in bound.constants else 1 :]

    return sum(n.op.multiply_adds(row(n.output), *map(row, n.inputs)) for n in bound.nodes)


def compared(name: str, model: Model, without: Callable[[Graph], Graph], turns: int, wanted: float) -> bool:
    """Both programs by turns; whether the results have the same bits and the times the wanted ratio."""
    new = foldnet.freeze(with_weights(model), engine="native")
    others = [rewrite for rewrite in PASSES if rewrite is not without]
    old = foldnet.predictor.Predictor(optimize(new.unfolded, passes=others), replace(new.options, fold=False))
    shape = tuple(int(n or 0) for n in new.input_shapes[0][1:])
    x = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
    if not np.array_equal(old(x).view(np.int32), new(x).view(np.int32)):
        raise SystemExit(f"{name}: the results differ; nothing is timed")
    times: dict[Any, list[float]] = {old: [], new: []}
    for _ in range(turns):
        for predict, own in times.items():
            started = time.perf_counter()
            predict(x)
            own.append(time.perf_counter() - started)
    before, after = (float(np.median(own)) for own in times.values())
    for what, count in (("multiply-adds", lambda g: products(g, shape)), ("work", cost)):
        a, b = count(old.graph), count(new.graph)
        print(f"{name}: {a:,} {what} a row without {without.__name__}, {b:,} with it ({b / a:.2f})")
    steps = [sum(n.op.reorders_axes for n in p.graph.nodes) for p in (old, new)]
    print(f"{name}: {steps[0]} transpositions without it, {steps[1]} with it")
    ratio, milliseconds = after / before, (before * 1e3, after * 1e3)
    print(f"{name}: {milliseconds[0]:.2f} ms without it, {milliseconds[1]:.2f} ms with it")
    print(f"{name}: {ratio:.2f} of the time (wanted {wanted:g})")
    return ratio <= wanted


def main() -> int:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 5 if parser.parse_args().quick else 25
    results = [
        compared("dilated, 15,000 positions", dilated(), narrow, turns, 0.6),
        compared("channels first, one image", channels_first(), cancel_transposes, 20 * turns, 0.95),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
