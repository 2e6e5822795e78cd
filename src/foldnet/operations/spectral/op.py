"""A kernel divided by an estimate of its largest singular value, in training programs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.op import Op, Shape

LARGEST_FACTOR = 1e7
"""Keras makes vectors at most so many times longer when it gives them length 1."""


@dataclass(frozen=True)
class SpectralKernel(Op):
    """A kernel divided by its spectral norm, which power iteration estimates (Miyato et al., 2018, algorithm 1).

    Operands: the kernel, and the vector ``u`` of shape (1, the kernel's last size). With the kernel as a matrix ``W``
    whose columns are along its last axis, and with vectors divided by their lengths, a training step computes
    ``v = u W^T``, ``u = v W`` so many times, ``sigma = v W u^T`` and ``W / sigma``, and keeps the new ``u``. Gradients
    take ``u`` and ``v`` as constants. A kernel of zeros, and any kernel in evaluation, stays as it is.
    """

    data: ClassVar[int | None] = 0
    weights: ClassVar[tuple[int, int]] = (2, 2)
    predicts: ClassVar[bool] = False
    statistics: ClassVar[int] = 1
    moves: ClassVar[int] = 1

    iterations: int = 1

    def output_shape(self, *shapes: Shape) -> Shape:
        """The kernel's shape."""
        kernel, u = shapes
        if not kernel or u != (1, kernel[-1]):
            raise ConfigError(f"a vector of shape {u} does not fit a kernel of shape {kernel}")
        return kernel


@dataclass(frozen=True)
class SpectralGradient(Op):
    """The gradient on the kernel. Operands: the divided kernel, the gradient on it, and its own operands."""

    predicts: ClassVar[bool] = False
    as_found: ClassVar[bool] = True

    of: SpectralKernel

    def output_shape(self, *shapes: Shape) -> Shape:
        """The kernel's shape."""
        return shapes[0]


def matrix(shape: Shape) -> tuple[int, int]:
    """Rows and columns of a kernel as a matrix."""
    sizes = [int(n or 0) for n in shape]
    return prod(sizes[:-1]), sizes[-1]
