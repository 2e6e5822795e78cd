"""Known mistakes with products: the scores of an attention divided by another number, or computed in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import sqrt

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.attending import CONCAT, maker, makes_scores, multiplies_two, readers
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.numpy import by_letters
from foldnet.operations.matrix.op import Product
from foldnet.operations.mistakes import Rule, Wrong, computed


def _product(graph: Graph, node: Node[Product]) -> Iterator[Wrong]:
    if not makes_scores(graph, node):
        return
    if multiplies_two(graph, node):
        yield from _scaled(graph, node)
        yield from _added_up(graph, node)
    elif node.op.right == "z" and (weight := node.inputs[1]) in graph.constants:  # additive attention
        name = f"{weight.rpartition('/')[2]}-missing"
        yield Wrong(name, _plain_sum, "scores")
        yield Wrong("score-mode", _plain_sum, "dot, no weights", together=True)


def _scaled(graph: Graph, node: Node[Product]) -> Iterator[Wrong]:
    """The scores divided by another number."""
    op = node.op
    sizes = dict(zip(op.left, graph.types[node.inputs[0]].shape[1:], strict=True))
    size = np.prod([float(n or 1) for letter, n in sizes.items() if letter not in op.result])
    heads = np.prod([float(sizes[k] or 1) for k in op.left if k in op.right and k in op.result])
    if size == 1:
        return
    scale = maker(graph, node.inputs[0], node.layer)
    if scale is None or not isinstance(scale.op, Affine):
        yield Wrong("scores-scaled", _times(op, 1 / sqrt(size)), "root")
        return
    yield Wrong("scores-not-scaled", _times(op, sqrt(size)), sight=True)
    yield Wrong("scores-scale", _times(op, 1 / sqrt(size)), "size")
    if heads > 1:
        yield Wrong("scores-scale", _times(op, 1 / sqrt(heads)), "root of all heads")
        yield Wrong("scores-scale", _times(op, sqrt(size / heads)), "root of the number of heads")


def _times(op: Product, factor: float) -> Callable[[Sequence[Array]], Array]:
    return lambda operands: computed(op, *operands) * factor


def _added_up(graph: Graph, node: Node[Product]) -> Iterator[Wrong]:
    """Sums of ``tanh(query + key)`` in place of products; a weight that follows in another place, or left out."""
    yield Wrong("score-mode", _of_sums(node.op, 1.0), "concat")
    for reader in readers(graph, node):
        if isinstance(reader.op, Binary) and (weight := graph.constants.get(reader.inputs[1])) is not None:
            inside, outside = CONCAT
            yield Wrong("score-mode", _of_sums(node.op, float(weight.max())), inside, together=True)
            yield Wrong("score-mode", _of_sums(node.op, 1.0), outside, together=True)


def _of_sums(op: Product, scale: float) -> Callable[[Sequence[Array]], Array]:
    """The sums of ``tanh(scale * (query + key))``."""

    def compute(operands: Sequence[Array]) -> Array:
        letters = dict.fromkeys(op.result + op.left + op.right)
        query, key = (
            by_letters(x, own, letters) for x, own in zip(operands, (op.left, op.right), strict=True)
        )
        return np.asarray(
            np.tanh(scale * (query + key)).sum(axis=tuple(range(1 + len(op.result), query.ndim)))
        )

    return compute


def _plain_sum(operands: Sequence[Array]) -> Array:
    """The sum over the features without weights."""
    return np.asarray(operands[0].sum(axis=-1))


RULES: dict[type[Op], Rule] = {Product: _product}
