"""Predictions as a column of a Spark DataFrame.

    python examples/scale/spark.py wine.foldnet lake/ scored/ --drop quality id year

Spark needs Java 17 or newer. With spark-submit it runs on the cluster that spark-submit names, and the workers need
foldnet.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator

# Several processes share this machine, so each takes one processor.
os.environ.setdefault("FOLDNET_THREADS", "1")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the workers' Python

import pandas as pd
from pyspark.sql import SparkSession

import foldnet


def score(spark: SparkSession, predict: foldnet.Predictor, data: str, out: str, drop: list[str]) -> None:
    rows = spark.read.parquet(data)
    columns = [name for name in rows.columns if name not in drop]

    def predicted(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield batch.assign(prediction=predict(batch[columns].to_numpy())[:, 0])

    fields = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in rows.schema.fields)
    rows.mapInPandas(predicted, f"{fields}, prediction float").write.parquet(out)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("data")
    options.add_argument("out")
    options.add_argument("--drop", nargs="*", default=[])
    options.add_argument("--master", help="local[2] for two threads on this machine")
    given = options.parse_args()
    builder = SparkSession.builder.appName("foldnet")
    session = (builder.master(given.master) if given.master else builder).getOrCreate()
    score(session, foldnet.load_predictor(given.model), given.data, given.out, given.drop)
    session.stop()
