"""A search over settings with scikit-learn, whose fits run on a Dask or Ray cluster through joblib.

    python examples/scale/sweep_joblib.py wine.csv --target quality --backend dask --scheduler tcp://127.0.0.1:8786

Without a scheduler, Dask and Ray start two processes on this machine. `--backend loky` needs neither.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

# Several processes share this machine, so each takes one processor.
os.environ.setdefault("FOLDNET_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import joblib
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV

import foldnet

GRID = {"hidden_layer_sizes": [(8,), (16, 8)], "dropout": [0.0, 0.3]}


def search(x: np.ndarray, y: np.ndarray, epochs: int) -> GridSearchCV:
    model = foldnet.FoldnetClassifier(epochs=epochs, batch_size=64, random_state=0)
    return GridSearchCV(model, GRID, cv=3, n_jobs=2).fit(x, y)


@contextmanager
def cluster(backend: str, scheduler: str | None) -> Iterator[None]:
    """Where joblib sends the fits."""
    if backend == "dask":
        from distributed import Client, LocalCluster

        there = scheduler or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        with Client(there), joblib.parallel_config("dask"):
            yield
    elif backend == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(address=scheduler, include_dashboard=False, ignore_reinit_error=True)
        register_ray()
        with joblib.parallel_config("ray"):
            yield
    else:
        with joblib.parallel_config("loky"):
            yield


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("table")
    options.add_argument("--target", required=True)
    options.add_argument("--backend", choices=["loky", "dask", "ray"], default="loky")
    options.add_argument("--scheduler")
    options.add_argument("--epochs", type=int, default=20)
    given = options.parse_args()
    table = pd.read_csv(given.table)
    target = table.pop(given.target)
    with cluster(given.backend, given.scheduler):
        found = search(table.to_numpy(), (target > target.median()).to_numpy(), given.epochs)
    for setting, mean in zip(found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True):
        print(f"{setting}: {mean:.6f}")
