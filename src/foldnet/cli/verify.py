"""``foldnet verify``: prove that a predictor computes what the network computes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from foldnet.cli.errors import FAILED
from foldnet.cli.options import (
    FILE,
    TableOptions,
    common,
    load_network,
    network_rows,
    print_json,
    table_options,
    weights_option,
    working,
)
from foldnet.cli.terminal import say, text_width


@click.command(
    epilog="""\b
Examples:
  foldnet verify wine.keras
  foldnet verify wine.keras --data wine.csv --drop quality
  foldnet verify wine.keras --against wine.foldnet
  foldnet verify wine.keras --against wine_predict.py
  foldnet verify wine.keras --against wine_c/
  foldnet verify wine.keras --data x.npy --against predictions.npy
"""
)
@click.argument("file", type=FILE)
@weights_option
@click.option(
    "--against",
    type=FILE,
    metavar="CANDIDATE",
    help="What to verify: a .foldnet file, an exported .py file or C folder (which is run), another network's "
    "file, or numbers for the rows of --data: predictions as .npy, layers' values by name as .npz. By default "
    "what freezing FILE gives.",
)
@click.option(
    "--pair-seconds",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to search for two mistakes at once, if the numbers are wrong and no single one explains them.",
)
@table_options(
    required=False,
    help="Rows to compare on; by default, rows that are generated so that every layer has an effect.",
)
@common
def command(
    file: str, weights: str | None, against: str | None, pair_seconds: float, as_json: bool, **table: Any
) -> None:
    """Compare a predictor with the network of FILE, layer by layer.

    The network is computed in float64. For each layer the table also says how large the error would be if
    this layer were wrong: a layer whose faults these rows cannot show is
    "unproven".
    If the numbers are wrong, it names the known mistakes that give them.
    Exit code 1 if the predictor is wrong.
    """
    import foldnet
    from foldnet.insight.verify import verify

    options = TableOptions(**table)
    model = load_network(file, weights)
    x: Any = None
    if options.data:
        with ExitStack() as opened:
            arrays = network_rows(model, options, opened).all()
        x = arrays[0] if len(arrays) == 1 else arrays
    with working("Verifying"):
        candidate = foldnet.freeze(model) if against is None else against
        result = verify(candidate, model, x, pair_seconds=pair_seconds)
    if as_json:
        print_json({"file": file, "against": against, **result.to_dict()})
    else:
        say(result.text(text_width()))
    if not result.ok:
        click.get_current_context().exit(FAILED)
