"""Convolutional and recurrent networks and attention against LiteRT, OpenVINO and ONNX Runtime.

All sides run in one process, by turns, on the same rows, in float32, with one thread and with two; each time is the
median of many short turns. On a machine with other work, the shortest turns say more, so that their ratio is printed,
too. Before anything is timed, all outputs are compared. A ratio below 1 means foldnet is faster.

    python benchmarks/deep.py [--quick] [--case fer] [--threads 1]

Exit code 1 if a ratio, or the time of a first compilation, is not what is wanted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from deep_networks import CASES, Case, rows_for
from networks import as_installed
from onnx_graphs import onnx_of

import foldnet

HERE = Path(__file__).parent
CLOSE = 1e-4
"""How far results may be apart, of the largest."""

PAUSE = 0.05
"""Seconds before each turn: threads of the side before may look for more work for a while, on a processor that the next
side's threads need."""

COMPILE = 2.0
"""Seconds that the first compilation of fer's network may take."""

Predict = Callable[[np.ndarray], Any]


def foldnet_runner(model: Any, case: Case, threads: int) -> Predict:
    """foldnet."""
    with patch.dict(os.environ, {"FOLDNET_THREADS": str(threads)}):
        return foldnet.freeze(model, engine="native")


def litert_runner(model: Any, case: Case, threads: int) -> Predict:
    """LiteRT, with its XNNPACK kernels; the network converted by TensorFlow for so many rows."""
    from ai_edge_litert.interpreter import Interpreter

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "network.keras", Path(folder) / "network.tflite"
        model.save(source)
        command = [sys.executable, HERE / "convert_tflite.py", source, target, str(case.rows)]
        subprocess.run(command, check=True, capture_output=True)
        interpreter = Interpreter(model_content=target.read_bytes(), num_threads=threads)
    interpreter.allocate_tensors()
    into = interpreter.get_input_details()[0]["index"]
    out = interpreter.get_output_details()[0]["index"]

    def predict(x: np.ndarray) -> Any:
        interpreter.set_tensor(into, x)
        interpreter.invoke()
        return interpreter.get_tensor(out)

    return predict


def openvino_runner(model: Any, case: Case, threads: int) -> Predict:
    """OpenVINO, one request at a time."""
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
    }  # fmt: skip
    compiled = core.compile_model(core.read_model(onnx_of(model, case.rows), b""), "CPU", settings)
    request, output = compiled.create_infer_request(), compiled.output(0)
    return lambda x: request.infer([x], share_inputs=True)[output]


def onnxruntime_runner(model: Any, case: Case, threads: int) -> Predict:
    """ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        onnx_of(model, case.rows), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


RUNNERS = {
    "foldnet": foldnet_runner,
    "LiteRT": litert_runner,
    "OpenVINO": openvino_runner,
    "ONNX Runtime": onnxruntime_runner,
}


def timed(predict: Predict, x: np.ndarray, repeats: int) -> float:
    """Seconds of a call, the first one not counted: it brings caches and threads back from the one before."""
    time.sleep(PAUSE)
    predict(x)
    start = time.perf_counter()
    for _ in range(repeats):
        predict(x)
    return (time.perf_counter() - start) / repeats


def compared(case: Case, threads: int, turns: int) -> bool:
    """Time all by turns and print the ratios."""
    model = case.build()
    x = rows_for(model, case.rows)
    runs = {name: runner(model, case, threads) for name, runner in RUNNERS.items()}
    own = np.array(runs["foldnet"](x))
    for name, predict in runs.items():
        far = float(np.abs(np.asarray(predict(x)) - own).max() / np.abs(own).max())
        if not far < CLOSE:
            raise SystemExit(f"{case.name}: {name} and foldnet differ by {far:.3g}; nothing was timed")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns * case.turns + 2):
        for name, predict in runs.items():
            taken = timed(predict, x, case.repeats)
            if turn >= 2:  # the first turns warm caches and clocks
                times[name].append(taken)
    shortest = {name: min(t) for name, t in times.items()}
    best = shortest.pop("foldnet") / min(shortest.values())
    medians = {name: statistics.median(t) for name, t in times.items()}
    ours = medians.pop("foldnet")
    fastest = min(medians, key=medians.__getitem__)
    ratio = ours / medians[fastest]
    print(
        f"{case.name}, {threads} thread{'s' * (threads > 1)}: foldnet {ours * 1e3:.3f} ms; "
        + ", ".join(f"{ours / t:.2f} of {name} ({t * 1e3:.3f})" for name, t in medians.items())
    )
    verdict = "met" if ratio <= case.wanted else "MISSED"
    print(
        f"  {verdict}: {ratio:.2f} of {fastest}, wanted {case.wanted:g} ({best:.2f} by the shortest turns)",
        flush=True,
    )
    return ratio <= case.wanted


def compilation(turns: int) -> bool:
    """Seconds of the first compilation of fer's network, in processes of their own; nothing is compiled before."""
    code = (
        "import time, foldnet; from deep_networks import fer; model = fer(); start = time.perf_counter(); "
        "foldnet.freeze(model, engine='native'); print(time.perf_counter() - start)"
    )
    times = []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as empty:
            environment = as_installed() | {"FOLDNET_CACHE": f"{empty}/cache", "PYTHONPATH": str(HERE)}
            if "PYTHONPATH" in os.environ:
                environment["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]
            command = [sys.executable, "-W", "ignore", "-c", code]
            found = subprocess.run(command, check=True, capture_output=True, env=environment)
            times.append(float(found.stdout))
    median = statistics.median(times)
    verdict = "met" if median <= COMPILE else "MISSED"
    print(f"fer, first compilation: {median:.2f} s\n  {verdict}: wanted {COMPILE:g} s")
    return median <= COMPILE


def main() -> int:
    """All cases, or those whose name begins as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--case", default="", help="only cases whose names begin like this")
    parser.add_argument("--threads", type=int, choices=(1, 2), help="only with so many threads")
    options = parser.parse_args()
    turns = 7 if options.quick else 25
    results = [
        compared(case, threads, turns)
        for case in CASES
        if case.name.startswith(options.case)
        for threads in (1, 2)
        if options.threads in (None, threads)
    ]
    if not options.case:
        results.append(compilation(3 if options.quick else 7))
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
