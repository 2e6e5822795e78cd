"""Cases of scalings and offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foldnet.graph.op import Elementwise, Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.cases import Case, drawn, rows

_ELU = Elementwise("elu", (("alpha", 0.7),))
_SHAPES = {
    "vector": ((5,), (5,), (5,), (5,)),
    "vector-spread": ((5,), (1,), (5,), (1,)),
    "matrix": ((3, 4), (1, 4), (3, 1), (3, 4)),
    "last-axis": ((3, 4), (1, 4), (1, 4), (1, 4)),
    "middle-axis": ((3, 4), (3, 1), (3, 1), (3, 1)),
    "rank-4": ((2, 3, 4), (1, 1, 4), (1, 1, 4), (2, 1, 1)),
    "rank-4-all-axes": ((2, 3, 4), (2, 3, 4), (2, 3, 4), (2, 3, 4)),
    "rank-5": ((2, 3, 2, 3), (1, 3, 1, 3), (1, 1, 1, 1), (2, 1, 2, 1)),
}
"""By name: the shape of a row, of the scale, of the offset and of the shift."""


RULES: Mapping[type[Op], Sequence[Case]] = {
    Affine: [
        *(
            Case(name, Affine(), (rows(*x), drawn(*scale), drawn(*offset)))
            for name, (x, scale, offset, _) in _SHAPES.items()
        ),
        *(
            Case(f"{name}-shift", Affine(), (rows(*x), *(drawn(*s) for s in weights)))
            for name, (x, *weights) in _SHAPES.items()
        ),
        *(
            Case(f"{name}-shift-fused", Affine(_ELU), (rows(*x), *(drawn(*s) for s in weights)))
            for name, (x, *weights) in _SHAPES.items()
        ),
        Case("shift-tanh", Affine(Elementwise("tanh")), (rows(4), drawn(4), drawn(4), drawn(4))),
    ],
}
