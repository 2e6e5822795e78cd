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
    roles: tuple[str, ...] = ()
    """For each input the argument that it belongs to, for a layer with several ``tensor_arguments``."""

    def __post_init__(self) -> None:
        self.roles = self.roles or ("inputs",) * len(self.inputs)

    def given(self, role: str) -> tuple[SymbolicTensor, ...]:
        """The inputs that belong to an argument."""
        return tuple(t for t, own in zip(self.inputs, self.roles, strict=False) if own == role)

    def arguments_with(self, tensors: Mapping[SymbolicTensor, SymbolicTensor]) -> dict[str, Any]:
        """The tensors of the call by argument, each replaced by another; a list where an argument has several."""
        found: dict[str, Any] = {}
        for role in dict.fromkeys(self.roles):
            own = [tensors[t] for t in self.given(role)]
            found[role] = own if len(own) > 1 else own[0]
        return found

    @property
    def data(self) -> tuple[SymbolicTensor, ...]:
        """The inputs that are no masks."""
        masks = self.layer.mask_arguments
        if not masks:
            return self.inputs
        return tuple(t for t, role in zip(self.inputs, self.roles, strict=True) if role not in masks)

    def output_mask(self, *masked: bool) -> bool:
        """Whether the result has a mask, given which inputs have one; a reversed embedding has none."""
        return not self.kwargs.get("reverse") and self.layer.output_mask(*masked)

    @property
    def operands(self) -> tuple[SymbolicTensor, ...]:
        """Every tensor that the call reads: its inputs, and those in its other arguments, such as ``mask``."""
        return (*self.inputs, *(t for t in flatten(self.kwargs) if isinstance(t, SymbolicTensor)))
