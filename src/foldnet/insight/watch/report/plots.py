"""A run as static plots for papers, drawn with matplotlib (``pip install foldnet[report]``)."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from foldnet.disk.atomic import write_whole
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.files.overwrite import MARK
from foldnet.insight.watch.report.figures import Figure, layer_figures, log_figures, thinned
from foldnet.insight.watch.run_files import Run, read_run

COLOURS = ("#1f6fb4", "#c7561a", "#1d8348", "#8e44ad", "#b7950b", "#c0392b", "#148f9c", "#6b5344")
Format = Literal["pdf", "svg", "png"]
FORMATS: tuple[Format, ...] = get_args(Format)


def write_plots(
    run: Run | str | PathLike[str], directory: str | PathLike[str], format: Format = "pdf"
) -> list[Path]:
    """Draw the loss curves, and one plot a layer, into files of a directory.

    Args:
        run: recorded, or the directory of one.
        directory: created if missing.
        format: ``"pdf"``, ``"svg"`` or ``"png"``.

    Returns:
        The files written.

    Raises:
        UnsupportedError: matplotlib is not installed.
        ConfigError: another format.
    """
    run = run if isinstance(run, Run) else read_run(run)
    mark = {"Software" if format == "png" else "Creator": MARK}
    drawn = {path: figures for path, figures in _figures(run, directory, format).items() if figures}
    for path, figures in drawn.items():
        plot = _drawn(figures)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(
            path,
            lambda part, plot=plot: plot.savefig(part, format=format, dpi=200, metadata=mark),  # type: ignore[misc]
        )
    return list(drawn)


def plot_paths(run: Run, directory: str | PathLike[str], format: Format = "pdf") -> list[Path]:
    """The files that ``write_plots`` would write."""
    return [path for path, figures in _figures(run, directory, format).items() if figures]


def _figures(run: Run, directory: str | PathLike[str], format: Format) -> dict[Path, list[Figure]]:
    """The figures, by file."""
    if format not in FORMATS:
        raise ConfigError(f"plots are written as {', '.join(FORMATS)}, not {format!r}")
    places = thinned(run)
    several = {"loss": log_figures(run, places)}
    several |= {
        _file_name(i, layer.name): layer_figures(run, layer, places) for i, layer in enumerate(run.layers)
    }
    return {Path(directory) / f"{name}.{format}": figures for name, figures in several.items()}


def _file_name(place: int, layer: str) -> str:
    return f"{place + 1:02d}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', layer)}"


def _drawn(figures: list[Figure]) -> Any:
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise UnsupportedError(
            "plots are drawn by matplotlib, which is not installed: pip install 'foldnet[report]'. "
            "The HTML report does not need it."
        ) from None
    columns = min(2, len(figures))
    rows = -(-len(figures) // columns)
    canvas = Canvas(figsize=(3.5 * columns, 2.5 * rows), layout="constrained")
    for axes, figure in zip(canvas.subplots(rows, columns, squeeze=False).flat, figures, strict=False):
        for line in figure.lines:
            known = line.values == line.values  # NaN if a record has no value
            axes.plot(
                figure.steps[known],
                line.values[known],
                color=COLOURS[line.colour % len(COLOURS)],
                linewidth=0.6 if line.faint else 1.1,
                alpha=0.35 if line.faint else 1.0,
                marker="o" if known.sum() == 1 else None,
                markersize=3,
                label=None if line.faint else line.name,
            )
        axes.set_title(figure.title, fontsize=9, loc="left")
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        if figure.logarithmic:
            axes.set_yscale("log")
        if sum(not line.faint for line in figure.lines) <= 2:
            axes.legend(fontsize=7, frameon=False)
    for axes in canvas.axes[len(figures) :]:
        axes.set_visible(False)
    return canvas
