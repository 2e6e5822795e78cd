"""``foldnet doctor``: what is wrong with a trained network."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from foldnet.cli.errors import FAILED
from foldnet.cli.options import (
    FILE,
    LIKE_TRAINING,
    NEW_FILE,
    TableOptions,
    common,
    network_rows,
    plain,
    print_json,
    table_options,
    weights_option,
    working,
)
from foldnet.cli.outputs import check_outputs, writing
from foldnet.cli.terminal import say, text_width

Names: TypeAlias = list[tuple[str, ...] | None]
"""For each table the names of its columns, if it has some."""


CHOOSE_TARGET = "Choose with --columns or --drop; --target names the column of the targets."


@dataclass(frozen=True)
class Read:
    """What is read from tables.

    Attributes:
        x: rows, for several inputs a list; None without tables.
        y: their targets, if a column of them is named.
        weights: how much each row counts, likewise.
        names: of each table's columns, without those of targets and weights.
    """

    x: Any = None
    y: Any = None
    weights: Any = None
    names: Names = field(default_factory=list)


if TYPE_CHECKING:
    from foldnet.arrays import Array
    from foldnet.insight.doctor.finding import Report
    from foldnet.network import Network


@click.command(
    epilog="""\b
Examples:
  foldnet doctor wine.keras
  foldnet doctor wine.keras --data wine.csv --target quality
  foldnet doctor wine.keras --script train.py --sarif wine.sarif
  foldnet doctor wine.keras --data wine.csv --target quality --fix new.keras
  foldnet doctor digits.keras --data images.npy --target labels.npy
  foldnet doctor wine.keras --history log.csv
  foldnet doctor wine.keras --data train.csv --validation valid.csv \\
      --target quality
