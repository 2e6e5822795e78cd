"""Test cases of operations (``cases.py`` of each family): each builds a graph of one operation, and data for it.

Tests run all cases through every aspect of every operation. A family's table is called ``RULES``. It has a case for
each form of an operation that an engine, an export or a pass may treat differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, GraphBuilder
from foldnet.graph.op import FLOAT, INT, Dtype, Op, Row, Shape
from foldnet.literals import Precision
from foldnet.operations import catalogue

FREE = 5
"""The size used for a free axis."""
INDICES = 9
"""Whole numbers of the data are at least 0 and less than this."""


@dataclass(frozen=True)
class Rows:
    """An operand that is data.

    Attributes:
        shape: of one row; None for a free axis.
        dtype: ``"float"`` or ``"int"``.
        between: the smallest and the largest value; None for normal values with standard deviation 3, which are also
            negative and beyond most limits of activations.
        decimals: floats are rounded to this many decimals, so that some are equal, or 0; None for no rounding.
    """

    shape: Shape
    dtype: Dtype = FLOAT
    between: tuple[float, float] | None = None
    decimals: int | None = None

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """``count`` rows of random values."""
        shape = (count, *(FREE if n is None else n for n in self.shape))
        if self.dtype == INT:
            return rng.integers(0, INDICES, shape).astype(np.int32)
        return _drawn(rng, shape, 3.0, self.between, self.decimals).astype(np.float32)


@dataclass(frozen=True)
class Drawn:
    """An operand that is a random constant.

    Attributes:
        shape: of the constant.
        between: the smallest and the largest value; None for normal values.
        scale: standard deviation of normal values.
        decimals: as for data.
    """

    shape: Row
    between: tuple[float, float] | None = None
    scale: float = 1.0
    decimals: int | None = None

    def draw(self, rng: np.random.Generator) -> Array:
        """The array, in float64, as passes leave constants."""
        return _drawn(rng, self.shape, self.scale, self.between, self.decimals)


Operand = Rows | Drawn | Array


def _drawn(
    rng: np.random.Generator,
    shape: Row,
    scale: float,
    between: tuple[float, float] | None,
    decimals: int | None,
) -> Array:
    array = rng.normal(scale=scale, size=shape) if between is None else rng.uniform(*between, shape)
    return np.asarray(array if decimals is None else np.round(array, decimals))


def rows(*shape: int | None, between: tuple[float, float] | None = None) -> Rows:
    """Floats of this row shape."""
    return Rows(shape, FLOAT, between)


def indices(*shape: int | None) -> Rows:
    """Whole numbers of this row shape."""
    return Rows(shape, INT)


def drawn(*shape: int, between: tuple[float, float] | None = None, scale: float = 1.0) -> Drawn:
    """A constant of this shape."""
    return Drawn(shape, between, scale)


@dataclass(frozen=True, eq=False)
class Case:
    """An operation and its operands.

    Attributes:
        name: tells it from the other cases of the operation.
        op: with its settings.
        operands: in the operation's order: data, random constants, and constants with given values.
    """

    name: str
    op: Op
    operands: Sequence[Operand]

    @property
    def label(self) -> str:
        """A name that is unique among all cases: the operation's class and the case's name."""
        return f"{type(self.op).__name__}-{self.name}"

    def graph(self, seed: int = 0, *, dtype: Precision = "float64", fixed: bool = False) -> Graph:
        """A graph of this one operation, of a layer called ``"layer"``.

        Args:
            seed: of the random constants, which also depend on the case's name.
            dtype: of the constants.
            fixed: whether free axes get their size.

        >>> from foldnet.operations.matrix.op import Dense
        >>> graph = Case("small", Dense(), (rows(4), drawn(4, 3), drawn(3))).graph()
        >>> graph.types[graph.outputs[0]].shape
        (None, 3)
        """
        rng = self._random(seed, 0)
        b = GraphBuilder()
        b.layer = "layer"
        names = []
        for number, operand in enumerate(self.operands):
            if isinstance(operand, Rows):
                shape = (FREE if n is None and fixed else n for n in operand.shape)
                names.append(b.input(f"x{number}", (None, *shape), operand.dtype))
            else:
                array = operand.draw(rng) if isinstance(operand, Drawn) else operand
                names.append(b.constant(f"layer/w{number}", array.astype(dtype)))
        return b.build([b.emit(self.op, *names)])

    def data(self, count: int, seed: int = 0) -> list[Array]:
        """``count`` random rows for each operand that is data."""
        rng = self._random(seed, 1)
        return [operand.draw(rng, count) for operand in self.operands if isinstance(operand, Rows)]

    def _random(self, seed: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([seed, stream, crc32(self.label.encode())])


def cases_of(op: type[Op]) -> Sequence[Case]:
    """The cases of an operation; empty if its family has none for it."""
    return catalogue.rules("cases", op) or ()


def every_case() -> dict[str, Case]:
    """The cases of all operations, by their labels."""
    return {case.label: case for op in catalogue.every_op().values() for case in cases_of(op)}
