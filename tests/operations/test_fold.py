"""What operations say of folding: the algebra holds in float64, and the passes need no more than is said."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.check import check_prediction
from foldnet.graph.graph import GraphBuilder, Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations import folds
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Reduce, Softmax
from foldnet.operations.catalogue import every_op
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.folds import Commutes, Fold, Folded, Scaling, fold_of
from foldnet.operations.matrix.op import Dense
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Nearest, PadToShape
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Identity,
    Pick,
    Reshape,
    Slice,
    Stretch,
    Transpose,
)
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool
from foldnet.passes import optimize

SIZES = (2, 3, 4)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)


@dataclass(frozen=True)
class Case:
    """An operation with its weights, for values of shape (rows, 2, 3, 4)."""

    op: Op
    weights: tuple[tuple[int, ...], ...] = ()


ONES = (1, 1)
LINEAR = [
    Case(Dense(), ((4, 5), (5,))), Case(Dense(), ((4, 5),)),
    Case(Conv(None, ONES, ONES), ((2, 2, 4, 5), (5,))), Case(Conv(None, (1, 2), ONES), ((1, 2, 4, 5),)),
    Case(Conv(None, ONES, ONES, 2), ((2, 1, 2, 6), (6,))), Case(Conv(None, ONES, (1, 2), 4), ((2, 2, 1, 8),)),
]  # fmt: skip
TRANSPOSED = [
    Case(ConvTranspose(None, ONES, ONES), ((2, 2, 5, 4), (5,))),
    Case(ConvTranspose(None, (3, 2), ONES), ((2, 2, 5, 4),)),
]  # fmt: skip
"""Linear, but no offset goes through them."""
PADS = [
    Case(Pad(((1, 0), (0, 2), (0, 0)))),
    Case(PadSame((1, 2), (2, 3), ONES)),
    Case(PadToShape((1, 2), (4, 3))),
]
"""A scaling that keeps zeros passes."""
RESIZED = [Case(Nearest(2, 5)), Case(CutToShape((1, 2), (1, 1))), Case(AdaptiveMax(2, 2))]
CUTS = [
    Case(Slice(((None, 1, 1), (None, None, 2), (None, None, 1)))),
    Case(Stretch((2, 3, 1))),
    Case(Pick(2, (0, 2, 2, 1))),
]
MOVING = [
    Case(Reshape((24,))), Case(Reshape((4, -1))), Case(Reshape((2, 12))), Case(Transpose((0, 2, 1, 3))),
    Case(Transpose((0, 3, 1, 2))), Case(Transpose((0, 2, 3, 1))),
]  # fmt: skip
POOLING = [
    *(Case(Pool(k, (1, 2), (2, 2), (1, 2), padding)) for k in ("max", "average") for padding in ("valid", "same")),
    *(Case(Reduce(k, (1, 2), keepdims)) for k in ("max", "min", "mean") for keepdims in (False, True)),
]  # fmt: skip


def saying(what):
    """The classes of the operations that say something."""
    known = {cls: folds.rules("fold", cls) or Fold() for cls in every_op().values()}
    return {cls for cls, fold in known.items() if getattr(fold, what) is not None}


def test_every_op_that_folds_or_commutes_has_a_case():
    assert saying("linear") == {type(case.op) for case in [*LINEAR, *TRANSPOSED]}
    assert saying("commutes") == {type(case.op) for case in [*MOVING, *POOLING, *PADS, *CUTS, *RESIZED]}
    assert saying("scaling") == {Affine}
    assert {"Identity", "Cast", "Affine", "Unary"} <= {cls.__name__ for cls in saying("is_nothing")}


def graph_of(case, rng, *, constants=None):
    b = GraphBuilder()
    b.layer = "layer"
    x = b.input("x", (None, *SIZES))
    if constants is None:
        constants = [rng.normal(size=shape) for shape in case.weights]
    named = [b.constant(f"w{i}", array) for i, array in enumerate(constants)]
    return b.build([b.emit(case.op, x, *named)])


def random_scaling(rng, shape, *, last_only=False, shifted=True):
    """One that varies along some of the axes."""
    size = [n if (last_only and i == len(shape) - 1) or (not last_only and rng.integers(2)) else 1
            for i, n in enumerate(shape)]  # fmt: skip
    scale, offset, shift = rng.normal(size=(3, *size))
    spread = rng.uniform(0.5, 2, size)
    return Scaling(scale, offset, shift, spread) if shifted else Scaling(scale, offset)


def applied(scaling, x):
    shifted = x if scaling.shift is None else x - scaling.shift
    return shifted * scaling.scale + scaling.offset


def run(graph, x):
    return ReferenceProgram(graph, "float64").run([x])[0]


def ids(case):
    return type(case.op).__name__ + "".join(map(str, (getattr(case.op, "target", ""), len(case.weights))))


@pytest.mark.parametrize("case", LINEAR, ids=ids)
@few
@given(seed=seeds, shifted=st.booleans())
def test_a_linear_op_with_a_scaling_before_or_after_is_one_with_other_weights(case, seed, shifted):
    rng = np.random.default_rng(seed)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    linear = fold_of(case.op).linear
    x = rng.normal(size=(3, *SIZES))
    after = random_scaling(rng, graph.types[node.output].shape[1:], last_only=True, shifted=shifted)
    before = random_scaling(rng, SIZES, last_only=True, shifted=shifted)
    for want, folded in (
        (applied(after, run(graph, x)), linear.after(graph, node, after)),
        (run(graph, applied(before, x)), linear.before(graph, node, before)),
    ):
        assert isinstance(folded, Folded)
        assert (folded.mean is not None) is shifted
        assert all(array.dtype == np.float64 for array in folded.weights.values())
        got = run(graph_of(case, rng, constants=folded.weights.values()), x)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", TRANSPOSED, ids=ids)
@few
@given(seed=seeds, shifted=st.booleans())
def test_a_transposed_convolution_takes_any_scaling_after_it_and_before_it_one_that_keeps_zeros(
    case, seed, shifted
):
    rng = np.random.default_rng(seed)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    linear = fold_of(case.op).linear
    x = rng.normal(size=(3, *SIZES))
    after = random_scaling(rng, graph.types[node.output].shape[1:], last_only=True, shifted=shifted)
    folded = linear.after(graph, node, after)
    got = run(graph_of(case, rng, constants=folded.weights.values()), x)
    np.testing.assert_allclose(got, applied(after, run(graph, x)), rtol=1e-12, atol=1e-12)
    before = random_scaling(rng, SIZES, last_only=True, shifted=shifted)
    if (applied(before, np.zeros(SIZES)) != 0).any():
        assert "windows meet" in linear.before(graph, node, before)
    shift = 0 if before.shift is None else before.shift
    before = replace(before, offset=shift * before.scale)
    folded = linear.before(graph, node, before)
    got = run(graph_of(case, rng, constants=folded.weights.values()), x)
    np.testing.assert_allclose(got, run(graph, applied(before, x)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", PADS, ids=ids)
@few
@given(seed=seeds, shifted=st.booleans())
def test_a_scaling_of_channels_passes_padding_if_it_keeps_zeros(case, seed, shifted):
    rng = np.random.default_rng(seed)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    commutes = fold_of(case.op).commutes
    x = rng.normal(size=(3, *SIZES))
    scaling = random_scaling(rng, (1, 1, SIZES[-1]), shifted=shifted)
    assert "no longer be zeros" in commutes.forward(graph, node, scaling)
    assert "no longer be zeros" in commutes.backward(graph, node, scaling)
    scaling = replace(
        scaling, offset=0 * scaling.offset if scaling.shift is None else scaling.shift * scaling.scale
    )
    for way in (commutes.forward, commutes.backward):
        moved = way(graph, node, scaling)
        np.testing.assert_allclose(applied(moved, run(graph, x)), run(graph, applied(scaling, x)), rtol=1e-12)
    assert "vary along the axes" in commutes.forward(
        graph, node, Scaling(np.ones((1, 3, 1)), np.zeros((1, 3, 1)))
    )


@pytest.mark.parametrize("case", CUTS, ids=ids)
@few
@given(seed=seeds, shifted=st.booleans())
def test_a_scaling_passes_what_cuts_or_repeats(case, seed, shifted):
    rng = np.random.default_rng(seed)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    commutes = fold_of(case.op).commutes
    x = rng.normal(size=(3, *SIZES))
    before = random_scaling(rng, SIZES, shifted=shifted)
    after = commutes.forward(graph, node, before)
    np.testing.assert_allclose(applied(after, run(graph, x)), run(graph, applied(before, x)), rtol=1e-13)
    channels = random_scaling(rng, (1, 1, SIZES[-1]), shifted=shifted)
    before = commutes.backward(graph, node, channels)
    np.testing.assert_allclose(run(graph, applied(before, x)), applied(channels, run(graph, x)), rtol=1e-13)
    along = Scaling(np.ones((1, 2, 1)), np.zeros((1, 2, 1)))
    assert "vary along the axes" in commutes.backward(graph, node, along)


@pytest.mark.parametrize("case", [*LINEAR, *TRANSPOSED], ids=ids)
def test_a_linear_op_says_in_words_why_it_takes_no_scaling(case):
    rng = np.random.default_rng(0)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    along_another = Scaling(np.ones((2, 1, 1)), np.zeros((2, 1, 1)))
    for rule in (fold_of(case.op).linear.after, fold_of(case.op).linear.before):
        assert "other than the last" in rule(graph, node, along_another)


@pytest.mark.parametrize("case", MOVING, ids=ids)
@few
@given(seed=seeds, shifted=st.booleans())
def test_an_op_that_commutes_gives_the_same_in_both_orders(case, seed, shifted):
    rng = np.random.default_rng(seed)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    commutes = fold_of(case.op).commutes
    x = rng.normal(size=(3, *SIZES))
    before = random_scaling(rng, SIZES, shifted=shifted)
    after = commutes.forward(graph, node, before)
    np.testing.assert_allclose(applied(after, run(graph, x)), run(graph, applied(before, x)), rtol=1e-13)
    after = random_scaling(rng, graph.types[node.output].shape[1:], shifted=shifted)
    before = commutes.backward(graph, node, after)
    np.testing.assert_allclose(run(graph, applied(before, x)), applied(after, run(graph, x)), rtol=1e-13)
    if commutes.any_function:
        np.testing.assert_array_equal(np.tanh(run(graph, x)), run(graph, np.tanh(x)))


def several(op, rng, count=3):
    """An operation on operands (rows, 2, 3, 4), or with 1, 2, 3 channels for a concatenation of channels."""
    b = GraphBuilder()
    joins = isinstance(op, Concatenate)
    shapes = [
        tuple(k + 1 if joins and op.axis == a else n for a, n in enumerate(SIZES, 1)) for k in range(count)
    ]
    graph = b.build([b.emit(op, *(b.input(f"x{k}", (None, *shape)) for k, shape in enumerate(shapes)))])
    return graph, [rng.normal(size=(3, *shape)) for shape in shapes]


@pytest.mark.parametrize(
    ("op", "count"),
    [(Concatenate(1), 3), (Concatenate(3), 3), (Binary(kind="add"), 2), (Binary(kind="subtract"), 2)],
    ids=str,
)
@few
@given(seed=seeds, shifted=st.booleans())
def test_a_scaling_after_several_operands_is_one_before_each(op, count, seed, shifted):
    rng = np.random.default_rng(seed)
    graph, data = several(op, rng, count)
    (node,) = graph.nodes
    scaling = random_scaling(rng, graph.types[node.output].shape[1:], shifted=shifted)
    pieces = fold_of(op).pieces(graph, node, scaling)
    want = applied(scaling, ReferenceProgram(graph, "float64").run(data)[0])
    scaled = [applied(piece, x) for piece, x in zip(pieces, data, strict=True)]
    np.testing.assert_allclose(
        ReferenceProgram(graph, "float64").run(scaled)[0], want, rtol=1e-11, atol=1e-11
    )


@pytest.mark.parametrize("axis", [1, 3])
@few
@given(seed=seeds, shifted=st.booleans(), place=st.integers(0, 2))
def test_a_scaling_before_one_operand_of_a_concatenation_is_one_after_it(axis, seed, shifted, place):
    rng = np.random.default_rng(seed)
    graph, data = several(Concatenate(axis), rng)
    (node,) = graph.nodes
    scaling = random_scaling(rng, data[place].shape[1:], shifted=shifted)
    after = fold_of(node.op).joined(graph, node, scaling, node.inputs[place])
    got = applied(after, ReferenceProgram(graph, "float64").run(data)[0])
    data[place] = applied(scaling, data[place])
    np.testing.assert_allclose(got, ReferenceProgram(graph, "float64").run(data)[0], rtol=1e-12)
    assert (after.spread is None) is not shifted


def test_operands_that_are_spread_or_indices_or_of_free_size_take_no_part_of_a_scaling():
    def pieces(op, *shapes, dtype="float", rank=2):
        b = GraphBuilder()
        graph = b.build([b.emit(op, *(b.input(f"x{i}", (None, *s), dtype) for i, s in enumerate(shapes)))])
        one = np.ones((1,) * rank)
        scaling = Scaling(one, one)
        found = [fold_of(op).pieces(graph, graph.nodes[0], scaling)]
        joined = fold_of(op).joined
        return found + ([joined(graph, graph.nodes[0], scaling, "x0")] if joined else [])

    assert "spread" in pieces(Binary(kind="add"), (3, 4), (1, 4))[0]
    assert "takes no scaling" in pieces(Binary(kind="multiply"), (3, 4), (3, 4))[0]
    assert "takes no scaling" in pieces(Binary(Elementwise("relu"), "add"), (3, 4), (3, 4))[0]
    assert all("floats of known size" in text for text in pieces(Concatenate(1), (3, 4), (3, 4), dtype="int"))
    assert all("floats of known size" in text for text in pieces(Concatenate(1), (3, 4), (None, 4)))


@pytest.mark.parametrize("case", [*POOLING, *RESIZED], ids=lambda case: str(case.op))
@few
@given(seed=seeds, shifted=st.booleans())
def test_a_scaling_of_channels_passes_pooling(case, seed, shifted):
    rng = np.random.default_rng(seed)
    graph = graph_of(case, rng)
    (node,) = graph.nodes
    scaling = random_scaling(rng, (1, 1, SIZES[-1]), shifted=shifted)
    np.abs(scaling.scale, out=scaling.scale)
    commutes = fold_of(case.op).commutes
    x = rng.normal(size=(3, *SIZES))
    after = commutes.forward(graph, node, scaling)
    pooled = run(graph, applied(scaling, x))
    np.testing.assert_allclose(applied(after, run(graph, x)), pooled, rtol=1e-12, atol=1e-12)
    before = commutes.backward(graph, node, after)
    np.testing.assert_allclose(run(graph, applied(before, x)), pooled, rtol=1e-12, atol=1e-12)


def test_a_number_around_a_value_stays_if_it_is_not_zero():
    graph = graph_of(Case(PadToShape((1, 2), (4, 3), 2.0)), np.random.default_rng(0))
    scaling = Scaling(np.full((1, 1, 1), 3.0), np.zeros((1, 1, 1)))
    assert "that number" in fold_of(graph.nodes[0].op).commutes.forward(graph, graph.nodes[0], scaling)


@pytest.mark.parametrize("case", [*POOLING, *RESIZED], ids=lambda case: str(case.op))
def test_pooling_says_in_words_why_a_scaling_does_not_pass(case):
    graph = graph_of(case, np.random.default_rng(0))
    (node,) = graph.nodes
    forward = fold_of(case.op).commutes.forward
    assert "vary along the axes" in forward(graph, node, Scaling(np.ones((1, 3, 1)), np.zeros((1, 3, 1))))
    turned = forward(graph, node, Scaling(np.full((1, 1, 1), -1.0), np.zeros((1, 1, 1))))
    keeps_order = isinstance(case.op, AdaptiveMax) or getattr(case.op, "kind", "") in ("max", "min")
    assert "not positive" in turned if keeps_order else isinstance(turned, Scaling)


def test_the_spread_of_a_mean_moves_along():
    case = Case(Transpose((0, 3, 1, 2)))
    graph = graph_of(case, np.random.default_rng(0))
    scaling = random_scaling(np.random.default_rng(1), SIZES)
    moved = fold_of(case.op).commutes.forward(graph, graph.nodes[0], scaling)
    np.testing.assert_array_equal(moved.spread, scaling.spread.transpose(2, 0, 1))


NOTHING = [
    Identity(), Cast("float"), Concatenate(1), Reshape((2, 3, 4)), Reshape((-1, 3, 4)), Transpose((0, 1, 2, 3)),
    Unary(Elementwise("linear")), Slice(((None, None, 1), (0, 9, 1), (-4, 4, 1))),
]  # fmt: skip
SOMETHING = [
    Slice(((None, None, 1), (None, None, -1), (None, None, 1))), Slice(((None, None, 1), (1, None, 1), (0, 4, 1))),
    Cast("int"), Reshape((3, 2, 4)), Transpose((0, 2, 1, 3)), Unary(Elementwise("tanh")), Softmax(1),
    Unary(Elementwise("linear", (), np.tanh)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "nothing"), [*((op, True) for op in NOTHING), *((op, False) for op in SOMETHING)], ids=repr
)
def test_what_is_nothing(op, nothing):
    graph = graph_of(Case(op), None)
    is_nothing = fold_of(op).is_nothing
    assert bool(is_nothing and is_nothing(graph, graph.nodes[0])) is (op in NOTHING)


@pytest.mark.parametrize("kind", ["add", "subtract", "multiply", "divide"])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize(
    "number", [np.array(1.75), np.array([[[1.5, -0.25, 3.0, 1.0]]])], ids=["number", "array"]
)
def test_arithmetic_with_a_constant_is_the_scaling_that_it_says(kind, left, number):
    b = GraphBuilder()
    x, c = b.input("x", (None, *SIZES)), b.constant("c", number)
    graph = b.build([b.emit(Binary(kind=kind), *((x, c) if left else (c, x)))])
    found = fold_of(Binary()).arithmetic(graph, graph.nodes[0])
    if kind == "divide" and not left:
        assert found is None
        return
    x = np.random.default_rng(0).normal(size=(3, *SIZES))
    np.testing.assert_allclose(applied(found, x), run(graph, x), rtol=1e-14)


def test_arithmetic_is_no_scaling_where_it_does_more_or_is_a_users_own():
    """An activation fused into it would be lost; a function of the user's may be called as one of ours."""
    b = GraphBuilder()
    x, c = b.input("x", (None, *SIZES)), b.constant("c", np.array(2.0))
    graph = b.build([b.emit(Binary(Elementwise("tanh"), "multiply"), x, c)])
    assert fold_of(Binary()).arithmetic(graph, graph.nodes[0]) is None
    own = graph_of(Case(Unary(Elementwise("negative", (), np.cos))), None)
    assert fold_of(Unary(Elementwise("tanh"))).arithmetic(own, own.nodes[0]) is None
    ours = graph_of(Case(Unary(Elementwise("negative"))), None)
    assert fold_of(Unary(Elementwise("tanh"))).arithmetic(ours, ours.nodes[0]) is not None


