"""Compiled code of a network with free axes: the same code for many lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from foldnet.errors import ConfigError
from foldnet.graph.free_axes import free_axes, with_lengths
from foldnet.graph.graph import Graph, Type
from foldnet.graph.op import Shape
from foldnet.graph.sizes import long_lengths
from foldnet.predictor.programs import Program

if TYPE_CHECKING:
    from foldnet.engines.native.prediction.program import NativeCode

_CODES_KEPT = 8

_Assumption = tuple[tuple[int, ...], tuple[int, ...]]
"""For each free axis the number of its length, and the lengths that comparisons are answered for."""


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
        self._codes: Mapping[_Assumption, NativeCode | None] = {}

    @property
    def has_code(self) -> bool:
        """Whether there is code for some lengths."""
        return any(self._codes.values())

    def program(self, rows: Sequence[Shape]) -> tuple[Graph, Program] | None:
        """The program for rows of these shapes, and the graph with the shapes of its inputs and outputs.

        None if there is no such code: for empty axes, and where an operation needs to know a size.

        Raises:
            UnsupportedError, CompileError: as ``NativeCode`` does.
        """
        lengths = [rows[number][axis - 1] or 0 for number, axis in self._axes]
        for (same, _), code in self._codes.items():
            found = None if code is None else self._of_code(same, code, lengths)
            if found is not None:
                return found
        for assumption in self._assumptions(lengths):
            found = self._new(assumption, lengths)
            if found is not None:
                return found
        return None

    def _assumptions(self, lengths: Sequence[int]) -> Iterator[_Assumption]:
        """Which axes have the same length, and the lengths that comparisons are answered for."""
        from foldnet.engines.native.prediction.source import LONGEST

        count = len(lengths)
        each = tuple(range(count))
        for long in long_lengths(count):
            yield each, long
            if self._codes.get((each, long)) is not None:
                break
        kept = sum(code is not None for code in self._codes.values())
        if kept < _CODES_KEPT and all(1 <= n <= LONGEST for n in lengths):
            yield each, tuple(lengths)
            if len(set(lengths)) < count:
                different = list(dict.fromkeys(lengths))
                yield tuple(different.index(n) for n in lengths), tuple(different)

    def _new(self, assumption: _Assumption, lengths: Sequence[int]) -> tuple[Graph, Program] | None:
        """The program by new code, if there is any that was not tried before."""
        if assumption in self._codes:
            return None
        same, assumed = assumption
        code = None
        with suppress(ConfigError):
            graph = with_lengths(self.graph, assumed, same)
            from foldnet.engines.native.prediction.program import NativeCode

            code = NativeCode(graph)
        # Only now is it tried: calls by other threads that come meanwhile make the same code, and not one each for
        # their own lengths, and so does a later call if this one was interrupted.
        if code is not None or assumed in long_lengths(
            len(same)
        ):  # of others that fit nothing there may be many
            self._codes = {**self._codes, assumption: code}
        return None if code is None else self._of_code(same, code, lengths)

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
