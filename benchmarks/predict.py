"""Prediction against LiteRT, OpenVINO and ONNX Runtime: ratios of times, foldnet's over the peer's.

Both sides run in one process, by turns, on the same rows, in float32, with every processor; each time is the
median of the turns. Before anything is timed, all outputs are compared. A ratio below 1 means foldnet is faster.

    python benchmarks/predict.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from networks import TABLE, WIDE, as_installed, keras_model, onnx_bytes

HERE = Path(__file__).parent
WINE = HERE.parent / "src/foldnet/demo/wine.keras"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def foldnet_runner(sizes, last):
    import foldnet

    predict = foldnet.freeze(keras_model(foldnet, sizes, last), engine="native")
    return lambda x: predict


def litert_runner(sizes, last):
    """Only the small network is kept as .tflite."""
    from ai_edge_litert.interpreter import Interpreter

    def prepare(x):
        interpreter = Interpreter(
            model_path=str(HERE / "table.tflite"), num_threads=CORES if len(x) > 1 else 1
        )
        into = interpreter.get_input_details()[0]["index"]
        out = interpreter.get_output_details()[0]["index"]
        interpreter.resize_tensor_input(into, x.shape)
        interpreter.allocate_tensors()

        def predict(x):
            interpreter.set_tensor(into, x)
            interpreter.invoke()
            return interpreter.get_tensor(out)

        return predict

    return prepare


def openvino_runner(sizes, last):
    import openvino

    core = openvino.Core()
    model = core.read_model(onnx_bytes(sizes, last), b"")

    def prepare(x):
        shaped = model.clone()
        shaped.reshape(list(x.shape))
        hint = "LATENCY" if len(x) == 1 else "THROUGHPUT"
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": hint}
        best = None
        for extra in ({}, {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": CORES}):
            compiled = core.compile_model(shaped, "CPU", {**settings, **extra})
            request = compiled.create_infer_request()
            output = compiled.output(0)

            def predict(x, request=request, output=output):
                return request.infer([x], share_inputs=True)[output]

            taken = min(once(predict, x) for _ in range(4))
            if best is None or taken < best[0]:
                best = (taken, predict)
        return best[1]

    return prepare


def onnxruntime_runner(sizes, last):
    import onnxruntime

    data = onnx_bytes(sizes, last)

    def prepare(x):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = CORES if len(x) > 1 else 1
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})[0]

    return prepare


RUNNERS = {
    "foldnet": foldnet_runner,
    "LiteRT": litert_runner,
    "OpenVINO": openvino_runner,
    "ONNX Runtime": onnxruntime_runner,
}


def once(predict, x, repeats=1):
    start = time.perf_counter()
    for _ in range(repeats):
        predict(x)
    return (time.perf_counter() - start) / repeats


def compare(title, sizes, last, rows, peers, turns, repeats, target=None):
    """Time all by turns and print the ratios; returns the ratio to the fastest peer."""
    x = np.random.default_rng(0).normal(size=(rows, sizes[0])).astype(np.float32)
    runs = {name: RUNNERS[name](sizes, last)(x) for name in ("foldnet", *peers)}
    own = np.asarray(runs["foldnet"](x))
    for name in peers:
        far = float(np.abs(np.asarray(runs[name](x)) - own).max())
        if not far < 1e-5:
            sys.exit(f"{title}: {name} and foldnet differ by {far:.3g}; nothing was timed")
    times = {name: [] for name in runs}
    for turn in range(turns + 2):
        for name, predict in runs.items():
            taken = once(predict, x, repeats)
            if turn >= 2:  # the first turns warm caches and clocks
                times[name].append(taken)
    medians = {name: statistics.median(t) for name, t in times.items()}
    ratios = {name: medians["foldnet"] / medians[name] for name in peers}
    unit = 1e6 if medians["foldnet"] < 1e-3 else 1e3
    print(f"{title}: {medians['foldnet'] * unit:.3g} {'µs' if unit == 1e6 else 'ms'}")
    for name, ratio in ratios.items():
        print(f"  {ratio:5.2f} of {name} ({medians[name] * unit:.4g})")
    worst = max(ratios.values())
    if target is not None:
        verdict = "met" if worst <= target else "MISSED"
        print(f"  {verdict}: at most {target} of the fastest peer asked, {worst:.2f} found")
    return worst


def start_up(turns):
    """From the start of a process to its first prediction out of a file: one frozen before, and one never seen."""
    code = (
        "import sys, numpy, foldnet; predict = foldnet.freeze(sys.argv[1], engine='native'); "
        "predict(numpy.zeros((1, 11), numpy.float32))"
    )
    times = {"known": [], "new": [], "imports": []}
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new.keras"
        programs = {"known": [code, str(WINE)], "new": [code, str(new)], "imports": ["import numpy, h5py"]}
        for _ in range(turns + 1):
            renamed(WINE, new)
            for name, arguments in programs.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", *arguments], check=True, env=as_installed())
                times[name].append(time.perf_counter() - start)
    known, new, imports = (statistics.median(values[1:]) for values in times.values())
    print(
        f"process start to first prediction from a .keras file: {known:.3f} s ({known / 0.25:.2f} of 0.25 s) if it was "
        f"frozen before, {new:.3f} s for new weights; importing NumPy and h5py alone takes {imports:.3f} s"
    )
    return known


def renamed(source, target):
    """The same network in other bytes: the metadata gets another date."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "metadata.json":
                data = json.dumps(json.loads(data) | {"date_saved": str(time.time_ns())}).encode()
            new.writestr(member, data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    quick = parser.parse_args().quick
    turns = 5 if quick else 21
    peers = ("LiteRT", "OpenVINO", "ONNX Runtime")
    results = [
        compare("one row, 11-10-8-6-1", TABLE, "sigmoid", 1, peers, turns, 2000, 0.6) <= 0.6,
        compare("a million rows, 11-10-8-6-1", TABLE, "sigmoid", 1_000_000, peers, turns, 1, 0.6) <= 0.6,
        start_up(turns) <= 0.25,
    ]
    compare("one row, 784-512-512-10", WIDE, "softmax", 1, peers[1:], turns, 100)
    compare("10,000 rows, 784-512-512-10", WIDE, "softmax", 10_000, peers[1:], turns, 1)
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