# -- operations that commute with some scalings only, as pooling does: nothing in passes/ knows them -------------------


@dataclass(frozen=True)
class Pairs(Op):
    """The mean or the largest of positions 0 and 1, 2 and 3, and so on, along axis 1."""

    largest: bool

    def output_shape(self, *shapes):
        return (shapes[0][0], shapes[0][1] // 2, *shapes[0][2:])

    def compute(self, x):
        pairs = x.reshape(len(x), -1, 2, *x.shape[2:])
        return pairs.max(axis=2) if self.largest else pairs.mean(axis=2)


def _past_pairs(graph, node, scaling):
    if any(a is not None and a.shape[0] != 1 for a in (scaling.scale, scaling.offset, scaling.shift)):
        return "it varies along the axis that is pooled"
    if node.op.largest and (scaling.scale < 0).any():
        return "a negative scale makes the smallest value the largest"
    return scaling


@pytest.fixture
def pairs(monkeypatch):
    monkeypatch.setitem(folds._FOUND, Pairs, Fold(commutes=Commutes(_past_pairs, _past_pairs)))


def computed(graph, x):
    """The result, with what the reference engine does not know computed here."""
    values = {"x": x, **graph.constants}
    for node in graph.nodes:
        operands = [values[v] for v in node.inputs]
        if isinstance(node.op, Pairs):
            values[node.output] = node.op.compute(*operands)
            continue
        b = GraphBuilder()
        b.input("x", (None, *operands[0].shape[1:]))
        named = [b.constant(f"w{i}", a) for i, a in enumerate(operands[1:])]
        values[node.output] = run(b.build([b.emit(node.op, "x", *named)]), operands[0])
    return values[graph.outputs[0]]


def pooled(largest, scale, *, ahead, activation=None):
    """A Dense and a scaling with a pooling between them."""
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    x = b.input("x", (None, 4, 3))
    b.layer = "dense"
    weights = [b.constant("kernel", rng.normal(size=(3, 3))), b.constant("bias", rng.normal(size=3))]
    numbers = [b.constant("scale", scale), b.constant("offset", rng.normal(size=scale.shape))]
    numbers.append(b.constant("mean", rng.normal(size=scale.shape)))
    steps = [(Dense(), weights), (Pairs(largest), []), (Affine(activation), numbers)]
    for op, constants in steps if ahead else steps[::-1]:
        b.layer = type(op).__name__.lower()
        x = b.emit(op, x, *constants)
    return b.build([x])


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("largest", [True, False])
def test_a_scaling_folds_past_pooling(largest, ahead):
    scale = np.array([[0.5, 2.0, 1.5]]) if largest else np.array([[0.5, -2.0, 1.5]])
    before = pooled(largest, scale, ahead=ahead)
    after = optimize(before)
    check_prediction(after)
    assert [type(node.op) for node in after.nodes] == ([Dense, Pairs] if ahead else [Pairs, Dense])
    x = np.random.default_rng(1).normal(size=(5, 4, 3))
    np.testing.assert_allclose(computed(after, x), computed(before, x), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("ahead", [True, False])
def test_the_reason_of_an_op_that_lets_no_scaling_past_is_noted(ahead):
    graph = pooled(True, np.array([[0.5, -2.0, 1.5]]), ahead=ahead)
    after = optimize(graph)
    assert len(after.nodes) == 3
    assert "a negative scale makes the smallest value the largest" in after.notes[0]
    shape = (2, 1) if ahead else (4, 1)
    graph = optimize(pooled(False, np.ones(shape) * 2, ahead=ahead))
    assert len(graph.nodes) == 3
    assert "it varies along the axis that is pooled" in graph.notes[0]


@pytest.mark.usefixtures("pairs")
def test_an_activation_does_not_go_past_what_does_more_than_move():
    """tanh of a mean is not the mean of tanh."""
    graph = optimize(pooled(False, np.full((1, 3), 2.0), ahead=True, activation=Elementwise("tanh")))
    assert [type(node.op) for node in graph.nodes] == [Dense, Pairs, Affine]
    assert "its activation tanh cannot be applied before Pairs of layer 'pairs'" in graph.notes[0]


def test_what_follows_is_named_where_it_takes_no_scaling():
    b = GraphBuilder()
    b.layer = "norm"
    x = b.input("x", (None, 3))
    x = b.emit(Affine(), x, b.constant("s", np.full(3, 2.0)), b.constant("o", np.ones(3)))
    b.layer = "last"
    graph = optimize(b.build([b.emit(Softmax(1), x)]))
    assert "Softmax of layer 'last', takes no scaling into its weights" in graph.notes[0]
    assert isinstance(graph.nodes[0], Node)
