"""``foldnet predict`` with a folder or a pattern of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import click

from foldnet.cli.errors import UNUSABLE
from foldnet.cli.options import TableOptions, print_json, progress
from foldnet.cli.terminal import say

if TYPE_CHECKING:
    from foldnet.predictor import Predictor
    from foldnet.scale import Report


def predict_data_set(
    file: str,
    predictor: Predictor,
    options: TableOptions,
    out: str | None,
    keep: Sequence[str],
    scheduler: str | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Predict all parts and print what was done; the exit code is 2 if some are broken."""
    from foldnet.scale import BrokenPartsError, predict_parts

    if out in (None, "-"):
        raise click.UsageError(
            f"{options.data[0]} is a data set of many files; give a folder for the results with -o"
        )
    _check(options, predictor)
    with progress("Predicting", None) as count:
        try:
            report = predict_parts(
                predictor,
                options.data[0],
                str(out),
                columns=dict(zip(predictor.input_names, options.each("columns"), strict=True)),
                drop=dict(zip(predictor.input_names, options.each("drop"), strict=True)),
                keep=",".join(keep) or None,
                scheduler=scheduler,
                overwrite=force,
                on_part=lambda outcome, parts: count(1, parts),
            )
        except BrokenPartsError as error:
            report = error.report
    if as_json:
        print_json({"file": file, **asdict(report), "complete": report.complete})
    else:
        _say(report)
    if not report.complete:
        click.get_current_context().exit(UNUSABLE)


def _check(options: TableOptions, predictor: Predictor) -> None:
    """Refuse what a data set of Parquet files cannot have."""
    from foldnet.errors import InputError

    usual = {f.name: f.default for f in fields(options) if f.name not in ("data", "columns", "drop")}
    if given := [name for name, value in usual.items() if getattr(options, name) != value]:
        raise click.UsageError(f"--{given[0]} is about CSV; a data set of many files is Parquet")
    if len(set(options.data)) > 1:
        raise InputError(
            "only one data set can be predicted; for several inputs give it once for each, with --columns"
        )
    if len(options.data) != len(predictor.input_names):
        names = ", ".join(predictor.input_names)
        raise InputError(
            f"the network has {len(predictor.input_names)} inputs ({names}): give --data once for each, always the "
            f"same data set, with --columns for each; it was given {len(options.data)} times"
        )


def _say(report: Report) -> None:
    there = f", {report.found} were there already" if report.found else ""
    say(
        f"{report.made} of {report.parts} parts in {report.seconds:.2f} s{there}; {report.rows:,} rows in {report.out}",
        err=True,
    )
    if report.removed:
        say(f"Results removed, whose parts are not in {report.data} any more: {report.removed}", err=True)
    for name, reason in sorted(report.broken.items()):
        say(f"Broken: {name}: {reason}", err=True)
    if not report.complete:
        say(
            f"Error: {report.missing} of {report.parts} parts could not be predicted. The same command makes them "
            "when they are mended",
            err=True,
        )
