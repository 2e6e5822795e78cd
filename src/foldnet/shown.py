"""Text from a file or a user, escaped for display.

A terminal obeys what it is sent: a layer's name with an escape sequence in it could clear the screen, or write what
foldnet never said. So wherever a name is shown, it goes through here.
"""

from __future__ import annotations

_PLAIN_BREAKS = "\n\t"
_LEFT_OUT = " [...] "


def shown(text: object, longest: int | None = None) -> str:
    r"""The text with control characters, and others that do not print, as escapes; line breaks and tabs stay.

    Args:
        text: anything; what ``str`` makes of it is shown.
        longest: characters that the result may have; the middle of a longer text is left out.

    >>> print(shown("red \x1b[31m, and a surrogate \ud800"))
    red \x1b[31m, and a surrogate \ud800
    """
    words = str(text)
    if longest is not None and len(words) > longest:
        keep = (longest - len(_LEFT_OUT)) // 2
        words = words[:keep] + _LEFT_OUT + words[-keep:]
    if words.isprintable():
        return words
    escaped = "".join(c if c.isprintable() or c in _PLAIN_BREAKS else repr(c)[1:-1] for c in words)
    return escaped if longest is None or len(escaped) <= longest else shown(escaped, longest)


def shown_name(name: object) -> str:
    r"""A name as ``shown``, in one line.

    >>> print(shown_name("two\nlines"))
    two\nlines
    """
    words = str(name)
    return words if words.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def shown_html(text: object) -> str:
    r"""Text for a page: as ``shown``, with what HTML would take for markup escaped, too.

    >>> shown_html("<b>\x1b")
    '&lt;b&gt;\\x1b'
    """
    from html import escape

    return escape(shown(text))
