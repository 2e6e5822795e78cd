"""Predictions as a column of a lazy Polars frame, which is read and written in pieces.

    python examples/scale/polars_batches.py wine.foldnet lake/ scored.parquet --drop quality id year

Polars and the predictor share the processors of one machine; both use threads.
"""

import argparse

import polars as pl

import foldnet


def score(predict: foldnet.Predictor, data: str, out: str, drop: list[str]) -> None:
    rows = pl.scan_parquet(data, hive_partitioning=True)
    schema = rows.collect_schema()
    columns = [name for name in schema.names() if name not in drop]

    def predicted(batch: pl.DataFrame) -> pl.DataFrame:
        y = predict(batch.select(columns).to_numpy())
        return batch.with_columns(prediction=pl.Series(y[:, 0]))

    # A row has the same bits in any batch, so the frame may be cut anywhere.
    scored = rows.map_batches(predicted, schema={**schema, "prediction": pl.Float32}, streamable=True)
    scored.sink_parquet(out)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("data")
    options.add_argument("out")
    options.add_argument("--drop", nargs="*", default=[])
    given = options.parse_args()
    score(foldnet.load_predictor(given.model), given.data, given.out, given.drop)
