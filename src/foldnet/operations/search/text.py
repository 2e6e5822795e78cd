"""Operations that search, as NumPy source."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.search.op import Digitize, Hash, Lookup
from foldnet.operations.texts import Operands, Text


def _digitize(op: Digitize, o: Operands) -> str:
    x, boundaries = o.texts
    return f'np.searchsorted({boundaries}, {x}, side="right").astype(np.int32)'


def _lookup(op: Lookup, o: Operands) -> str:
    settings = [o.texts[0], str(list(op.keys)), str(list(op.values)), str(op.first), str(op.others)]
    return o.call("find", *settings)


def _brief(op: Lookup, o: Operands) -> str:
    return f"lookup({o.texts[0]})"


def _hash(op: Hash, o: Operands) -> str:
    return o.call("hash_bins", o.texts[0], str(op.bins), str(op.masked))


def _brief_hash(op: Hash, o: Operands) -> str:
    return f"hash({o.texts[0]}) % {op.bins}"


RULES: dict[type[Op], Text] = {
    Digitize: Text(_digitize, "intervals", ("x", "boundaries")),
    Hash: Text(_hash, "hash", brief=_brief_hash),
    Lookup: Text(_lookup, "look-up", brief=_brief),
}
