"""Compiled code of a network with free axes: the same code for many lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from foldnet.errors import ConfigError
from foldnet.graph.free_axes import free_axes, with_lengths
from foldnet.graph.graph import Graph, Type
from foldnet.graph.op import Shape
from foldnet.graph.sizes import LONG
from foldnet.predictor.programs import Program

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.program import NativeCode

_CODES_KEPT = 8


class ManyLengths:
    """Programs for any lengths of a graph's free axes.

    The first code is for long axes, each of a length of its own. Lengths that it is not for, such as two that must be
    equal, get a code that assumes them, and that again serves all lengths that meet its conditions.

    Args:
        graph: with free axes.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._axes = free_axes(graph)
        # Replaced as a whole, never changed: calls need no lock.
        self._codes: tuple[tuple[tuple[int, ...], NativeCode], ...] = ()
        self._tried: frozenset[tuple[tuple[int, ...], tuple[int, ...]]] = frozenset()

    def program(self, rows: Sequence[Shape]) -> tuple[Graph, Program] | None:
        """The program for rows of these shapes, and the graph with the shapes of its inputs and outputs.

        None if there is no such code: for empty axes, and where an operation needs to know a size.

        Raises:
            UnsupportedError, CompileError: as ``NativeCode`` does.
        """
        lengths = [rows[number][axis - 1] or 0 for number, axis in self._axes]
        for same, code in self._codes:
            found = self._of_code(same, code, lengths)
            if found is not None:
                return found
        for same, assumed in self._assumptions(lengths):
            found = self._new(same, assumed, lengths)
            if found is not None:
                return found
        return None

    def _assumptions(self, lengths: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Which axes have the same length, and the lengths that comparisons are answered for."""
        count = len(lengths)
        each = tuple(range(count))
        yield each, tuple(LONG[k % len(LONG)] for k in each)
        if len(self._codes) < _CODES_KEPT and all(lengths):
            yield each, tuple(lengths)
            if len(set(lengths)) < count:
                different = list(dict.fromkeys(lengths))
                yield tuple(different.index(n) for n in lengths), tuple(different)

    def _new(
        self, same: tuple[int, ...], assumed: tuple[int, ...], lengths: Sequence[int]
    ) -> tuple[Graph, Program] | None:
        """The program by new code, if there is any that was not tried before."""
        if (same, assumed) in self._tried:
            return None
        self._tried |= {(same, assumed)}
        try:
            graph = with_lengths(self.graph, assumed, same)
        except ConfigError:
            return None
        from foldnet.engines.native.prediction.program import NativeCode

        code = NativeCode(graph)
        self._codes = (*self._codes, (same, code))
        return self._of_code(same, code, lengths)

    def _of_code(
        self, same: tuple[int, ...], code: NativeCode, lengths: Sequence[int]
    ) -> tuple[Graph, Program] | None:
        from foldnet.engines.native.prediction.program import NativeProgram

        known = dict(zip(same, lengths, strict=True))
        if [known[k] for k in same] != list(lengths):
            return None
        program = NativeProgram.at_lengths(code, [known[k] for k in range(len(known))])
        if program is None:
            return None
        kinds = {
            name: self._type(name, shape)
            for names, shapes in (
                (self.graph.inputs, program.input_rows),
                (self.graph.outputs, program.output_rows),
            )
            for name, shape in zip(names, shapes, strict=True)
            if name not in self.graph.constants
        }
        return replace(self.graph, types={**self.graph.types, **kinds}), program

    def _type(self, name: str, row: tuple[int, ...]) -> Type:
        return Type((None, *row), self.graph.types[name].dtype)
