"""What random changes of images are written with: random numbers as expressions, and functions of expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foldnet.graph.op import Row
from foldnet.operations.along.op import Reduce
from foldnet.operations.chance.op import Distribution, Draw
from foldnet.operations.elementwise.op import Where
from foldnet.operations.expression import Expression, binary, emitted
from foldnet.operations.structure.op import Concatenate, Slice
from foldnet.operations.warping.op import MAP
from foldnet.operations.windows.op import Pad

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Map = tuple[Any, Any, Any, Any, Any, Any]
"""The first numbers of a map, see ``MapImage``: for each image (batch, 1), or one for all."""

IMAGE: Row = (1, 1, 1)
"""The shape of one number for each image."""


class Draws:
    """The random numbers of a layer's call in a training program, one stream for each draw."""

    def __init__(self, b: Lowering) -> None:
        self._b = b

    def uniform(self, low: float, high: float, shape: Row = IMAGE, shared: bool = False) -> Any:
        """Numbers from ``low`` on and below ``high`` for each image, or the same for all if ``shared``."""
        return self._drawn("uniform", shape, shared) * (high - low) + low

    def normal(self, shape: Row) -> Any:
        """Normal numbers with mean 0 and standard deviation 1 for each image."""
        return self._drawn("normal", shape, False)

    def happens(self, least: float, most: float) -> Any:
        """1 for the images that a change is made of, else 0: its probability is itself drawn, for each image."""
        probability = self.uniform(least, most)
        return self.uniform(0, 1) < probability

    def _drawn(self, kind: Distribution, shape: Row, shared: bool) -> Expression:
        # Drawn for the rows of an input of the network, so that no gradient is sought behind it.
        op = Draw(kind, shape, self._b.random_stream(), shared)
        return Expression(self._b, self._b.emit(op, self._b.inputs[0]))


def clipped(x: Any, low: float, high: float) -> Any:
    """Values held between two numbers."""
    return binary("minimum", binary("maximum", x, low), high)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    return emitted(Where(), condition, a, b, spread=True)


def flipped(x: Any, axes: Sequence[int]) -> Any:
    """Back to front along axes."""
    return emitted(Slice(tuple((None, None, -1 if a in axes else 1) for a in range(1, x.ndim))), x)


def part(x: Any, axis: int, start: int, count: int) -> Any:
    """So many positions of an axis from ``start`` on."""
    ends = (start, start + count, 1)
    return emitted(Slice(tuple(ends if a == axis else (None, None, 1) for a in range(1, x.ndim))), x)


def weighed(x: Any, axis: int, weights: Sequence[Any]) -> Any:
    """For each position the sum of its neighbours by weights, its own in the middle; zeros beyond the ends."""
    reach = len(weights) // 2
    wide = emitted(Pad(tuple((reach, reach) if a == axis else (0, 0) for a in range(1, x.ndim))), x)
    terms = []
    for k, weight in enumerate(weights):
        # Counted from the end, so that the axis may be of any length.
        end = k - 2 * reach or None
        cut = Slice(tuple((k, end, 1) if a == axis else (None, None, 1) for a in range(1, x.ndim)))
        terms.append(emitted(cut, wide) * weight)
    return sum(terms[1:], terms[0])


def side_by_side(*numbers: Any) -> Any:
    """The numbers of a ``MapImage`` as a vector for each image: each (batch, 1), or one for all; 0 for missing ones."""
    drawn = next(n for n in numbers if isinstance(n, Expression))
    zero = drawn * 0.0
    whole = (*numbers, *(0,) * (MAP - len(numbers)))
    return emitted(Concatenate(1), *(n if isinstance(n, Expression) else zero + n for n in whole))


def mean(x: Any, axes: Sequence[int]) -> Any:
    """The mean over axes, which stay with size 1."""
    return emitted(Reduce("mean", tuple(axes), keepdims=True), x)
