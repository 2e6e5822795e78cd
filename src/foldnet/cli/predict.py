"""``foldnet predict``: rows of a table in, predictions out, block by block."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from foldnet.cli.options import (
    FILE,
    NEW_FILE,
    TableOptions,
    common,
    load_network,
    print_json,
    progress,
    table_options,
    weights_option,
)
from foldnet.cli.outputs import check_outputs, writing
from foldnet.cli.terminal import say

if TYPE_CHECKING:
    from foldnet.arrays import Array
    from foldnet.predictor import Predictor


@click.command(
    epilog="""\b
Examples:
  foldnet predict wine.keras --data wine.csv --drop quality
  foldnet predict wine.foldnet --data rows.npy -o out.npy
  foldnet predict wine.keras --data big.parquet --columns 1-11 -o out.parquet
  foldnet predict wine.keras --data rows.csv.gz --decimal , -o out.csv
  cat rows.csv | foldnet predict wine.keras --data - > out.csv
"""
)
@click.argument("file", type=FILE)
@weights_option
@table_options(required=True, help="CSV, .npy or .parquet; - is CSV on stdin. Once for each input.")
@click.option(
    "-o", "--out", type=NEW_FILE, help="File to write: .csv, .npy or .parquet; by default CSV on stdout."
)
@click.option(
    "--engine", type=click.Choice(["auto", "native", "reference"]), default="auto", show_default=True
)
@writing
@common
def command(
    file: str, weights: str | None, out: str | None, engine: str, force: bool, as_json: bool, **table: Any
) -> None:
    """Predict every row of a table.

    Rows are read, predicted and written in blocks, so a table may be larger
    than memory. A row of a table is flat; for an input of higher rank it is
    reshaped as NumPy's reshape does. An input of texts takes each cell of a
    CSV as it is. The file OUT appears when it is complete.
    """
    from foldnet.cli.json_rows import JsonRows
    from foldnet.tables import create_table

    options = TableOptions(**table)
    check_outputs({"--out": out}, [file, weights, *options.data], force=force)
    predictor = frozen(file, engine, weights)
    names = column_names(predictor)
    shapes = {n: s[1:] for n, s in zip(predictor.input_names, predictor.input_shapes, strict=True)}
    started, done = time.perf_counter(), 0
    with ExitStack() as opened:
        rows = options.blocks(shapes, opened, text_inputs(predictor))
        to_stdout = out in (None, "-")
        results = opened.enter_context(JsonRows(names) if as_json and to_stdout else create_table(out, names))
        count = opened.enter_context(progress("Predicting", rows.count, show=not to_stdout))
        for block in rows:
            results.write(flat(predictor(block[0] if len(block) == 1 else block)))
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
        say(f"{done:,} rows in {report['seconds']:.2f} s, written to {out}", err=True)


def frozen(file: str, engine: str = "auto", weights: str | None = None) -> Predictor:
    """The predictor of a file; a network is frozen first."""
    from foldnet.predictor.freezing import freeze, open_predictor

    if weights is not None:
        return freeze(load_network(file, weights), engine=engine)
    return open_predictor(file, engine=engine)


def text_inputs(predictor: Predictor) -> list[str]:
    """The names of the inputs that take texts."""
    graph = predictor.graph
    return [n for n, value in zip(predictor.input_names, graph.inputs, strict=True) if value in graph.texts]


def column_names(predictor: Predictor) -> list[str] | None:
    """Names for the columns of the predictions; None if the result has more than one axis per row.

    Raises:
        InputError: several results, one of which has more than one axis per row.
    """
    from foldnet.errors import InputError

    shapes = [shape[1:] for shape in predictor.output_shapes]
    numbered = [f"prediction_{k}" for k in range(1, len(shapes) + 1)] if len(shapes) > 1 else ["prediction"]
    stems = predictor.options.output_names or numbered
    names: list[str] = []
    for stem, shape in zip(stems, shapes, strict=True):
        if len(shape) == 1 and shape[0] is not None:
            names += [stem] if shape[0] == 1 else [f"{stem}_{k}" for k in range(1, shape[0] + 1)]
        elif len(shapes) == 1:
            return None
        else:
            raise InputError(
                f"the result {stem} has rows of shape {shape}; a table holds several results only if flat"
            )
    return names


def flat(y: Array | list[Array] | dict[str, Array]) -> Array:
    """The results side by side, if there are several."""
    import numpy as np

    parts = list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
