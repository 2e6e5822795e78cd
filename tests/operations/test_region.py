"""What operations say of regions: the part that is computed has the bits of the whole."""

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Elementwise
from foldnet.operations import catalogue
from foldnet.operations.along.op import Glu, GroupMoments, Softmax
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.matrix.op import Dense
from foldnet.operations.regions import ALL, Part, Span, between, everything, hull, span_of, touched, within
from foldnet.operations.structure.op import Cast, Concatenate, Gather, Reshape, Slice, Stretch
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool
from foldnet.passes.narrow import part_of, with_lengths
from tests.operations.op_cases import PREDICTING, SMALL, UNOPTIMIZED, joined, same_bits

WITH_RULE = [label for label in SMALL if catalogue.rules("region", type(PREDICTING[label].op))]
WITHOUT = {"GroupMoments", "Scan"}
"""They use all elements for each."""


def test_every_operation_that_predicts_has_a_rule_or_needs_everything():
    assert {type(PREDICTING[label].op).__name__ for label in set(SMALL) - set(WITH_RULE)} == WITHOUT


def some_region(rng, shape, fixed=True):
    """Of each axis half of the time some of its positions, in steps if its size is known."""
    found = []
    for n in shape[1:]:
        if n is None:
            found.append(Span(*rng.integers(0, 2, 2).tolist()))
        elif n < 2 or rng.integers(2):
            found.append(ALL)
        else:
            first, last = sorted(rng.integers(0, n, 2).tolist())
            found.append(span_of(range(first, last + 1, int(rng.integers(1, 4))), n))
    return tuple(found)


def narrowed(graph, region):
    """A graph that computes a region of the only node's result, and the region that it computes; or the reason."""
    (node,) = graph.nodes
    part = part_of(with_lengths(graph), node, region)
    if isinstance(part, str):
        return part
    b = GraphBuilder()
    operands = []
    for value, needed in zip(node.inputs, part.operands, strict=True):
        if value in graph.constants:
            array = graph.constants[value]
            entries = [slice(None)] * array.ndim
            if needed is not None and array.ndim:
                entries = [
                    slice(s.before, n - s.after, s.step) if n != 1 else slice(None)
                    for n, s in zip(array.shape, needed, strict=True)
                ]
            operands.append(b.constant(value, array[tuple(entries)]))
        else:
            type_ = graph.types[value]
            name = value if value in b.types else b.input(value, type_.shape, type_.dtype)
            if needed is not None:
                entries = (
                    within(*how) for how in zip(type_.shape[1:], everything(type_.shape), needed, strict=True)
                )
                operands.append(b.emit(Slice(tuple(entries)), name))
    y = b.emit(part.op, *operands) if part.op else operands[0]
    y = b.emit(part.then, y) if part.then else y
    assert b.dtype(y) == graph.types[node.output].dtype
    entries = [
        within(*how) for how in zip(graph.types[node.output].shape[1:], part.region, region, strict=True)
    ]
    return b.build([b.emit(Slice(tuple(entries)), y)])


def taken(array, region):
    """The region of a result."""
    entries = (slice(s.before, n - s.after, s.step) for n, s in zip(array.shape[1:], region, strict=True))
    return np.ascontiguousarray(array[(slice(None), *entries)])


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "free"])
@pytest.mark.parametrize("label", WITH_RULE)
def test_a_region_has_the_bits_of_the_whole(label, fixed):
    case = PREDICTING[label]
    graph = case.graph(fixed=fixed)
    data = case.data(3, 0)
    whole = ReferenceProgram(graph).run(data)[0]
    rng = np.random.default_rng(0)
    for _ in range(4):
        region = some_region(rng, graph.types[graph.outputs[0]].shape)
        part = narrowed(graph, region)
        if isinstance(part, str):
            assert part.split()
            continue
        if 0 in taken(whole, region).shape and 0 not in whole.shape:
            continue  # of a short free axis nothing is left
        assert same_bits(ReferenceProgram(part).run(data)[0], taken(whole, region)), region


