"""``foldnet recalibrate``: the exact statistics of the data for every BatchNormalization of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from foldnet.cli.options import (
    FILE,
    NEW_FILE,
    TableOptions,
    common,
    load_network,
    network_rows,
    print_json,
    table_options,
    weights_option,
    working,
)
from foldnet.cli.outputs import check_outputs, writing
from foldnet.cli.terminal import say, text_width

if TYPE_CHECKING:
    from foldnet.network import Network


@click.command(
    epilog="""\b
Examples:
  foldnet recalibrate wine.keras --data train.csv --columns 1-11
  foldnet recalibrate wine.keras --data train.csv --validation valid.csv \\
      --target quality --metric mae -o better.keras
"""
)
@click.argument("file", type=FILE)
@weights_option
@table_options(required=True, help="Rows of the training data: CSV, .npy or .parquet. Once for each input.")
@click.option(
    "--validation", metavar="TABLE", help="Other rows, with their target, to measure the effect on."
)
@click.option(
    "--target", metavar="LIST", help="Columns of the target, left out of the inputs; or a .npy of it."
)
@click.option("--metric", metavar="NAME", help="What to measure, as mae; by default the loss stored in FILE.")
@click.option(
    "--keep-if-better/--keep-always",
    default=True,
    show_default=True,
    help="Keep the old statistics if the new ones are worse on --validation.",
)
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Only this layer; may be repeated.")
@click.option("-o", "--out", type=NEW_FILE, help="Where to save the network, .keras or .h5.")
@writing
@common
def command(
    file: str,
    weights: str | None,
    validation: str | None,
    target: str | None,
    metric: str | None,
    keep_if_better: bool,
    layers: tuple[str, ...],
    out: str | None,
    force: bool,
    as_json: bool,
    **table: Any,
) -> None:
    """Re-estimate the statistics of every BatchNormalization, Dropout off.

    The table is read once for each depth of normalization, block by block,
    so it may be larger than memory. Without --out nothing is written, and
    the drift of each layer is only reported.
    """
    from foldnet.insight.statistics.recalibrate import recalibrate

    options = TableOptions(**table)
    _check(options, validation, target, metric)
    check_outputs({"--out": out}, [file, weights, *options.data, validation, target], force=force)
    model = load_network(file, weights)
    if target is not None:
        options = options.without(target)
    judged = None if validation is None else _Validation(model, options, validation, target or "")
    with working("Recalibrating"):
        result = recalibrate(
            model,
            lambda: _blocks(model, options),
            validation_data=judged,
            metric=metric,
            keep_if_better=keep_if_better,
            layers=layers or None,
        )
    if out is not None:
        model.save(out)
    if as_json:
        print_json({"file": file, "out": out, **result.to_dict()})
    else:
        end = "Nothing is written without --out." if out is None else f"Written to {out}"
        say(f"{result.text(text_width())}\n{end}")


def _check(options: TableOptions, validation: str | None, target: str | None, metric: str | None) -> None:
    from foldnet.errors import InputError

    if "-" in (*options.data, validation):
        raise InputError("recalibrate reads the tables several times, which standard input does not allow")
    if validation is not None and target is None:
        raise InputError("--validation needs --target: the columns that the network predicts")
    if validation is None and metric is not None:
        raise InputError("--metric is measured on the rows of --validation; give --validation too")
    if validation is not None and len(options.data) > 1:
        raise InputError(
            "--validation takes one table, and the network has several inputs; use foldnet.recalibrate in Python"
        )


def _blocks(model: Network, options: TableOptions) -> Iterator[Any]:
    with ExitStack() as opened:
        yield from network_rows(model, options, opened)


class _Validation:
    """Blocks of rows with their targets, from one table or one each; can be iterated again."""

    def __init__(self, model: Network, options: TableOptions, table: str, target: str) -> None:
        self._model, self._table, self._target = model, table, target
        self._options = replace(options, data=(table,))

    def __iter__(self) -> Iterator[Any]:
        import numpy as np

        from foldnet.errors import InputError

        nothing = np.zeros(0)
        with ExitStack() as opened:
            rows = network_rows(self._model, self._options, opened)
            (targets,) = self._options.target(self._target).open(opened)
            count = 4096
            for x, y in zip_longest(rows.tables[0].blocks(count), targets.blocks(count), fillvalue=nothing):
                if len(x) != len(y):
                    raise InputError(f"{self._target} has not as many rows as {self._table}")
                yield x.reshape(len(x), *rows.shapes[0]), y
