"""What of a training program is computed when."""

import numpy as np

from foldnet.engines.reference.training import forward
from foldnet.graph.check import check
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Elementwise
from foldnet.operations.chance.op import Choose, InTraining
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.kernels import StepContext
from foldnet.passes.guards import Taken, guards, in_evaluation


def program():
    """In training one of three functions by a number; the square root, which all of them have, and twice it after."""
    b = GraphBuilder()
    x, which = b.input("x", (None, 2)), b.input("which", (None, 1))
    made = {"root": b.emit(Unary(Elementwise("sqrt")), x)}
    for name in ("exp", "sin", "tanh"):
        made[name] = b.emit(Unary(Elementwise(name)), made["root"])
    made["inner"] = b.emit(Unary(Elementwise("abs")), made["sin"])
    made["choose"] = b.emit(Choose(), which, made["exp"], made["inner"], made["tanh"])
    made["trained"] = b.emit(InTraining(), made["choose"], x)
    made["sum"] = b.emit(Binary(kind="add"), made["trained"], made["trained"])
    return b.build([made["sum"]]), made


def test_a_value_is_needed_where_all_that_read_it_are():
    graph, made = program()
    needed = guards(graph)
    taken = [("training", Taken("which", k, 3)) for k in range(3)]
    assert [needed[made[name]] for name in ("exp", "inner", "tanh")] == taken
    assert needed[made["sin"]] == taken[1]
    assert needed[made["root"]] == needed[made["choose"]] == ("training",)
    assert needed[made["trained"]] == needed[made["sum"]] == ()
    # Whatever gradients read is there in every training step.
    late = guards(graph, forward=len(graph.nodes) - 3)
    assert late[made["choose"]] == late[made["sum"]] == ("training",)


def test_a_row_that_nobody_takes_is_not_computed():
    graph, made = program()
    x = np.random.default_rng(0).uniform(1, 4, (4, 2)).astype(np.float32)
    root = np.sqrt(x.astype(np.float64))
    results = [np.exp(root), np.abs(np.sin(root)), np.tanh(root)]
    for numbers, absent in (([1, 1, 1, 1], {"exp", "tanh"}), ([-3, 9.5, 0.9, 2], {"sin", "inner"})):
        values = {"x": x, "which": np.array(numbers, np.float32)[:, None]}
        forward(graph, values, StepContext(training=True), np.dtype(np.float32))
        assert {name for name, value in made.items() if value not in values} == absent
        rows = [int(np.clip(n, 0, 2)) for n in numbers]
        want = 2 * np.stack([results[k][r] for r, k in enumerate(rows)])
        np.testing.assert_allclose(values[made["sum"]], want, rtol=1e-6)


def test_evaluation_has_nothing_of_training():
    graph, made = program()
    found = in_evaluation(graph)
    check(found)
    assert [node.output for node in found.nodes] == [made["trained"], made["sum"]]
    assert found.outputs == graph.outputs
    assert in_evaluation(found) is found
    values = {"x": np.ones((1, 2), np.float32), "which": np.ones((1, 1), np.float32)}
    forward(found, values, StepContext(training=False), np.dtype(np.float32))
    np.testing.assert_array_equal(values[made["sum"]], [[2, 2]])
