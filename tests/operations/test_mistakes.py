"""Known mistakes with operations give results of the right shape, and other numbers."""

import numpy as np
import pytest

from foldnet.engines.reference.program import ReferenceProgram
from foldnet.operations.catalogue import every_op, rules
from foldnet.operations.mistakes import other_layouts, read_as, taken_for, wrong_results
from tests.operations.test_catalogue import PREDICTING

WITH_MISTAKES = [label for label in PREDICTING if rules("mistakes", type(PREDICTING[label].op))]


def wrong_of(label):
    graph = PREDICTING[label].graph(fixed=True)
    data = PREDICTING[label].data(3, 0)
    (node,) = graph.nodes
    values = {**graph.constants, **dict(zip(graph.inputs, data, strict=True))}
    operands = [np.asarray(values[v], np.float64) for v in node.inputs]
    right = ReferenceProgram(graph).run(data)[0]
    return right, [(w, w.compute(operands)) for w in wrong_results(graph, node)]


def test_the_operations_that_have_mistakes():
    assert {type(PREDICTING[label].op).__name__ for label in WITH_MISTAKES} == {
        name for name, op in every_op().items() if rules("mistakes", op)
    }
    assert {
        "Binary", "Conv", "ConvTranspose", "Lookup", "Pad", "PadSame", "Pool", "Product", "Reshape", "Scan", "Slice",
        "Softmax", "Stretch", "Unary", "Where",
    } == {type(PREDICTING[label].op).__name__ for label in WITH_MISTAKES}  # fmt: skip


@pytest.mark.parametrize("label", WITH_MISTAKES)
def test_what_makes_an_attention_wrong_is_no_mistake_elsewhere(label):
    """Each case is one operation alone."""
    if type(PREDICTING[label].op).__name__ in ("Binary", "Product", "Reshape", "Softmax", "Stretch", "Where"):
        assert wrong_of(label)[1] == []


@pytest.mark.parametrize("label", WITH_MISTAKES)
def test_a_wrong_result_has_the_shape_of_the_right_one(label):
    right, found = wrong_of(label)
    assert all(y.shape == right.shape for _, y in found)
    assert len({(w.name, w.variant) for w, _ in found}) == len(found)


def test_most_mistakes_change_something():
    """Those of settings that the case's own data do not show may change nothing."""
    same = changed = 0
    for label in WITH_MISTAKES:
        right, found = wrong_of(label)
        for _, y in found:
            equal = np.allclose(y, right, equal_nan=True)
            same, changed = same + equal, changed + (not equal)
    assert changed > 20 * same > 0 or same == 0, (changed, same)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_kernel_put_in_another_order_and_back(dims):
    kernel = np.random.default_rng(0).normal(size=(*(2, 3, 4)[:dims], 5, 6))
    for letters, order in other_layouts(dims):
        stored = np.ascontiguousarray(kernel.transpose(order))
        assert np.array_equal(taken_for(order, stored.reshape(kernel.shape)), kernel), letters
        assert np.array_equal(read_as(order, kernel).ravel(), stored.ravel()), letters
