"""Python's operators on symbolic tensors and on expressions.

Each operator calls the same function of ``foldnet.ops`` as in Keras. That module is above the layers, so it is imported
when an operator is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foldnet.errors import UnsupportedError


def _operator(name: str, swapped: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: object, other: object) -> Any:
        from foldnet import ops

        return getattr(ops, name)(other, self) if swapped else getattr(ops, name)(self, other)

    return method


def _unary_operator(name: str) -> Callable[[Any], Any]:
    def method(self: object) -> Any:
        from foldnet import ops

        return getattr(ops, name)(self)

    return method


class Operators:
    """Python's operators as functions of ``foldnet.ops``."""

    __array_priority__ = 1000  # so that array + value calls these methods instead of NumPy's broadcasting
    __array_ufunc__ = None
    __hash__ = object.__hash__

    __add__, __radd__ = _operator("add"), _operator("add", True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", True)
    __truediv__, __rtruediv__ = _operator("true_divide"), _operator("true_divide", True)
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", True)
    __mod__, __rmod__ = _operator("mod"), _operator("mod", True)
    __pow__, __rpow__ = _operator("power"), _operator("power", True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", True)
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __neg__, __abs__ = _unary_operator("negative"), _unary_operator("absolute")
    __getitem__ = _operator("get_item")

    def __round__(self, ndigits: int | None = None) -> Any:
        from foldnet import ops

        return ops.round(self, ndigits or 0)

    def __iter__(self) -> Any:
        raise UnsupportedError("a symbolic value cannot be iterated over; take its parts: x[:, 0], x[:, 1]")

    def __len__(self) -> int:
        raise UnsupportedError("a symbolic value has no length yet; its shape is x.shape")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise UnsupportedError(
            "an expression has no value yet, so NumPy and other libraries cannot compute with it; use foldnet.ops"
        )

    def __bool__(self) -> bool:
        raise UnsupportedError(
            "an expression has no value yet, so Python's if cannot test it; use foldnet.ops.where"
        )
