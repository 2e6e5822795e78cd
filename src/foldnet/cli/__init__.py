"""The ``foldnet`` command. A command's modules are imported when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from foldnet import __version__
from foldnet.cli.errors import errors_reported
from foldnet.cli.terminal import show_all_letters

COMMANDS = (
    "demo", "summary", "explain", "doctor", "freeze", "verify", "recalibrate", "report", "predict", "serve",
)  # fmt: skip

EPILOG = """\b
Examples:
  foldnet demo
  foldnet summary wine.keras
  foldnet explain wine.keras --layer norm_1
  foldnet doctor wine.keras --data wine.csv --target quality
  foldnet freeze wine.keras -o wine.foldnet --to-numpy wine_predict.py
  foldnet verify wine.keras --against wine_predict.py
  foldnet recalibrate wine.keras --data wine.csv --drop quality -o better.keras
  foldnet predict wine.keras --data wine.csv --drop quality -o out.csv
  foldnet serve wine.foldnet --port 8000

\b
Exit codes:
  0    done
  1    a verification failed, or the doctor found an error
  2    wrong usage or unusable input
  3    foldnet itself failed: a bug, which --debug shows
  130  interrupted
  141  the program that read the output stopped reading
"""


class Commands(click.Group):
    """The commands, each in a module of its name that is imported on first use."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program, on any terminal."""
        show_all_letters()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"foldnet.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn an error into one message and an exit code."""
        with errors_reported(ctx):
            return super().invoke(ctx)


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, prog_name="foldnet", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Explain, fold, prove and ship trained Keras networks, without a framework.

    FILE is a network saved by Keras (.keras, .h5, .hdf5), or, for predict, one
    that foldnet has frozen (.foldnet).
    """
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        ctx.color = False


if __name__ == "__main__":
    main()
