"""The operators of symbolic tensors; what they mean is in ``arithmetic``, which knows the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldnet.layers.tensors import SymbolicTensor


class Operators:
    """``+ - * /`` with tensors and numbers."""

    __array_ufunc__ = None  # so that NumPy's numbers leave `2 * tensor` to the methods below

    def _with(self, kind: str, a: Any, b: Any) -> SymbolicTensor:
        from foldnet.layers.arithmetic import combine

        return combine(kind, a, b)

    def __add__(self, other: Any) -> SymbolicTensor:
        return self._with("+", self, other)

    def __radd__(self, other: Any) -> SymbolicTensor:
        return self._with("+", other, self)

    def __sub__(self, other: Any) -> SymbolicTensor:
        return self._with("-", self, other)

    def __rsub__(self, other: Any) -> SymbolicTensor:
        return self._with("-", other, self)

    def __mul__(self, other: Any) -> SymbolicTensor:
        return self._with("*", self, other)

    def __rmul__(self, other: Any) -> SymbolicTensor:
        return self._with("*", other, self)

    def __truediv__(self, other: Any) -> SymbolicTensor:
        return self._with("/", self, other)

    def __rtruediv__(self, other: Any) -> SymbolicTensor:
        return self._with("/", other, self)

    def __neg__(self) -> SymbolicTensor:
        return self._with("*", self, -1.0)
