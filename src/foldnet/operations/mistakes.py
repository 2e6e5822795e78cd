"""Known mistakes with an operation (``mistakes.py`` of each family), as people make them who write it themselves.

``verify`` computes a network with each of them, and names the one that gives a candidate's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.catalogue import find, rules


@dataclass(frozen=True, eq=False)
class Wrong:
    """One way to get an operation wrong.

    Attributes:
        name: the mistake's stable id.
        compute: from the node's operands to the wrong result.
        variant: which of several ways to make it.
        sight: whether ``verify`` must be able to see it to call the layer proven.
        together: whether it is made in all operations of a layer that have it under the same name and variant, and
            means nothing in one of them alone.
    """

    name: str
    compute: Callable[[Sequence[Array]], Array]
    variant: str = ""
    sight: bool = False
    together: bool = False


Rule = Callable[[Graph, Node[Any]], Iterator[Wrong]]
"""From a node to the mistakes that change its result."""


def wrong_results(graph: Graph, node: Node[Op]) -> Iterator[Wrong]:
    """The mistakes with a node; none if its family knows none."""
    rule = rules("mistakes", type(node.op))
    if rule is not None:
        yield from rule(graph, node)


def computed(op: Op, *operands: Array) -> Array:
    """The result of an operation in float64, with its sums in any order."""
    kernel = find("numpy", op)
    quick = kernel.quick(op, *operands) if kernel.quick else None
    return kernel.predict(op, operands, np.dtype(np.float64)) if quick is None else quick


def other_constant(op: Op, place: int, constant: Array) -> Callable[[Sequence[Array]], Array]:
    """The operation with another constant as one of its operands."""
    return with_operand(op, place, lambda given: constant)


def with_operand(op: Op, place: int, change: Callable[[Array], Array]) -> Callable[[Sequence[Array]], Array]:
    """The operation with one of its operands changed."""

    def compute(operands: Sequence[Array]) -> Array:
        return computed(op, *(change(x) if k == place else x for k, x in enumerate(operands)))

    return compute


def other_layouts(dims: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Orders of the axes (space..., one, other) of a kernel in other libraries, and their names.

    >>> dict(other_layouts(1))["OIW"]
    (2, 1, 0)
    """
    space = "DHW"[-dims:]
    axes = {**{letter: k for k, letter in enumerate(space)}, "I": dims, "O": dims + 1}
    for inner in dict.fromkeys((space, space[::-1])):
        for parts in permutations((inner, "I", "O")):
            letters = "".join(parts)
            order = tuple(axes[letter] for letter in letters)
            if order != tuple(range(dims + 2)):
                yield letters, order


def read_as(order: tuple[int, ...], array: Array) -> Array:
    """An array stored with its axes in another order, and read as if they were in this one."""
    return np.ascontiguousarray(array.transpose(order)).reshape(array.shape)


def taken_for(order: tuple[int, ...], array: Array) -> Array:
    """An array that is taken for one with its axes in another order, and put in this one."""
    shape = tuple(array.shape[a] for a in order)
    return np.ascontiguousarray(array).reshape(shape).transpose(tuple(int(a) for a in np.argsort(order)))
