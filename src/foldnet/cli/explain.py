"""``foldnet explain``: what each layer does, in training and at prediction time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

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
)
from foldnet.cli.outputs import check_outputs, writing
from foldnet.cli.terminal import say, text_width


@click.command(
    epilog="""\b
Examples:
  foldnet explain wine.keras
  foldnet explain wine.keras --layer norm_1
  foldnet explain wine.keras --layer norm_1 --data wine.csv --columns 1-11
  foldnet explain wine.keras --data wine.csv --columns 1-11 --html wine.html
"""
)
@click.argument("file", type=FILE)
@weights_option
@click.option("--layer", metavar="NAME", help="Explain only this layer.")
@table_options(required=False, help="Rows whose numbers to show: CSV, .npy or .parquet.")
@click.option(
    "--row", type=click.IntRange(min=0), metavar="N", help="Row of --data whose numbers to show, from 0."
)
@click.option(
    "--channel", type=click.IntRange(min=0), metavar="N", help="Channel whose numbers to show, from 0."
)
@click.option("--html", type=NEW_FILE, metavar="OUT", help="Write one self-contained page instead of text.")
@writing
@common
def command(
    file: str,
    weights: str | None,
    layer: str | None,
    row: int | None,
    channel: int | None,
    html: str | None,
    force: bool,
    as_json: bool,
    **table: Any,
) -> None:
    """Say what each layer computes, in training and at prediction time.

    For a normalization: which axes keep statistics and which are averaged over, as in NumPy.
    With --data, it shows the numbers of your own rows.
    """
    from foldnet.insight.explain import explain

    options = TableOptions(**table)
    for name, number in (("--row", row), ("--channel", channel)):
        if number is not None and not options.data:
            raise click.UsageError(f"{name} chooses among the numbers of --data; give --data too")
    check_outputs({"--html": html}, [file, weights, *options.data], force=force)
    model = load_network(file, weights)
    x: Any = None
    if options.data:
        with ExitStack() as opened:
            arrays = network_rows(model, options, opened).all()
        x = arrays[0] if len(arrays) == 1 else arrays
    explanation = explain(model, x, layer=layer, row=row or 0, channel=channel or 0)
    if html is not None:
        written = explanation.to_html(html, overwrite=force)
        if not as_json:
            say(f"Wrote {written} ({written.stat().st_size / 1000:.0f} kB). Open it in any browser.")
            return
    if as_json:
        print_json({"file": file, **explanation.to_dict()})
    else:
        say(explanation.text(text_width()))
