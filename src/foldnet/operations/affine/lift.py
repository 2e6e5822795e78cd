"""Scaling along one more axis."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.lifts import Rule, spread

RULES: dict[type[Op], Rule] = {Affine: spread}
