"""Graphs and networks that the export tests share: every op, every activation, branches, hostile names."""

from __future__ import annotations

import numpy as np

from foldnet.graph import ops
from foldnet.graph.graph import Graph, GraphBuilder


def random_graph(op, shapes, weights=(), dtypes=None, seed=0):
    """A graph of one op on inputs of these row shapes and constants of the weights' shapes."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder()
    b.layer = "layer"
    dtypes = dtypes or [ops.FLOAT] * len(shapes)
    values = [b.input(f"in{i}", (None, *s), d) for i, (s, d) in enumerate(zip(shapes, dtypes, strict=True))]
    values += [b.constant(f"layer/w{i}", rng.normal(size=s).astype("f")) for i, s in enumerate(weights)]
    return b.build([b.emit(op, *values)])


def with_elementwise(name, params):
    """A graph of one elementwise activation on rows of 7 values."""
    return random_graph(ops.Activation(ops.Elementwise(name, params)), [(7,)])


OPS: dict[str, Graph] = {
    "dense": random_graph(ops.Dense(), [(4,)], [(4, 3), (3,)]),
    "dense without bias": random_graph(ops.Dense(), [(4,)], [(4, 3)]),
    "dense, relu inside": random_graph(ops.Dense(ops.Elementwise("relu")), [(4,)], [(4, 3), (3,)]),
    "dense on rank 4": random_graph(ops.Dense(), [(2, 3, 4)], [(4, 3), (3,)]),
    "affine": random_graph(ops.Affine(), [(4,)], [(4,), (4,)]),
    "affine with shift, tanh inside": random_graph(ops.Affine(ops.Elementwise("tanh")), [(4,)], [(4,)] * 3),
    "affine on a middle axis": random_graph(ops.Affine(), [(3, 4)], [(3, 1)] * 3),
    "affine on the last axis of rank 3": random_graph(ops.Affine(), [(3, 4)], [(1, 4)] * 3),
    "affine on all axes": random_graph(ops.Affine(), [(2, 3, 4)], [(2, 3, 4)] * 3),
    "prelu": random_graph(ops.PRelu(), [(3, 4)], [(1, 4)]),
    "softmax": random_graph(ops.Softmax(1), [(4,)]),
    "softmax on a middle axis": random_graph(ops.Softmax(1), [(3, 4)]),
    "log softmax": random_graph(ops.Softmax(2, log=True), [(3, 4)]),
    "sparsemax": random_graph(ops.Sparsemax(1), [(5, 2)]),
    "glu": random_graph(ops.Glu(1), [(6, 2)]),
    "standard moments": random_graph(ops.Moments((1,), 1e-3), [(6,)]),
    "standard moments on two axes": random_graph(ops.Moments((1, 2), 1e-3), [(3, 4)]),
    "rms moments": random_graph(ops.Moments((2,), 1e-3, "rms"), [(3, 4)]),
    "l2 moments": random_graph(ops.Moments((1,), 1e-12, "l2"), [(6,)]),
    "variance moments": random_graph(ops.Moments((1,), 1e-3, "variance"), [(6,)]),
    "groups": random_graph(ops.GroupMoments(1, 3, 1e-3), [(6,)]),
    "groups of channels last": random_graph(ops.GroupMoments(3, 2, 1e-3), [(3, 2, 4)]),
    "groups of channels first": random_graph(ops.GroupMoments(1, 2, 1e-3), [(4, 3)]),
    "reshape": random_graph(ops.Reshape((3, -1)), [(2, 6)]),
    "reshape of a free axis": random_graph(ops.Reshape((-1, 2)), [(None, 6)]),
    "flatten a free axis": random_graph(ops.Reshape((-1,)), [(None, 6)]),
    "transpose": random_graph(ops.Transpose((0, 2, 1)), [(3, 4)]),
    "repeat": random_graph(ops.Repeat(3), [(4,)]),
    **{
        f"{kind}": random_graph(ops.Binary(None, kind), [(3, 4), (3, 4)])
        for kind in ("add", "subtract", "multiply", "maximum", "minimum")
    },
    "add, spread over an axis, sigmoid inside": random_graph(
        ops.Binary(ops.Elementwise("sigmoid"), "add"), [(3, 1), (3, 4)]
    ),
    "concatenate": random_graph(ops.Concatenate(2), [(3, 4), (3, 2), (3, 1)]),
    "dot of vectors": random_graph(ops.Dot((1, 1)), [(4,), (4,)]),
    "dot of matrices": random_graph(ops.Dot((2, 1)), [(3, 4), (4, 2)]),
    "dot of rank 4": random_graph(ops.Dot((1, 2)), [(4, 3, 2), (5, 4)]),
    "gather": random_graph(ops.Gather(), [(3,)], [(9, 2)], [ops.INT]),
    "cast to int": random_graph(ops.Cast(ops.INT), [(3,)]),
    "cast to float": random_graph(ops.Cast(ops.FLOAT), [(3,)], (), [ops.INT]),
    "identity": random_graph(ops.Identity(), [(3,)]),
}
"""A graph for each op and each of its forms."""


def rows_for(graph: Graph, rows: int, seed: int = 0) -> list[np.ndarray]:
    """Random data for a graph; free axes get 5, indices lie between 0 and 8."""
    rng = np.random.default_rng(seed)
    data = []
    for name in graph.inputs:
        shape = (rows, *(5 if n is None else n for n in graph.types[name].shape[1:]))
        if graph.types[name].dtype == ops.INT:
            data.append(rng.integers(0, 9, shape).astype(np.int32))
        else:
            data.append(rng.normal(scale=3, size=shape).astype(np.float32))
    return data
