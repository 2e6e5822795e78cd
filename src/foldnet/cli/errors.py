"""Errors of commands: one message on stderr, no traceback, and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click

from foldnet.cli.terminal import say
from foldnet.errors import FoldnetError

FAILED = 1
UNUSABLE = 2
FAULT = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE


class _TerminalError(click.ClickException):
    """An error whose message uses only characters that the terminal can show."""

    def show(self, file: IO[str] | None = None) -> None:
        say(f"Error: {self.format_message()}", err=True)


class CommandError(_TerminalError):
    """The command cannot do what the user asked."""

    exit_code = UNUSABLE


class InternalError(_TerminalError):
    """A fault in foldnet itself: a message for its developers."""

    exit_code = FAULT


@contextmanager
def errors_reported(ctx: click.Context) -> Iterator[None]:
    """Turn exceptions into click's, and warnings into a line; with ``--debug`` exceptions pass through."""
    shown: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        # A file may be opened more than once, and Python forgets what it has shown when any filter changes.
        if str(message) not in shown:
            shown.add(str(message))
            say(f"Warning: {message}", err=True)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            if "ignore" not in sys.warnoptions:  # with -W error, a warning would end the command
                warnings.simplefilter("default", UserWarning)
            yield
        sys.stdout.flush()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        say("Interrupted", err=True)
        ctx.exit(INTERRUPTED)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output, such as head, stopped reading
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(PIPE_CLOSED)
        _reraise_for_debugging(ctx)
        raise CommandError(_os_message(error)) from None
    except FoldnetError as error:
        _reraise_for_debugging(ctx)
        raise CommandError(str(error)) from None
    except MemoryError as error:
        _reraise_for_debugging(ctx)
        raise CommandError(f"there is not enough memory: {error}") from None
    except Exception as error:
        _reraise_for_debugging(ctx)
        message = f"foldnet itself failed ({type(error).__name__}: {error}). --debug shows the traceback."
        raise InternalError(message) from None


def _reraise_for_debugging(ctx: click.Context) -> None:
    if ctx.meta.get("foldnet.debug"):
        raise


def _os_message(error: OSError) -> str:
    if error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
