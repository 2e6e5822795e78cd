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
    print_json,
    row_shapes,
    table_options,
)


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
@click.option("--layer", metavar="NAME", help="Explain this layer alone.")
@table_options(required=False, help="Rows to show the numbers on: CSV, .npy or .parquet.")
@click.option(
    "--row", type=click.IntRange(min=0), default=0, metavar="N", help="Row whose numbers to show, from 0."
)
@click.option("--channel", type=click.IntRange(min=0), default=0, metavar="N", help="Channel likewise.")
@click.option("--html", type=NEW_FILE, metavar="OUT", help="Write one self-contained page instead of text.")
@common
def command(
    file: str, layer: str | None, row: int, channel: int, html: str | None, as_json: bool, **table: Any
) -> None:
    """Say what each layer computes, in training and at prediction time.

    For a normalization: which axes keep statistics and which are averaged
    over, as NumPy would write it. With --data, the numbers of your own rows.
    """
    from foldnet.insight import explain

    model = load_network(file)
    x: Any = None
    if table["data"]:
        with ExitStack() as opened:
            arrays = TableOptions(**table).blocks(row_shapes(model), opened).all()
        x = arrays[0] if len(arrays) == 1 else arrays
    explanation = explain(model, x, layer=layer, row=row, channel=channel)
    if html is not None:
        written = explanation.to_html(html)
        if not as_json:
            click.echo(f"Wrote {written} ({written.stat().st_size / 1000:.0f} kB). Open it in any browser.")
            return
    if as_json:
        print_json({"file": file, **explanation.to_dict()})
    else:
        click.echo(str(explanation))
