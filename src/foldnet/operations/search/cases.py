"""Test cases of operations that search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from foldnet.graph.op import Op
from foldnet.operations.cases import INDICES, Case, Rows, indices, rows
from foldnet.operations.search.op import Digitize, Hash, Lookup

_FAR = (-(2**31), 2, 3, 5, 2**31 - 1)

RULES: Mapping[type[Op], Sequence[Case]] = {
    Digitize: [
        Case("vector", Digitize(), (rows(6), np.array([-2.0, 0.5, 0.5, 3.0]))),
        Case("matrix", Digitize(), (rows(3, 4), np.array([-1.0, 1.0]))),
        Case("ties", Digitize(), (Rows((5,), decimals=0), np.array([-2.0, -1.0, 0.0, 1.0, 4.0]))),
        Case("one", Digitize(), (rows(4), np.array([0.1]))),
        Case("int", Digitize(), (indices(5), np.array([1.0, 3.0, 7.0]))),
    ],
    Hash: [
        Case("vector", Hash(7), (indices(4),)),
        Case("matrix", Hash(1000), (indices(3, 2),)),
        Case("masked", Hash(5, 3), (indices(5),)),
        Case("one", Hash(1), (indices(5),)),
    ],
    Lookup: [
        Case("vector", Lookup((1, 3, 4, 7), (5, -2, 6, 2**30), 9), (indices(4),)),
        Case("matrix", Lookup((0, 2), (1, 2), 0, 1), (indices(3, 2),)),
        Case("others", Lookup(_FAR, (4, 5, 6, 7, 8), 1, 3), (indices(5),)),
        Case("one", Lookup((4,), (1,), 0), (indices(5),)),
        Case("known", Lookup(tuple(range(INDICES)), tuple(range(1, INDICES + 1)), 0, 0), (indices(4),)),
    ],
}
