"""Regions of a scaling: the same region of its operand, with the numbers that belong to it."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.regions import Rule, elementwise

RULES: dict[type[Op], Rule] = {Affine: elementwise}
