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
    print_json,
    row_shapes,
    table_options,
    working,
)


@click.command(
    epilog="""\b
Examples:
  foldnet verify wine.keras
  foldnet verify wine.keras --data wine.csv --drop quality
  foldnet verify wine.keras --against wine.foldnet
  foldnet verify wine.keras --against wine_predict.py
  foldnet verify wine.keras --against wine_c/
"""
)
@click.argument("file", type=FILE)
@click.option(
    "--against",
    type=FILE,
    metavar="CANDIDATE",
    help="What to prove: a .foldnet file, an exported .py file or C folder (which is run), or another network's "
    "file. By default what freezing FILE gives.",
)
@table_options(required=False, help="Rows to compare on; by default, rows made to see every layer.")
@common
def command(file: str, against: str | None, as_json: bool, **table: Any) -> None:
    """Compare a predictor with the network of FILE, layer by layer.

    The network is computed in float64. For each layer the table also says
    how large an error would have been, had this layer been wrong: a layer
    whose faults the rows could not have shown is "unproven".
    Exit code 1 if the predictor is wrong.
    """
    import foldnet
    from foldnet.insight import verify

    model = load_network(file)
    x: Any = None
    if table["data"]:
        with ExitStack() as opened:
            arrays = TableOptions(**table).blocks(row_shapes(model), opened).all()
        x = arrays[0] if len(arrays) == 1 else arrays
    with working("Verifying"):
        result = verify(foldnet.freeze(model) if against is None else against, model, x)
    if as_json:
        print_json({"file": file, "against": against, **result.to_dict()})
    else:
        click.echo(str(result))
    if not result.ok:
        click.get_current_context().exit(FAILED)
