"""``foldnet demo``: the whole job on a real network and a real table."""

from __future__ import annotations

import click

from foldnet.cli.errors import FAILED
from foldnet.cli.options import common, print_json


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
@common
def command(out: str, rows: int, as_json: bool) -> None:
    """Take a trained Keras file and a real table through every step.

    Prints the network, explains a BatchNormalization, freezes, proves the
    result against Keras's own outputs, times it, writes it as Python and as
    C, and runs both as a stranger would. Exit code 1 if any number disagrees.
    """
    from foldnet.demo.run import run

    lines = (lambda text: None) if as_json else click.echo
    report = run(out, rows, lines)
    if as_json:
        print_json(report)
    if not report["ok"]:
        click.get_current_context().exit(FAILED)
