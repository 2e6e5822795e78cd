"""``foldnet demo``: the whole job on a real network and a real table."""

from __future__ import annotations

from pathlib import Path

import click

from foldnet.cli.errors import FAILED
from foldnet.cli.options import common, print_json
from foldnet.cli.outputs import C_FILES, check_outputs, writing
from foldnet.cli.terminal import say


@click.command(
    epilog="""\b
Examples:
  foldnet demo
  foldnet demo --out /tmp/wine --rows 100000
"""
)
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="demo-output",
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="Rows of the large timing.",
)
@writing
@common
def command(out: str, rows: int, force: bool, as_json: bool) -> None:
    """Take a trained Keras file and a real table through every step.

    Prints the network, explains a BatchNormalization, freezes, proves the
    result against Keras's own outputs, times it, writes it as Python and as
    C, and runs both without foldnet. Exit code 1 if any number disagrees.
    """
    from foldnet.demo.run import FOLDER, SHIPPED, run

    single = [Path(out, name) for name in SHIPPED if name != FOLDER]
    check_outputs({"--out": [*single, *(Path(out, FOLDER, name) for name in C_FILES)]}, [], force=force)
    lines = (lambda text: None) if as_json else say
    report = run(out, rows, lines, overwrite=force)
    if as_json:
        print_json(report)
    if not report["ok"]:
        click.get_current_context().exit(FAILED)
