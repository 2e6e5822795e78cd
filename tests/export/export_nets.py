"""Graphs and networks that the export tests share: every op, every activation, branches, hostile names."""

from __future__ import annotations

import numpy as np

from foldnet import Input, Model, Sequential, layers
from foldnet.graph.graph import Graph, GraphBuilder
from foldnet.graph.op import FLOAT, INT, Elementwise
from foldnet.lowering.lower import lower
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.elementwise.functions import BINARY, EXPRESSIONS
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Transpose,
)


def random_graph(op, shapes, weights=(), dtypes=None, seed=0):
    """A graph of one op on inputs of these row shapes and constants of the weights' shapes."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder()
    b.layer = "layer"
    dtypes = dtypes or [FLOAT] * len(shapes)
    values = [b.input(f"in{i}", (None, *s), d) for i, (s, d) in enumerate(zip(shapes, dtypes, strict=True))]
    values += [b.constant(f"layer/w{i}", rng.normal(size=s).astype("f")) for i, s in enumerate(weights)]
    return b.build([b.emit(op, *values)])


def with_elementwise(name, params):
    """A graph of one elementwise activation on rows of 7 values."""
    return random_graph(Unary(Elementwise(name, params)), [(7,)])


RELU = Elementwise("relu", (("negative_slope", 0.0), ("max_value", float("inf")), ("threshold", 0.0)))

OPS: dict[str, Graph] = {
    "dense": random_graph(Dense(), [(4,)], [(4, 3), (3,)]),
    "dense without bias": random_graph(Dense(), [(4,)], [(4, 3)]),
    "dense, relu inside": random_graph(Dense(RELU), [(4,)], [(4, 3), (3,)]),
    "dense on rank 4": random_graph(Dense(), [(2, 3, 4)], [(4, 3), (3,)]),
    "affine": random_graph(Affine(), [(4,)], [(4,), (4,)]),
    "affine with shift, tanh inside": random_graph(Affine(Elementwise("tanh")), [(4,)], [(4,)] * 3),
    "affine on a middle axis": random_graph(Affine(), [(3, 4)], [(3, 1)] * 3),
    "affine on the last axis of rank 3": random_graph(Affine(), [(3, 4)], [(1, 4)] * 3),
    "affine on all axes": random_graph(Affine(), [(2, 3, 4)], [(2, 3, 4)] * 3),
    "prelu": random_graph(Binary(kind="prelu"), [(3, 4)], [(1, 4)]),
    "softmax": random_graph(Softmax(1), [(4,)]),
    "softmax on a middle axis": random_graph(Softmax(1), [(3, 4)]),
    "log softmax": random_graph(Softmax(2, log=True), [(3, 4)]),
    "sparsemax": random_graph(Sparsemax(1), [(5, 2)]),
    "glu": random_graph(Glu(1), [(6, 2)]),
    "standard moments": random_graph(Moments((1,), 1e-3), [(6,)]),
    "standard moments on two axes": random_graph(Moments((1, 2), 1e-3), [(3, 4)]),
    "rms moments": random_graph(Moments((2,), 1e-3, "rms"), [(3, 4)]),
    "l2 moments": random_graph(Moments((1,), 1e-12, "l2"), [(6,)]),
    "variance moments": random_graph(Moments((1,), 1e-3, "variance"), [(6,)]),
    "groups": random_graph(GroupMoments(1, 3, 1e-3), [(6,)]),
    "groups of channels last": random_graph(GroupMoments(3, 2, 1e-3), [(3, 2, 4)]),
    "groups of channels first": random_graph(GroupMoments(1, 2, 1e-3), [(4, 3)]),
    "reshape": random_graph(Reshape((3, -1)), [(2, 6)]),
    "reshape of a free axis": random_graph(Reshape((-1, 2)), [(None, 6)]),
    "flatten a free axis": random_graph(Reshape((-1,)), [(None, 6)]),
    "transpose": random_graph(Transpose((0, 2, 1)), [(3, 4)]),
    "repeat": random_graph(Repeat(3), [(4,)]),
    **{
        f"{kind}": random_graph(Binary(None, kind), [(3, 4), (3, 4)])
        for kind in ("add", "subtract", "multiply", "maximum", "minimum")
    },
    "add, spread over an axis, sigmoid inside": random_graph(
        Binary(Elementwise("sigmoid"), "add"), [(3, 1), (3, 4)]
    ),
    "concatenate": random_graph(Concatenate(2), [(3, 4), (3, 2), (3, 1)]),
    "dot of vectors": random_graph(Dot((1, 1)), [(4,), (4,)]),
    "dot of matrices": random_graph(Dot((2, 1)), [(3, 4), (4, 2)]),
    "dot of rank 4": random_graph(Dot((1, 2)), [(4, 3, 2), (5, 4)]),
    "gather": random_graph(Gather(), [(3,)], [(9, 2)], [INT]),
    "one hot": random_graph(OneHot(4), [(3,)], (), [INT]),
    "cast to int": random_graph(Cast(INT), [(3,)]),
    "cast to float": random_graph(Cast(FLOAT), [(3,)], (), [INT]),
    "identity": random_graph(Identity(), [(3,)]),
    **{kind: random_graph(Binary(kind=kind), [(3, 4), (1, 4)]) for kind in BINARY if kind != "prelu"},
    "not equal to a number": random_graph(Binary(kind="not_equal"), [(3, 4)], [()]),
    **{kind: random_graph(Unary(Elementwise(kind)), [(3, 4)]) for kind in EXPRESSIONS},
    "slice": random_graph(Slice(((1, None, 1), (None, None, -2))), [(3, 4)]),
    "pick": random_graph(Pick(1, (2, 0, 0)), [(3, 4)]),
    "product": random_graph(Product("ij", "kj", "ik"), [(3, 4), (2, 4)]),
    "product with weights": random_graph(Product("ij", "jk", "ki"), [(3, 4)], [(4, 2)]),
    "cumulative sum": random_graph(CumulativeSum(2), [(3, 4)]),
    "argmax": random_graph(Reduce("argmax", (2,)), [(3, 4)]),
    "where": random_graph(Where(), [(3, 1), (3, 4)], [()]),
    **{
        f"{kind} along": random_graph(Reduce(kind, (2,), True), [(3, 4)])
        for kind in ("sum", "mean", "max", "min", "argmax")
    },
    "max along two axes": random_graph(Reduce("max", (1, 2)), [(3, 4)]),
}
"""A graph for each op and each of its forms."""


# -- networks ---------------------------------------------------------------------------------------------------


def randomize(network, seed=0):
    """Random weights and statistics, far from what a fresh layer has."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if hasattr(layer, "graph_calls"):
            randomize(layer, seed + 1)
            continue
        for spec in layer.specs:
            if "variance" in spec.name or spec.name in ("gamma", "scale"):
                value = rng.uniform(0.3, 2.5, spec.shape)
            elif spec.name == "count":
                value = np.ones(spec.shape)
            else:
                value = rng.normal(scale=0.7, size=spec.shape)
            layer.set_weight(spec.name, value)
    return network


