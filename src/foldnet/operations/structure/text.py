"""Operations that move values, as NumPy source."""

from __future__ import annotations

from foldnet.graph.op import INT, Op
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Stretch,
    Transpose,
    like,
)
from foldnet.operations.texts import Operands, Text


def _reshape(op: Reshape, o: Operands) -> str:
    x = o.texts[0]
    own = [f"{x}.shape[{like(t)}]" if t < -1 else str(t) for t in op.target]
    sizes = [text if n is None else str(n) for text, n in zip(own, o.result[1:], strict=True)]
    if "-1" in sizes:
        # NumPy cannot work out -1 for no rows at all, so the size is written out.
        known = " * ".join(s for s in sizes if s != "-1")
        total = f"math.prod({x}.shape[1:])"
        sizes[sizes.index("-1")] = f"{total} // ({known})" if known else total
    return f"{x}.reshape({', '.join([f'len({x})', *sizes])})"


def _transpose(op: Transpose, o: Operands) -> str:
    return f"{o.texts[0]}.transpose({', '.join(map(str, op.permutation))})"


def _repeat(op: Repeat, o: Operands) -> str:
    return f"np.repeat({o.texts[0]}[:, np.newaxis], {op.count}, axis=1)"


def _stretch(op: Stretch, o: Operands) -> str:
    text = o.texts[0]
    for axis, count in enumerate(op.counts, start=1):
        text = f"np.repeat({text}, {count}, axis={axis})" if count != 1 else text
    return text


def _concatenate(op: Concatenate, o: Operands) -> str:
    return f"np.concatenate([{', '.join(o.texts)}], {o.axis(op.axis)})"


def _gather(op: Gather, o: Operands) -> str:
    indices, table = o.texts
    return o.call("look_up", table, indices)


def _cast(op: Cast, o: Operands) -> str:
    x = o.texts[0]
    return o.call("as_indices", x) if op.dtype == INT else f"{x}.astype(np.float32)"


def _one_hot(op: OneHot, o: Operands) -> str:
    return f"({o.texts[0]}[..., np.newaxis] == np.arange({op.size})).astype(np.float32)"


def _slice(op: Slice, o: Operands) -> str:
    def text(start: int | None, stop: int | None, step: int) -> str:
        ends = f"{'' if start is None else start}:{'' if stop is None else stop}"
        return ends if step == 1 else f"{ends}:{step}"

    return f"{o.texts[0]}[:, {', '.join(text(*entry) for entry in op.slices)}]"


def _pick(op: Pick, o: Operands) -> str:
    return f"np.take({o.texts[0]}, {list(op.places)}, axis={op.axis})"


def _identity(op: Identity, o: Operands) -> str:
    return o.texts[0]


def _brief_gather(op: Gather, o: Operands) -> str:
    indices, table = o.texts
    return f"{table}[{indices}]"


def _brief_cast(op: Cast, o: Operands) -> str:
    return f"{o.texts[0]}.astype(np.{'int32' if op.dtype == INT else 'float32'})"


RULES: dict[type[Op], Text] = {
    Reshape: Text(_reshape),
    Transpose: Text(_transpose),
    Repeat: Text(_repeat, "repeat"),
    Concatenate: Text(_concatenate),
    Gather: Text(_gather, "look-up", ("x", "embeddings"), brief=_brief_gather),
    Cast: Text(_cast, "convert", brief=_brief_cast),
    Identity: Text(_identity),
    OneHot: Text(_one_hot),
    Slice: Text(_slice),
    Stretch: Text(_stretch, "repeat each"),
    Pick: Text(_pick),
}
