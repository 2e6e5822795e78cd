"""A graph, compiled and loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.at_once import default_threads
from foldnet.codegen.layout import pack, shape_of_row
from foldnet.codegen.size_names import lengths_of
from foldnet.engines.native import cache
from foldnet.engines.native.prediction.known import known_source
from foldnet.engines.native.prediction.source import LONGEST, run_time_sizes
from foldnet.engines.native.prediction.strategies import Strategy
from foldnet.errors import InputError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Op
from foldnet.graph.sizes import free

OPTIONS = ("--param=max-completely-peeled-insns=64", "-Wno-unused-command-line-argument")
"""At -O3 gcc writes loops of known size out in full, up to 200 instructions, and then works long on what they become:
up to eight times as long, for code that is no faster. clang has no such option, and is not to speak of it."""


Rows = list[tuple[tuple[int, ...], type[np.generic]]]
"""The shape of a row of each input or output, and what its elements are."""


class NativeCode:
    """The compiled C of a graph, and the weights as it reads them.

    Args:
        graph: all sizes but the batch's known (``graph.bind``), or known at the call (``free_axes.with_lengths``).
        strategy: see ``emit``.

    Raises:
        UnsupportedError: the graph needs the reference engine, or has free axes.
        CompileError: the code is not at hand, and cannot be compiled and loaded.

    Attributes:
        address: of the compiled ``foldnet_run``, for callers in C.
        weights: must outlive its calls.
    """

    def __init__(self, graph: Graph, strategy: Strategy | None = None) -> None:
        self.graph = graph
        source = known_source(graph, strategy)
        self.cost = source.cost
        self._workspace = source.workspace
        self.weights = pack(source.layout, source.floats, graph.constants)
        self.faults = source.faults
        self.lengths = lengths_of(graph)
        self.address = cache.load(source.code, "foldnet_run", *OPTIONS)
        # A prototype of our own: attributes of the library's function would be shared by all programs.
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self.run = ctypes.CFUNCTYPE(number, pointer, pointer, pointer, number, number, pointer)(self.address)
        self.inputs: Rows = [self._row(v) for v in graph.inputs]
        self.outputs: Rows = [self._row(v) for v in graph.outputs]
        if self.lengths is not None:
            address = cache.load(source.code, "foldnet_sizes", *OPTIONS)
            self._sizes = ctypes.CFUNCTYPE(number, pointer, pointer)(address)
            self._open = len(run_time_sizes(graph))

    def _row(self, value: str) -> tuple[tuple[int, ...], type[np.generic]]:
        return shape_of_row(self.graph, value), np.int32 if self.graph.types[
            value
        ].dtype == INT else np.float32

    def workspace(self, lengths: Array | None) -> int:
        """Bytes in which a thread of a call computes.

        Args:
            lengths: of the free axes; None if there are none.
        """
        if self.lengths is None or lengths is None:
            return self._workspace
        return self.lengths.value(self._workspace, lengths.tolist())

    def rows_for(self, lengths: Array) -> tuple[Rows, Rows] | None:
        """The rows of inputs and outputs for these lengths; None if the code is not for them.

        Args:
            lengths: contiguous, int64, each from 1 to ``LONGEST``.
        """
        sizes = np.empty(self._open, np.int64)
        if not self._sizes(lengths.ctypes.data, sizes.ctypes.data):
            return None
        known = iter(sizes.tolist())

        def filled(rows: Rows) -> Rows:
            return [
                (tuple(n if free(n) is None else next(known) for n in shape), dtype) for shape, dtype in rows
            ]

        return filled(self.inputs), filled(self.outputs)


class NativeProgram:
    """Predictions by compiled code.

    Args:
        graph: all sizes but the batch's known (``graph.bind``).
        threads: for large batches, and for single rows with much work; by default ``default_threads()``. Results do not
            depend on it.
        strategy: how several rows are computed, see ``emit``. Results do not depend on it.

    Raises:
        UnsupportedError, CompileError: as ``NativeCode`` does.

    Attributes:
        code: that it calls.
        threads: as given.
        lengths: of free axes; None if there are none.
        is_native: True.
    """

    is_native = True

    def __init__(self, graph: Graph, *, threads: int | None = None, strategy: Strategy | None = None) -> None:
        self._start(NativeCode(graph, strategy), threads)

    def _start(self, code: NativeCode, threads: int | None) -> None:
        self.code = code
        self.threads = default_threads() if threads is None else threads
        self._inputs, self._outputs = code.inputs, code.outputs
        self.lengths: Array | None = None

    @classmethod
    def at_lengths(cls, code: NativeCode, lengths: Sequence[int]) -> NativeProgram | None:
        """The program for some lengths of free axes; None if the code is not for them."""
        if not all(1 <= n <= LONGEST for n in lengths):
            return None
        array = np.array(lengths, np.int64)
        rows = code.rows_for(array)
        if rows is None:
            return None
        program = cls.__new__(cls)
        program._start(code, None)
        program._inputs, program._outputs = rows
        program.lengths = array
        return program

    @property
    def cost(self) -> int:
        """Multiply-adds for a row, roughly."""
        return self.code.cost

    @property
    def workspace(self) -> int:
        """Bytes in which a thread of a call computes, whatever the number of rows."""
        return self.code.workspace(self.lengths)

    @property
    def address(self) -> int:
        """Of the compiled ``foldnet_run``, for callers in C."""
        return self.code.address

    @property
    def weights(self) -> Array:
        """The constants as that function reads them; they must outlive its calls."""
        return self.code.weights

    @property
    def input_rows(self) -> list[tuple[int, ...]]:
        """Shape of one row of each input."""
        return [shape for shape, _ in self._inputs]

    @property
    def output_rows(self) -> list[tuple[int, ...]]:
        """Shape of one row of each output."""
        return [shape for shape, _ in self._outputs]

    @property
    def is_plain(self) -> bool:
        """Whether there is one input and one output, both of floats and of at most 8 axes per row."""
        kinds = (*self._inputs, *self._outputs)
        one_each = len(self._inputs) == len(self._outputs) == 1
        return one_each and all(dtype is np.float32 and len(shape) <= 8 for shape, dtype in kinds)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows.

        Args:
            inputs: C-contiguous float32 (int32 for indices) arrays, rows first.

        Raises:
            InputError: another shape, dtype or memory order; an index outside its table.
        """
        rows = len(inputs[0]) if inputs and inputs[0].ndim else 0
        results = [np.empty((rows, *shape), dtype) for shape, dtype in self._outputs]
        self.run_into(inputs, results)
        return results

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array], first: int = 0) -> None:
        """As ``run``, with the results written into given arrays.

        Args:
            inputs: as for ``run``.
            outputs: likewise; they share no memory with the inputs or each other.
            first: number of the first row, for errors.
        """
        rows = self._check(inputs, self._inputs, "input", None)
        self._check(outputs, self._outputs, "output", rows)
        if rows == 0:
            return
        sources = (ctypes.c_void_p * len(inputs))(*(a.ctypes.data for a in inputs))
        targets = (ctypes.c_void_p * len(outputs))(*(a.ctypes.data for a in outputs))
        lengths = None if self.lengths is None else self.lengths.ctypes.data
        code = self.code.run(sources, targets, self.weights.ctypes.data, rows, self.threads, lengths)
        if code == -1:
            raise MemoryError("no memory for the workspace of a prediction")
        if code > 0:
            row, fault = divmod(code - 1, len(self.code.faults))
            raise InputError(f"row {first + row}: {self._reason(self.code.faults[fault])}")

    def _reason(self, node: Node[Op]) -> str:
        return node.op.refusal(node.layer, *(self.code.graph.types[v].shape for v in node.inputs))

    def _check(
        self,
        arrays: Sequence[Array],
        kinds: Rows,
        what: str,
        rows: int | None,
    ) -> int:
        if len(arrays) != len(kinds):
            raise InputError(f"the network has {len(kinds)} {what}s, and was given {len(arrays)}")
        for index, (array, (shape, dtype)) in enumerate(zip(arrays, kinds, strict=True)):
            if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
                raise InputError(f"{what} {index} has shape {array.shape}, expected (rows, {str(shape)[1:]}")
            if array.dtype != dtype or not array.dtype.isnative:
                raise InputError(f"{what} {index} has dtype {array.dtype}, expected {np.dtype(dtype).name}")
            if not (array.flags.c_contiguous and array.flags.aligned):
                raise InputError(f"{what} {index} must be C-contiguous: pass np.ascontiguousarray(x)")
            if what == "output" and not array.flags.writeable:
                raise InputError(f"output {index} is read-only")
            rows = len(array) if rows is None else rows
            if len(array) != rows:
                raise InputError(f"{what} {index} has {len(array)} rows, another array has {rows}")
        return rows or 0
