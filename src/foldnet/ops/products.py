"""Sums of products: matmul, dot, tensordot, einsum, outer."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.operations import expression as e
from foldnet.operations.matrix.op import Dense, Product
from foldnet.ops import shaping
from foldnet.ops.records import operation
from foldnet.ops.reductions import rank_of, sum
from foldnet.promotion import arrays, as_array


@operation("Einsum", settings=("subscripts",))
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Einstein summation: products of operands, summed over the axes whose letters are not in the result.

    Raises:
        UnsupportedError: in a program, more than two operands, a letter twice in one of them, or rows that do not stay.
    """
    if not e.is_expression(*operands):
        values = arrays(*(as_array(o) for o in operands)) if operands else []
        return np.asarray(np.einsum(subscripts, *values))
    letters, result = _letters(subscripts, operands)
    operands = tuple(e.arithmetic("einsum", *operands))
    rows = next(
        own[0] for own, o in zip(letters, operands, strict=True) if isinstance(o, e.Expression) and own
    )
    if len(operands) == 1:
        return _of_one(letters[0], result, operands[0], subscripts)
    if len(operands) != 2 or any(len(set(own)) != len(own) for own in letters):
        raise e.refuse(
            f"einsum({subscripts!r})", "write it as several einsum of two operands each, no letter twice"
        )
    own = []
    for names, operand in zip(letters, operands, strict=True):
        if (
            isinstance(operand, e.Expression) != (names[:1] == rows)
            or rows in names[1:]
            or result[:1] != rows
        ):
            raise e.refuse(
                f"einsum({subscripts!r})",
                "the batch axis must be the first letter of each operand with rows and of the result, and of no array",
            )
        own.append(names[1:] if isinstance(operand, e.Expression) else names)
    return _product(own[0], own[1], result[1:], operands)


