"""What random changes of images are written with: random numbers as expressions, and functions of expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.graph.op import Row
from foldnet.operations.along.op import Reduce
from foldnet.operations.chance.op import Choose, Distribution, Draw
from foldnet.operations.elementwise.op import Where
from foldnet.operations.expression import Expression, binary, emitted, unary
from foldnet.operations.mixing.op import Shuffle
from foldnet.operations.structure.op import Concatenate, Slice
from foldnet.operations.warping.op import MAP
from foldnet.operations.windows.op import Pad

if TYPE_CHECKING:
    from foldnet.layers.base import Layer
    from foldnet.lowering.lower import Lowering

Map = tuple[Any, Any, Any, Any, Any, Any]
"""The first numbers of a map, see ``MapImage``: for each image (batch, 1), or one for all."""

TRIES = 6
"""Numbers to find one that fits among; one time in 50 million none does, and the last is taken."""

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

    def log_gamma(self, alpha: Any, shared: bool = False) -> Any:
        """Logarithms of gamma numbers with shape ``alpha``, one for each image or the same for all.

        By Marsaglia and Tsang (2000): with ``d = a - 1/3`` and a normal number x, ``d v`` with
        ``v = (1 + x / sqrt(9 d))³`` is one with shape a if a uniform number fits it, 19 times out of 20.
        ``a`` is ``alpha + 1``, and a power of another uniform number makes the shape ``alpha`` of that. Numbers that
        are too small for float32 have a logarithm.
        """
        x = self._drawn("normal", (1, 1, TRIES), shared)
        uniform = 1 - self._drawn("uniform", (1, 1, TRIES + 1), shared)
        d = x * 0 + (alpha + 2 / 3)
        root = 1 + x / unary("sqrt", 9 * d)
        cube = where(root > 0, root * root * root, 1.0)
        least = 0.5 * x * x + d - d * cube + d * unary("log", cube)
        fits = (root > 0) * (unary("log", part(uniform, 3, 0, TRIES)) < least)
        found = part(cube, 3, TRIES - 1, 1)
        for k in reversed(range(TRIES - 1)):
            found = where(part(fits, 3, k, 1), part(cube, 3, k, 1), found)
        power = unary("log", part(uniform, 3, TRIES, 1)) / alpha
        return unary("log", part(d, 3, 0, 1) * found) + power

    def beta(self, alpha: Any, shared: bool = False) -> Any:
        """Beta numbers of which both shapes are ``alpha``."""
        one, other = (self.log_gamma(alpha, shared) for _ in range(2))
        return 1 / (1 + unary("exp", other - one))

    def dirichlet(self, alpha: float, count: int) -> list[Any]:
        """So many numbers that add up to 1, all shapes ``alpha``, the same for all images."""
        logs = [self.log_gamma(alpha, shared=True) for _ in range(count)]
        most = logs[0]
        for one in logs[1:]:
            most = binary("maximum", most, one)
        shares = [unary("exp", one - most) for one in logs]
        total = sum(shares[1:], shares[0])
        return [share / total for share in shares]

    def shuffled(self, x: Any) -> Any:
        """Images in random order."""
        return emitted(Shuffle(self._b.random_stream()), x)

    def lowered(self, layer: Layer, x: Any) -> Any:
        """What a layer that draws no numbers makes of images."""
        return Expression(self._b, layer.lower(self._b, x.value))

    def again(self) -> Again:
        """The same draws, which can be made several times."""
        return Again(self._b)

    def _drawn(self, kind: Distribution, shape: Row, shared: bool) -> Expression:
        # Drawn for the rows of an input of the network, so that no gradient is sought behind it.
        op = Draw(kind, shape, self._b.random_stream(), shared)
        return Expression(self._b, self._b.emit(op, self._b.inputs[0]))


class Again(Draws):
    """Draws that give the same numbers in the same order again after ``restart``."""

    def __init__(self, b: Lowering) -> None:
        super().__init__(b)
        self._known: list[Expression] = []
        self._next = 0

    def restart(self) -> None:
        """Begin with the first numbers again."""
        self._next = 0

    def _drawn(self, kind: Distribution, shape: Row, shared: bool) -> Expression:
        if self._next == len(self._known):
            self._known.append(super()._drawn(kind, shape, shared))
        self._next += 1
        return self._known[self._next - 1]


def chosen(which: Any, *values: Any) -> Any:
    """For each image one of several, by a number from 0 on."""
    return emitted(Choose(), which, *values)


def clipped(x: Any, low: float, high: float) -> Any:
    """Values held between two numbers."""
    return binary("minimum", binary("maximum", x, low), high)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    return emitted(Where(), condition, a, b, spread=True)


def inside(draws: Draws, row: Row, axes: Sequence[int], sides: Sequence[Any]) -> list[Any]:
    """Where the positions of images are in rectangles at random places: two conditions for each axis.

    Args:
        draws: gives random numbers.
        row: the shape of an image.
        axes: of the images, batch axis counted.
        sides: of the rectangles along them, as shares of the images.
    """
    found = []
    for axis, side in zip(axes, sides, strict=True):
        size = row[axis - 1]
        places = np.arange(size).reshape([-1 if a == axis else 1 for a in range(1, len(row) + 1)])
        start = draws.uniform(0, 1) * (size - side * size)
        found += [start <= places, start + side * size > places]
    return found


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
