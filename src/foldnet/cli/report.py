"""``foldnet report``: what training did to the statistics of every BatchNormalization, drawn."""

from __future__ import annotations

from pathlib import Path

import click

from foldnet.cli.options import NEW_FILE, common, print_json


@click.command(
    epilog="""\b
Examples:
  foldnet report run/
  foldnet report run/ -o report.html --plots figures/ --format pdf
"""
)
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.option("-o", "--out", type=NEW_FILE, help="The page; by default report.html in RUN.")
@click.option("--plots", type=click.Path(file_okay=False), metavar="DIR", help="Draw plots for papers, too.")
@click.option(
    "--format", type=click.Choice(["pdf", "svg", "png"]), default="pdf", show_default=True, help="Of plots."
)
@common
def command(run: str, out: str | None, plots: str | None, format: str, as_json: bool) -> None:
    """Draw how moving statistics converge, beside the loss curves.

    RUN is the directory that fit(monitor="normalization") or a
    NormalizationMonitor wrote; a run under way can be drawn, too. The page
    is one HTML file that needs no network.
    """
    from foldnet.insight.report import read_run, write_page, write_plots
    from foldnet.insight.report.figures import in_words

    recorded = read_run(run)
    path = Path(run) / "report.html" if out is None else Path(out)
    write_page(recorded, path)
    drawn = [] if plots is None else [str(p) for p in write_plots(recorded, plots, format)]
    if as_json:
        layers = {layer.name: in_words(recorded, layer) for layer in recorded.layers}
        print_json({"run": run, "page": str(path), "plots": drawn, "layers": layers})
        return
    for layer in recorded.layers:
        click.echo(
            click.wrap_text(
                f"{layer.name}: {' '.join(in_words(recorded, layer))}", 80, subsequent_indent="  "
            )
        )
    for written in (str(path), *drawn):
        click.echo(f"Written to {written}")
