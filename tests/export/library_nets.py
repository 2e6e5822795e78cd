"""Networks for the tests of libraries, and the bare environment that they run in."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.engines.native import compiler
from tests.export.export_nets import lookups, randomize, two_by_two, wine
from tests.predictor.test_lengths import data_for

RUNNER = """
import importlib, json, sys, warnings
import numpy as np

folder, names = sys.argv[1], sys.argv[2:]
sys.path.insert(0, folder)
warnings.simplefilter("always")
try:
    import foldnet
    sys.exit("foldnet is here")
except ImportError:
    pass
for name in names:
    with warnings.catch_warnings(record=True) as said:
        module = importlib.import_module(name)
    with np.load(f"{folder}/{name}.in.npz", allow_pickle=True) as file:
        data = [file[key] for key in file]
    results = module.predict(data)
    results = list(results.values()) if isinstance(results, dict) else results
    results = results if isinstance(results, list) else [results]
    np.savez(f"{folder}/{name}.out.npz", *results)
    messages, kinds = [str(w.message) for w in said], [w.category.__name__ for w in said]
    print(json.dumps([module.engine, module.level, messages, kinds]))
"""


def images():
    """Convolutions of two kinds, with BatchNormalization between."""
    return Sequential([
        Input((9, 8, 3)), layers.Conv2D(6, 3, activation="relu", padding="same"), layers.BatchNormalization(),
        layers.DepthwiseConv2D(3), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(4, activation="softmax"),
    ])  # fmt: skip


def sequences():
    """Sequences of any length."""
    return Sequential([
        Input((None, 4)), layers.LSTM(6, return_sequences=True), layers.GRU(5), layers.Dense(2, activation="tanh"),
    ])  # fmt: skip


def texts():
    """A text and a number side by side."""
    city, size = Input((1,), dtype="string", name="city"), Input((2,), name="size")
    found = layers.StringLookup(vocabulary=["Rome", "Köln", "Oslo"], num_oov_indices=2)(city)
    flat = layers.Flatten()(layers.Embedding(5, 3)(found))
    return Model([city, size], layers.Dense(2)(layers.Concatenate()([flat, size])))


def by_name():
    """Results in a dict."""
    x = Input((3,), name="x")
    return Model(x, {"a": layers.Dense(2, name="first")(x), "b": layers.Dense(1, name="second")(x)})


MAKERS = {
    "wine": wine, "images": images, "sequences": sequences, "two": two_by_two, "lookups": lookups, "texts": texts,
    "by_name": by_name,
}  # fmt: skip


@functools.cache
def made(name):
    """A frozen network with random weights and statistics."""
    return foldnet.freeze(randomize(MAKERS[name](), 3), engine="native")


def rows_of(predict, name, rows=70):
    """Random data for each input."""
    rng = np.random.default_rng(5)
    if name == "texts":
        cities = rng.choice(["Rome", "Köln", "Oslo", "Bonn", ""], (rows, 1)).astype(object)
        return [cities, rng.normal(size=(rows, 2)).astype(np.float32)]
    if name == "lookups":
        return [rng.integers(0, 7, (rows, 2)), rng.normal(size=(rows, 3))]  # int64 and float64
    if name == "sequences":
        return data_for(predict, [11])
    return [rng.normal(scale=2, size=(rows, *shape[1:])).astype(np.float32) for shape in predict.input_shapes]


def quick(monkeypatch):
    """Compile without optimization, which gives the same bits."""
    flags = tuple("-O0" if flag == "-O3" else flag for flag in compiler.CODE_FLAGS)
    monkeypatch.setattr(compiler, "CODE_FLAGS", flags)


def bare_environment(folder: Path) -> Path:
    """The Python of a new environment in which there are NumPy and nothing else, by links to this one's."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for path in Path(np.__file__).parents[1].glob("numpy*"):
        (packages / path.name).symlink_to(path)
    return folder / "bin" / "python"


def run_there(python: Path, folder: Path, names, level="", **more):
    """What each package says of itself there, without a compiler on the path; it writes what it predicts."""
    environment = {"PATH": "/nowhere", "FOLDNET_LIBRARY_LEVEL": level, **more}
    command = [str(python), "-I", "-c", RUNNER, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def results_there(folder: Path, name: str):
    """What a package predicted."""
    with np.load(folder / f"{name}.out.npz") as file:
        return [file[key] for key in file]


def install(python: Path, *arguments):
    """pip of this environment, for the other one, without an index."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-index",
        "-q",
        *map(str, arguments),
    ]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
