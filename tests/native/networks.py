"""Graphs to compile: one for each op, in each of its forms, with random weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from foldnet.activations import ELEMENTWISE
from foldnet.graph.check import check
from foldnet.graph.graph import Graph, GraphBuilder, Node
from foldnet.graph.op import FLOAT, INT, Elementwise
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

RELU = Elementwise("relu", (("negative_slope", 0.0), ("max_value", None), ("threshold", 0.0)))

PARAMETERS = {
    "relu": (
        {"negative_slope": 0.1, "max_value": 1.5, "threshold": 0.25},
        {"negative_slope": 0.0, "max_value": 2.0, "threshold": 0.5},
    ),
    "leaky_relu": ({"negative_slope": 0.2},),
    "elu": ({"alpha": 1.0}, {"alpha": 0.3}),
    "celu": ({"alpha": 1.0}, {"alpha": 0.3}),
    "gelu": ({"approximate": False}, {"approximate": True}),
    "hard_shrink": ({"threshold": 0.5},),
    "soft_shrink": ({"threshold": 0.5},),
    "squareplus": ({"b": 4},),
    "threshold": ({"threshold": 0.25, "default_value": -2.0},),
    "thresholded_relu": ({"theta": 1.0},),
}


def label(function):
    """A name for a test: ``relu-0.1-1.5-0.25``."""
    return "-".join([function.name, *(str(v) for _, v in function.params)])


ACTIVATIONS = [RELU] + [
    Elementwise(name, tuple(params.items())) for name in ELEMENTWISE for params in PARAMETERS.get(name, ({},))
]


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


def weight(rng, *shape):
    return rng.normal(size=shape)


def op_cases():
    """(name, graph) for every op of the closed set, fused and not, on ranks 2 to 5."""
    rng = np.random.default_rng(5)
    w = weight
    act = Elementwise("elu", (("alpha", 0.7),))
    cases = {}

    def add(name, op, *shapes, weights=(), dtypes=None):
        cases[name] = graph_of(op, *shapes, weights=weights, dtypes=dtypes)

    sizes = [(1, 1), (3, 2), (5, 3), (11, 10), (7, 17), (30, 65), (300, 150), (600, 4), (16, 64), (9, 130)]
    for inputs, units in sizes:
        kernel = w(rng, inputs, units) / np.sqrt(inputs)
        add(f"dense-{inputs}-{units}", Dense(), (inputs,), weights=(kernel, w(rng, units)))
    for inputs, units in [(5, 3), (300, 150)]:
        kernel = w(rng, inputs, units) / np.sqrt(inputs)
        add(f"dense-{inputs}-{units}-no-bias", Dense(), (inputs,), weights=(kernel,))
        add(f"dense-{inputs}-{units}-fused", Dense(act), (inputs,), weights=(kernel, w(rng, units)))
    add("dense-rank3", Dense(RELU), (4, 6), weights=(w(rng, 6, 5), w(rng, 5)))
    add("dense-rank4", Dense(), (2, 3, 7), weights=(w(rng, 7, 19), w(rng, 19)))
    for shape, weights in [
        ((5,), [(5,), (5,), (5,)]), ((5,), [(1,), (5,), (1,)]), ((3, 4), [(1, 4), (3, 1), (3, 4)]),
        ((2, 3, 4), [(1, 1, 4), (1, 1, 4), (2, 1, 1)]), ((2, 3, 2, 3), [(1, 3, 1, 3), (1, 1, 1, 1), (2, 1, 2, 1)]),
    ]:  # fmt: skip
        scale, offset, shift = (w(rng, *s) for s in weights)
        name = f"affine-{'x'.join(map(str, shape))}"
        add(name, Affine(), shape, weights=(scale, offset))
        add(f"{name}-shift", Affine(act), shape, weights=(scale, offset, shift))
        add(f"prelu-{name}", Binary(kind="prelu"), shape, weights=(scale,))
    for function in ACTIVATIONS:
        add(f"activation-{label(function)}", Unary(function), (37,))
    for function in ACTIVATIONS[::4]:
        add(f"fused-{label(function)}", Dense(function), (6,), weights=(w(rng, 6, 5), w(rng, 5)))
    for shape, axis in [
        ((6,), 1),
        ((1,), 1),
        ((4, 5), 1),
        ((4, 5), 2),
        ((3, 4, 5), 2),
        ((70,), 1),
        ((5, 90), 1),
    ]:
        name = f"{'x'.join(map(str, shape))}-{axis}"
        add(f"softmax-{name}", Softmax(axis), shape)
        add(f"log-softmax-{name}", Softmax(axis, log=True), shape)
        add(f"sparsemax-{name}", Sparsemax(axis), shape)
    for shape, axis in [((6,), 1), ((4, 6), 1), ((4, 6), 2), ((2, 4, 3), 2)]:
        add(f"glu-{'x'.join(map(str, shape))}-{axis}", Glu(axis), shape)
    for shape, axes in [
        ((7,), (1,)),
        ((4, 5), (2,)),
        ((4, 5), (1,)),
        ((3, 4, 5), (1, 3)),
        ((2, 3, 4, 2), (2, 3, 4)),
    ]:
        for kind in ("standard", "rms", "l2", "variance"):
            add(f"moments-{kind}-{'x'.join(map(str, shape))}-{axes}", Moments(axes, 1e-3, kind), shape)
    for shape, axis, groups in [
        ((6,), 1, 3),
        ((4, 6), 2, 2),
        ((6, 4), 1, 6),
        ((2, 3, 8), 3, 4),
        ((2, 3, 8), 3, 1),
    ]:
        add(f"groups-{'x'.join(map(str, shape))}-{axis}-{groups}", GroupMoments(axis, groups, 1e-3), shape)
    add("reshape", Reshape((3, -1)), (2, 6))
    add("identity", Identity(), (3, 2))
    for shape, permutation in [
        ((3, 4), (0, 2, 1)),
        ((2, 3, 4), (0, 3, 1, 2)),
        ((2, 3, 4, 5), (0, 4, 2, 1, 3)),
    ]:
        add(f"transpose-{'x'.join(map(str, shape))}", Transpose(permutation), shape)
    add("repeat", Repeat(4), (5,))
    for kind in ("add", "subtract", "multiply", "maximum", "minimum"):
        add(f"binary-{kind}", Binary(kind=kind), (5,), (5,))
        add(f"binary-{kind}-spread", Binary(kind=kind), (3, 1, 4), (1, 2, 4))
    for kind in BINARY:
        if kind != "power":  # of a negative number
            add(f"combine-{kind}", Binary(kind=kind), (3, 4), weights=(w(rng, 1, 4).round(1),))
        add(f"combine-{kind}-spread", Binary(kind=kind), (3, 1, 4), (1, 2, 4))
    add("combine-number", Binary(kind="not_equal"), (3, 4), weights=(np.array(0.5),))
    for kind in EXPRESSIONS:
        add(f"unary-{kind}", Unary(Elementwise(kind)), (3, 4))
    add("argmax", Reduce("argmax", (2,)), (3, 4, 5))
    add("one-hot", OneHot(5), (3, 2), dtypes=[INT])
    whole = (None, None, 1)
    for number, slices in enumerate(
        [((1, 3, 1), whole), (whole, (None, None, -1)), ((-1, None, -2), (0, 4, 3))]
    ):
        add(f"slice-{number}", Slice(slices), (3, 4))
    add("slice-int", Slice(((1, 3, 1),)), (4,), dtypes=[INT])
    add("pick-1", Pick(1, (0, 2, 2, 1)), (3, 4))
    add("pick-2", Pick(2, (3, 0)), (3, 4, 2))
    for left, right, result, shapes in [
        ("ij", "kj", "ik", ((3, 4), (5, 4))), ("ij", "ij", "j", ((3, 4), (3, 4))), ("ij", "k", "kji", ((2, 3), (4,))),
        ("i", "j", "", ((2,), (3,))),
    ]:  # fmt: skip
        add(f"product-{left}-{right}-{result}", Product(left, right, result), *shapes)
    add("product-weights", Product("ij", "jk", "ki"), (3, 4), weights=(w(rng, 4, 2),))
    add("cumulative-sum-1", CumulativeSum(1), (3, 4))
    add("cumulative-sum-2", CumulativeSum(2), (3, 4, 2))
    add("where", Where(), (3, 1), (3, 4), (1, 4))
    add("where-number", Where(), (3, 1), (3, 4), weights=(np.array(-1e9),))
    for kind in ("sum", "mean", "max", "min"):
        for axes in ((1,), (2,), (1, 3), (1, 2, 3)):
            for keepdims in (False, True):
                add(f"{kind}-{axes}-{keepdims}", Reduce(kind, axes, keepdims), (3, 4, 5))
    add("binary-fused", Binary(act, "add"), (3, 4), (3, 4))
    add("concatenate-1", Concatenate(1), (3,), (1,), (4,))
    add("concatenate-2", Concatenate(2), (2, 3), (2, 5))
    add("concatenate-middle", Concatenate(2), (2, 3, 4), (2, 1, 4))
    add("concatenate-int", Concatenate(1), (2,), (3,), dtypes=[INT, INT])
    pairs = [
        ((5,), (5,), (1, 1)),
        ((3, 4), (4, 2), (2, 1)),
        ((3, 4), (5, 3), (1, 2)),
        ((2, 3, 4), (3,), (2, 1)),
    ]
    for a, b, axes in pairs:
        add(f"dot-{'x'.join(map(str, a))}-{'x'.join(map(str, b))}", Dot(axes), a, b)
    add("gather", Gather(), (3,), weights=(w(rng, 9, 4),), dtypes=[INT])
    add("gather-rank3", Gather(), (2, 3), weights=(w(rng, 9, 1),), dtypes=[INT])
    add("cast-int", Cast(INT), (4,))
    add("cast-float", Cast(FLOAT), (4,), dtypes=[INT])
    add("cast-none", Cast(FLOAT), (4,))
    return cases


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