@pytest.mark.parametrize("start", range(0, len(WITH_RULE), UNOPTIMIZED))
def test_a_region_has_the_bits_of_the_whole_in_compiled_programs(start):
    rng = np.random.default_rng(1)
    for one_by_one in (True, False):
        labels = [
            label
            for label in WITH_RULE[start : start + UNOPTIMIZED]
            if PREDICTING[label].op.one_by_one is one_by_one
        ]
        graphs = [PREDICTING[label].graph(fixed=True) for label in labels]
        regions = [some_region(rng, graph.types[graph.outputs[0]].shape) for graph in graphs]
        parts = [narrowed(*pair) for pair in zip(graphs, regions, strict=True)]
        good = [k for k, part in enumerate(parts) if not isinstance(part, str)]
        if not good:
            continue
        data = [array for k in good for array in PREDICTING[labels[k]].data(5, 0)]
        wholes = NativeProgram(joined([graphs[k] for k in good])).run(data)
        found = NativeProgram(joined([parts[k] for k in good])).run(data)
        for k, whole, part in zip(good, wholes, found, strict=True):
            assert same_bits(taken(whole, regions[k]), part), (labels[k], regions[k])


def test_most_regions_of_most_cases_are_cut():
    """So the tests above test something."""
    rng, cut, asked = np.random.default_rng(3), 0, 0
    for label in WITH_RULE:
        graph = PREDICTING[label].graph(fixed=True)
        region = some_region(rng, graph.types[graph.outputs[0]].shape)
        part = part_of(with_lengths(graph), graph.nodes[0], region)
        asked += 1
        cut += isinstance(part, Part)
    assert cut > 0.9 * asked


@pytest.mark.parametrize("label", WITH_RULE)
def test_a_region_depends_on_nothing_but_what_it_touches(label):
    case = PREDICTING[label]
    graph = case.graph(fixed=True)
    values, (node,) = with_lengths(graph), graph.nodes
    given, other = case.data(3, 0), case.data(3, 1)
    whole = ReferenceProgram(graph).run(given)[0]
    rng = np.random.default_rng(4)
    for _ in range(3):
        region = some_region(rng, graph.types[node.output].shape)
        needed = dict(zip(node.inputs, touched(values, node, region), strict=True))
        mixed = []
        for name, right, wrong in zip(graph.inputs, given, other, strict=True):
            mixed.append(wrong.copy())
            if needed[name] is not None:
                at = tuple(
                    slice(s.before, n - s.after) for n, s in zip(right.shape[1:], needed[name], strict=True)
                )
                mixed[-1][(slice(None), *at)] = right[(slice(None), *at)]
        assert same_bits(taken(ReferenceProgram(graph).run(mixed)[0], region), taken(whole, region)), region


# -- exact parts, and near misses --------------------------------------------------------------------------------


def asked(op, shape, region, *weights, dtype="float"):
    """The part of a node with one operand of this shape, and constants of ones."""
    b = GraphBuilder()
    x = b.input("x", (None, *shape), dtype)
    graph = b.build([b.emit(op, x, *(b.constant(f"w{i}", np.ones(s)) for i, s in enumerate(weights)))])
    return part_of(with_lengths(graph), graph.nodes[0], region)


def test_a_convolution_needs_what_its_windows_touch():
    part = asked(Conv(None, (2,), (1,)), (20, 3), (Span(2, 3), ALL), (4, 3, 5))
    assert part.operands[0] == (Span(4, 20 - 4 - 10), ALL)  # windows 2 to 5 of 9: positions 4 to 13
    part = asked(Conv(None, (1,), (6,)), (40, 3), (Span(3, 0, 4), ALL), (3, 3, 5))
    assert part.operands[0][0].step == 2  # windows 4 apart with positions 6 apart: every second position
    assert (part.op.strides, part.op.dilations) == ((2,), (3,))
    part = asked(Conv(None, (3,), (1,)), (20, 3), (ALL, ALL), (1, 3, 5))
    assert part.operands[0] == (Span(0, 1, 3), ALL)
    assert part.op.strides == (1,)