def wine(units=(10, 8, 6)):
    """Dense, Dropout, BatchNormalization three times over, and a sigmoid."""
    network = Sequential([Input((11,))], name="wine")
    for n in units:
        network.add(layers.Dense(n, activation="relu"))
        network.add(layers.Dropout(0.3))
        network.add(layers.BatchNormalization())
    network.add(layers.Dense(1, activation="sigmoid"))
    return network


def branches():
    """A residual branch and a shared layer."""
    x = Input((6,), name="x")
    shared = layers.Dense(6, activation="tanh", name="shared")
    a = shared(x)
    b = shared(layers.BatchNormalization(name="norm")(a))
    y = layers.Add(name="sum")([a, b, x])
    y = layers.Concatenate(name="join")([y, layers.Activation("softplus", name="class")(a)])
    return Model(x, layers.Dense(2, activation="softmax", name="out")(y))


def two_by_two():
    """Two inputs, two outputs, one of them an inner value."""
    a, b = Input((4,), name="int"), Input((2, 3), name="linux")
    flat = layers.Flatten(name="y1")(b)
    both = layers.Concatenate(name="lambda")([layers.Dense(5, name="dense")(a), flat])
    y = layers.BatchNormalization(name="y1_")(both)
    return Model([a, b], [layers.Dense(2, name="out")(layers.LeakyReLU(name="x")(y)), y])


