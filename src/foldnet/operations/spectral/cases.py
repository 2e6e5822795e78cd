"""Test cases of kernels divided by their largest singular value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foldnet.graph.op import Op
from foldnet.operations.cases import Case, drawn
from foldnet.operations.spectral.op import SpectralKernel

RULES: Mapping[type[Op], Sequence[Case]] = {
    SpectralKernel: [
        Case("matrix", SpectralKernel(), (drawn(4, 3), drawn(1, 3))),
        Case("kernel", SpectralKernel(2), (drawn(3, 2, 4), drawn(1, 4))),
        Case("column", SpectralKernel(), (drawn(5, 1), drawn(1, 1))),
    ],
}
