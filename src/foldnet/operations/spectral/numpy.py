"""Kernels divided by their largest singular value, in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.spectral.op import LARGEST_FACTOR, SpectralGradient, SpectralKernel


def _unit(x: Array) -> Array:
    """A vector divided by its length, as Keras does it."""
    factor = 1 / np.sqrt(np.square(x).sum())
    return np.asarray(x * np.minimum(factor, x.dtype.type(LARGEST_FACTOR)))


def _vectors(op: SpectralKernel, kernel: Array, u: Array) -> tuple[Array, Array, Array]:
    """The new vectors v and u, and sigma."""
    w = kernel.reshape(-1, kernel.shape[-1])
    v = u
    for _ in range(op.iterations):
        v = _unit(u @ w.T)
        u = _unit(v @ w)
    return v, u, (v @ w @ u.T).reshape(())


def spectral_kernel(op: SpectralKernel, context: StepContext, kernel: Array, u: Array) -> Array:
    """Divided in training, if any number is not 0."""
    if not context.training or not kernel.any():
        return kernel
    return kernel / _vectors(op, kernel, u)[2]


def moved(op: SpectralKernel, kernel: Array, u: Array) -> tuple[Array, ...]:
    """The new vector u."""
    return (_vectors(op, kernel, u)[1] if kernel.any() else u,)


def spectral_gradient(
    op: SpectralGradient, context: StepContext, y: Array, g: Array, kernel: Array, u: Array
) -> Array:
    """``(g - sum(g * y) * v^T u) / sigma``."""
    if not context.training or not kernel.any():
        return g
    v, u, sigma = _vectors(op.of, kernel, u)
    return (g - (g * y).sum() * (v.T @ u).reshape(g.shape)) / sigma


RULES: dict[type[Op], Kernel] = {
    SpectralKernel: Kernel(None, spectral_kernel, moved),
    SpectralGradient: Kernel(None, spectral_gradient),
}
