"""What exported NumPy does beyond the values of rows: no rows, digits far out, and what it refuses.

Its values are compared with the reference, over all cases of the operations, in ``operations/test_catalogue.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import UnsupportedError
from foldnet.export import numpy_source
from foldnet.graph.graph import bind
from foldnet.graph.op import Elementwise
from foldnet.operations.cases import Case, drawn, rows
from foldnet.operations.matrix.op import Dense
from tests.operations.op_cases import PREDICTING, SMALL

GRAPHS = {label: case.graph(dtype="float32") for label, case in PREDICTING.items() if label in SMALL}


@pytest.mark.parametrize("name", GRAPHS)
def test_no_rows_give_no_rows(name):
    graph = GRAPHS[name]
    scope = {"__name__": "exported"}
    exec(numpy_source(graph), scope)
    data = PREDICTING[name].data(0)
    bound = bind(graph, [x.shape for x in data])
    assert scope["predict"](*data).shape == bound.types[bound.outputs[0]].shape


def test_gelu_keeps_its_digits_far_out():
    graph = GRAPHS["Unary-gelu-0"]
    scope = {"__name__": "exported"}
    exec(numpy_source(graph), scope)
    x = np.linspace(-13, 13, 37 * 40).astype(np.float32).reshape(-1, 37)
    truth = ReferenceProgram(graph).run([x])[0]
    np.testing.assert_allclose(scope["predict"](x), truth, rtol=3e-7, atol=0)


def test_index_outside_the_table_is_refused():
    scope = {"__name__": "exported"}
    exec(numpy_source(GRAPHS["Gather-narrow"]), scope)
    with pytest.raises(ValueError, match=r"index 9 is outside the table's 0 to 8"):
        scope["predict"]([[0, 1, 9]])
    with pytest.raises(ValueError, match="index -1"):
        scope["predict"]([[0, 1, -1]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e9])
def test_what_cannot_be_an_index_is_refused(bad):
    scope = {"__name__": "exported"}
    exec(numpy_source(GRAPHS["Cast-to-int"]), scope)
    with pytest.raises(ValueError, match="index is NaN or does not fit"):
        scope["predict"]([[0, 1, bad]])


def test_an_own_function_is_refused_by_name():
    own = Elementwise("<lambda>", (), lambda x: x + 1)
    graph = Case("own", Dense(own), (rows(4), drawn(4, 3))).graph()
    with pytest.raises(UnsupportedError, match=r"layer 'layer'.*'<lambda>'.*functools\.partial"):
        numpy_source(graph)
