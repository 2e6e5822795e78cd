"""How operations take part in folding (``fold.py`` of each family): scalings next to them, and identities.

Every part is optional: an operation without an entry stays as it is, and no scaling folds into it or moves past it.
The passes measure the precision that a fold would cost; the rules only do the algebra, in float64. They are given
nodes of the operation that the key of ``RULES`` names.
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
    """``(x - shift) * scale + offset``, which passes fold away.

    The arrays are float64 and have the rank of x without its batch axis; each axis has x's size or size 1.

    Attributes:
        scale, offset: the numbers.
        shift: the mean to subtract first; None for no mean.
        spread: the standard deviation that belongs to the mean.
    """

    scale: Array
    offset: Array
    shift: Array | None = None
    spread: Array | None = None

    def each(self, change: Callable[[Array], Array]) -> Scaling:
        """The same scaling with a function applied to each array, for use beside moved values."""
        return replace(self, **{name: change(a) for name, a in self._arrays().items()})

    def _arrays(self) -> dict[str, Array]:
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: a for name, a in arrays.items() if a is not None}

    def why_not_past(self, node: Node[Op], axes: tuple[int, ...], *, keeps_order: bool) -> str | None:
        """Why it does not commute with a mean or maximum along some axes (0 is the batch axis); None if it does.

        Args:
            node: of the mean or maximum.
            axes: of the mean or maximum.
            keeps_order: whether the largest value must stay the largest.
        """
        if any(a.shape[axis - 1] != 1 for a in self._arrays().values() for axis in axes):
            return f"its numbers vary along the axes that layer {node.layer!r} pools or cuts"
        if keeps_order and not (self.scale > 0).all():
            return f"a factor that is not positive changes what is largest for layer {node.layer!r}"
        return None

    def why_not_past_zeros(self, node: Node[Op]) -> str | None:
        """Why it does not commute with zeros that a node puts around a value; None if it keeps zeros."""
        of_zero = self.offset - (0 if self.shift is None else self.shift * self.scale)
        if (of_zero != 0).any():
            return f"the zeros that layer {node.layer!r} puts around its input would no longer be zeros"
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
        weights: by name, in the order of the operands after the data; float64, units on the last axis.
        mean: subtracted by the scaling and now part of the weights; None for none. If it is large compared with
            ``spread``, float32 loses precision, and the pass does not fold.
        spread: the standard deviation that belongs to the mean; None if unknown.
    """

    weights: Mapping[str, Array]
    mean: Array | None = None
    spread: Array | None = None


@dataclass(frozen=True)
class Linear:
    """How a linear operation takes a scaling into its weights. Both are given the graph, the node and the scaling.

    Each returns the new weights, or the reason why there are none, as text after "Not folded into …: ".

    Attributes:
        after: the operation, then the scaling.
        before: the scaling, then the operation.
    """

    after: Callable[[Graph, Node[Any], Scaling], Folded | str]
    before: Callable[[Graph, Node[Any], Scaling], Folded | str]


@dataclass(frozen=True)
class Commutes:
    """How a scaling moves past an operation. Both are given the graph, the node and the scaling.

    Each returns the scaling for the other side, with the same result; or the reason why there is none, as text; or
    None if this node is like an operation that no scaling moves past.

    Attributes:
        forward: for a scaling before the operation, the equivalent one after it.
        backward: the inverse.
        any_function: whether every elementwise function commutes, too, because the operation only moves values.
    """

    forward: Callable[[Graph, Node[Any], Scaling], Scaling | str | None]
    backward: Callable[[Graph, Node[Any], Scaling], Scaling | str | None]
    any_function: bool = False


@dataclass(frozen=True)
class Fold:
    """How an operation takes part in folding.

    Attributes:
        linear: how it takes a scaling into its weights; only for Fusable operations.
        commutes: how a scaling moves past it.
        is_nothing: for a graph and a node, whether the node returns its first operand unchanged.
        zeros: index of the operand (the last one) that can be dropped if it is all zeros.
        scaling: for a graph and a node, the scaling that the operation is, with its own weights.
        arithmetic: for a graph and a node, a scaling that computes the same up to rounding; None if there is none.
        pieces: for a graph, a node with several operands and a scaling after it, the scalings before each operand that
            give the same; or the reason why there are none, as text.
        joined: for a graph, a node with several operands, a scaling before one of them and that operand, the scaling
            after the node that gives the same; or the reason, as text.
        between: text for what lies between a scaling and the node before this one; by default the node itself.
    """

    linear: Linear | None = None
    commutes: Commutes | None = None
    is_nothing: Callable[[Graph, Node[Any]], bool] | None = None
    zeros: int | None = None
    scaling: Callable[[Graph, Node[Any]], Scaling] | None = None
    arithmetic: Callable[[Graph, Node[Any]], Scaling | None] | None = None
    pieces: Callable[[Graph, Node[Any], Scaling], list[Scaling] | str] | None = None
    joined: Callable[[Graph, Node[Any], Scaling, str], Scaling | str] | None = None
    between: Callable[[Node[Any]], str] | None = None


_FOUND: dict[type[Op], Fold] = {}


def fold_of(op: Op) -> Fold:
    """The folding rules of an operation; cached, because passes look them up for every node."""
    cls = type(op)
    if cls not in _FOUND:
        _FOUND[cls] = rules("fold", cls) or Fold()
    return _FOUND[cls]


def weights_of(graph: Graph, node: Node[Op]) -> list[Array]:
    """A node's weights in float64."""
    return [
        graph.constants[v].astype(np.float64) for v in node.inputs[node.op.data_operands(len(node.inputs)) :]
    ]
