"""Functions of each value along one more axis."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.lifts import Rule, spread

RULES: dict[type[Op], Rule] = {Unary: spread, Binary: spread, Where: spread}
