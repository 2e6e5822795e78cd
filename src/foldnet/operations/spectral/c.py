"""C of kernels divided by their largest singular value: one thread does it, for kernels are small beside their work."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.writer import Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.spectral.op import LARGEST_FACTOR, SpectralGradient, SpectralKernel, matrix


def _kept(e: StepWriter, result: str, m: int) -> tuple[str, str]:
    """The arrays that a step leaves for its gradient: v, and sigma, which is 0 for a kernel that stays as it is."""
    return e.space("v", m, False, of=result), e.space("sigma", 1, False, of=result)


def _unit(name: str, count: int) -> list[str]:
    return [
        "length = 0.0f;",
        f"for (long k = 0; k < {count}; k++) length += {name}[k] * {name}[k];",
        "length = 1.0f / sqrtf(length);",
        f"length = length < {LARGEST_FACTOR:.1f}f ? length : {LARGEST_FACTOR:.1f}f;",
        f"for (long k = 0; k < {count}; k++) {name}[k] *= length;",
    ]


def spectral_kernel(e: StepWriter, node: Node[SpectralKernel]) -> None:
    """Power iteration on the vector, then the kernel divided."""
    m, n = matrix(e.shape(node.inputs[0]))
    v, sigma = _kept(e, node.output, m)
    lines = [
        f"const float *w = {e.place(node.inputs[0])};",
        f"float *y = {e.place(node.output)}, *v = {v}, *sigma = {sigma};",
        "int any = 0;",
        f"for (long k = 0; k < {m * n}; k++) any |= w[k] != 0.0f;",
        "*sigma = 0.0f;",
        "if (TRAINING && any) {",
        f"float *u = {e.place(node.inputs[1])}, length;",
        f"for (int turn = 0; turn < {node.op.iterations}; turn++) {{",
        f"for (long i = 0; i < {m}; i++) {{",
        "float sum = 0.0f;",
        f"for (long j = 0; j < {n}; j++) sum += u[j] * w[i * {n} + j];",
        "v[i] = sum;",
        "}",
        *_unit("v", m),
        f"for (long j = 0; j < {n}; j++) u[j] = 0.0f;",
        f"for (long i = 0; i < {m}; i++)",
        f"  for (long j = 0; j < {n}; j++) u[j] += v[i] * w[i * {n} + j];",
        *_unit("u", n),
        "}",
        f"for (long i = 0; i < {m}; i++)",
        f"  for (long j = 0; j < {n}; j++) *sigma += v[i] * w[i * {n} + j] * u[j];",
        "}",
        "const float divisor = *sigma != 0.0f ? *sigma : 1.0f;",
        f"for (long k = 0; k < {m * n}; k++) y[k] = w[k] / divisor;",
    ]
    _alone(e, lines)


def spectral_gradient(e: StepWriter, node: Node[SpectralGradient]) -> None:
    """The gradient less its part along the singular vectors, divided."""
    y, g, _, u = node.inputs
    m, n = matrix(e.shape(y))
    v, sigma = _kept(e, y, m)
    lines = [
        f"const float *y = {e.place(y)}, *g = {e.place(g)}, *u = {e.place(u)}, *v = {v};",
        f"float *out = {e.place(node.output)};",
        f"const float sigma = *{sigma};",
        "float sum = 0.0f;",
        f"for (long k = 0; k < {m * n}; k++) sum += g[k] * y[k];",
        f"for (long i = 0; i < {m}; i++)",
        f"  for (long j = 0; j < {n}; j++)",
        f"    out[i * {n} + j] = sigma != 0.0f ? (g[i * {n} + j] - sum * v[i] * u[j]) / sigma : g[i * {n} + j];",
    ]
    _alone(e, lines)


def _alone(e: StepWriter, lines: Sequence[str]) -> None:
    """Statements for one thread, for which the others wait."""
    e.barrier()
    e.add("if (FIRST) {", *lines, "}")
    e.barrier()


RULES: dict[type[Op], Rule] = {SpectralKernel: spectral_kernel, SpectralGradient: spectral_gradient}
