"""Reports of recorded runs: one self-contained HTML page, and static plots for papers."""

from foldnet.insight.watch.report.page import page, write_page
from foldnet.insight.watch.report.plots import plot_paths, write_plots
from foldnet.insight.watch.run_files import Run, read_run

__all__ = ["Run", "page", "plot_paths", "read_run", "write_page", "write_plots"]
