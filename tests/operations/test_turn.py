"""What operations say of transpositions before them: they come after them as well, with the same bits."""

from itertools import permutations

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Elementwise
from foldnet.operations import catalogue
from foldnet.operations.along.op import GroupMoments, Moments, Reduce
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.matrix.op import Dense
from foldnet.operations.structure.op import Identity, Reshape, Transpose
from foldnet.operations.turns import by_axis, inverse, rule_of
from tests.operations.op_cases import PREDICTING, SMALL, UNOPTIMIZED, joined, same_bits

WITH_RULE = [label for label in SMALL if catalogue.rules("turn", type(PREDICTING[label].op))]
WITHOUT = {"Conv", "ConvTranspose", "Dot", "Gather", "GroupMoments", "Product", "Repeat", "Scan"}
"""They take axes in a fixed order, or sum over all of them."""


def test_every_operation_that_predicts_has_a_rule_or_keeps_its_axes():
    assert {type(PREDICTING[label].op).__name__ for label in set(SMALL) - set(WITH_RULE)} == WITHOUT


def orders(graph, limit=5):
    """Some permutations of the axes of a case's data: all operands have as many."""
    ranks = {len(graph.types[v].shape) for v in graph.inputs}
    if len(ranks) > 1:
        return []
    found = [(0, *order) for order in permutations(range(1, ranks.pop()))]
    return [found[k] for k in range(1, len(found), max(1, len(found) // limit))]


def turned(graph, order):
    """The graph for data as it was before it was transposed in an order, by the rule; None if the rule refuses."""
    (node,) = graph.nodes
    found = rule_of(node.op)(graph, node, order)
    if found is None:
        return None
    b, operands = GraphBuilder(), []
    for place, value in enumerate(node.inputs):
        type_ = graph.types[value]
        if value in graph.constants:
            array = graph.constants[value]
            axes = found.constants.get(place, tuple(range(array.ndim)))
            operands.append(b.constant(value, array.transpose(axes).copy()))
        elif value in b.types:
            operands.append(value)
        else:
            shape = (type_.shape[0], *by_axis(order, type_.shape[1:]))
            operands.append(b.input(value, shape, type_.dtype))
    y = b.emit(found.op, *operands) if found.op else operands[0]
    return b.build([b.emit(Transpose(found.order), y)])


def before(order, data):
    """The data as it was before it was transposed."""
    return [np.ascontiguousarray(x.transpose(inverse(order))) for x in data]


@pytest.mark.parametrize("label", WITH_RULE)
def test_a_transposition_after_an_operation_gives_the_bits_of_one_before_it(label):
    graph, data = PREDICTING[label].graph(fixed=True), PREDICTING[label].data(3, 0)
    whole = np.ascontiguousarray(ReferenceProgram(graph).run(data)[0])
    for order in orders(graph):
        other = turned(graph, order)
        if other is not None:
            assert same_bits(
                np.ascontiguousarray(ReferenceProgram(other).run(before(order, data))[0]), whole
            ), order


@pytest.mark.parametrize("start", range(0, len(WITH_RULE), UNOPTIMIZED))
def test_a_transposition_after_an_operation_gives_the_bits_of_one_before_it_in_compiled_programs(start):
    pairs = []
    for label in WITH_RULE[start : start + UNOPTIMIZED]:
        graph = PREDICTING[label].graph(fixed=True)
        possible = [(order, other) for order in orders(graph) if (other := turned(graph, order)) is not None]
        pairs += [(label, graph, *possible[-1])] if possible else []
    if not pairs:
        return
    data = [PREDICTING[label].data(5, 0) for label, *_ in pairs]
    wholes = NativeProgram(joined([graph for _, graph, _, _ in pairs])).run(
        [x for some in data for x in some]
    )
    given = [x for (_, _, order, _), some in zip(pairs, data, strict=True) for x in before(order, some)]
    found = NativeProgram(joined([other for *_, other in pairs])).run(given)
    for (label, _, order, _), whole, other in zip(pairs, wholes, found, strict=True):
        assert same_bits(whole, other), (label, order)


def refused(op, shape, order, *weights):
    b = GraphBuilder()
    x = b.input("x", (None, *shape))
    graph = b.build([b.emit(op, x, *(b.constant(f"w{i}", np.ones(s)) for i, s in enumerate(weights)))])
    rule = rule_of(op)
    return rule is None or rule(graph, graph.nodes[0], order) is None


@pytest.mark.parametrize("kind", ["sum", "mean", "max"])
def test_sums_over_axes_keep_their_order(kind):
    assert refused(Reduce(kind, (1, 2)), (3, 4, 5), (0, 2, 1, 3))
    assert not refused(Reduce(kind, (1, 2)), (3, 4, 5), (0, 2, 3, 1))
    assert refused(Moments((1, 2), 1e-3), (3, 4, 5), (0, 2, 1, 3))
    assert not refused(Moments((2, 3), 1e-3), (3, 4, 5), (0, 3, 1, 2))


def test_what_takes_its_axes_in_a_fixed_order_is_not_passed():
    assert refused(Dense(), (4, 3), (0, 2, 1), (3, 5))
    assert not refused(Dense(), (2, 4, 3), (0, 2, 1, 3), (3, 5))
    assert refused(Reshape((12,)), (4, 3), (0, 2, 1))
    assert not refused(Reshape((4,)), (4, 1), (0, 2, 1))
    assert refused(GroupMoments(2, 2, 1e-3), (9, 4), (0, 2, 1))
    assert refused(Unary(Elementwise("mine", (), np.cumsum)), (4, 3), (0, 2, 1))
    assert not refused(Identity(), (4, 3), (0, 2, 1))
