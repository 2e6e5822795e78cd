"""Systems that lack what Linux has: NumPy computes there, with the same numbers."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import foldnet
from foldnet.system import posix, windows
from tests.insight.insight_networks import fill

WITHOUT = """
import os
# Modules of others see the system as it is.
import subprocess, tempfile, shutil, zipfile, asyncio, multiprocessing  # noqa: F401
import click, h5py, numpy, platformdirs, rich.console  # noqa: F401
for name in (
    "posix_spawn posix_spawnp uname fchmod geteuid killpg sched_getaffinity fork register_at_fork "
    "O_NONBLOCK O_CLOEXEC WNOHANG mkfifo"
).split():
    delattr(os, name)
"""
JOB = """
import sys
import warnings
import numpy as np
import foldnet
from foldnet import system
from foldnet.cli import main

assert system.run.__module__ == "foldnet.system.windows"
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    predict = foldnet.freeze("net.keras")
assert predict.engine == "reference"
assert ["Linux and macOS only" in str(w.message) for w in warned] == [True], warned
x = np.load("x.npy")
np.save("y.npy", predict(x))
predict.save("net.foldnet")
assert np.array_equal(foldnet.load_predictor("net.foldnet", engine="reference")(x), predict(x))
model = foldnet.load_model("net.keras")
model.compile("adam", "mse")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    losses = model.fit(x, predict(x), epochs=2, verbose=0).history["loss"]
assert np.isfinite(losses).all()
model.save("trained.keras")
predict.to_c("net_c")
sys.argv = ["foldnet", "predict", "net.foldnet", "--data", "x.npy", "-o", "out.npy", "--engine", "reference"]
main()
"""


def network():
    layers = foldnet.layers
    net = foldnet.Sequential(
        [foldnet.Input((5,)), layers.Dense(4, "tanh"), layers.BatchNormalization(), layers.Dense(2)]
    )
    return fill(net, 3)


def test_the_main_job_where_nothing_of_posix_is(tmp_path):
    net = network()
    net.save(tmp_path / "net.keras")
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + JOB], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(foldnet.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = foldnet.freeze(net, engine="reference")(x)
    assert np.array_equal(np.load(tmp_path / "y.npy"), expected)
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)
    assert (tmp_path / "trained.keras").exists()


def test_every_system_answers_the_same_questions():
    names = [
        {name for name in vars(module) if not name.startswith("_") and name not in vars(foldnet)}
        for module in (posix, windows)
    ]
    asked = {
        "CAN_COMPILE",
        "architecture",
        "flush",
        "is_ours",
        "processor_features",
        "processors",
        "run",
        "set_mode",
    }
    assert asked <= names[0]
    assert asked <= names[1]
    for name in asked - {"CAN_COMPILE"}:
        assert getattr(posix, name).__annotations__ == getattr(windows, name).__annotations__, name
