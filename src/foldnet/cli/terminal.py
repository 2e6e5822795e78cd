"""What a terminal can show: its width and characters."""

from __future__ import annotations

import codecs
import shutil
import sys
import unicodedata

import click

NARROWEST, WIDEST = 40, 100
"""The smallest and the largest width in columns; longer lines are hard to read."""

PLAIN = {
    "━": "=", "─": "-", "│": "|", "└": "`", "→": "->", "←": "<-", "−": "-", "–": "-", "×": "x", "÷": "/",
    "·": "-", "…": "...", "≤": "<=", "≥": ">=", "≠": "!=", "±": "+-", "²": "^2", "³": "^3", "µ": "u", "≈": "~",
    "“": '"', "”": '"', "‘": "'", "’": "'", "√": "sqrt", "∞": "inf", "•": "*", "✓": "yes", "\u202f": " ",
    "\xa0": " ",
}  # fmt: skip
"""The replacement for a character that the terminal's encoding does not have."""

HANDLER = "foldnet.plain"


def text_width() -> int:
    """Columns to lay text out for: those of the terminal; 80 if the output is not a terminal."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def say(text: object = "", *, err: bool = False) -> None:
    """Print a line with only characters that the terminal has."""
    stream = sys.stderr if err else sys.stdout
    click.echo(printable(str(text), getattr(stream, "encoding", None) or "utf-8"), err=err)


def printable(text: str, encoding: str) -> str:
    """The text with plain replacements for characters that an encoding lacks.

    >>> printable("a → b × 2", "ascii"), printable("a → b × 2", "latin-1")
    ('a -> b x 2', 'a -> b × 2')
    """
    try:
        return text.encode(encoding, HANDLER).decode(encoding)
    except (LookupError, UnicodeError):  # an encoding that Python does not know cannot be that of a stream
        return text.encode("ascii", HANDLER).decode("ascii")


def show_all_letters() -> None:
    """Let standard output and error replace characters that their encoding does not have, for all writers."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end]
    return "".join(_sign(c, error.encoding) for c in wanted), error.end


def _sign(sign: str, encoding: str) -> str:
    if sign in PLAIN:
        return PLAIN[sign]
    letter = unicodedata.normalize("NFKD", sign)[0]  # é without its accent
    return letter if letter.isascii() and letter.isprintable() else "?"


codecs.register_error(HANDLER, _plain)
