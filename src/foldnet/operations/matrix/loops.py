"""The loops of sums of products over axes named by letters."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.codegen.loops import Strides, strides_of
from foldnet.operations.matrix.op import Dot, Product


def strides_by(letters: str, own: str, shape: Sequence[int]) -> Strides:
    """Strides of a value in loops over all letters; 0 for letters that it does not have."""
    steps = dict(zip(own, strides_of(shape), strict=True))
    return tuple(steps.get(letter, 0) for letter in letters)


def product_loops(op: Product, left: Sequence[int], right: Sequence[int]) -> tuple[list[int], list[Strides]]:
    """Sizes of the loops of a Product, the summed letters last, and the strides of the result and both operands."""
    letters = "".join(dict.fromkeys(op.result + op.left + op.right))
    sizes = {**dict(zip(op.left, left, strict=True)), **dict(zip(op.right, right, strict=True))}
    result = [sizes[k] for k in op.result]
    strides = [
        strides_by(letters, own, shape)
        for own, shape in ((op.result, result), (op.left, left), (op.right, right))
    ]
    return [sizes[k] for k in letters], strides


def dot_loops(op: Dot, a: Sequence[int], b: Sequence[int]) -> tuple[list[int], list[Strides]]:
    """Sizes of the loops of a Dot, the contracted axis last, and the strides of the result and both operands."""
    i, j = op.axes[0] - 1, op.axes[1] - 1
    free_a, free_b = [k for k in range(len(a)) if k != i], [k for k in range(len(b)) if k != j]
    shape = [*(a[k] for k in free_a), *(b[k] for k in free_b), a[i]]
    sa, sb = strides_of(a), strides_of(b)
    of_a = (*(sa[k] for k in free_a), *(0 for _ in free_b), sa[i])
    of_b = (*(0 for _ in free_a), *(sb[k] for k in free_b), sb[j])
    return shape, [(*strides_of(shape[:-1]), 0), of_a, of_b]
