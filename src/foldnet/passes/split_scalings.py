"""Split a scaling among the operands of a concatenation or a sum, if every part then folds."""

from __future__ import annotations

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.operations.affine.op import Affine
from foldnet.operations.folds import Scaling, fold_of
from foldnet.passes.fold_backward import activation_stays
from foldnet.passes.fold_backward import plan as plan_backward
from foldnet.passes.merge_affines import plan as plan_merge
from foldnet.passes.moves import moved_from, way_back
from foldnet.passes.rewriting import Rewrite, Uses, applied, exhaust, fresh


def split_scalings(graph: Graph) -> Graph:
    """Give each operand of a concatenation or a sum its part of the scaling after it, if all parts fold.

    For a concatenation these are the numbers of its channels; for a sum ``(a + b - m) s + o = ((a - m) s + o) + b s``.
    One scaling of the whole is cheaper than several, so that it stays if one of them would.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | str | None:
    """The operation on scaled operands; the reason against it; or None if the scaling does not come after one."""
    scaling = fold_of(node.op).scaling
    way = way_back(graph, uses, node, scaling(graph, node)) if scaling else None
    if way is None or isinstance(way, str) or way.end is None:
        return None
    before, moves = way.end, way.passed
    rule = fold_of(before.op).pieces
    if rule is None:
        return None
    pieces = rule(graph, before, way.scaling)
    kept = uses.kept_because(before.output, moves[0] if moves else node) or uses.shared_because(node)
    reason = kept or _activation_keeps(node, [before, *moves])
    if isinstance(pieces, str) or reason:
        return pieces if isinstance(pieces, str) else reason
    rewrite = _split(graph, node, before, moves, pieces)
    return _why_one_stays(graph, rewrite, len(pieces)) or rewrite


def _activation_keeps(node: Node[Op], moves: list[Node[Op]]) -> str | None:
    """Why the scaling's own activation cannot be applied to the operands, as text; None if it can."""
    return activation_stays(node, moves) if fused_activation(node.op) else None


def _split(
    graph: Graph, node: Node[Op], before: Node[Op], moves: list[Node[Op]], pieces: list[Scaling]
) -> Rewrite:
    constants: dict[str, Array] = {}
    spreads: dict[str, Array] = {}
    scaled: list[Node[Op]] = []
    for place, (value, piece) in enumerate(zip(before.inputs, pieces, strict=True)):
        arrays = {"scale": piece.scale, "offset": piece.offset}
        arrays |= {} if piece.shift is None else {"shift": piece.shift}
        names = {name: fresh(graph, f"{node.layer}/{name}/{place}") for name in arrays}
        constants |= {names[name]: array for name, array in arrays.items()}
        if piece.spread is not None and "shift" in names:
            spreads[names["shift"]] = piece.spread
        output = fresh(graph, f"{node.output}/{place}")
        scaled.append(Node(Affine(fused_activation(node.op)), (value, *names.values()), output, node.layer))
    whole = Node(
        before.op, tuple(n.output for n in scaled), fresh(graph, f"{before.output}/split"), before.layer
    )
    *ahead, last = [whole, *moved_from(graph, before.output, whole.output, moves)[0]]
    last = Node(last.op, last.inputs, node.output, last.layer)
    return Rewrite((before, *moves, node), last, constants, (*scaled, *ahead), spreads)


def _why_one_stays(graph: Graph, rewrite: Rewrite, count: int) -> str | None:
    """Why one of the new scalings would not fold; None if all do."""
    split = applied(graph, rewrite)
    uses = Uses(split)
    for node in rewrite.ahead[:count]:
        found = plan_merge(split, uses, node) or plan_backward(split, uses, node)
        if not isinstance(found, Rewrite) and not isinstance(plan(split, uses, node), Rewrite):
            value = node.inputs[0]
            return f"its part on {_named(uses, value)} would stay: {found}"
    return None


def _named(uses: Uses, value: str) -> str:
    before = uses.producer.get(value)
    return f"the result of layer {before.layer!r}" if before else f"the input {value!r}"
