"""A graph builder that emits a layer's operations along further axes, as ``TimeDistributed`` needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

import numpy as np

from foldnet.errors import UnsupportedError
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Op, Shape
from foldnet.layers.base import Layer
from foldnet.operations import catalogue
from foldnet.operations.structure.op import WHOLE_AXIS, Concatenate, Part, Reshape, Slice


class AlongBuilder(GraphBuilder):
    """Emits for every position of the axes of ``along``, which the emitting layer does not see.

    Args:
        learns: whether weights are variables of a training program, so that another form of one is computed from it.

    Attributes:
        variables: for each weight of the program, the layer and the weight's name there.
    """

    def __init__(self, learns: bool) -> None:
        super().__init__()
        self.learns = learns
        self.variables: dict[str, tuple[Layer, str]] = {}
        self._along: list[int | None] = []
        self._with_axis: dict[str, str] = {}
        self._fixed: set[str] = set()

    @contextmanager
    def along(self, size: int | None) -> Iterator[None]:
        """Inside this context, all is emitted for every position of the axis after the batch axis, which no layer sees.

        Args:
            size: of the axis; None for a free one.
        """
        self._along.append(size)
        try:
            yield
        finally:
            self._along.pop()

    @property
    def axes_along(self) -> tuple[int | None, ...]:
        """The sizes of the axes of ``along`` that are in force, from the first to the last."""
        return tuple(self._along)

    @contextmanager
    def only_along(self, sizes: Sequence[int | None]) -> Iterator[None]:
        """Inside this context, these axes of ``along`` are in force instead of those that are now."""
        current, self._along = self._along, list(sizes)
        try:
            yield
        finally:
            self._along = current

    def shape(self, value: str) -> Shape:
        """Shape of a value, batch axis first; without the axes of ``along``."""
        return self._shape_at(len(self._along), value)

    def emit_all(self, op: Op, *operands: str) -> tuple[str, ...]:
        """Append a node and return the names of all its results; see ``along``."""
        return self._lifted(len(self._along), op, operands)

    def _lifted(self, level: int, op: Op, operands: Sequence[str]) -> tuple[str, ...]:
        if level == 0:
            return super().emit_all(op, *operands)
        rule = catalogue.rules("lift", type(op))
        if rule is None:
            raise UnsupportedError(
                f"layer {self.layer!r} cannot be computed at every step of TimeDistributed: {type(op).__name__} has no "
                "form for that. Take TimeDistributed away from it, or save the network without it"
            )
        fixed = [self._is_fixed(v) for v in operands]
        shapes = [self._shape_at(level, v) for v in operands]
        found = rule(op, self._along[level - 1], shapes, fixed)
        if found.in_turn:
            return (self._in_turn(level, op, operands, fixed),)
        names = tuple(self._ahead(v) if k in found.ahead else v for k, v in enumerate(operands))
        for step in found.ops:
            names = self._lifted(level - 1, step, names)
        return names

    def _in_turn(self, level: int, op: Op, operands: Sequence[str], fixed: Sequence[bool]) -> str:
        """The operation for every position of the axes, those of the first axis together, each after the one before."""
        sizes = [n for n in self._along[:level] if n is not None]
        if len(sizes) < level:
            raise UnsupportedError(
                f"layer {self.layer!r}: {type(op).__name__} inside TimeDistributed moves its statistics once for every "
                "step, and how many there are is not known. Give the Input its number of steps"
            )
        emit = super().emit_all
        count = prod(sizes)

        def joined(value: str) -> str:
            return emit(Reshape((count, *self._own(level, value))), value)[0]

        def at(place: int, value: str) -> str:
            own = self._own(1, value)
            (found,) = emit(Slice(((place, place + 1, 1), *(WHOLE_AXIS,) * len(own))), value)
            return emit(Reshape(own), found)[0]

        given = [v if f else joined(v) for v, f in zip(operands, fixed, strict=True)]
        results: list[str] = []
        for place in range(count):
            turn = [v if f else at(place, v) for v, f in zip(given, fixed, strict=True)]
            (y,) = emit(op, *turn)
            results += emit(Reshape((1, *self._own(0, y))), y)
        (whole,) = emit(Concatenate(1), *results)
        return emit(Reshape((*sizes, *self._own(1, whole))), whole)[0]

    def _own(self, level: int, value: str) -> tuple[int, ...]:
        """The shape of a row without the axes of ``along``."""
        return tuple(-1 if n is None else n for n in self._shape_at(level, value)[1:])

    def _shape_at(self, level: int, value: str) -> Shape:
        whole = super().shape(value)
        return whole if level == 0 or self._is_fixed(value) else (whole[0], *whole[1 + level :])

    def _is_fixed(self, value: str) -> bool:
        """Whether a value is a weight, or part of one, and so has no rows."""
        return value in self.constants or value in self._fixed

    def _ahead(self, constant: str) -> str:
        """A constant with an axis of size 1 in front."""
        if constant not in self._with_axis:
            if self.learns and (constant in self.variables or constant in self._fixed):
                self._with_axis[constant] = self.shaped(constant, (1, *self._sizes(constant)))
                return self._with_axis[constant]
            name = self.constant(f"{constant}/along", self.constants[constant][np.newaxis])
            self._with_axis[constant] = name
            if constant in self.spreads:
                self.spreads[name] = self.spreads[constant][np.newaxis]
        return self._with_axis[constant]

    def shaped(self, weight: str, shape: tuple[int, ...]) -> str:
        """All of a weight, or of a part of one, in a training program, under another shape."""
        sizes = self._sizes(weight)
        return self.of_weight(Part((0,) * len(sizes), sizes, shape), weight)

    def _sizes(self, weight: str) -> tuple[int, ...]:
        return tuple(int(n or 0) for n in super().shape(weight))

    def of_weight(self, op: Op, *weights: str) -> str:
        """What is computed from weights alone, such as a part of one: it has no rows, and so no axes of ``along``."""
        (found,) = super().emit_all(op, *weights)
        self._fixed.add(found)
        return found
