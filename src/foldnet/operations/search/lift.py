"""Operations that search, along one more axis: each element alone."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.lifts import Rule, same
from foldnet.operations.search.op import Digitize, Hash, Lookup

RULES: dict[type[Op], Rule] = {Digitize: same, Hash: same, Lookup: same}
