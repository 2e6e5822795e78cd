"""C of kernels divided by their largest singular value: one thread does it, for kernels are small beside their work."""

from __future__ import annotations

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.writer import Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.spectral.op import LARGEST_FACTOR, SpectralGradient, SpectralKernel, matrix


def _kept(e: StepWriter, result: str, m: int) -> tuple[str, str]:
    """The arrays that a step leaves for its gradient: v, and sigma, which is 0 for a kernel that stays as it is."""
    return e.space("v", m, False, of=result), e.space("sigma", 1, False, of=result)


def spectral_kernel(e: StepWriter, node: Node[SpectralKernel]) -> None:
    """Power iteration on the vector, then the kernel divided."""
    w, u = (e.place(name) for name in node.inputs)
    m, n = matrix(e.shape(node.inputs[0]))
    v, sigma = _kept(e, node.output, m)
    settings = f"{m}, {n}, {node.op.iterations}, {LARGEST_FACTOR:.1f}f, TRAINING"
    _alone(e, f"spectral_kernel({w}, {e.place(node.output)}, {u}, {v}, {sigma}, {settings});")


def spectral_gradient(e: StepWriter, node: Node[SpectralGradient]) -> None:
    """The gradient less its part along the singular vectors, divided."""
    y, g, _, u = node.inputs
    m, n = matrix(e.shape(y))
    v, sigma = _kept(e, y, m)
    given = f"{e.place(y)}, {e.place(g)}, {e.place(u)}, {v}, *{sigma}"
    _alone(e, f"spectral_kernel_back({given}, {e.place(node.output)}, {m}, {n});")


def _alone(e: StepWriter, statement: str) -> None:
    """A statement for one thread, for which the others wait."""
    e.barrier()
    e.add("if (FIRST)", f"  {statement}")
    e.barrier()


RULES: dict[type[Op], Rule] = {SpectralKernel: spectral_kernel, SpectralGradient: spectral_gradient}
