"""Predictions as a column of a Ray Dataset.

    python examples/scale/ray_data.py wine.foldnet lake/ scored/ --drop quality id year

Ray starts on this machine, or joins the cluster that RAY_ADDRESS names.
"""

import argparse
import os

# Several processes share this machine, so each takes one processor.
os.environ.setdefault("FOLDNET_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np
import ray

import foldnet

Batch = dict[str, np.ndarray]


def predicted(batch: Batch, predict: foldnet.Predictor, columns: list[str]) -> Batch:
    x = np.column_stack([batch[name] for name in columns])
    return batch | {"prediction": predict(x)[:, 0]}


def score(predict: foldnet.Predictor, data: str, out: str, drop: list[str]) -> None:
    rows = ray.data.read_parquet(data)
    columns = [name for name in rows.columns() if name not in drop]
    # A worker that dies is replaced, and its blocks are computed again.
    scored = rows.map_batches(
        predicted, batch_format="numpy", fn_kwargs={"predict": predict, "columns": columns}
    )
    scored.write_parquet(out)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("data")
    options.add_argument("out")
    options.add_argument("--drop", nargs="*", default=[])
    given = options.parse_args()
    ray.init(include_dashboard=False)
    score(foldnet.load_predictor(given.model), given.data, given.out, given.drop)
    ray.shutdown()