def _letters(subscripts: str, operands: Sequence[Any]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with ``...`` replaced by letters."""
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    names = left.split(",")
    if len(names) != len(operands):
        raise ConfigError(
            f"einsum({subscripts!r}) is of {len(names)} operands, and was given {len(operands)}"
        )
    free = [c for c in string.ascii_letters if c not in subscripts]
    longest = 0
    for place, (own, operand) in enumerate(zip(names, operands, strict=True)):
        count = rank_of(operand) - len(own.replace("...", ""))
        if "..." in own:
            longest = max(longest, count)
            names[place] = own.replace("...", "".join(free[longest - count : longest]) if count else "")
        elif count:
            raise ConfigError(
                f"einsum({subscripts!r}): {own!r} does not fit a value of {rank_of(operand)} axes"
            )
    if not arrow:
        joined = "".join(names)
        result = "..." + "".join(
            sorted(c for c in set(joined) if joined.count(c) == 1 and c not in free[:longest])
        )
    return names, result.replace("...", "".join(free[:longest]))


def _of_one(own: str, result: str, x: Any, subscripts: str) -> Any:
    if len(set(own)) != len(own) or result[:1] != own[:1]:
        raise e.refuse(f"einsum({subscripts!r})", "no letter twice, and the batch axis first in both")
    gone = [a for a, letter in enumerate(own) if letter not in result]
    x = sum(x, gone) if gone else x
    left = [letter for letter in own if letter in result]
    return shaping.transpose(x, [left.index(letter) for letter in result])


def _product(left: str, right: str, result: str, operands: Sequence[Any]) -> Any:
    a, b = operands
    plain = not isinstance(b, e.Expression) and len(right) == 2 and left[-1:] == right[0]
    if plain and result == left[:-1] + right[1] and len(left) > 0:
        return e.emitted(Dense(), a, b)
    # The op needs one letter per axis; which letters does not matter.
    names = dict(zip(dict.fromkeys(left + right), string.ascii_letters, strict=False))
    own = ["".join(names[k] for k in letters) for letters in (left, right, result)]
    return e.emitted(Product(*own), a, b)


def _with_rows(x: Any, letters: str) -> str:
    return "A" + letters if isinstance(x, e.Expression) else letters


@operation("Matmul")
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product over the last two axes, with broadcasting of the axes before them."""
    if not e.is_expression(x1, x2):
        return np.asarray(np.matmul(*arrays(x1, x2)))
    x1, x2 = (x if isinstance(x, e.Expression) else as_array(x) for x in (x1, x2))
    ranks = [rank_of(x) for x in (x1, x2)]
    if (
        min(ranks) == 0
        or (isinstance(x1, e.Expression) and ranks[0] == 1)
        or (isinstance(x2, e.Expression) and ranks[1] < 3)
    ):
        raise e.refuse(
            f"matmul of shapes {shaping.shape(x1)} and {shaping.shape(x2)}",
            "rows of the batch would be summed over; multiply with an array, or sum products over an axis of a row",
        )
    spare = string.ascii_lowercase[:-3]
    if ranks[1] == 1:
        return einsum(f"...z,z->...", x1, x2)  # noqa: F541 - of one pattern with those below
    if isinstance(x1, e.Expression) and not isinstance(x2, e.Expression) and ranks[1] == 2:
        names = "A" + spare[: ranks[0] - 2] + "z"
        return einsum(f"{names},zy->{names[:-1]}y", x1, x2)
    # Operands with rows keep the batch axis; an axis of size 1 is dropped, which broadcasts it.
    most = max(
        r - 2 + (0 if isinstance(x, e.Expression) else 1) for r, x in zip(ranks, (x1, x2), strict=True)
    )
    outer = spare[: most - 1]
    parts = []
    for x, ends in ((x1, "xz"), (x2, "zy")):
        own = shaping.shape(x)[1:-2] if isinstance(x, e.Expression) else shaping.shape(x)[:-2]
        if not isinstance(x, e.Expression) and len(own) == most and own[:1] == (1,):
            x, own = x[0], own[1:]
        kept = [letter for letter, n in zip(outer[len(outer) - len(own) :], own, strict=True) if n != 1]
        if len(kept) != len(own):
            ones = [a + (1 if isinstance(x, e.Expression) else 0) for a, n in enumerate(own) if n == 1]
            x = shaping.squeeze(x, ones)
        parts.append((x, _with_rows(x, "".join(kept) + ends)))
    (x1, left), (x2, right) = parts
    result = "A" + "".join(k for k in outer if k in left + right) + "xy"
    found = einsum(f"{left},{right}->{result}", x1, x2)
    lost = [a + 1 for a, k in enumerate(outer) if k not in left + right]
    return shaping.expand_dims(found, lost) if lost else found


@operation("Dot")
def dot(x1: Any, x2: Any) -> Any:
    """Sum of products over the last axis of the first and the last but one of the second."""
    if not e.is_expression(x1, x2):
        return np.asarray(np.dot(*arrays(x1, x2)))
    if rank_of(x1) == 0 or rank_of(x2) == 0:
        from foldnet.ops.elementwise import multiply

        return multiply(x1, x2)
    if isinstance(x2, e.Expression):
        raise e.refuse("dot with rows on the right", "use matmul, or einsum('bi,bi->b', x, y)")
    axis = rank_of(x2) - 2 if rank_of(x2) > 1 else 0
    return tensordot(x1, x2, [[-1], [axis]])


@operation("Tensordot", settings=("axes",))
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sum of products over axes of both: the last of the first with the first of the second, or as listed."""
    if not e.is_expression(x1, x2):
        a, b = arrays(x1, x2)
        return np.asarray(np.tensordot(a, b, axes=axes))
    ranks = rank_of(x1), rank_of(x2)
    if isinstance(axes, int):
        axes = [list(range(ranks[0] - axes, ranks[0])), list(range(axes))]
    first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    letters = iter(string.ascii_letters)
    left = [next(letters) for _ in range(ranks[0])]
    right = [next(letters) for _ in range(ranks[1])]
    for a, b in zip(first, second, strict=True):
        right[b] = left[a]
    result = [k for k in left if k not in right] + [k for k in right if k not in left]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(result)}", x1, x2)


@operation("Outer")
def outer(x1: Any, x2: Any) -> Any:
    """All products of the values of two arrays.

    Raises:
        UnsupportedError: an argument is an expression, whose rows must not mix.
    """
    if e.is_expression(x1, x2):
        raise e.refuse("outer", "use einsum('bi,bj->bij', x, y), which keeps the rows")
    return np.outer(*arrays(x1, x2))


@operation("Vdot")
def vdot(x1: Any, x2: Any) -> Any:
    """Sum of all products.

    Raises:
        UnsupportedError: an argument is an expression, whose rows must not mix.
    """
    if e.is_expression(x1, x2):
        raise e.refuse("vdot", "use einsum('bi,bi->b', x, y), which keeps the rows")
    return np.asarray(np.vdot(*arrays(x1, x2)))
