"""C expressions put together: with the parentheses that they need, and without terms that do nothing."""

from __future__ import annotations

import re
from functools import cache

Number = int | str
"""A whole number, or C of one."""

ATOM = 8
_RANKS = {
    "?": 0, ":": 0, "||": 1, "&&": 2, "==": 3, "!=": 3,
    "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6,
}  # fmt: skip
_SUM, _PRODUCT, _SIGN = 5, 6, 7


@cache
def rank(text: str) -> int:
    """How tightly an expression holds together: the least rank of its operators outside parentheses.

    >>> rank("x[i + 1]"), rank("a * b"), rank("-a"), rank("a > b ? 1.0f : c + d")
    (8, 6, 7, 0)
    """
    depth, least = 0, _SIGN if text.startswith(("-", "!")) else ATOM
    for word in re.findall(r"[(\[{]|[)\]}]|(?<= )[^\s\w(){}\[\]]+(?= )", text):
        depth += (word in "([{") - (word in ")]}")
        if depth == 0 and word in _RANKS:
            least = min(least, _RANKS[word])
    return least


@cache
def _room(before: str, after: str) -> int:
    """The least rank that an expression must have to stand between these two, without parentheses."""
    left, right = before.rstrip().rpartition(" ")[2], after.lstrip().partition(" ")[0]
    if before.endswith(("-", "!", ")")) or after.startswith("["):
        return ATOM
    least = 0
    if left in _RANKS:  # operators of the same rank are worked out from the left
        least = _RANKS[left] + 1
    if right in _RANKS:
        same = _RANKS[right] in (_SUM, _PRODUCT)
        least = max(least, _RANKS[right] + (not same))
    # Compilers ask for parentheses where && stands beside ||.
    return 3 if least in (1, 2) else least


def composed(template: str, *operands: str) -> str:
    """A template with its operands ``{0}``, ``{1}`` written in, each in parentheses where it needs them.

    >>> composed("{0} * {1}", "a", "b + c"), composed("fn_exp({0})", "a - b"), composed("{0} - {1}", "a + b", "c - d")
    ('a * (b + c)', 'fn_exp(a - b)', 'a + b - (c - d)')
    """

    def operand(found: re.Match[str]) -> str:
        text = operands[int(found[1])]
        fits = rank(text) >= _room(template[: found.start()], template[found.end() :])
        return text if fits else f"({text})"

    return re.sub(r"\{(\d)\}", operand, template)


def times(a: Number, b: Number) -> str:
    """A product.

    >>> times("i", 3), times("i", 1), times("i + 1", "R"), times(2, 3), times(0, "R")
    ('i * 3', 'i', '(i + 1) * R', '6', '0')
    """
    a, b = _whole(a), _whole(b)
    if isinstance(a, int) and isinstance(b, int):
        return str(a * b)
    known = [n for n in (a, b) if isinstance(n, int)]
    if 0 in known:
        return "0"
    if 1 in known:
        return str(b if isinstance(a, int) else a)
    return composed("{0} * {1}", str(a), str(b))


def plus(*terms: Number) -> str:
    """A sum, its whole numbers added up at the end.

    >>> plus("x", "i - 1"), plus("x", 0), plus("i * 3", 2, 4), plus("x", -1), plus(), plus("a ? 1 : 2", "b")
    ('x + i - 1', 'x', 'i * 3 + 6', 'x - 1', '0', '(a ? 1 : 2) + b')
    """
    known = [_whole(t) for t in terms]
    number = sum(t for t in known if isinstance(t, int))
    text = ""
    for term in (str(t) for t in known if not isinstance(t, int)):
        # Of whole numbers, so that the order is the same.
        flat = text and rank(text) >= _SUM and rank(term) >= _SUM
        text = f"{text} + {term}" if flat else composed("{0} + {1}", text, term) if text else term
    if text and number:
        return composed("{0} + {1}" if number > 0 else "{0} - {1}", text, str(abs(number)))
    return text or str(number)


def floating(number: Number, suffix: str) -> str:
    """A whole number as a floating-point number.

    >>> floating(3, "f"), floating("n", ""), floating("n", "f")
    ('3.0f', '(double)n', '(float)n')
    """
    number = _whole(number)
    if isinstance(number, int):
        return f"{number}.0{suffix}"
    return composed("(float){0}" if suffix else "(double){0}", str(number))


def _whole(value: Number) -> Number:
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else value
