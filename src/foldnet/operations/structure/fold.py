"""Folding of operations that move values: a scaling's arrays are moved in the same way. Also which are identities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import FLOAT, Op
from foldnet.operations.folds import Commutes, Fold, Scaling
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Identity,
    Pick,
    Reshape,
    Slice,
    Stretch,
    Transpose,
)

Moving = TypeVar("Moving", bound=Op)


def _moving(
    move: Callable[[Graph, Node[Moving], Array], Array],
) -> Callable[[Graph, Node[Moving], Scaling], Scaling | None]:
    """The scaling with its arrays moved; None if sizes are free, so that the positions are unknown."""

    def moved(graph: Graph, node: Node[Moving], scaling: Scaling) -> Scaling | None:
        if any(None in graph.types[v].shape[1:] for v in (node.inputs[0], node.output)):
            return None
        return scaling.each(lambda array: move(graph, node, array))

    return moved


def _transposed(graph: Graph, node: Node[Transpose], array: Array) -> Array:
    return array.transpose([p - 1 for p in node.op.permutation[1:]])


def _transposed_back(graph: Graph, node: Node[Transpose], array: Array) -> Array:
    return array.transpose(np.argsort(node.op.permutation[1:]))


def _reshaped(graph: Graph, node: Node[Reshape], array: Array) -> Array:
    return _in_shape(graph, array, node.inputs[0], node.output)


def _reshaped_back(graph: Graph, node: Node[Reshape], array: Array) -> Array:
    return _in_shape(graph, array, node.output, node.inputs[0])


def _in_shape(graph: Graph, array: Array, source: str, target: str) -> Array:
    before, after = (tuple(int(n or 0) for n in graph.types[v].shape[1:]) for v in (source, target))
    if array.size == 1:
        return array.reshape((1,) * len(after))
    return np.broadcast_to(array, before).reshape(after)


def _sliced(graph: Graph, node: Node[Slice], array: Array) -> Array:
    """The positions taken, where the array has more than one."""
    entries = (slice(None) if n == 1 else slice(*e) for n, e in zip(array.shape, node.op.slices, strict=True))
    return array[tuple(entries)]


def _stretched(graph: Graph, node: Node[Stretch], array: Array) -> Array:
    """Repeated where the array has more than one position."""
    for axis, count in enumerate(node.op.counts):
        array = np.repeat(array, count, axis=axis) if count != 1 and array.shape[axis] != 1 else array
    return array


def _before_stretch(graph: Graph, node: Node[Stretch], scaling: Scaling) -> Scaling | str:
    """The same scaling, if it is constant along the axes that get longer."""
    axes = tuple(a for a, count in enumerate(node.op.counts, start=1) if count != 1)
    return scaling.why_not_past(node, axes, keeps_order=False) or scaling


def _picked(graph: Graph, node: Node[Pick], array: Array) -> Array:
    """The positions picked, where the array has more than one."""
    axis = node.op.axis - 1
    return array if array.shape[axis] == 1 else array.take(node.op.places, axis=axis)


def _before_pick(graph: Graph, node: Node[Pick], scaling: Scaling) -> Scaling | str:
    """The same scaling, if it is constant along the axis of which positions are picked."""
    return scaling.why_not_past(node, (node.op.axis,), keeps_order=False) or scaling


def _before_slice(graph: Graph, node: Node[Slice], scaling: Scaling) -> Scaling | str:
    """The same scaling, if it is constant along the axes of which only some positions are taken."""
    axes = tuple(a for a, entry in enumerate(node.op.slices, start=1) if entry != (None, None, 1))
    return scaling.why_not_past(node, axes, keeps_order=False) or scaling


def _pieces(graph: Graph, node: Node[Concatenate], scaling: Scaling) -> list[Scaling] | str:
    """The numbers that belong to each operand."""
    place, found, start = node.op.axis - 1, [], 0
    for value in node.inputs:
        n = graph.types[value].shape[node.op.axis]
        if n is None or graph.types[value].dtype != FLOAT:
            return f"the operands of layer {node.layer!r} are not all floats of known size"

        def own(array: Array, part: slice = slice(start, start + n)) -> Array:
            return array if array.shape[place] == 1 else array[(slice(None),) * place + (part,)]

        found.append(scaling.each(own))
        start += n
    return found


def _joined(graph: Graph, node: Node[Concatenate], scaling: Scaling, value: str) -> Scaling | str:
    """Its numbers where the value lies, and what changes nothing where others lie."""
    place = node.op.axis - 1
    sizes = [graph.types[v].shape[node.op.axis] for v in node.inputs]
    if None in sizes or any(graph.types[v].dtype != FLOAT for v in node.inputs):
        return f"the operands of layer {node.layer!r} are not all floats of known size"

    def beside(array: Array | None, other: float) -> Array | None:
        if array is None:
            return None
        parts = []
        for v, n in zip(node.inputs, sizes, strict=True):
            shape = (*array.shape[:place], int(n or 0), *array.shape[place + 1 :])
            parts.append(np.broadcast_to(array, shape) if v == value else np.full(shape, other))
        return np.concatenate(parts, axis=place)

    scale, offset = beside(scaling.scale, 1.0), beside(scaling.offset, 0.0)
    assert scale is not None
    assert offset is not None
    return Scaling(scale, offset, beside(scaling.shift, 0.0), beside(scaling.spread, 1.0))


def _same_shape(graph: Graph, node: Node[Reshape]) -> bool:
    shape = graph.types[node.inputs[0]].shape
    return None not in shape[1:] and node.op.output_shape(shape) == shape


def _takes_all(graph: Graph, node: Node[Slice]) -> bool:
    shape = graph.types[node.inputs[0]].shape[1:]
    return all(
        entry == (None, None, 1) if n is None else range(*slice(*entry).indices(n)) == range(n)
        for n, entry in zip(shape, node.op.slices, strict=True)
    )


def _in_order(graph: Graph, node: Node[Transpose]) -> bool:
    permutation = node.op.permutation
    return permutation == tuple(range(len(permutation)))


def _same_type(graph: Graph, node: Node[Cast]) -> bool:
    return node.op.dtype == graph.types[node.inputs[0]].dtype


RULES: dict[type[Op], Fold] = {
    Identity: Fold(is_nothing=lambda graph, node: True),
    Cast: Fold(is_nothing=_same_type),
    Concatenate: Fold(is_nothing=lambda graph, node: len(node.inputs) == 1, pieces=_pieces, joined=_joined),
    Reshape: Fold(
        commutes=Commutes(_moving(_reshaped), _moving(_reshaped_back), any_function=True),
        is_nothing=_same_shape,
    ),
    Pick: Fold(commutes=Commutes(_moving(_picked), _before_pick, any_function=True)),
    Slice: Fold(commutes=Commutes(_moving(_sliced), _before_slice, any_function=True), is_nothing=_takes_all),
    Stretch: Fold(commutes=Commutes(_moving(_stretched), _before_stretch, any_function=True)),
    Transpose: Fold(
        commutes=Commutes(_moving(_transposed), _moving(_transposed_back), any_function=True),
        is_nothing=_in_order,
    ),
}
