"""Every operation along one more axis: at each of its positions, the operation itself."""

from __future__ import annotations

import numpy as np
import pytest

from foldnet.errors import UnsupportedError
from foldnet.operations import catalogue
from foldnet.operations.cases import cases_of

OPS = {name: op for name, op in catalogue.every_op().items() if op.predicts}
ROWS, STEPS = 2, 3


def run(op, operands):
    with np.errstate(all="ignore"):
        return catalogue.find("numpy", op).predict(op, operands, np.dtype("float64"))


def lifted(case, size, fixed_sizes):
    """The result along an axis of so many steps, and that of the operation for all of their rows.

    The rule is given all sizes of the data, or only those that the case fixes.
    """
    graph = case.graph()
    data = iter(case.data(ROWS * STEPS))
    names = graph.nodes[0].inputs
    operands = [graph.constants[v] if v in graph.constants else next(data) for v in names]
    operands = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in operands]
    constant = [v in graph.constants for v in names]
    expected = run(case.op, operands)
    shapes = [
        a.shape if fixed else (None, *(a.shape if fixed_sizes else graph.types[v].shape)[1:])
        for v, a, fixed in zip(names, operands, constant, strict=True)
    ]
    found = catalogue.rules("lift", type(case.op))(case.op, size, shapes, constant)
    along = [
        a if fixed else a.reshape(ROWS, STEPS, *a.shape[1:])
        for a, fixed in zip(operands, constant, strict=True)
    ]
    first, *others = found.ops
    types = [(None, size, *s[1:]) if not fixed else s for s, fixed in zip(shapes, constant, strict=True)]
    along = [a[np.newaxis] if k in found.ahead else a for k, a in enumerate(along)]
    types = [(1, *s) if k in found.ahead else s for k, s in enumerate(types)]
    y, shape = run(first, along), first.output_shape(*types)
    for op in others:
        y, shape = run(op, [y]), op.output_shape(shape)
    assert all(n in (None, m) for n, m in zip(shape, y.shape, strict=True)), (shape, y.shape)
    return y, expected.reshape(ROWS, STEPS, *expected.shape[1:])


@pytest.mark.parametrize("size", [STEPS, None], ids=["known", "free"])
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_operation_along_one_more_axis(op, size):
    done = 0
    for case in cases_of(op):
        free = any(None in getattr(o, "shape", ()) for o in case.operands)
        for fixed_sizes in (True, False) if free else (True,):
            try:
                y, expected = lifted(case, size, fixed_sizes)
            except UnsupportedError:
                assert size is None or free, case.name
                continue
            np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9, err_msg=case.name)
            done += 1
    assert done
