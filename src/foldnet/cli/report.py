"""``foldnet report``: charts of the statistics of every BatchNormalization during training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foldnet.cli.options import NEW_FILE, common, print_json
from foldnet.cli.outputs import check_outputs, writing
from foldnet.cli.terminal import say, text_width

if TYPE_CHECKING:
    from foldnet.insight.watch.report.plots import Format


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
@click.option("--format", type=click.Choice(["pdf", "svg", "png"]), help="Of plots; by default pdf.")
@writing
@common
def command(
    run: str, out: str | None, plots: str | None, format: Format | None, force: bool, as_json: bool
) -> None:
    """Draw the loss curves and the convergence of moving statistics.

    RUN is the directory that fit(monitor="normalization") or a
    NormalizationMonitor wrote; the run may still be going on. The page
    is one HTML file that needs no network.
    """
    from foldnet.insight.watch.report import plot_paths, read_run, write_page, write_plots
    from foldnet.insight.watch.report.figures import in_words

    if format is not None and plots is None:
        raise click.UsageError("--format is that of --plots; give --plots DIR too")
    recorded = read_run(run)
    path = Path(run) / "report.html" if out is None else Path(out)
    drawings = [] if plots is None else plot_paths(recorded, plots, format or "pdf")
    files = [file for file in Path(run).iterdir() if file.name != "report.html"]
    check_outputs({"--out": path, "--plots": drawings}, files, force=force)
    write_page(recorded, path)
    drawn = [] if plots is None else [str(p) for p in write_plots(recorded, plots, format or "pdf")]
    if as_json:
        layers = {layer.name: in_words(recorded, layer) for layer in recorded.layers}
        print_json({"run": run, "page": str(path), "plots": drawn, "layers": layers})
        return
    for layer in recorded.layers:
        text = f"{layer.name}: {' '.join(in_words(recorded, layer))}"
        say(click.wrap_text(text, text_width(), subsequent_indent="  "))
    for written in (str(path), *drawn):
        say(f"Written to {written}")
