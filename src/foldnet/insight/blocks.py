"""The values of several networks that differ in few layers, computed together.

Each network is a block of rows, one block below the other: one operation on many rows takes little longer than the
same on a few, and a search for mistakes compares hundreds of networks on a few rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError

Rounded = Callable[[Array], Array]
Patch = Callable[[dict[str, Array], Array, Rounded], None]
"""Replaces a value: it takes all values, the right one, and how to round, and writes to the values what goes on
(and what the layer shows, where that is another)."""

BROKEN = (FoldnetError, ValueError, IndexError)
"""What a network with a mistake in it may raise: an index outside a table, a shape that does not fit."""


def rounded_result(result: Array, operands: Sequence[Array], rounded: Rounded) -> Array:
    """The result of an operation, rounded, except where it is an operand that is one number.

    Such a number, as the one for masked scores, is the same everywhere. Rounded here one way and there the other, it
    would decide which of several masked positions has the largest score.
    """
    y = rounded(result)
    for number in operands:
        if number.ndim == 0:
            y = np.where(result == number, result, y)
    return y


@dataclass(frozen=True, eq=False)
class Patched:
    """A network some of whose layers compute something else.

    Attributes:
        patches: all that hold, by the value that they make.
        changed: those whose values are not among the values to start from.
    """

    patches: Mapping[str, Patch]
    changed: Collection[str]


class Blocks(dict[str, Array]):
    """What the networks compute: each value with the blocks of all networks, once it is asked for.

    Args:
        shared: the values that all networks start from.
        constants: the names of those that have no rows.
        networks: that differ; a row of theirs may not depend on other rows.

    Attributes:
        broken: the numbers of the networks that break on these values; their blocks hold other numbers.
    """

    def __init__(
        self, shared: Mapping[str, Array], constants: Collection[str], networks: Sequence[Patched]
    ) -> None:
        super().__init__()
        self.shared, self.constants, self.networks = shared, constants, networks
        self.broken: set[int] = set()

    def __missing__(self, name: str) -> Array:
        value = self.shared[name]
        if name not in self.constants:
            value = np.concatenate([value] * len(self.networks))
        self[name] = value
        return value

    def block(self, value: Array, number: int) -> Array:
        """A network's rows of a value."""
        rows = len(value) // len(self.networks)
        return value[number * rows : (number + 1) * rows]

    def patch(self, name: str, rounded: Rounded) -> None:
        """Replace a value in the networks that have a patch for it."""
        right = self[name]
        written = {k: self._written(name, k, rounded) for k in self._patching(name)}
        values = [written.get(k, {}).get(name, self.block(right, k)) for k in range(len(self.networks))]
        self[name] = np.concatenate(values)
        for key in {key for made in written.values() for key in made} - {name}:
            self[key] = np.concatenate([written.get(k, {}).get(key, x) for k, x in enumerate(values)])

    def _patching(self, name: str) -> list[int]:
        return [k for k, n in enumerate(self.networks) if name in n.patches and k not in self.broken]

    def _written(self, name: str, number: int, rounded: Rounded) -> dict[str, Array]:
        """What the patch of a network writes; nothing if it breaks."""
        block = _Block(self, number)
        try:
            self.networks[number].patches[name](block, block[name], rounded)
        except BROKEN:
            self.broken.add(number)
            return {}
        return dict(block)


class _Block(dict[str, Array]):
    """One network's values, as its patches see them; it holds what they write."""

    def __init__(self, blocks: Blocks, number: int) -> None:
        super().__init__()
        self._blocks, self._number = blocks, number

    def __missing__(self, name: str) -> Array:
        value = self._blocks[name]
        return value if name in self._blocks.constants else self._blocks.block(value, self._number)
