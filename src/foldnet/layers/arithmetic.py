"""``+ - * /`` between symbolic tensors and numbers, as layers: ``h + x`` is an Add, ``2 * h`` a Rescaling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import UnsupportedError
from foldnet.layers.merging import Add, Merge, Multiply, Subtract
from foldnet.layers.preprocessing import Rescaling

if TYPE_CHECKING:
    from foldnet.layers.tensors import SymbolicTensor

MERGES: dict[str, type[Merge]] = {"+": Add, "-": Subtract, "*": Multiply}


def combine(kind: str, a: Any, b: Any) -> SymbolicTensor:
    """What ``a kind b`` is, where at least one of them is a symbolic tensor.

    Raises:
        UnsupportedError: an operation that is no layer of Keras's.
    """
    symbolic = [hasattr(v, "call") for v in (a, b)]
    if all(symbolic):
        if kind not in MERGES or len(a.shape) != len(b.shape):
            raise _refusal(kind, a, b)
        result: SymbolicTensor = MERGES[kind]()([a, b])
        return result
    tensor, other = (a, b) if symbolic[0] else (b, a)
    number = np.asarray(other)
    if number.dtype.kind not in "fi" or number.ndim >= len(tensor.shape) or (kind == "/" and not symbolic[0]):
        raise _refusal(kind, a, b)
    if kind == "/":
        if (number == 0).any():
            raise UnsupportedError(f"a tensor of shape {tensor.shape} is divided by 0")
        scale, offset = 1 / number.astype(np.float64), np.zeros(())
    elif kind == "*":
        scale, offset = number, np.zeros(())
    else:
        scale = np.array(-1.0 if kind == "-" and not symbolic[0] else 1.0)
        offset = -number if kind == "-" and symbolic[0] else number
    scaled: SymbolicTensor = Rescaling(scale, offset)(tensor)
    return scaled


def _refusal(kind: str, a: Any, b: Any) -> UnsupportedError:
    shapes = " and ".join(str(getattr(v, "shape", type(v).__name__)) for v in (a, b))
    return UnsupportedError(
        f"foldnet has no {kind!r} of {shapes}; it adds, subtracts and multiplies tensors of equally many axes, and "
        "takes numbers or arrays as long as rows beside them. Write the step with layers"
    )
