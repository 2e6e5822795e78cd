"""What an operation's ``fold.py`` says: what becomes of a scaling beside it, and when it is nothing at all.

All of it is optional: an operation of which nothing is said stays as it is, and no scaling folds into it or past it.
The passes measure what a fold would cost; the rules here only do the algebra, in float64. They are given nodes of the
operation that the key of ``RULES`` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.catalogue import rules


@dataclass(frozen=True)
class Scaling:
    """``(x - shift) * scale + offset``: what passes fold away.

    The arrays are float64, of the rank of x without its batch axis, each axis full or 1.

    Attributes:
        scale, offset: the numbers.
        shift: the mean to subtract first; None for nothing.
        spread: the standard deviation that goes with the mean.
    """

    scale: Array
    offset: Array
    shift: Array | None = None
    spread: Array | None = None

    def each(self, change: Callable[[Array], Array]) -> Scaling:
        """The same scaling with its arrays changed, as beside values that have moved."""
        return replace(self, **{name: change(a) for name, a in self._arrays().items()})

    def _arrays(self) -> dict[str, Array]:
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: a for name, a in arrays.items() if a is not None}

    def why_not_past(self, node: Node[Op], axes: tuple[int, ...], *, keeps_order: bool) -> str | None:
        """Why it does not pass a mean or a largest value along some axes, the batch axis counted; None if it does.

        Args:
            node: which takes the mean or the largest value.
            axes: along which it does.
            keeps_order: whether what is largest must stay the largest.
        """
        if any(a.shape[axis - 1] != 1 for a in self._arrays().values() for axis in axes):
            return f"its numbers vary along the axes that layer {node.layer!r} pools"
        if keeps_order and not (self.scale > 0).all():
            return f"a factor that is not positive changes what is largest for layer {node.layer!r}"
        return None

    def along_last_axis(self, size: int) -> Scaling | None:
        """Its numbers as vectors of this size; None if they vary along another axis."""
        scale, offset = (along_last_axis(a, size) for a in (self.scale, self.offset))
        shift, spread = (None if a is None else along_last_axis(a, size) for a in (self.shift, self.spread))
        if scale is None or offset is None or (shift is None) != (self.shift is None):
            return None
        return Scaling(scale, offset, shift, spread)


def along_last_axis(array: Array, size: int) -> Array | None:
    """The float64 vector of a weight that varies along the last axis only; None if it varies along another."""
    if any(n != 1 for n in array.shape[:-1]):
        return None
    return np.broadcast_to(array.reshape(-1).astype(np.float64), (size,))


@dataclass(frozen=True)
class Folded:
    """An operation's new weights, with a scaling in them.

    Attributes:
        weights: by the names for them, in the order of the operands after the data; float64, units on the last axis.
        mean: what the scaling subtracted and the weights now hold, None for nothing: where it is large beside
            ``spread``, float32 loses precision, and the pass leaves the fold.
        spread: the standard deviation that goes with the mean; None where it is not known.
    """

    weights: Mapping[str, Array]
    mean: Array | None = None
    spread: Array | None = None


@dataclass(frozen=True)
class Linear:
    """How a linear operation takes a scaling into its weights. Both are given the graph, the node and the scaling.

    Each returns the new weights, or the reason why there are none, in words that follow "Not folded into …: ".

    Attributes:
        after: the operation, then the scaling.
        before: the scaling, then the operation.
    """

    after: Callable[[Graph, Node[Any], Scaling], Folded | str]
    before: Callable[[Graph, Node[Any], Scaling], Folded | str]


@dataclass(frozen=True)
class Commutes:
    """How a scaling passes an operation. Both are given the graph, the node and the scaling.

    Each returns the scaling for the other side, with the same result; or the reason why there is none, in words; or
    None, where the node is no different from an operation that lets no scaling past.

    Attributes:
        forward: for a scaling that stood before the operation, the one that does the same after it.
        backward: the inverse.
        any_function: whether every elementwise function passes too, because the operation only moves values.
    """

    forward: Callable[[Graph, Node[Any], Scaling], Scaling | str | None]
    backward: Callable[[Graph, Node[Any], Scaling], Scaling | str | None]
    any_function: bool = False


@dataclass(frozen=True)
class Fold:
    """How an operation takes part in folding.

    Attributes:
        linear: how it takes a scaling into its weights; such an operation is Fusable.
        commutes: how a scaling passes it.
        is_nothing: of the graph and the node, whether the node gives back its first operand.
        zeros: the place of the operand that can be left out where it is all zeros; it is the last one.
        scaling: of the graph and the node, the scaling that the operation itself is, as its weights say it.
        arithmetic: of the graph and the node, the scaling that would compute the same, though with other roundings;
            None where none does.
        between: what stands between a scaling and what comes before the node, in words; by default the node itself.
    """

    linear: Linear | None = None
    commutes: Commutes | None = None
    is_nothing: Callable[[Graph, Node[Any]], bool] | None = None
    zeros: int | None = None
    scaling: Callable[[Graph, Node[Any]], Scaling] | None = None
    arithmetic: Callable[[Graph, Node[Any]], Scaling | None] | None = None
    between: Callable[[Node[Any]], str] | None = None


_FOUND: dict[type[Op], Fold] = {}


def fold_of(op: Op) -> Fold:
    """What an operation says of folding; passes ask it of every node, many times."""
    cls = type(op)
    if cls not in _FOUND:
        _FOUND[cls] = rules("fold", cls) or Fold()
    return _FOUND[cls]


def weights_of(graph: Graph, node: Node[Op]) -> list[Array]:
    """A node's weights in float64."""
    return [
        graph.constants[v].astype(np.float64) for v in node.inputs[node.op.data_operands(len(node.inputs)) :]
    ]
