"""Operations that search, in C."""

from __future__ import annotations

from foldnet.codegen.loops import lane
from foldnet.codegen.writer import Rule, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.search.op import Digitize, Hash, Lookup


def digitize(w: Writer, node: Node[Digitize]) -> None:
    """One for each boundary that is not above the value."""
    x, boundaries = node.inputs
    shape, (count,) = w.shape(node.output), w.shape(boundaries)
    w.zero(node.output)
    with w.loop("k", count) as k:
        edge = w.entry(boundaries, str(k))
        w.nest(shape, [w.write(node.output), w.read(x)], lambda y, x: f"{y} += !({x} < {edge});", sums=True)


def lookup(w: Writer, node: Node[Lookup]) -> None:
    """A search that halves the table again and again; a number that has no value is reported."""
    op, shape = node.op, w.shape(node.output)
    with w.numbers("keys", op.keys) as keys, w.numbers("values", op.values) as values:

        def body(y: str, x: str, row: str) -> str:
            found = [f"const int32_t at = fn_find({x}, {keys}, {len(op.keys)});"]
            if op.others == 0:
                found.append(f"if (at < 0)\n  {w.fault(node, row)}")
            other = f"{op.first}" if op.others < 2 else f"{op.first} + fn_floor_mod({x}, {op.others})"
            found.append(f"{y} = at < 0 ? {other} : {values}[at];")
            return "\n".join(found)

        w.nest(shape, [w.write(node.output), w.read(node.inputs[0]), lane(len(shape))], body)


def hash_(w: Writer, node: Node[Hash]) -> None:
    """The fingerprint's remainder."""
    op, shape = node.op, w.shape(node.output)

    def body(y: str, x: str) -> str:
        found = f"(int32_t)(fn_fingerprint({x}) % {op.bins}u)"
        return f"{y} = {found};" if op.masked is None else f"{y} = {x} == {op.masked} ? 0 : {found} + 1;"

    w.nest(shape, [w.write(node.output), w.read(node.inputs[0])], body)


RULES: dict[type[Op], Rule] = {Digitize: digitize, Hash: hash_, Lookup: lookup}
