"""Graphs to compile: of one op on its own, and networks as folding leaves them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from foldnet.graph.check import check
from foldnet.graph.graph import Graph, GraphBuilder
from foldnet.graph.op import FLOAT, INT, Elementwise
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Softmax
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.matrix.op import Dense

RELU = Elementwise("relu", (("negative_slope", 0.0), ("max_value", None), ("threshold", 0.0)))


def graph_of(op, *row_shapes, weights=(), dtypes=None) -> Graph:
    """A graph of one op on inputs of these row shapes, and on these constants."""
    b = GraphBuilder()
    dtypes = dtypes or [FLOAT] * len(row_shapes)
    values = [
        b.input(f"x{i}", (None, *s), d) for i, (s, d) in enumerate(zip(row_shapes, dtypes, strict=True))
    ]
    values += [b.constant(f"w{i}", w) for i, w in enumerate(weights)]
    b.layer = "the_layer"
    graph = b.build([b.emit(op, *values)])
    check(graph)
    return graph


def table_network(sizes=(11, 10, 8, 6, 1), seed=0, last="sigmoid") -> Graph:
    """Dense layers with relu, each but the last followed by an Affine, as folding leaves BatchNormalization."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder()
    value = b.input("x", (None, sizes[0]))
    for k, (i, o) in enumerate(pairwise(sizes)):
        final = k == len(sizes) - 2
        value = b.emit(
            Dense(None if final else RELU), value,
            b.constant(f"k{k}", rng.normal(size=(i, o)) / np.sqrt(i)), b.constant(f"b{k}", rng.normal(size=o)),
        )  # fmt: skip
        if not final:
            value = b.emit(
                Affine(), value,
                b.constant(f"s{k}", rng.uniform(0.5, 2, o)), b.constant(f"o{k}", rng.normal(size=o)),
            )  # fmt: skip
    value = b.emit(Softmax(1) if last == "softmax" else Unary(Elementwise(last)), value)
    return b.build([value])


def random_inputs(graph, rows, seed=0):
    """Rows of normal values, and of indices below 9."""
    rng = np.random.default_rng(seed)
    made = []
    for name in graph.inputs:
        shape = (rows, *graph.types[name].shape[1:])
        if graph.types[name].dtype == INT:
            made.append(rng.integers(0, 9, shape).astype(np.int32))
        else:
            made.append((rng.normal(size=shape) * 2).astype(np.float32))
    return made
