"""Prediction and training against other programs: every case, with one thread and with two.

    python benchmarks/compare.py [--quick] [--case 784]... [--threads 1] [--into FOLDER]

A complete run takes less than half an hour and writes its results to ``docs/benchmarks``: results.json, results.md and
pictures. Others print a line for each case, and write only to ``--into``. Before anything is timed, all results are
compared; a side that fails or computes something else is left out, and named. Exit code 1 if a target is missed or
foldnet itself failed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import compilations
import predict
import processes
import report
import train
from cases import PREDICTIONS, TRAININGS
from deep_trainings import DEEP_TRAININGS
from limits import limits
from measure import QUICK, Effort
from options import parser
from peers import DEEP_TRAINING, OURS, PREDICTING, TRAINING
from sides import Sides

from foldnet.engines.native import compiler

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"
PACKAGES = (
    "numpy", "ai-edge-litert", "onnxruntime", "openvino", "keras", "jax", "tensorflow-cpu", "torch", "scikit-learn",
)  # fmt: skip


def about() -> dict[str, Any]:
    """The machine and the programs."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    said = subprocess.run(
        [*compiler.find().command, "--version"], capture_output=True, text=True, check=False
    )
    model = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.is_file():
        lines = described.read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "date": date.today().isoformat(),
        "processor": model,
        "processors": len(processors()),
        "lanes": compiler.machine().simd,
        "system": platform.system(),
        "python": platform.python_version(),
        "compiler": (said.stdout.splitlines() or ["an unknown compiler"])[0],
        "versions": versions,
    }


def processors() -> list[int]:
    """The processors that may be used."""
    return (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]
    )


def shown(record: dict[str, Any], title: str, seconds: float) -> None:
    """A line about a case."""
    ours = record["sides"][OURS]["median"]
    ratio = "no peer" if record["ratio"] is None else f"{record['ratio']:.2f} of {record['fastest']}"
    least = "" if record["ratio"] is None else f" ({record['ratio_least']:.2f} by the shortest turns)"
    rate = f"{record['gflops']:.1f} GFLOP/s, {record['share'] * 100:.0f} % of the limit"
    print(
        f"{title}, {report.threads(record)}: {report.duration(ours)}, {ratio}{least}; {rate} [{seconds:.0f} s]",
        flush=True,
    )


def measured(results: dict[str, Any], threads: int, chosen: tuple[str, ...], effort: Effort) -> None:
    """Add all figures with so many threads."""
    limit = results["limits"][str(threads)] = limits(threads)
    for key, module, peers, cases in (
        ("prediction", predict, PREDICTING, PREDICTIONS),
        ("training", train, TRAINING, TRAININGS),
        ("training", train, DEEP_TRAINING, DEEP_TRAININGS),
    ):
        with Sides(peers, threads, results["left_out"]) as sides:
            for case in cases:
                if case.title.startswith(chosen):
                    start = time.perf_counter()
                    record = module.compared(case, sides, effort, limit)
                    if OURS in record["sides"]:
                        results[key].append(record)
                        shown(record, case.title, time.perf_counter() - start)
            if peers is TRAINING and "activations".startswith(chosen):
                results["activations"] += train.activations(sides, effort)


def main() -> int:
    """Measure, show and write."""
    given = parser(__doc__)
    given.add_argument("--into", type=Path, help="where to write results")
    options = given.parse_args()
    effort, chosen = QUICK if options.quick else Effort(), tuple(options.case or [""])
    counts = [n for n in (1, 2) if options.threads in (None, n) and n <= len(processors())]
    results: dict[str, Any] = {"about": about(), "limits": {}, "prediction": [], "training": []}
    results |= {"activations": [], "processes": [], "compilations": [], "left_out": []}
    partial = bool(options.quick or options.case or options.threads)
    try:
        if "processes".startswith(chosen):
            results["processes"] = processes.processes(3, results["left_out"])
        if "compilations".startswith(chosen):
            results["compilations"] = compilations.compilations(2, results["left_out"])
        for threads in counts:
            measured(results, threads, chosen, effort)
    except KeyboardInterrupt:
        print("stopped; what follows is what was measured before", flush=True)
        partial = True
    results["about"]["partial"] = partial
    folder = options.into or (None if partial else DOCS)
    if folder is not None:
        write(results, folder)
    print(report.page(results))
    failed = any(r["side"] == OURS for r in results["left_out"])
    return 1 if failed or report.missed(results) else 0


def write(results: dict[str, Any], folder: Path) -> None:
    """The results, the page, the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(rounded(results), indent=1, ensure_ascii=False) + "\n")
    (folder / "results.md").write_text(report.page(results))
    try:
        import plots
    except ImportError as reason:
        print(f"no pictures were drawn: {reason}", file=sys.stderr)
    else:
        plots.draw(results, folder)


def rounded(value: Any) -> Any:
    """Figures with five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


if __name__ == "__main__":
    raise SystemExit(main())
