"""A scaling and an offset in NumPy."""

from __future__ import annotations

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.numpy import apply_elementwise
from foldnet.operations.kernels import Kernel


def affine(op: Affine, x: Array, scale: Array, offset: Array, shift: Array | None = None) -> Array:
    """``(x - shift) * scale + offset``."""
    y = (x if shift is None else x - shift) * scale + offset
    return apply_elementwise(op.activation, y)


RULES: dict[type[Op], Kernel] = {
    Affine: Kernel(affine),
}
