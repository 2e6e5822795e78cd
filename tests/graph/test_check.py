"""Rules of programs, each broken alone."""

from dataclasses import replace

import numpy as np
import pytest

from foldnet.errors import GraphError
from foldnet.graph.check import check_prediction
from foldnet.graph.graph import GraphBuilder, Node
from foldnet.operations.matrix.op import Dense
from foldnet.operations.structure.op import Concatenate


def joined():
    b = GraphBuilder()
    x = b.input("x", (None, 3))
    b.constant("w", np.zeros((3, 2)))
    y = b.emit(Concatenate(1), x, x)
    return b.build([y]), y


@pytest.mark.parametrize(
    ("op", "operands"),
    [(Concatenate(1), ()), (Dense(), ()), (Dense(), ("x",)), (Dense(), ("x", "w", "w", "w"))],
)
def test_operands_are_as_many_as_an_op_takes(op, operands):
    graph, y = joined()
    with pytest.raises(GraphError, match=f"{type(op).__name__} has {len(operands)} operands"):
        check_prediction(replace(graph, nodes=(Node(op, operands, y, "layer"),)))


@pytest.mark.parametrize("operands", [("w", "x"), ("x", "x")])
def test_data_comes_first_and_weights_are_constants(operands):
    graph, y = joined()
    with pytest.raises(GraphError, match=r"is (a constant|data)$"):
        check_prediction(replace(graph, nodes=(Node(Dense(), operands, y, "layer"),)))


def test_a_whole_program_passes():
    graph, _ = joined()
    check_prediction(graph)
    with pytest.raises(GraphError, match="the result 'w' is a constant"):
        check_prediction(replace(graph, outputs=("w",)))
    with pytest.raises(GraphError, match="the result 'z' is never computed"):
        check_prediction(replace(graph, outputs=("z",)))
