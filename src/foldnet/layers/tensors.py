"""Symbolic tensors between layers, and the calls that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foldnet.operations.operators import Operators
from foldnet.structure import flatten

if TYPE_CHECKING:
    from foldnet.layers.base import Layer

Shape = tuple[int | None, ...]


@dataclass(eq=False, repr=False)
class SymbolicTensor(Operators):
    """A value between layers: its shape (batch axis first, None for a free size) and the call that makes it."""

    shape: Shape
    dtype: str
    call: Call | None = None
    index: int = 0

    @property
    def name(self) -> str:
        """Name of the layer that makes it."""
        return self.call.layer.name if self.call else "tensor"

    @property
    def ndim(self) -> int:
        """Number of axes, including the batch axis."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor of {self.name}, shape={self.shape}, dtype={self.dtype}>"


@dataclass(eq=False)
class Call:
    """One call of a layer (a node in Keras). A shared layer has several."""

    layer: Layer
    inputs: tuple[SymbolicTensor, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[SymbolicTensor, ...] = ()
    arguments: Any = None
    """All arguments of an operation's call, tensors and constants; None for a layer."""

    def output_mask(self, *masked: bool) -> bool:
        """Whether the result has a mask, given which inputs have one; a reversed embedding has none."""
        return not self.kwargs.get("reverse") and self.layer.output_mask(*masked)

    @property
    def operands(self) -> tuple[SymbolicTensor, ...]:
        """Every tensor that the call reads: its inputs, and those in its other arguments, such as ``mask``."""
        return (*self.inputs, *(t for t in flatten(self.kwargs) if isinstance(t, SymbolicTensor)))
