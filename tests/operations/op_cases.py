"""The cases of the operations as graphs, alone and side by side, and what tests of several aspects share."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.operations.cases import cases_of, every_case

PREDICTING = {label: case for label, case in every_case().items() if case.op.predicts}
"""The cases of operations that prediction programs may hold."""
GRAPHS = {label: case.graph(fixed=True) for label, case in PREDICTING.items()}
"""A graph for each, its free axes of some size."""
SMALL = [label for label in PREDICTING if "-600-" not in label and "-300-" not in label]
"""Those without large matrices."""
ONE_BY_ONE = [label for label in SMALL if PREDICTING[label].op.one_by_one]
SIDE_BY_SIDE = [label for label in SMALL if label not in ONE_BY_ONE]
"""Of those the cases whose rows are computed one by one, as are all in a program with them, and the others."""
TOGETHER = 6
"""Cases in one program: few enough that compiling them is fast. 24 in one function took gcc over a minute."""


UNOPTIMIZED = 24
"""The same where nothing is optimized: most of the time goes into what every program has."""


def groups(op, together=TOGETHER):
    """The operation's cases, so many at a time as are compiled together."""
    cases = cases_of(op)
    return [cases[start : start + together] for start in range(0, len(cases), together)]


def joined(graphs) -> Graph:
    """One graph that computes all of these, side by side: one compilation for many ops."""
    nodes, types, constants, inputs, outputs = [], {}, {}, [], []
    for number, graph in enumerate(graphs):
        new = {name: f"{number}/{name}" for name in graph.types}
        types |= {new[k]: v for k, v in graph.types.items()}
        constants |= {new[k]: v for k, v in graph.constants.items()}
        nodes += [Node(n.op, tuple(new[v] for v in n.inputs), new[n.output], n.layer) for n in graph.nodes]
        inputs += [new[v] for v in graph.inputs]
        outputs += [new[v] for v in graph.outputs]
    return Graph(tuple(inputs), tuple(outputs), tuple(nodes), types, constants)


def data_of(labels, rows, seed=0):
    """Random rows for the joined graphs of these cases."""
    return [array for label in labels for array in PREDICTING[label].data(rows, seed)]


def same_bits(a, b):
    return a.dtype == b.dtype and np.array_equal(a.view(np.int32), b.view(np.int32))


def assert_close(got, exact, ulps=0.0, scale=0.0, what=""):
    """Within so many units in the last place of the exact values, or of a scale; NaN and infinities alike."""
    assert got.shape == exact.shape, what
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    assert np.array_equal(np.isnan(got), np.isnan(rounded)), what
    finite = np.isfinite(rounded)
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True), what
    # A unit in the last place, worked out in float64, where nothing overflows (some ops' results are float32).
    exact = exact.astype(np.float64)
    size = np.maximum(np.abs(exact[finite]), 2.0**-126)
    unit = 2.0 ** (np.floor(np.log2(size)) - 23)
    error = np.abs(got[finite] - exact[finite]) / unit
    allowed = np.maximum(ulps, scale * 2.0**-23 / unit)
    assert (error <= allowed).all(), f"{what}: {(error / allowed).max():.3g} times the allowed error"
