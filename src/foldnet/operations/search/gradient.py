"""Operations that search have no gradient: their results are whole numbers."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.gradients import Rule, nothing
from foldnet.operations.search.op import Digitize, Hash, Lookup

RULES: dict[type[Op], Rule] = {Digitize: nothing, Hash: nothing, Lookup: nothing}
