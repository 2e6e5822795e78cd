"""Whole processes: from their start to the first prediction with a file, their memory, and what must be installed.

Each program is started by turns, predicts one row with the same network out of a file, and ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from cases import NORMALIZED, Prediction
from measure import summary
from networks import as_installed, layer_weights
from packaging.requirements import Requirement
from peers import PREDICTING, Peer, environment

ROOT = Path(__file__).parents[1]
CASE = Prediction("11-10-8-6-1 normalized", NORMALIZED, 1)
START = "import sys, numpy; folder = sys.argv[1]; x = numpy.ones((1, 11), numpy.float32)\n"
# Memory that this process has had, not one that it came from: the system's count for a child includes its parent's.
END = """
most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(most.split()[1]) * 1024, float(numpy.asarray(y).ravel()[0]))
"""
FREEZE = "import foldnet; y = foldnet.freeze(folder + '/{}.keras', engine='native')(x)"
KERAS = "import keras; y = keras.models.load_model(folder + '/known.keras')(x)"
PROGRAMS = {
    "foldnet, a file frozen before": ("foldnet", FREEZE.format("known")),
    "foldnet, a new file": ("foldnet", FREEZE.format("new")),
    "LiteRT": ("LiteRT", """
from ai_edge_litert.interpreter import Interpreter
network = Interpreter(folder + "/network.tflite")
network.allocate_tensors()
network.set_tensor(network.get_input_details()[0]["index"], x)
network.invoke()
y = network.get_tensor(network.get_output_details()[0]["index"])"""),
    "ONNX Runtime": ("ONNX Runtime", """
import onnxruntime
session = onnxruntime.InferenceSession(folder + "/network.onnx", providers=["CPUExecutionProvider"])
y = session.run(None, {"x": x})[0]"""),
    "OpenVINO": ("OpenVINO", """
import openvino
exact = {"INFERENCE_PRECISION_HINT": "f32"}
y = openvino.Core().compile_model(folder + "/network.onnx", "CPU", exact)([x])[0]"""),
    "Keras-JAX": ("Keras-JAX", KERAS),
    "Keras-TF": ("Keras-TF", KERAS),
    "NumPy": ("NumPy", """
weights = numpy.load(folder + "/network.npz")
layers = [[weights[f"{k}_{n}"] for n in range(6 if k < 3 else 2)] for k in range(4)]
for kernel, bias, *norm in layers:
    y = x @ kernel + bias
    if norm:
        gamma, beta, mean, variance = norm
        x = (numpy.maximum(y, 0) - mean) / numpy.sqrt(variance + 0.001) * gamma + beta
y = 1 / (1 + numpy.exp(-y))"""),
}  # fmt: skip
"""By name: whose program it is, and its lines between START and END."""


def write_files(folder: Path) -> None:
    """The network as a file for each program."""
    import numpy as np
    from onnx_graphs import onnx_of
    from tflite_file import dense_file

    CASE.model().save(folder / "known.keras")
    (folder / "network.onnx").write_bytes(onnx_of(CASE.model(), 1))
    (folder / "network.tflite").write_bytes(dense_file(NORMALIZED))
    weights = layer_weights(NORMALIZED)
    np.savez(
        folder / "network.npz",
        **{f"{k}_{n}": a for k, arrays in enumerate(weights) for n, a in enumerate(arrays)},
    )


def renamed(source: Path, target: Path) -> None:
    """The same network in other bytes: the metadata gets another date."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "metadata.json":
                data = json.dumps(json.loads(data) | {"date_saved": str(time.time_ns())}).encode()
            new.writestr(member, data)


def run(peer: Peer, lines: str, folder: Path) -> tuple[float, int, float]:
    """Seconds of a process, its memory in bytes, and its prediction.

    Raises:
        RuntimeError: it failed.
    """
    variables = as_installed() | environment(peer, 2)
    command = [sys.executable, "-W", "ignore", "-c", START + lines + END, str(folder)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=120)
    taken = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1][:200])
    memory, prediction = done.stdout.split()[-2:]
    return taken, int(memory), float(prediction)


def processes(turns: int, left_out: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A record for each program; one that fails, or whose prediction is another, is left out."""
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    memory: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as made:
        folder, first = Path(made), None
        write_files(folder)
        for turn in range(turns + 1):
            renamed(folder / "known.keras", folder / "new.keras")
            for name in [*times]:
                whose, lines = PROGRAMS[name]
                try:
                    taken, used, prediction = run(PREDICTING[whose], lines, folder)
                    first = prediction if first is None else first
                    if not abs(prediction - first) < 1e-5:
                        raise RuntimeError(f"it predicted {prediction}, and foldnet {first}")
                except (RuntimeError, subprocess.TimeoutExpired) as reason:
                    left_out.append({"case": "processes", "side": name, "why": str(reason)})
                    print(f"  left out: {name}: {reason}", flush=True)
                    del times[name]
                    continue
                if turn:  # the first turn brings files into memory, and compiles
                    times[name].append(taken)
                    memory[name] = max(memory.get(name, 0), used)
    return [
        {"name": name, "memory": memory[name], "installed": installed(PREDICTING[PROGRAMS[name][0]].package)}
        | summary(taken)
        for name, taken in times.items()
    ]


def requirements(name: str) -> list[str]:
    """What a package needs, without its extras."""
    if name == "foldnet":
        listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    else:
        listed = distribution(name).requires or []
    parsed = map(Requirement, listed)
    return [r.name for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]


def own_size(name: str) -> int:
    """Bytes of a package's files, without those that Python makes when it is first imported."""
    if name == "foldnet":
        files = [p for p in (ROOT / "src" / "foldnet").rglob("*") if p.is_file()]
    else:
        files = [Path(str(f.locate())) for f in distribution(name).files or []]
    return sum(f.stat().st_size for f in files if "__pycache__" not in f.parts and f.is_file())


def installed(packages: str) -> int:
    """Bytes of packages and of all that they need."""
    waiting, sizes = packages.split(), {}
    while waiting:
        name = waiting.pop()
        key = name.lower().replace("_", "-").replace(".", "-")
        if key in sizes:
            continue
        try:
            sizes[key] = own_size(name)
            waiting += requirements(name)
        except PackageNotFoundError:  # what another system needs, or what is there under another name
            sizes[key] = 0
    return sum(sizes.values())
