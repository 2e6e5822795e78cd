"""``foldnet predict``: rows of a table in, predictions out, block by block."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from typing import Any

import click

from foldnet.cli.options import (
    FILE,
    NEW_FILE,
    TableOptions,
    common,
    plain,
    print_json,
    progress,
    row_shapes,
    table_options,
)


@click.command(
    epilog="""\b
Examples:
  foldnet predict wine.keras --data wine.csv --drop quality
  foldnet predict wine.foldnet --data rows.npy -o out.npy
  foldnet predict wine.keras --data big.parquet --columns 1-11 -o out.parquet
  zcat rows.csv.gz | foldnet predict wine.keras --data - > out.csv
"""
)
@click.argument("file", type=FILE)
@table_options(required=True, help="CSV, .npy or .parquet; - is CSV on stdin. Once for each input.")
@click.option(
    "-o", "--out", type=NEW_FILE, help="Where to write: .csv, .npy or .parquet; by default CSV on stdout."
)
@click.option(
    "--engine", type=click.Choice(["auto", "native", "reference"]), default="auto", show_default=True
)
@common
def command(file: str, out: str | None, engine: str, as_json: bool, **table: Any) -> None:
    """Predict every row of a table.

    Rows are read, predicted and written in blocks, so a table may be larger
    than memory. A row of a table is flat; for an input of higher rank it is
    folded as NumPy's reshape does. The file OUT appears when it is whole.
    """
    import numpy as np

    from foldnet.tables import create_table

    predictor = frozen(file, engine)
    names = column_names(predictor)
    started, done = time.perf_counter(), 0
    with ExitStack() as opened:
        rows = TableOptions(**table).blocks(row_shapes(predictor), opened)
        to_stdout = out in (None, "-")
        results = opened.enter_context(
            _JsonRows(names) if as_json and to_stdout else create_table(out, names)
        )
        count = opened.enter_context(progress("Predicting", rows.count, show=not to_stdout))
        for block in rows:
            y = predictor(block[0] if len(block) == 1 else block)
            parts = y if isinstance(y, list | tuple) else [y]
            results.write(np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])
            done += len(block[0])
            count(len(block[0]))
    if to_stdout:
        return
    report = {
        "file": file,
        "rows": done,
        "columns": names,
        "out": out,
        "seconds": time.perf_counter() - started,
    }
    if as_json:
        print_json(report)
    else:
        click.echo(f"{done:,} rows in {report['seconds']:.2f} s, written to {out}", err=True)


def frozen(file: str, engine: str = "auto") -> Any:
    """The predictor of a file, frozen now if it is not yet."""
    from foldnet.predictor import freeze, load_predictor

    return load_predictor(file) if file.endswith(".foldnet") else freeze(file, engine=engine)


def column_names(predictor: Any) -> list[str] | None:
    """Names for the columns of the predictions; None if a result has more than one axis a row.

    Raises:
        InputError: several results, one of which has more than one axis a row.
    """
    from foldnet.errors import InputError

    graph = predictor.graph
    names: list[str] = []
    for number, value in enumerate(graph.outputs, start=1):
        shape = graph.types[value].shape[1:]
        stem = "prediction" if len(graph.outputs) == 1 else f"prediction_{number}"
        if len(shape) != 1 or shape[0] is None:
            if len(graph.outputs) > 1:
                raise InputError(
                    f"result {number} has rows of shape {shape}; a table holds several only if flat"
                )
            return None
        names += [stem] if shape[0] == 1 else [f"{stem}_{k}" for k in range(1, shape[0] + 1)]
    return names


class _JsonRows:
    """Predictions as one JSON document, written as they come."""

    def __init__(self, names: list[str] | None) -> None:
        self._names = names
        self._before = "\n"

    def __enter__(self) -> _JsonRows:
        sys.stdout.write(f'{{"columns": {json.dumps(self._names)}, "rows": [')
        return self

    def write(self, block: Any) -> None:
        """Append rows."""
        for row in block:
            sys.stdout.write(self._before + json.dumps(plain(row)))
            self._before = ",\n"

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            sys.stdout.write("\n]}\n")
