"""Free axes in exported C: the function takes their lengths, and another one gives the sizes that depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

from foldnet.codegen.names import Namespace
from foldnet.codegen.size_names import lengths_of, writing
from foldnet.codegen.workspace import plan
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.free_axes import free_axes, with_lengths
from foldnet.graph.graph import Graph, bind
from foldnet.graph.op import Shape
from foldnet.graph.sizes import Lengths, long_lengths

if TYPE_CHECKING:
    from foldnet.arrays import Array
    from foldnet.export.c_project import Port

_RECORDED = (12, 33, 16, 64, 100, 256, 300, 1000, 4096, 1, 2, 3, 5)
"""Lengths for the rows of the self-test; the first that the network can take."""


class FreeLengths:
    """The lengths of a network's free axes.

    Args:
        graph: with free axes.
        takes: names of the parameters for its inputs.
        gives: names of those for its outputs.
        exporter: the function that the caller called, for errors.

    Raises:
        UnsupportedError: an operation needs to know a size.

    Attributes:
        graph: with sizes that depend on the lengths.
        names: of the lengths.
    """

    def __init__(
        self, graph: Graph, takes: Sequence[str], gives: Sequence[str] = (), exporter: str = "to_c"
    ) -> None:
        self._exporter = exporter
        self._free, self._axes = graph, free_axes(graph)
        inputs = [number for number, _ in self._axes]
        each = [
            f"{takes[number]}_length" + (f"_{axis}" if inputs.count(number) > 1 else "")
            for number, axis in self._axes
        ]
        self.graph, self._same = self._with_lengths()
        self._used: list[int] = []  # for the rows that are recorded
        names = Namespace([*takes, *gives])  # there may be inputs called `a` and `a_length`
        self.names = [names.fresh(each[self._same.index(k)]) for k in range(max(self._same) + 1)]
        self._lengths.names = self.names

    def _with_lengths(self) -> tuple[Graph, list[int]]:
        """Each axis has a length of its own; if that cannot be, axes of one place have the same one, or all."""
        places = list(dict.fromkeys(axis for _, axis in self._axes))
        which = (
            list(range(len(self._axes))),
            [places.index(axis) for _, axis in self._axes],
            [0 for _ in self._axes],
        )
        reason = None
        for kind, same in product(range(2), which):
            try:
                return with_lengths(self._free, long_lengths(max(same) + 1)[kind], same), same
            except ConfigError as error:
                reason = reason or error
        raise UnsupportedError(
            f"the network leaves sizes free, and has no code for all of them: {reason}. Give the sizes, as in "
            f"{self._exporter}(directory, input_shapes=[(5, 3)])"
        )

    @property
    def axes(self) -> tuple[tuple[int, int, int], ...]:
        """The free axes, each as the number of the input, the axis (the rows are 0) and the number of its length."""
        return tuple((number, axis, k) for (number, axis), k in zip(self._axes, self._same, strict=True))

    @property
    def _lengths(self) -> Lengths:
        found = lengths_of(self.graph)
        assert found is not None
        return found

    def recorded(self, x: Sequence[Array] | None) -> Graph:
        """The graph for the lengths of the rows to record: those of ``x``, or some that the network can take.

        Args:
            x: an array for each input.

        Raises:
            UnsupportedError: none of those that were tried fit.
        """
        given = None if x is None else self.lengths_for([array.shape for array in x])
        for length in _RECORDED:
            self._used = given or [length for _ in self.names]
            if self._lengths.fit(self._used):
                return bind(self._free, self._filled())
            if given:
                break
        raise UnsupportedError(
            f"the network cannot take rows of the lengths {given or _RECORDED}: give other ones, as in "
            f"{self._exporter}(directory, x=rows)"
        )

    def lengths_for(self, shapes: Sequence[tuple[int, ...]]) -> list[int]:
        """The lengths in the order of their names, given the shapes of the inputs, the rows first."""
        of_axis = [shapes[number][axis] if axis < len(shapes[number]) else 0 for number, axis in self._axes]
        return [of_axis[self._same.index(k)] for k in range(len(self.names))]

    def _filled(self) -> list[Shape]:
        shapes = [list(self._free.types[name].shape) for name in self._free.inputs]
        for (number, axis), k in zip(self._axes, self._same, strict=True):
            shapes[number][axis] = self._used[k]
        return [tuple(shape) for shape in shapes]

    @property
    def recorded_lengths(self) -> str:
        """C of the lengths of the recorded rows."""
        return ", ".join(map(str, self._used))

    def recorded_workspace(self) -> int:
        """How many floats the workspace for the recorded rows has."""
        with writing(self._lengths, None):
            places = plan(self.graph, inputs=False)
        return self._lengths.value(places.floats + places.ints, self._used)

    def words(self, ports: Sequence[Port], inputs: int) -> dict[str, str]:
        """The texts for ``c_texts.OF_LENGTHS``."""
        takes, names = ports[:inputs], self.names
        graph = self.graph
        shapes = [
            f"{port.name}: {' x '.join(_in_words(n) for n in graph.types[value].shape[1:])}"
            for port, value in zip(ports, (*graph.inputs, *graph.outputs), strict=True)
        ]
        total = " + ".join(port.size_name for port in takes)
        return {
            "shapes": "\n   ".join([*shapes, "The last axis is nearest."]),
            "size_members": ", ".join(port.name for port in ports),
            "length_parameters": ", ".join(f"long {name}" for name in names),
            "length_arguments": ", ".join(names),
            "length_count": str(len(names)),
            "length_words": " ".join(name.upper() for name in names),
            "length_pointers": ", ".join(f"&{name}" for name in names),
            "size_variables": ", ".join(port.size_name for port in ports),
            "pointers": "\n".join(f"static {port.type} *{port.name};" for port in ports),
            "sizes_taken": "\n".join(
                [
                    *(f"  {port.size_name} = sizes.{port.name};" for port in ports),
                    f"  total = {total};",
                    *(f"  {p.name} = malloc(sizeof *{p.name} * {p.size_name} + 1);" for p in ports),
                ]
            ),
            "no_memory": " || ".join(f"!{port.name}" for port in ports),
            "recorded_lengths": self.recorded_lengths,
        }


def _in_words(size: int | None) -> str:
    text = str(size)
    return text if text.isalnum() or text.isidentifier() else f"({text})"