def test_all_units_of_a_product_are_computed_and_all_positions_of_a_softmax():
    for op, weights in ((Conv(), [(2, 3, 5)]), (Dense(), [(3, 5)]), (Softmax(2), []), (Glu(2), [])):
        size = 4 if isinstance(op, Glu) else 3
        n = 5 if weights else size
        region = (Span(1, 1), span_of(range(0, 1), 2 if isinstance(op, Glu) else n))
        assert asked(op, (9, size), region, *weights).region == (Span(1, 1), ALL)


def test_padding_goes_where_its_zeros_are_not_needed():
    pad = Pad(((5, 5), (0, 0)))
    assert asked(pad, (20, 3), (Span(7, 6), ALL)).op is None
    assert asked(pad, (20, 3), (Span(2, 6), ALL)).op == Pad(((3, 0), (0, 0)))
    assert asked(pad, (20, 3), (span_of(range(1, 30, 2), 30), ALL)).op == Pad(((2, 3), (0, 0)))
    assert asked(pad, (20, 3), (span_of(range(0, 4), 30), ALL)).region == (ALL, ALL)  # zeros alone
    assert asked(PadSame((1,), (5,), (2,)), (20, 3), (Span(2, 2), ALL)).op is None


def test_a_free_axis_is_cut_where_it_is_exact_for_every_length():
    pad = Pad(((5, 5), (0, 0)))
    assert asked(pad, (None, 3), (Span(7, 6), ALL)).operands == ((Span(2, 1), ALL),)
    assert asked(pad, (None, 3), (Span(2, 3), ALL)).op == Pad(((3, 2), (0, 0)))
    mixed = asked(pad, (None, 3), (Span(2, 6), ALL))
    assert (mixed.region, mixed.op) == ((ALL, ALL), pad)
    assert asked(Conv(None, (3,), (2,)), (None, 3), (Span(2, 1), ALL), (4, 3, 5)).operands[0] == (
        Span(6, 3),
        ALL,
    )
    stepped = Slice(((1, -2, 2), (None, None, 1)))
    assert "free axis" in asked(stepped, (None, 3), (Span(1, 0), ALL))
    assert "free axis" in asked(Slice(((-5, None, 1), (None, None, 1))), (None, 3), (Span(1, 0), ALL))
    assert "free axis" in asked(PadSame((1,), (5,), (2,)), (None, 3), (Span(2, 2), ALL))
    assert "free axis" in asked(Pool("max", (1,), (3,), (2,), "same"), (None, 3), (Span(2, 2), ALL))
    assert "free axis" in asked(ConvTranspose(None, (2,)), (None, 3), (Span(2, 2), ALL), (3, 5, 3))


def test_padded_windows_are_cut_only_with_all_of_their_padding_or_none():
    pool = Pool("average", (1,), (3,), (1,), "same")
    assert asked(pool, (9, 3), (Span(1, 1), ALL)).op.padding == "valid"
    assert asked(pool, (9, 3), (ALL, ALL)).op.padding == "same"
    assert "padding" in asked(pool, (9, 3), (Span(1, 0), ALL))


def test_a_free_axis_of_two_operands_is_cut_only_if_it_has_one_length():
    def of(second):
        b = GraphBuilder()
        x = b.input("x", (None, None, 3))
        graph = b.build([b.emit(Binary(kind="add"), x, second(b, x))])
        values = with_lengths(graph)
        return values and part_of(values, graph.nodes[-1], (Span(2, 1), ALL)).region

    assert of(lambda b, x: b.emit(Unary(Elementwise("tanh")), x)) == (Span(2, 1), ALL)
    last = Slice(((-1, None, 1), (None, None, 1)))  # one position, spread over the others
    assert of(lambda b, x: b.emit(last, x)) == (ALL, ALL)
    assert of(lambda b, x: b.input("y", (None, None, 3))) is None  # one of them may have one position


