"""Text from a file or a user, escaped for display.

A terminal interprets escape sequences: a layer's name could clear the screen, or print text that looks like foldnet's.
So every displayed name is escaped.
"""

from __future__ import annotations

_PLAIN_BREAKS = "\n\t"
_LEFT_OUT = " [...] "


def escaped(text: object, longest: int | None = None) -> str:
    r"""The text with control and other non-printing characters as escapes; line breaks and tabs stay.

    Args:
        text: anything; it is converted by ``str``.
        longest: the largest number of characters; the middle of a longer text is left out.

    >>> print(escaped("red \x1b[31m, and a surrogate \ud800"))
    red \x1b[31m, and a surrogate \ud800
    """
    words = str(text)
    if longest is not None and len(words) > longest:
        keep = (longest - len(_LEFT_OUT)) // 2
        words = words[:keep] + _LEFT_OUT + words[-keep:]
    if words.isprintable():
        return words
    result = "".join(c if c.isprintable() or c in _PLAIN_BREAKS else repr(c)[1:-1] for c in words)
    return result if longest is None or len(result) <= longest else escaped(result, longest)


def escaped_name(name: object) -> str:
    r"""A name escaped, in one line.

    >>> print(escaped_name("two\nlines"))
    two\nlines
    """
    words = str(name)
    return words if words.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def escaped_html(text: object) -> str:
    r"""Text for a page: as ``escaped``, with HTML's special characters escaped, too.

    >>> escaped_html("<b>\x1b")
    '&lt;b&gt;\\x1b'
    """
    from html import escape

    return escape(escaped(text))
