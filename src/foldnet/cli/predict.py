"""``foldnet predict``: rows of a table in, predictions out, block by block."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from foldnet.cli.options import (
    FILE,
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
    from foldnet.predictor import Predictor


@click.command(
    epilog="""\b
Examples:
  foldnet predict wine.keras --data wine.csv --drop quality
  foldnet predict wine.foldnet --data rows.npy -o out.npy
  foldnet predict wine.keras --data big.parquet --columns 1-11 -o out.parquet
  foldnet predict wine.keras --data rows.csv.gz --decimal , -o out.csv
  cat rows.csv | foldnet predict wine.keras --data - > out.csv
  foldnet predict wine.keras --data lake/ --columns 1-11 -o predictions/
  foldnet predict wine.keras --data "lake/*/*.parquet" --drop quality \\
    --keep all -o scored/
  foldnet predict wine.keras --data lake/ --columns 1-11 -o out/ \\
    --engine dask --scheduler tcp://10.0.0.5:8786
"""
)
@click.argument("file", type=FILE)
@weights_option
@table_options(
    required=True,
    help="CSV, .npy or .parquet; - is CSV on stdin; a folder or a pattern of .parquet files. Once for each input.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    help="File to write: .csv, .npy or .parquet; by default CSV on stdout. For a folder or a pattern: a folder.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="LIST",
    help="Columns of a folder's or pattern's files to write, too, in the form of --columns; or all.",
)
@click.option(
    "--engine", type=click.Choice(["auto", "native", "reference", "dask"]), default="auto", show_default=True
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Of the Dask cluster for --engine dask, as tcp://host:8786."
)
@writing
@common
def command(
    file: str,
    weights: str | None,
    out: str | None,
    keep: tuple[str, ...],
    engine: str,
    scheduler: str | None,
    force: bool,
    as_json: bool,
    **table: Any,
) -> None:
    """Predict every row of a table.

    Rows are read, predicted and written in blocks, so a table may be larger
    than memory. A row of a table is flat; for an input of higher rank it is
    reshaped as NumPy's reshape does. An input of texts takes each cell of a
    CSV as it is. The file OUT appears when it is complete.

    Of a folder or a pattern of Parquet files each file becomes a file of the
    same name below the folder OUT. The same command again makes what is
    missing there, after an end of any kind. With --engine dask the workers of
    a Dask cluster make the files; they need foldnet, and the same paths.
    """
    from foldnet.cli.json_rows import JsonRows
    from foldnet.cli.predict_parts import predict_data_set
    from foldnet.scale.sources import is_data_set
    from foldnet.tables import create_table
    from foldnet.tables.predictions import column_names, flat, text_inputs

    options = TableOptions(**table)
    if any(is_data_set(data) for data in options.data):
        predictor = frozen(file, "auto" if engine == "dask" else engine, weights)
        cluster = check_scheduler(engine, scheduler)
        predict_data_set(file, predictor, options, out, keep, cluster, force=force, as_json=as_json)
        return
    check_single(engine, scheduler, keep)
    check_outputs({"--out": out}, [file, weights, *options.data], force=force)
    predictor = frozen(file, engine, weights)
    names = column_names(predictor)
    shapes = {n: s[1:] for n, s in zip(predictor.input_names, predictor.input_shapes, strict=True)}
    started, done = time.perf_counter(), 0
    with ExitStack() as opened:
        rows = options.blocks(shapes, opened, text_inputs(predictor), large=True)
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


def check_scheduler(engine: str, scheduler: str | None) -> str | None:
    """The address of the cluster; None without one."""
    if (engine == "dask") != (scheduler is not None):
        raise click.UsageError("--engine dask and --scheduler ADDRESS belong together; give both or neither")
    return scheduler


def check_single(engine: str, scheduler: str | None, keep: tuple[str, ...]) -> None:
    """Refuse the options of data sets for a single table."""
    given = {"--engine dask": engine == "dask", "--scheduler": scheduler is not None, "--keep": bool(keep)}
    if wrong := [option for option, is_given in given.items() if is_given]:
        raise click.UsageError(
            f"{wrong[0]} is for a folder or a pattern of Parquet files; give one with --data, and a folder with -o"
        )


def frozen(file: str, engine: str = "auto", weights: str | None = None) -> Predictor:
    """The predictor of a file; a network is frozen first."""
    from foldnet.predictor.freezing import freeze, open_predictor

    if weights is not None:
        return freeze(load_network(file, weights), engine=engine)
    return open_predictor(file, engine=engine)