def lookups():
    """Integer indices and numbers side by side."""
    city = Input((2,), dtype="int32", name="city")
    size = Input((3,), name="size")
    flat = layers.Flatten()(layers.Embedding(7, 3, name="table")(city))
    y = layers.Concatenate()([flat, layers.BatchNormalization()(size)])
    return Model([city, size], layers.Dense(2, activation="gelu")(y))


def nested():
    """A network inside a network, called twice."""
    inner = Sequential(
        [Input((5,)), layers.Dense(5, activation="elu"), layers.BatchNormalization()], name="inner"
    )
    x = Input((5,), name="x")
    return Model(x, layers.Dense(1)(inner(inner(x))))


def rank_three():
    """Normalizations, padding of axes, a dot, on rows of rank 2."""
    x = Input((4, 6), name="x")
    y = layers.LayerNormalization()(layers.Dense(6)(x))
    y = layers.BatchNormalization(axis=1)(y)
    y = layers.GroupNormalization(groups=3)(y)
    y = layers.BatchNormalization(axis=[1, 2])(y)
    y = layers.PReLU(shared_axes=[1])(y)
    z = layers.Permute((2, 1))(layers.UnitNormalization()(y))
    return Model(x, layers.Softmax(axis=1)(layers.Dot(axes=(2, 1))([y, z])))


def plain_statistics():
    """BatchNormalization without gamma, without beta, without both, and renormed."""
    kinds = [{"scale": False}, {"center": False}, {"scale": False, "center": False}, {"epsilon": 0.5}]
    return Sequential([Input((5,)), *(layers.BatchNormalization(**k) for k in kinds)])


def others():
    """The remaining layers of the dense family."""
    return Sequential([
        Input((6,)), layers.Rescaling(0.5, offset=-1.0), layers.GaussianNoise(0.1), layers.RMSNormalization(),
        layers.RepeatVector(3), layers.SpatialDropout1D(0.2), layers.Reshape((2, 9)), layers.ELU(0.3),
        layers.Activation("log_softmax"), layers.Flatten(), layers.ReLU(max_value=3.0, negative_slope=0.1),
        layers.AlphaDropout(0.1), layers.Dense(4, use_bias=False, activation="mish"),
    ])  # fmt: skip


MAKERS = {
    "wine": wine, "branches": branches, "two inputs, two outputs": two_by_two, "lookups": lookups,
    "nested": nested, "rank 3": rank_three, "normalizations without weights": plain_statistics, "others": others,
}  # fmt: skip
NETWORKS = {name: randomize(make()) for name, make in MAKERS.items()}
NETS: dict[str, Graph] = {name: lower(network) for name, network in NETWORKS.items()}
"""The networks as lowered, every layer a step of its own."""


def rows_for(graph: Graph, rows: int, seed: int = 0) -> list[np.ndarray]:
    """Random data for a graph; free axes get 5, indices lie between 0 and 6."""
    rng = np.random.default_rng(seed)
    data = []
    for name in graph.inputs:
        shape = (rows, *(5 if n is None else n for n in graph.types[name].shape[1:]))
        if graph.types[name].dtype == INT:
            data.append(rng.integers(0, 7, shape).astype(np.int32))
        else:
            data.append(rng.normal(scale=3, size=shape).astype(np.float32))
    return data
