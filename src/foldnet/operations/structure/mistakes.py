"""Known mistakes with operations that move values: a sequence that is not turned round, heads in another order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.attending import after_node, in_attention, multiplies_two
from foldnet.operations.mistakes import Rule, Wrong
from foldnet.operations.structure.op import Reshape, Slice, Stretch

WHOLE, TURNED = (None, None, 1), (None, None, -1)


def _slice(graph: Graph, node: Node[Slice]) -> Iterator[Wrong]:
    if TURNED in node.op.slices and set(node.op.slices) <= {WHOLE, TURNED}:
        yield Wrong("not-turned-round", _same, sight=True)


def _same(operands: Sequence[Array]) -> Array:
    return operands[0]


# -- heads of an attention --------------------------------------------------------------------------------------

Change = Callable[[Array, int, int], Array]
"""From a value, the number of heads and their size to the value in another form."""


def _split_size_first(x: Array, heads: int, size: int) -> Array:
    return x.reshape(*x.shape[:-1], size, heads).swapaxes(-1, -2)


def _joined_size_first(x: Array, heads: int, size: int) -> Array:
    return x.swapaxes(-1, -2).reshape(*x.shape[:-2], heads * size)


def _split_outside(x: Array, heads: int, size: int) -> Array:
    return np.moveaxis(x.reshape(len(x), heads, *x.shape[1:-1], size), 1, -2)


def _joined_outside(x: Array, heads: int, size: int) -> Array:
    return np.moveaxis(x, -2, 1).reshape(*x.shape[:-2], heads * size)


ORDERS: dict[str, tuple[Change, Change]] = {
    "size first": (_split_size_first, _joined_size_first),
    "heads before positions": (_split_outside, _joined_outside),
}
"""Wrong ways to put heads into an axis of their own, and back."""


def _reshape(graph: Graph, node: Node[Reshape]) -> Iterator[Wrong]:
    """(..., heads * size) as (..., heads, size) before the scores of an attention, and back after them."""
    before, after = (graph.types[v].shape[1:] for v in (node.inputs[0], node.output))
    splits = len(after) > len(before)
    apart, flat = (after, before) if splits else (before, after)
    heads, size = apart[-2:] if len(apart) > 2 else (1, 1)
    if (
        apart[:-2] != flat[:-1]
        or not heads
        or not size
        or 1 in (heads, size)
        or not in_attention(graph, node)
    ):
        return
    # The gate of a GroupQueryAttention goes into no product.
    is_projection = splits and any(multiplies_two(graph, n) for n in after_node(graph, node))
    for order, both in ORDERS.items():
        compute = _changed(both[0 if splits else 1], heads, size)
        yield Wrong("heads-order", compute, f"{order}, everywhere", together=True)
        if is_projection or not splits:
            yield Wrong("heads-order", compute, f"{order}, {'split' if splits else 'joined'}", together=True)


def _changed(change: Change, heads: int, size: int) -> Callable[[Sequence[Array]], Array]:
    return lambda operands: change(operands[0], heads, size)


def _stretch(graph: Graph, node: Node[Stretch]) -> Iterator[Wrong]:
    """Heads of key and value that several heads of the query share."""
    counts = (1, *node.op.counts)
    if in_attention(graph, node):
        yield Wrong("heads-shared", lambda operands: np.tile(operands[0], counts), "tiled", together=True)


RULES: dict[type[Op], Rule] = {Reshape: _reshape, Slice: _slice, Stretch: _stretch}