def test_pieces_of_a_concatenation_that_are_not_needed_are_left_out():
    b = GraphBuilder()
    values = [b.input(name, (None, n, 2)) for name, n in (("x", 4), ("y", 3), ("z", 5))]
    graph = b.build([b.emit(Concatenate(1), *values)])
    part = part_of(with_lengths(graph), graph.nodes[0], (Span(5, 3), ALL))
    assert part.operands == (None, (Span(1, 0), ALL), (Span(0, 3), ALL))
    alone = part_of(with_lengths(graph), graph.nodes[0], (Span(5, 6), ALL))
    assert (alone.op, alone.operands) == (None, (None, (Span(1, 1), ALL), None))


def test_indices_that_become_floats_beside_others_are_joined_whole():
    b = GraphBuilder()
    values = [b.input("x", (None, 4), "int"), b.input("y", (None, 3))]
    graph = b.build([b.emit(Concatenate(1), *values)])
    assert part_of(with_lengths(graph), graph.nodes[0], (Span(0, 5),)).region == (ALL,)


def test_a_reshape_keeps_only_axes_that_stay():
    assert asked(Reshape((6, 12)), (6, 3, 4), (Span(1, 2), ALL)).op == Reshape((3, 12))
    assert asked(Reshape((3, 24)), (6, 3, 4), (Span(1, 0), ALL)).region == (ALL, ALL)


def test_copies_of_a_position_are_computed_together():
    part = asked(Stretch((3, 1)), (8, 2), (Span(4, 5), ALL))
    assert (part.region, part.operands) == ((Span(3, 3), ALL), ((Span(1, 1), ALL),))
    assert asked(Stretch((3, 1)), (8, 2), (Span(2, 0, 3), ALL)).op is None


@pytest.mark.parametrize(
    ("op", "shape", "region", "weights", "dtype", "reason"),
    [
        (Gather(), (9,), (Span(1, 1), ALL), [(4, 3)], "int", "an index outside its table"),
        (Cast("int"), (9,), (Span(1, 1),), [], "float", "a number that is no index"),
        (GroupMoments(2, 2, 1e-3), (9, 4), (Span(1, 1), ALL), [], "float", "every position"),
        (Unary(Elementwise("mine", (), np.cumsum)), (9,), (Span(1, 1),), [], "float", "own function"),
        (Conv(Elementwise("mine", (), np.cumsum)), (9, 2), (Span(1, 1), ALL), [(2, 2, 3)], "float", "own function"),
        (ConvTranspose(None, (3,)), (4, 2), (span_of(range(2, 3), 11), ALL), [(2, 3, 2)], "float", "between windows"),
        (ConvTranspose(None, (1,)), (2, 2), (Span(3, 3), ALL), [(6, 3, 2)], "float", "every position"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)  # fmt: skip
def test_what_is_not_cut_says_why(op, shape, region, weights, dtype, reason):
    assert reason in asked(op, shape, region, *weights, dtype=dtype)


def test_spans():
    assert between(range(1, 20, 4), 3, 14) == range(5, 17, 4)
    assert not between(range(1, 20, 4), 6, 9)
    assert hull((None, 12), [(Span(0, 7, 2),), (Span(6, 1, 2),)]) == (Span(0, 1, 2),)
    assert hull((None, 12), [(Span(0, 11),), (Span(4, 7),)]) == (Span(0, 7, 4),)
    assert hull((None, None), [(Span(2, 5),), (Span(3, 1),)]) == (Span(2, 1),)
    assert within(12, Span(1, 2, 2), Span(3, 4, 4)) == (1, -1, 2)
