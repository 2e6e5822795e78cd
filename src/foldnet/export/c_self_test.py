"""The recorded rows and predictions of a C export's self-test, and how far C may be from them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from foldnet.arrays import Array
from foldnet.codegen.layout import row_shape
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import Graph

if TYPE_CHECKING:
    from foldnet.export.c_lengths import FreeLengths
    from foldnet.export.c_project import Port


def test_words(
    graph: Graph,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    rows: Sequence[Array],
    free: FreeLengths | None,
) -> dict[str, str]:
    """The texts about recorded rows for ``c_texts``."""
    truth = ReferenceProgram(graph, "float64").run(rows)
    rounded = ReferenceProgram(graph, "float32").run(rows)
    recorded, more = [], []
    if free is not None:
        more = [free.recorded_lengths, "workspace"]
        recorded = [f"enum {{ {p.size_name} = {p.size} }};" for p in (*inputs, *outputs)]
        recorded.append(f"static float workspace[{max(free.recorded_workspace(), 1)}];")
    recorded += [
        _array(f"static const {p.type} {p.name}[ROWS * {p.size_name}]", data, p.type)
        for p, data in zip(inputs, rows, strict=True)
    ]
    recorded += [
        f"static {p.type} {p.name}[ROWS * {p.size_name}], {p.name}_alone[{p.size_name}];" for p in outputs
    ]
    recorded += [
        _array(f"static const double {p.name}_expected[ROWS * {p.size_name}]", data, "double")
        for p, data in zip(outputs, truth, strict=True)
    ]
    compares = []
    for p in outputs:
        compares += [
            f"  for (size_t i = 0; i < ROWS * {p.size_name}; i++) {{",
            f"    const double d = difference((double){p.name}[i], {p.name}_expected[i]);",
            "    worst = d > worst ? d : worst;",
            "  }",
        ]
    return {
        "allowed": f"{allowed_difference(graph, truth, rounded):.3g}",
        "recorded": "\n".join(recorded),
        "compares": "\n".join(compares),
        "rows_call": ", ".join([*(p.name for p in (*inputs, *outputs)), *more]),
        "one_call": ", ".join(
            [
                *(f"{p.name} + row * {p.size_name}" for p in inputs),
                *(f"{p.name}_alone" for p in outputs),
                *more,
            ]
        ),
        "one_check": "".join(
            f" ||\n        memcmp({p.name}_alone, {p.name} + row * {p.size_name}, sizeof {p.name}_alone)"
            for p in outputs
        ),
    }


def _longest_sum(graph: Graph) -> int:
    """The largest number of products that a value of the network is a sum of."""
    longest = 1
    for node in graph.nodes:
        result, *operands = (row_shape(graph, v) for v in (node.output, *node.inputs))
        longest = max(longest, node.op.multiply_adds(result, *operands) // max(prod(result), 1))
    return longest


def allowed_difference(graph: Graph, truth: Sequence[Array], rounded: Sequence[Array]) -> float:
    """A few times the distance of a float32 computation from the float64 one, and at least some ULP.

    The float32 computation rounds each value once, C each term of a sum. Those errors have either sign, so that they
    grow with the root of the number of terms. Relative to 1 + the size of a result.

    Args:
        graph: of the network.
        truth: results in double precision.
        rounded: the same in single precision.
    """
    allowed, few = 2e-6, max(8.0, _longest_sum(graph) ** 0.5)
    with np.errstate(invalid="ignore"):
        for exact, near in zip(truth, rounded, strict=True):
            distance = np.abs(near - exact) / (1 + np.abs(exact))
            allowed = max(allowed, few * float(np.max(distance, initial=0, where=np.isfinite(distance))))
    return allowed


def _array(declaration: str, data: Array, ctype: str) -> str:
    values = [literal(v, ctype) for v in data.ravel()] or ["0"]
    lines = ["  " + ", ".join(values[i : i + 8]) + "," for i in range(0, len(values), 8)]
    return "\n".join([f"{declaration} = {{", *lines, "};"])


def literal(value: float, ctype: str) -> str:
    """A number of a C type, with all bits of a float."""
    if ctype == "int32_t":
        return "(-2147483647 - 1)" if int(value) == -(2**31) else str(int(value))
    if not np.isfinite(value):
        return "NAN" if np.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"
    # Nine digits restore the bits of every float; more, for a double, would only make the file longer.
    text = f"{float(value):.9g}"
    text = text if {".", "e"} & set(text) else f"{text}.0"
    return f"{text}f" if ctype == "float" else text
