"""What passes share: names of new constants and layers."""

import numpy as np

from foldnet.graph.graph import GraphBuilder, Node
from foldnet.operations.folds import along_last_axis
from foldnet.passes.rewriting import fresh, joined, quoted


def test_a_new_constant_has_a_name_of_its_own():
    b = GraphBuilder()
    for name in ("x", "a", "c", "c.1", "c.2"):
        b.constant(name, np.zeros(1))
    graph = b.build(["x"])
    assert [fresh(graph, name) for name in ("b", "a", "c", "c.1")] == ["b", "a.1", "c.3", "c.1.1"]


def test_the_layer_of_joined_nodes_names_each_once():
    nodes = [Node(None, (), "", layer) for layer in ("a", "b + a", "c")]
    assert joined(*nodes) == "a + b + c"
    assert quoted(["a", "b", "a"]) == "'a', 'b'"


def test_what_varies_along_the_last_axis():
    assert along_last_axis(np.ones((1, 3)), 3).tolist() == [1.0] * 3
    assert along_last_axis(np.float32(2), 2).tolist() == [2.0] * 2
    assert along_last_axis(np.ones((2, 3)), 3) is None
    assert along_last_axis(np.ones((2, 1)), 1) is None
