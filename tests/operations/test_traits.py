"""What operations say of themselves is what they do."""

import numpy as np
import pytest

from foldnet.engines.reference import ReferenceProgram
from foldnet.engines.reference.program import Step
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import INT, AxisOp
from foldnet.graph.tables import smallest_tables
from foldnet.operations.along.op import Softmax
from foldnet.operations.catalogue import every_op, find
from foldnet.operations.elementwise.functions import BINARY
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Dense, Dot
from foldnet.operations.resampling.op import CutToShape, Nearest
from foldnet.operations.search.op import Lookup
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Stretch,
    Transpose,
)
from foldnet.operations.windows import numpy as windows
from foldnet.operations.windows.op import Conv
from tests.operations.op_cases import PREDICTING

SHAPE = (2, 3, 4)
MOVING = [
    Identity(), Cast("float"), Reshape((4, 6)), Transpose((0, 3, 1, 2)), Repeat(2), Concatenate(2),
    Slice(((None, None, 1), (1, None, 1), (None, None, -2))), Pick(3, (0, 2, 2)),
    Stretch((2, 1, 3)), Nearest(2, 5), CutToShape((1, 2), (1, 1)),
]  # fmt: skip


def run(op, *arrays):
    b = GraphBuilder()
    names = [b.input(f"x{i}", (None, *a.shape[1:])) for i, a in enumerate(arrays)]
    return ReferenceProgram(b.build([b.emit(op, *names)]), "float64").run(list(arrays))[0]


def test_every_op_that_keeps_values_is_tried():
    assert {cls for cls in every_op().values() if cls.keeps_values} == {type(op) for op in MOVING}


@pytest.mark.parametrize("op", MOVING, ids=repr)
def test_which_values_an_op_keeps(op):
    x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    y = run(op, x)
    assert set(y.ravel()) <= set(x.ravel())
    once = y.size == x.size and np.array_equal(np.sort(y, axis=None), np.sort(x, axis=None))
    assert once or op.keeps_values == "some"
    assert np.array_equal(x, y) or op.keeps_values != "in place"


def test_only_a_transposition_reorders_axes():
    """Passes that let them cancel look for others by this."""
    found = {cls for cls in every_op().values() if cls.reorders_axes}
    assert found == {Transpose}
    x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    assert run(Transpose((0, 3, 1, 2)), x).shape == (2, 4, 2, 3)


@pytest.mark.parametrize("kind", BINARY)
def test_whether_the_order_of_two_values_matters(kind):
    a, b = np.random.default_rng(0).normal(size=(2, 20, 3)).round(1) * np.array([0, 1, 1])
    assert np.array_equal(run(Binary(kind=kind), a, b), run(Binary(kind=kind), b, a), equal_nan=True) is not (
        Binary(kind=kind).is_ordered
    )


@pytest.mark.parametrize("op", [Concatenate(1), Dot((1, 1))], ids=repr)
def test_joined_and_multiplied_values_have_an_order(op):
    a, b = np.random.default_rng(0).normal(size=(2, 2, 3, 3))
    assert op.is_ordered
    assert not np.array_equal(run(op, a, b), run(op, b, a))


@pytest.mark.parametrize("op", [Softmax(2), Softmax(2, log=True)], ids=repr)
def test_a_share_of_one_unit_is_always_the_same(op):
    x = np.random.default_rng(0).normal(size=(4, 3, 1))
    assert (run(op, x) == op.always(x.shape)).all()
    assert op.always((None, 1, 2)) is None


def test_how_far_indices_may_go():
    """Also for those that are cast and moved on their way, and where a value is used on two tables."""
    b = GraphBuilder()
    x, y, z = b.input("x", (None, 6)), b.input("y", (None, 2), INT), b.input("z", (None, 2))
    small, large = b.constant("small", np.zeros((5, 1))), b.constant("large", np.zeros((9, 1)))
    moved = b.emit(Reshape((2, 3)), b.emit(Cast(INT), x))
    results = [b.emit(Gather(), moved, large), b.emit(Gather(), b.emit(Pick(1, (0,)), moved), small)]
    results += [b.emit(Gather(), y, large), b.emit(Identity(), z)]
    tables = smallest_tables(b.build(results))
    assert {name: tables.get(name) for name in ("x", "y", "z")} == {"x": 5, "y": 9, "z": None}


def test_an_op_says_what_it_finds_wrong():
    assert Gather().refusal("e", (None, 2), (7, 3)) == (
        "an index has no row in the embedding of layer 'e', which has 7 rows; indices must lie between 0 and 6"
    )
    assert "layer 'c' takes indices" in Cast(INT).refusal("c", (None, 2))
    assert {cls for cls in every_op().values() if cls.fault} == {Gather, Cast, Lookup}
    assert "'ids' is given a value that is not in its vocabulary" in Lookup((1,), (2,), 0, 0).refusal("ids")


def measured(op, x, *constants):
    """The result of an operation as measurements compute it."""
    b = GraphBuilder()
    names = [b.constant(f"c{i}", array) for i, array in enumerate(constants)]
    graph = b.build([b.emit(op, b.input("x", (None, *x.shape[1:]), "float"), *names)])
    return Step(graph, graph.nodes[0]).measure([x, *constants])


def test_measurements_add_in_any_order(monkeypatch):
    rng = np.random.default_rng(0)
    x, kernel, bias = rng.normal(size=(3, 5)), rng.normal(size=(5, 2)), rng.normal(size=2)
    np.testing.assert_array_equal(measured(Dense(), x, kernel, bias), x @ kernel + bias)
    np.testing.assert_array_equal(measured(Dense(), x, kernel), x @ kernel)
    steps, image = rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(40, 9, 8, 3))
    np.testing.assert_allclose(measured(Dense(), steps, kernel, bias), steps @ kernel + bias)
    for op, shape in (
        (Conv(strides=(1, 1), dilations=(1, 1)), (3, 2, 3, 4)), (Conv(strides=(2, 3), dilations=(1, 2)), (2, 3, 3, 1)),
    ):  # fmt: skip
        kernel, bias = rng.normal(size=shape), rng.normal(size=shape[-1])
        for weights in ([kernel], [kernel, bias]):
            with monkeypatch.context() as patch:
                patch.setattr(
                    windows, "WINDOWS_AT_ONCE", 5000
                )  # several blocks of rows, the last one smaller
                found = measured(op, image, *weights)
            np.testing.assert_allclose(found, find("numpy", op).exact(op, image, *weights), atol=1e-12)
    assert find("numpy", Softmax(1)).quick is None
    np.testing.assert_allclose(measured(Softmax(1), x).sum(axis=1), 1)


def test_what_weighs_adds_up_to_1():
    """In all of its cases; what does not weigh adds up to something else in some."""
    adds_up = {}
    for case in PREDICTING.values():
        if isinstance(case.op, AxisOp):
            y = ReferenceProgram(case.graph(fixed=True), "float64").run(case.data(5, 1))[0]
            found = (y >= 0).all() and np.allclose(y.sum(axis=case.op.axis), 1, atol=1e-6)
            adds_up.setdefault((type(case.op), case.op.weighs), []).append(found)
    assert {how: all(found) for how, found in adds_up.items()} == {how: how[1] for how in adds_up}
    assert any(weighs for _, weighs in adds_up)
