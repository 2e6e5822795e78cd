"""Gradients of kernels divided by their largest singular value."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.spectral.op import SpectralGradient, SpectralKernel


def spectral_kernel(b: GradientBuilder, node: Node[SpectralKernel], g: str) -> Gradients:
    """To the kernel alone: the vector is a constant."""
    return (b.emit(SpectralGradient(node.op), node.output, g, *node.inputs), None)


RULES: dict[type[Op], Rule] = {SpectralKernel: spectral_kernel}
