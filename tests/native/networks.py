"""Graphs to compile: of one op on its own, and networks as folding leaves them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from foldnet.graph.check import check
from foldnet.graph.graph import Graph, GraphBuilder
from foldnet.graph.op import FLOAT, INT, Elementwise
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Softmax
from foldnet.operations.elementwise.op import Binary, Unary
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


def dense_stack(*stacks, kernel=None, bias=None) -> Graph:
    """Dense layers with relu of these sizes, a stack of them for each input; with random weights, or all the same."""
    rng, b, results = np.random.default_rng(1), GraphBuilder(), []
    for number, sizes in enumerate(stacks):
        value = b.input(f"x{number}", (None, sizes[0]))
        for k, (i, o) in enumerate(pairwise(sizes)):
            weights = rng.normal(size=(i, o)) if kernel is None else np.full((i, o), kernel)
            biases = rng.normal(size=o) if bias is None else np.full(o, bias)
            value = b.emit(
                Dense(RELU),
                value,
                b.constant(f"k{number}_{k}", weights),
                b.constant(f"b{number}_{k}", biases),
            )
        results.append(value)
    return b.build(results)


def narrow_networks() -> dict[str, Graph]:
    """Narrow layers one after the other, in all the ways in which their values may stay in registers."""

    def layer(b, value, units, activation=None, biased=True):
        inputs = b.shape(value)[-1]
        bias = [b.constant("bias", rng.normal(size=units))] if biased else []
        kernel = b.constant("kernel", rng.normal(size=(inputs, units)) / np.sqrt(inputs))
        return b.emit(Dense(activation=activation), value, kernel, *bias)

    def stack(first, *layers):
        b = GraphBuilder()
        value = b.input("x", (None, first))
        for units, activation in layers:
            value = layer(b, value, units, activation, biased=units != 5)
        return b.build([value])

    def branches():
        b = GraphBuilder()
        x = b.input("x", (None, 7))
        trunk = layer(b, layer(b, x, 6, RELU), 5, RELU)
        left, right = layer(b, trunk, 3, tanh), layer(b, layer(b, trunk, 4, RELU), 3)
        return b.build([b.emit(Binary(kind="add"), left, right), trunk, layer(b, x, 1)])

    def in_between():
        b = GraphBuilder()
        x, other = b.input("x", (None, 9)), b.input("other", (None, 4))
        value = layer(b, b.emit(Unary(Elementwise("square")), x), 8, RELU)
        value = b.emit(Softmax(1), layer(b, value, 4))
        return b.build([layer(b, b.emit(Binary(kind="multiply"), value, other), 2, RELU)])

    rng = np.random.default_rng(3)
    sigmoid, tanh = Elementwise("sigmoid"), Elementwise("tanh")
    return {
        "a number for each row": stack(11, (10, RELU), (8, RELU), (6, None), (1, sigmoid)),
        "a number without activation": stack(4, (5, RELU), (1, None)),
        "a number raised": stack(17, (1, RELU)),
        "several numbers": stack(6, (13, RELU), (5, RELU), (7, RELU)),
        "few features": stack(3, (5, RELU), (1, None)),
        "activations in between": stack(10, (9, tanh), (2, None), (8, RELU), (3, sigmoid)),
        "branches": branches(),
        "other operations": in_between(),
    }
