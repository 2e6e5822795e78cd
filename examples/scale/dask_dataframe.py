"""Predictions as a column of a Dask DataFrame.

    python examples/scale/dask_dataframe.py wine.foldnet lake/ scored/ --drop quality id --scheduler tcp://127.0.0.1:8786

Without a scheduler it starts two processes on this machine.
"""

import argparse
import os

# Several processes share this machine, so each takes one processor.
os.environ.setdefault("FOLDNET_THREADS", "1")

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

import foldnet


def predicted(part: pd.DataFrame, predict: foldnet.Predictor, columns: list[str]) -> pd.DataFrame:
    return part.assign(prediction=predict(part[columns].to_numpy())[:, 0])


def score(predict: foldnet.Predictor, data: str, out: str, drop: list[str]) -> None:
    rows = dd.read_parquet(data)
    # Columns from folders such as year=2024 are no features.
    partitions = [name for name, kind in rows.dtypes.items() if kind == "category"]
    columns = [name for name in rows.columns if name not in (*drop, *partitions)]
    meta = rows._meta.assign(prediction=np.float32())
    scored = rows.map_partitions(predicted, predict, columns, meta=meta)
    scored.to_parquet(out, partition_on=partitions or None, write_index=False)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("data")
    options.add_argument("out")
    options.add_argument("--drop", nargs="*", default=[])
    options.add_argument("--scheduler")
    given = options.parse_args()
    cluster = given.scheduler or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with Client(cluster):
        score(foldnet.load_predictor(given.model), given.data, given.out, given.drop)
    if not given.scheduler:
        cluster.close()
