"""Known mistakes with operations that search: indices that begin elsewhere, a vocabulary in another order.

They are those of an index lookup: its vocabulary has the indices after those of other numbers (or texts), which come
after that of a masked one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.mistakes import Rule, Wrong, computed
from foldnet.operations.search.op import Lookup


def _lookup(graph: Graph, node: Node[Lookup]) -> Iterator[Wrong]:
    op = node.op
    start = op.first + op.others
    vocabulary = [v for v in op.values if v >= start]
    is_index = sorted(vocabulary) == list(range(start, start + len(vocabulary)))
    if not is_index or op.first not in (0, 1):
        return  # it has other values than indices
    yield from _of_order(op, vocabulary, start)
    yield from _of_start(op, start)
    yield from _of_others(op, start)


def _of_order(op: Lookup, vocabulary: Sequence[int], start: int) -> Iterator[Wrong]:
    """Keys ascend: a vocabulary in the order of its keys is sorted."""
    last = start + len(vocabulary) - 1
    orders = {
        "sorted": dict(zip(vocabulary, sorted(vocabulary), strict=True)),
        "reversed": {v: start + last - v for v in vocabulary},
    }
    for variant, order in orders.items():
        if any(old != new for old, new in order.items()):
            yield _other("vocabulary-order", op, _given(order), variant)


def _given(order: Mapping[int, int]) -> Callable[[int], int]:
    return lambda value: order.get(value, value)


def _of_start(op: Lookup, start: int) -> Iterator[Wrong]:
    has_words = any(v >= start for v in op.values)
    if op.others and has_words:
        yield _other("index-offset", op, lambda v: v - op.others if v >= start else v, "other ones")
    if op.first:
        yield _other("index-offset", op, lambda v: max(v - op.first, 0), "masked one", first=0)
        if op.others and has_words:
            begin = op.first + op.others
            yield _other(
                "index-offset",
                op,
                lambda v: v - begin if v >= start else max(v - op.first, 0),
                "both",
                first=0,
            )


def _of_others(op: Lookup, start: int) -> Iterator[Wrong]:
    if op.others > 1:
        yield _other(
            "hash-ignored", op, lambda v: op.first if op.first <= v < start else v, first=op.first, others=1
        )
    is_masked = [v < op.first for v in op.values]
    if any(is_masked) and op.first and op.others:
        yield _other("other-as-masked", op, lambda v: 0 if v < start else v, first=0, others=1, sight=False)
    if any(is_masked) and op.others == 1:
        yield _other("masked-as-other", op, lambda v: max(v, op.first), sight=False)


def _other(
    name: str,
    op: Lookup,
    change: Callable[[int], int],
    variant: str = "",
    *,
    sight: bool = True,
    first: int | None = None,
    others: int | None = None,
) -> Wrong:
    """The operation with other values."""
    wrong = replace(
        op,
        values=tuple(change(v) for v in op.values),
        first=op.first if first is None else first,
        others=op.others if others is None else others,
    )

    def compute(operands: Sequence[Array]) -> Array:
        return computed(wrong, *operands)

    return Wrong(name, compute, variant, sight)


RULES: dict[type[Op], Rule] = {Lookup: _lookup}
