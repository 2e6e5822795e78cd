"""Sums of products as NumPy source."""

from __future__ import annotations

import string
from collections.abc import Sequence

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.texts import Operands, Text


def _dense(op: Dense, o: Operands) -> str:
    product = f"{o.texts[0]} @ {o.texts[1]}"
    return product if len(o.texts) == 2 or o.neutral[2] else f"{product} + {o.texts[2]}"


def _dense_formula(op: Dense, operands: Sequence[str]) -> str:
    return f"{operands[0]} @ kernel" + (" + bias" if len(operands) > 2 else "")


def _dot(op: Dot, o: Operands) -> str:
    letters = iter(string.ascii_lowercase[2:])
    i, j = op.axes
    a = ["a", *(next(letters) for _ in o.shapes[0][1:])]
    b = ["a", *(next(letters) for _ in o.shapes[1][1:])]
    b[j] = a[i] = "b"
    rest = [c for c in (*a, *b[1:]) if c != "b"]
    text = f'np.einsum("{"".join(a)},{"".join(b)}->{"".join(rest)}", {", ".join(o.texts)})'
    return text if len(rest) > 1 else f"{text}[:, np.newaxis]"


def _product(op: Product, o: Operands) -> str:
    names = dict(zip(dict.fromkeys(op.left + op.right), string.ascii_letters[1:], strict=False))
    pairs = zip(o.shapes, (op.left, op.right), strict=True)
    rows = ["a" if len(shape) == len(own) + 1 else "" for shape, own in pairs]
    left, right, result = ("".join(names[k] for k in own) for own in (op.left, op.right, op.result))
    return f'np.einsum("{rows[0]}{left},{rows[1]}{right}->a{result}", {", ".join(o.texts)})'


def _is_zero(index: int, array: Array) -> bool:
    return index == 2 and not array.any()


RULES: dict[type[Op], Text] = {
    Dense: Text(_dense, roles=("x", "kernel", "bias"), neutral=_is_zero, formula=_dense_formula),
    Dot: Text(_dot),
    Product: Text(_product),
}
