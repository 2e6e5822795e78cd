"""What goes wrong in a command: one message on stderr, no traceback, and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from foldnet.errors import FoldnetError

FAILED = 1
UNUSABLE = 2
FAULT = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE


class Refusal(click.ClickException):
    """A message for the user, and an exit code."""

    def __init__(self, message: str, exit_code: int = UNUSABLE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def shown_calmly(ctx: click.Context) -> Iterator[None]:
    """Turn exceptions into click's; with ``--debug`` they pass through and Python prints the traceback."""
    try:
        yield
        sys.stdout.flush()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        click.echo("Interrupted", err=True)
        ctx.exit(INTERRUPTED)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(PIPE_CLOSED)
        _reraise_for_debugging(ctx)
        raise Refusal(_os_message(error)) from None
    except FoldnetError as error:
        _reraise_for_debugging(ctx)
        raise Refusal(str(error)) from None
    except MemoryError as error:
        _reraise_for_debugging(ctx)
        raise Refusal(f"there is not enough memory: {error}") from None
    except Exception as error:
        _reraise_for_debugging(ctx)
        raise Refusal(
            f"foldnet itself failed ({type(error).__name__}: {error}). --debug shows the traceback.",
            FAULT,
        ) from None


def _reraise_for_debugging(ctx: click.Context) -> None:
    if ctx.meta.get("foldnet.debug"):
        raise


def _os_message(error: OSError) -> str:
    if error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
