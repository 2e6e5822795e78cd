"""Sums of products along one more axis."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

from foldnet.graph.op import Op, Shape
from foldnet.operations.lifts import Lifted, Rule, same
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.structure.op import reshape_to


def _product(op: Product, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """A letter more in every value that has rows."""
    new = next(letter for letter in ascii_letters if letter not in op.left + op.right)
    left, right = (
        own if fixed else new + own for own, fixed in zip((op.left, op.right), constant, strict=True)
    )
    return Lifted((Product(left, right, new + op.result),))


def _dot(op: Dot, size: int | None, shapes: Sequence[Shape], constant: Sequence[bool]) -> Lifted:
    """As a Product, which keeps the axis of both operands."""
    new, *letters = list(ascii_letters)
    left, right = ([letters.pop(0) for _ in shape[1:]] for shape in shapes)
    right[op.axes[1] - 1] = gone = left[op.axes[0] - 1]
    result = "".join(k for k in left + right if k != gone)
    product = Product(new + "".join(left), new + "".join(right), new + result)
    return Lifted((product,) if result else (product, reshape_to((None, size), (size, 1))))


RULES: dict[type[Op], Rule] = {Dense: same, Product: _product, Dot: _dot}
