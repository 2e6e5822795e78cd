"""What the first compilation of a network takes, each in a process of its own where nothing is compiled before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import summary
from networks import as_installed

HERE = Path(__file__).parent
START = """
import time, foldnet, numpy as np
from cases import TRAININGS
from deep_trainings import DEEP_TRAININGS
from networks import Network, build
def fit(network):
    model = build(foldnet, network, fresh=True)
    model.compile("adam", "mse")
    x, y = (np.ones((64, n), np.float32) for n in (network.units[0], network.units[-1]))
    start = time.perf_counter()
    model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0)
    return time.perf_counter() - start
def fit_deep(title):
    case = next(case for case in DEEP_TRAININGS if case.title == title)
    model = case.started(foldnet)
    model.compile("adam", case.loss)
    x, y = (a[:2 * case.batch] for a in case.data)
    start = time.perf_counter()
    model.fit(x, y, batch_size=case.batch, epochs=1, shuffle=False, verbose=0)
    return time.perf_counter() - start
def freeze(network):
    model = build(foldnet, network)
    start = time.perf_counter()
    foldnet.freeze(model, engine="native")
    return time.perf_counter() - start
deep = Network((16, *([8, 12, 16, 20, 24, 28, 32] * 15)[:99], 1))
named = {case.name: case.network for case in TRAININGS}
"""
CASES = (
    ("11-10-8-6-1 normalized, to train", 'fit(named["11-10-8-6-1 normalized"])', 0.6),
    ("20-64-64-1 normalized, to train", 'fit(named["20-64-64-1 normalized"])', None),
    ("784-512-512-10, to train", 'fit(named["784-512-512-10"])', None),
    ("100 layers of 7 widths, to train", "fit(deep)", 3.0),
    ("100 layers of 7 widths, to predict", "freeze(deep)", 1.5),
    ("LeNet-5, to train", 'fit_deep("LeNet-5, batch 32")', 3.0),
    ("Conv1D of 32 and 64, to train", 'fit_deep("Conv1D of 32 and 64, batch 64")', 3.0),
    ("LSTM(32), 100 steps, to train", 'fit_deep("LSTM(32), 100 steps, batch 32")', 3.0),
)
"""Name, what gives the seconds, and how many are wanted at most."""

IRIS = HERE.parent / "examples" / "iris.py"
TRAINED = 1.0
"""Seconds from the start of a process to the end of a training."""


def alone(code: str) -> float:
    """What a process with an empty cache prints."""
    with tempfile.TemporaryDirectory() as empty:
        variables = as_installed() | {"FOLDNET_CACHE": f"{empty}/cache"}
        found = [str(HERE), *filter(None, [variables.get("PYTHONPATH")])]
        variables["PYTHONPATH"] = os.pathsep.join(found)
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(command, check=True, capture_output=True, env=variables)
        return float(done.stdout)


def iris(cache: str) -> float:
    """Seconds of the whole example, with its cache in a folder."""
    start = time.perf_counter()
    variables = as_installed() | {"FOLDNET_CACHE": cache}
    subprocess.run([sys.executable, IRIS], check=True, capture_output=True, env=variables)
    return time.perf_counter() - start


def compilations(turns: int, left_out: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A record for each case; one that fails is left out."""
    found = []

    def add(name: str, wanted: float | None, take: Any) -> None:
        try:
            found.append({"name": name, "at_most": wanted} | summary([take() for _ in range(turns)]))
        except (subprocess.CalledProcessError, ValueError) as reason:
            said = getattr(reason, "stderr", None) or str(reason).encode()
            lines = said.decode(errors="replace").strip().splitlines()
            left_out.append(
                {"case": name, "side": "foldnet", "why": lines[-1][:200] if lines else repr(reason)}
            )
            print(f"  left out: {name}: {left_out[-1]['why']}", flush=True)

    for name, expression, wanted in CASES:
        add(name, wanted, lambda e=expression: alone(f"{START}\nprint({e})"))

    def new_iris() -> float:
        with tempfile.TemporaryDirectory() as empty:
            return iris(empty)

    add("examples/iris.py, the whole process", TRAINED, new_iris)
    with tempfile.TemporaryDirectory() as kept:
        iris(kept)
        add("examples/iris.py, the whole process, compiled before", TRAINED, lambda: iris(kept))
    return found