"""
)
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@weights_option
@table_options(required=False, help="Training data: with it, much is measured instead of guessed.")
@click.option(
    "--target", metavar="COLUMN", help="The column of --data that holds the targets, or a .npy of them."
)
@click.option(
    "--sample-weight",
    metavar="COLUMN",
    help="The column of --data that says how much each row counts, as sample_weight does in fit, or a .npy of that.",
)
@click.option(
    "--history",
    type=FILE,
    metavar="LOG",
    help="What CSVLogger wrote, or history.history as JSON.",
)
@click.option(
    "--validation",
    multiple=True,
    metavar="TABLE",
    help="Rows that were not trained on, read as --data is, with columns matched by name; once for each input.",
)
@click.option(
    "--validation-target",
    metavar="COLUMN",
    help="The targets of --validation, if they are not in the column that --target names.",
)
@click.option("--check", "checks", multiple=True, metavar="ID", help="Run only this check; may be repeated.")
@click.option("--script", type=FILE, metavar="TRAIN.PY", help="The training script; it is read, never run.")
@click.option(
    "--fix",
    type=NEW_FILE,
    metavar="OUT",
    help="Write a network in which everything that can be corrected exactly is corrected.",
)
@click.option("--sarif", type=NEW_FILE, metavar="OUT", help="Write the findings as SARIF, for code hosts.")
@writing
@common
def command(
    files: tuple[str, ...],
    weights: str | None,
    target: str | None,
    sample_weight: str | None,
    history: str | None,
    validation: tuple[str, ...],
    validation_target: str | None,
    checks: tuple[str, ...],
    script: str | None,
    fix: str | None,
    sarif: str | None,
    force: bool,
    as_json: bool,
    **table: Any,
) -> None:
    """Look for problems of the network in FILE, with numbers from it.

    Each finding says what is wrong and where, why it matters, the
    evidence, and how to correct it. Exit code 1 if any is an error.
    """
    from foldnet.errors import InputError
    from foldnet.insight.doctor.context import Context
    from foldnet.insight.doctor.run import examine, read_network
    from foldnet.predictor.file import is_frozen

    if len(files) > 1 and (fix or weights or table["data"] or history or validation):
        raise click.UsageError("--fix, --weights, --data, --history and --validation go with one FILE")
    if target is not None and not table["data"]:
        raise click.UsageError("--target names a column of --data; give --data too")
    if sample_weight is not None and not table["data"]:
        raise click.UsageError("--sample-weight names a column of --data; give --data too")
    options = TableOptions(**table)
    held_out = _validation(options, validation, target, validation_target)
    check_outputs(
        {"--fix": fix, "--sarif": sarif},
        [
            *files,
            weights,
            *options.data,
            *validation,
            script,
            target,
            sample_weight,
            validation_target,
            history,
        ],
        force=force,
    )
    reports = []
    for file in files:
        if is_frozen(file):
            raise InputError(f"{file} is a frozen predictor: its layers are folded. Give the network's file")
        network = read_network(file, weights)
        rows = _rows(network, options, target, sample_weight)
        others: list[Any] | None = None
        if held_out is not None:
            held, place = held_out
            place = _name_in(options, place) if validation_target is None else place
            counted = _weight_of_validation(options, held, sample_weight)
            own = _rows(network, _by_name(network, held, (place, counted), rows.names), place, counted)
            _check_names(validation, own.names, rows.names)
            others = [own.x, own.y, *([] if own.weights is None else [own.weights])]
        with working("Examining"):
            context = Context(
                network,
                rows.x,
                rows.y,
                sample_weight=rows.weights,
                script=None if script is None else Path(script),
                history=history,
                validation_data=others,
            )
            report = examine(context, checks or None)
        if fix is not None:
            report = replace(report, mended=_mended(network, report, rows, fix))
        reports.append((file, report))
    if sarif is not None:
        from foldnet.disk.atomic import write_text
        from foldnet.insight.doctor.sarif import merged, to_sarif

        document = merged([to_sarif(report, file) for file, report in reports])
        write_text(sarif, json.dumps(plain(document), indent=2) + "\n")
    if as_json:
        documents = [{"file": file, **report.to_dict()} for file, report in reports]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        say("\n\n".join(report.text(text_width()) for _, report in reports))
    if not all(report.ok for _, report in reports):
        click.get_current_context().exit(FAILED)


def _by_name(
    network: Network, table: TableOptions, apart: tuple[str | None, ...], like: Names
) -> TableOptions:
    """How to read tables so that their columns have the order of others of the same names.

    Only files are looked into: a pipe can be read once.

    Args:
        network: that the rows are for.
        table: the others.
        apart: columns that hold no inputs.
        like: the names.
    """
    if None in like or len(like) != len(table.data) or not all(Path(path).is_file() for path in table.data):
        return table
    with ExitStack() as opened:
        texts = [tensor.dtype == "string" for tensor in network.inputs]
        names = [part.columns for part in _without(table, *apart).open(opened, texts)]
    if None in names or names == like:
        return table
    return replace(table, columns=tuple(_quoted(n) for n in like if n is not None), drop=())


def _check_names(paths: tuple[str, ...], own: Names, like: Names) -> None:
    """Refuse tables whose columns cannot be matched with others."""
    from foldnet.errors import InputError

    for path, names, others in zip(paths, own, like, strict=True):
        if names != others:
            raise InputError(
                f"the columns of {path} and of --data are not known to be the same: of the first "
                f"{_shown(names)}, of the second {_shown(others)}. Give both the same names, in files"
            )


def _shown(names: tuple[str, ...] | None) -> str:
    return "they have no names" if names is None else f"they are {', '.join(names)}"


def _quoted(names: tuple[str, ...]) -> str:
    """Names as a list for --columns."""
    return ",".join('"' + name.replace('"', '""') + '"' for name in names)


def _without(table: TableOptions, *apart: str | None) -> TableOptions:
    """The same without columns that hold no inputs."""
    for columns in apart:
        table = table if columns is None else table.without(columns)
    return table


def _name_in(table: TableOptions, column: str) -> str:
    """The name of a column, which another table may have in another place; as given without names."""
    if column.endswith(".npy"):
        return column
    with ExitStack() as opened:
        (own,) = table.target(column).open(opened)
        return column if own.columns is None or column in own.columns else _quoted(own.columns)


def _weight_of_validation(table: TableOptions, held: TableOptions, weight: str | None) -> str | None:
    """The column with the weights of validation rows: that of the data, if they have one of that name."""
    if weight is None or weight.endswith(".npy"):
        return None
    name = _name_in(table, weight)
    with ExitStack() as opened:
        (own,) = replace(held, data=held.data[:1], columns=(), drop=()).open(opened)
        return (
            name if own.columns is None or name in (*own.columns, *map(_quoted, zip(own.columns))) else None
        )


def _validation(
    table: TableOptions, tables: tuple[str, ...], target: str | None, own_target: str | None
) -> tuple[TableOptions, str] | None:
    """How to read the rows of ``--validation``, and where their targets are."""
    if not tables:
        if own_target is not None:
            raise click.UsageError("--validation-target is about reading --validation; give --validation too")
        return None
    if not table.data:
        raise click.UsageError("--validation goes with the training data; give --data and --target too")
    place = own_target or target
    if place is None:
        raise click.UsageError("--validation needs --target: the column that the network predicts")
    if own_target is None and place.endswith(".npy"):
        raise click.UsageError(f"--validation needs --validation-target: {place} has the targets of --data")
    return replace(table, data=tables), place


def _rows(network: Network, table: TableOptions, target: str | None, weight: str | None = None) -> Read:
    """Rows, targets and weights; the columns of targets and weights are left out of the rows."""
    if not table.data:
        return Read()
    with ExitStack() as opened:
        inputs = _without(table, target, weight)
        if target is None:
            inputs = replace(inputs, choose=CHOOSE_TARGET)
        rows = network_rows(network, inputs, opened)
        names = [part.columns for part in rows.tables]
        arrays = rows.all()
    x = arrays[0] if len(arrays) == 1 else arrays
    count = len(arrays[0])
    weights = _column(table, weight, count, "Weights are numbers of 0 or more.")
    return Read(x, _column(table, target, count), weights, names)


def _column(table: TableOptions, name: str | None, rows: int, advice: str = LIKE_TRAINING) -> Array | None:
    """A column that holds no inputs."""
    import numpy as np

    from foldnet.errors import InputError

    if name is None:
        return None
    with ExitStack() as opened:
        (column,) = table.target(name, advice).open(opened)
        values = np.concatenate(list(column.blocks()))
    if len(values) != rows:
        raise InputError(f"{name} has {len(values):,} rows, and the data {rows:,}")
    return values


def _mended(network: Network, report: Report, rows: Read, fix: str) -> tuple[str, ...]:
    from foldnet.insight.doctor.mend import mend

    healthy, done = mend(network, report, rows.x, rows.y, rows.weights)
    if not done:
        return (f"nothing was found that can be corrected exactly; {fix} was not written",)
    healthy.save(fix)
    return (*done, f"written to {fix}")
