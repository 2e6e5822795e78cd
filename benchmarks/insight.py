"""How long explain, doctor and the diagnosis take: whole processes for the first two, the search for the third.

python benchmarks/insight.py [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from networks import as_installed

import foldnet
from foldnet import Sequential, layers


def million(path: Path) -> None:
    """A network of a million weights, as a file."""
    model = Sequential([layers.Input((700,))])
    for _ in range(2):
        model.add(layers.Dense(700, activation="relu"))
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(10, activation="softmax"))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights(
            [rng.uniform(0.5, 1.5, w.shape) / (30 if w.ndim > 1 else 1) for w in layer.get_weights()]
        )
    model.save(path)


def cold(command: str, path: Path, turns: int, wanted: float) -> bool:
    """The median time of a whole ``foldnet`` process."""
    times = []
    for _ in range(turns):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "foldnet.cli", command, path],
            check=False, capture_output=True, env=as_installed(),
        )  # fmt: skip
        times.append(time.perf_counter() - started)
    median = float(np.median(times))
    print(
        f"foldnet {command}, a file of a million weights, whole process: {median:.2f} s (wanted {wanted:g} s)"
    )
    return median <= wanted


def diagnosis(turns: int, wanted: float) -> bool:
    """Every single mistake of a network of ten layers, for a function that makes none of them."""
    model = Sequential([layers.Input((11,))])
    for units in (10, 8, 6):
        model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dropout(0.3))
        model.add(layers.BatchNormalization())
    model.add(layers.Dense(1))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.2, 1.5, w.shape) for w in layer.get_weights()])
    predict, x = foldnet.freeze(model), rng.normal(size=(1000, 11)).astype(np.float32)
    times = []
    for _ in range(turns):
        started = time.perf_counter()
        result = foldnet.verify(predict(x) * 1.01, model, x)
        times.append(time.perf_counter() - started)
    if result.ok:
        raise SystemExit("predictions that are off by a hundredth were accepted as equal; nothing is timed")
    median = float(np.median(times))
    print(f"verify with its diagnosis, ten layers, 1,000 rows: {median:.2f} s (wanted {wanted:g} s)")
    return median <= wanted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 3 if parser.parse_args().quick else 9
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.keras"
        million(path)
        results = [cold("explain", path, turns, 1.0), cold("doctor", path, turns, 1.0)]
    return 0 if all([*results, diagnosis(turns, 5.0)]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
