"""Transpositions and a scaling: its numbers are transposed back."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.turns import Rule, elementwise

RULES: dict[type[Op], Rule] = {Affine: elementwise}
