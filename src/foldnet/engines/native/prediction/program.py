"""A graph, compiled and loaded."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.codegen.layout import pack, row_shape
from foldnet.engines.native import cache
from foldnet.engines.native.compiler import machine
from foldnet.engines.native.prediction.source import emit
from foldnet.errors import InputError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Op

OPTIONS = ("--param=max-completely-peeled-insns=64", "-Wno-unused-command-line-argument")
"""At -O3 gcc writes loops of known size out in full, up to 200 instructions, and then works long on what they become:
up to eight times as long, for code that is no faster. clang has no such option, and is not to speak of it."""


def default_threads() -> int:
    """Threads for large batches: ``$FOLDNET_THREADS``, else the processors this process may use.

    Raises:
        InputError: the variable is not a positive number.
    """
    chosen = os.environ.get("FOLDNET_THREADS")
    if chosen:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise InputError(f"FOLDNET_THREADS is {chosen!r}; it must be a number of threads, 1 or more")
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class NativeProgram:
    """A graph as compiled C.

    Args:
        graph: all sizes but the batch's known (``graph.bind``).
        threads: for large batches; by default ``$FOLDNET_THREADS`` or every processor. Results do not depend on it.

    Raises:
        UnsupportedError: the graph needs the reference engine, or has free axes.
        CompileError: the code is not at hand, and cannot be compiled and loaded.

    Attributes:
        address: of the compiled ``foldnet_run``, for callers in C.
        weights: the constants as that function reads them; must outlive its calls.
    """

    def __init__(self, graph: Graph, *, threads: int | None = None) -> None:
        self.graph = graph
        self.threads = default_threads() if threads is None else threads
        source = emit(graph, simd=machine().simd)
        self.cost = source.cost
        self.weights = pack(source.layout, source.floats, graph.constants)
        self._faults = source.faults
        self.address = cache.load(source.code, "foldnet_run", *OPTIONS)
        # A prototype of our own: attributes of the library's function would be shared by all programs.
        self._run = ctypes.CFUNCTYPE(
            ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        )(self.address)
        self._inputs = [self._row(v) for v in graph.inputs]
        self._outputs = [self._row(v) for v in graph.outputs]

    def _row(self, value: str) -> tuple[tuple[int, ...], type[np.generic]]:
        shape = row_shape(self.graph, value)
        if value in self.graph.constants:
            shape = shape[1:]
        return shape, np.int32 if self.graph.types[value].dtype == INT else np.float32

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

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """As ``run``, with the results written into given arrays."""
        rows = self._check(inputs, self._inputs, "input", None)
        self._check(outputs, self._outputs, "output", rows)
        if rows == 0:
            return
        sources = (ctypes.c_void_p * len(inputs))(*(a.ctypes.data for a in inputs))
        targets = (ctypes.c_void_p * len(outputs))(*(a.ctypes.data for a in outputs))
        code = self._run(sources, targets, self.weights.ctypes.data, rows, self.threads)
        if code == -1:
            raise MemoryError("no memory for the workspace of a prediction")
        if code > 0:
            row, fault = divmod(code - 1, len(self._faults))
            raise InputError(f"row {row}: {self._reason(self._faults[fault])}")

    def _reason(self, node: Node[Op]) -> str:
        return node.op.refusal(node.layer, *(self.graph.types[v].shape for v in node.inputs))

    def _check(
        self,
        arrays: Sequence[Array],
        kinds: list[tuple[tuple[int, ...], type[np.generic]]],
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
