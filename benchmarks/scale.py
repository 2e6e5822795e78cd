"""Rows a second of ``predict_parts`` on one and two processes, and the share of the time that predicting takes.

    python benchmarks/scale.py --rows 4000000

It writes a data set of the wine table's columns in 16 parts to a temporary folder, predicts it in this process with one
thread and with two, and on a local Dask cluster of one and of two processes with one thread each. Every run is made
``--turns`` times; the median counts. All runs must give the same bits.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "data" / "models" / "wine.keras"
PARTS = 16


def write_rows(folder, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (ROOT / "data" / "wine.csv").open() as file:
        names = file.readline().strip().split(",")[:-1]
        wines = np.loadtxt(file, delimiter=",")[:, :-1]
    rng = np.random.default_rng(0)
    for k in range(PARTS):
        count = rows // PARTS
        x = (wines[rng.integers(0, len(wines), count)] * rng.uniform(0.8, 1.2, (count, 1))).astype(np.float32)
        path = folder / f"year={2020 + k % 4}" / f"part-{k}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(dict(zip(names, x.T, strict=True))), path)


def digest(folder):
    import hashlib

    import pyarrow.parquet as pq

    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        whole.update(pq.read_table(path)["prediction"].to_numpy().tobytes())
    return whole.hexdigest()


def measured(predict, data, out, scheduler, turns):
    import foldnet

    reports = []
    for _ in range(turns):
        shutil.rmtree(out, ignore_errors=True)
        reports.append(foldnet.predict_parts(predict, data, out, scheduler=scheduler))
    reports.sort(key=lambda report: report.seconds)
    return reports[len(reports) // 2], digest(out)


def one_process(data, out, threads, turns):
    """In a process of its own, since the number of threads is read once."""
    command = [sys.executable, __file__, "--only", str(data), str(out), "--turns", str(turns)]
    done = subprocess.run(
        command,
        env=dict(os.environ, FOLDNET_THREADS=str(threads)),
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, working, predicting, bits = done.stdout.split()
    return float(seconds), float(predicting) / float(working), bits


def on_dask(data, out, workers, turns):
    from distributed import LocalCluster

    import foldnet

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, env={"FOLDNET_THREADS": "1"}
    ) as cluster:
        address = cluster.scheduler_address
        predict = foldnet.freeze(MODEL)
        measured(predict, data, out, address, 1)  # workers import foldnet and compile
        report, bits = measured(predict, data, out, address, turns)
    return report.seconds, report.predicting / report.working, bits


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rows", type=int, default=4_000_000)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--quick", action="store_true", help="fewer rows, one turn")
    options.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.quick:
        given.rows, given.turns = 400_000, 1
    if given.only:
        import foldnet

        report, bits = measured(foldnet.freeze(MODEL), *map(Path, given.only), None, given.turns)
        print(report.seconds, report.working, report.predicting, bits)
        return
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "in"), Path(folder, "out")
        data.mkdir()
        write_rows(data, given.rows)
        size = sum(path.stat().st_size for path in data.rglob("*.parquet"))
        print(
            f"{given.rows:,} rows in {PARTS} parts, {size / 1e6:.0f} MB of Parquet, median of {given.turns}\n"
        )
        runs = {
            "this process, 1 thread": lambda: one_process(data, out, 1, given.turns),
            "this process, 2 threads": lambda: one_process(data, out, 2, given.turns),
            "Dask, 1 process": lambda: on_dask(data, out, 1, given.turns),
            "Dask, 2 processes": lambda: on_dask(data, out, 2, given.turns),
        }
        print("| | million rows a second | share of predicting |\n|---|---|---|")
        seen = set()
        for name, run in runs.items():
            seconds, share, bits = run()
            seen.add(bits)
            print(f"| {name} | {given.rows / seconds / 1e6:.2f} | {share:.0%} |", flush=True)
        if len(seen) > 1:
            sys.exit("the runs differ in their bits")


if __name__ == "__main__":
    main()
