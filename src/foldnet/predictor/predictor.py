"""The frozen network: a function from rows to predictions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.fallback import native_or_none
from foldnet.errors import ConfigError, InputError
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import Graph, bind, with_nodes
from foldnet.graph.op import FLOAT, Shape
from foldnet.literals import Precision
from foldnet.nested_data import arranged
from foldnet.passes import optimize
from foldnet.predictor.fastcall import Bound, FastCall, attach
from foldnet.predictor.inputs import read_inputs, working
from foldnet.predictor.lengths import ManyLengths
from foldnet.predictor.memory import Memory
from foldnet.predictor.options import Options
from foldnet.predictor.programs import Program, choose_engine, native_program, reference_program
from foldnet.recent_cache import RecentCache
from foldnet.structure import pack

if TYPE_CHECKING:
    from pathlib import Path

    from foldnet.engines.native import NativeProgram

_BLOCK_BYTES = 16 << 20
_PROGRAMS_KEPT = 8


class Predictor(FastCall):
    """The result of ``freeze``: call it on rows, ``predict(x)``. A row gives the same bits in any batch.

    ``x`` is any array-like of shape (rows, ...); for several inputs a list or tuple in order, or a dict by name. The
    result is a new array of shape (rows, ...); a list of them for several outputs, or a dict if the network's are.
    Data that is not numbers or has the wrong shape raises InputError.

    Args:
        unfolded: the network's prediction program, as lowered.
        options: see ``Options``.

    Attributes:
        unfolded: the program as lowered, one or more steps per layer.
        graph: the program that runs, folded if ``fold``.
        options: as given.
        engine: ``"native"`` or ``"reference"``: what computes.
    """

    def __init__(self, unfolded: Graph, options: Options) -> None:
        self.unfolded = unfolded
        self.options = options
        self.graph = optimize(unfolded) if options.fold else unfolded
        self._dtype = np.dtype(options.dtype)
        # No lock: a call may come from a signal handler during another call, or from a forked child.
        self._programs: RecentCache[tuple[Graph, Program]] = RecentCache(_PROGRAMS_KEPT)
        self.engine = choose_engine(self.graph, options)
        self._lengths = ManyLengths(self.graph) if free_axes(self.graph) else None
        if self._lengths is None:
            _, program = self._program(tuple(shape[1:] for shape in self.input_shapes))
            self._attach(program)

    @property
    def input_shapes(self) -> list[Shape]:
        """Shape of each input; None for free axes, such as the rows."""
        return [self.graph.types[v].shape for v in self.graph.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """Shape of each result; None for free axes."""
        return [self.graph.types[v].shape for v in self.graph.outputs]

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: the keys of a dict of data."""
        return list(self.options.input_names)

    @property
    def dtype(self) -> Precision:
        """``"float32"``, or ``"float64"`` on the reference engine."""
        return self.options.dtype

    @property
    def notes(self) -> list[str]:
        """What was not folded, and why."""
        return list(self.graph.notes)

    def steps(self, width: int = 80) -> list[str]:
        """What it computes, one entry per step, in order, in lines of at most ``width`` columns."""
        from foldnet.predictor.program_text import steps

        return steps(self.graph, width)

    def memory(self, x: object = None) -> Memory:
        """What predictions need in memory, in bytes.

        Args:
            x: rows, as for a call; only their lengths matter, and only for networks with free axes.

        Raises:
            InputError: there are free axes, and no rows were given.

        >>> import foldnet
        >>> model = foldnet.Sequential([foldnet.Input((2,)), foldnet.layers.Dense(3)])
        >>> print(foldnet.freeze(model, engine="reference").memory())
        36 bytes of weights, 20 for the input and result of each row
        """
        if x is not None:
            arrays = read_inputs(self._in_order(x), self.graph, self.options.input_names)
            bound, program = self._program_for(arrays)
        elif self._lengths is None:
            bound, program = self._program(tuple(shape[1:] for shape in self.input_shapes))
        else:
            raise InputError("the network has axes of free length; pass rows of the lengths in question")
        values = [prod(n or 0 for n in bound.types[v].shape[1:]) for v in (*bound.inputs, *bound.outputs)]
        native = cast("NativeProgram", program) if program.is_native else None
        weights = sum(a.size for a in bound.constants.values()) * self._dtype.itemsize
        return Memory(
            weights if native is None else native.weights.nbytes,
            None if native is None else native.workspace,
            sum(values) * self._dtype.itemsize,
        )

    def layer_values(self, x: object) -> dict[str, Array]:
        """The results of those layers that folding did not merge, computed by this predictor's engine.

        Args:
            x: rows, as for a call.

        Returns:
            By the layer's path (``"inner/dense"`` in a nested network) an array of shape (rows, ...).

        Raises:
            InputError: as a call does.
        """
        kept = {path: v for path, v in self.graph.layer_outputs.items() if v not in self.graph.inputs}
        names = tuple(dict.fromkeys(kept.values()))
        arrays = read_inputs(x, self.graph, self.options.input_names)
        opened = with_nodes(self.graph, self.graph.nodes, outputs=names)
        lengths = ManyLengths(opened) if free_axes(opened) else None
        bound, program = self._made(opened, lengths, [a.shape[1:] for a in arrays])
        values = dict(zip(names, self._run(bound, program, arrays), strict=True))
        return {path: values[value] for path, value in kept.items()}

    def bind(self, x: object, y: object = None) -> Bound:
        """A call without allocation: ``bound()`` computes ``y`` from what is in ``x`` at that moment, and gives it.

        Shapes, dtypes and memory are checked here, once. The arrays are used where they are, so they must be
        C-contiguous, of this predictor's ``dtype`` (int32 for indices), and ``y`` must not overlap ``x``.

        Args:
            x: an array of shape (rows, ...); for several inputs as for a call.
            y: an array for the results; for several results as a call gives them. None makes it: ``bound.outputs``.

        Raises:
            InputError: something else than such arrays.

        >>> import numpy as np
        >>> import foldnet
        >>> model = foldnet.Sequential([foldnet.Input((2,)), foldnet.layers.Dense(1, kernel_initializer="ones")])
        >>> x, y = np.zeros((1, 2), np.float32), np.zeros((1, 1), np.float32)
        >>> bound = foldnet.freeze(model).bind(x, y)
        >>> x[0] = 3, 4
        >>> bound() is y, y
        (True, array([[7.]], dtype=float32))
        """
        from foldnet.predictor.bound import bound_to

        return bound_to(self, x, y)

    def _call(self, x: object, *others: Any, out: object = None) -> Any:
        """Handle calls that the compiled entry point does not support; several inputs may be separate arguments."""
        x = self._in_order((x, *others) if others else x)
        return self._structured(self.results(x) if out is None else self._into(x, out))

    def _in_order(self, x: object) -> object:
        """The caller's data, in the network's order if it is nested."""
        if self.options.input_structure is None:
            return x
        return arranged(x, self.options.input_structure, self.options.input_names, "the data")

    def _structured(self, results: list[Array]) -> Any:
        """The results as a call gives them."""
        if self.options.output_names is not None:
            return dict(zip(self.options.output_names, results, strict=True))
        if self.options.output_structure is not None:
            return pack(self.options.output_structure, results)
        return results[0] if len(results) == 1 else results

    def results(self, x: object) -> list[Array]:
        """The results in order, for any structure of the network's outputs.

        Args:
            x: rows, as for a call; for several inputs in order or by name.
        """
        arrays = read_inputs(x, self.graph, self.options.input_names)
        return self._run(*self._program_for(arrays), arrays)

    def _into(self, x: object, out: object) -> list[Array]:
        """The results, written into the caller's arrays."""
        from foldnet.predictor.bound import check_apart, given_results

        arrays = read_inputs(x, self.graph, self.options.input_names)
        bound, program = self._program_for(arrays)
        results = given_results(out, bound, len(arrays[0]), self.options)
        check_apart(arrays, results, self.options)
        self._compute(bound, program, arrays, results)
        return results

    def _program_for(self, arrays: Sequence[Array]) -> tuple[Graph, Program]:
        """The program for rows of these shapes, and its graph with all sizes but the batch's known."""
        return self._program(tuple(a.shape[1:] for a in arrays))

    def _run(self, bound: Graph, program: Program, arrays: list[Array]) -> list[Array]:
        from foldnet.predictor.bound import new_results

        results = new_results(bound, len(arrays[0]), self.options.dtype)
        self._compute(bound, program, arrays, results)
        return results

    def _compute(
        self, bound: Graph, program: Program, arrays: Sequence[Array], results: Sequence[Array]
    ) -> None:
        """Put the results into arrays.

        What the native engine cannot read where it is goes block by block, so that conversions and intermediate values
        need little memory.

        Args:
            bound: the graph, with all sizes but the batch's known.
            program: of that graph.
            arrays: one for each input, of any numeric dtype and any strides.
            results: one for each result, C-contiguous, of the dtype that the program gives.
        """
        native = cast("NativeProgram", program) if program.is_native else None
        if native is not None and self._is_ready(arrays):
            native.run_into(arrays, results)
            return
        kinds = [bound.types[v] for v in bound.inputs]
        rows = len(arrays[0])
        block = max(1, _BLOCK_BYTES // self._row_bytes(bound, program))
        for start in range(0, rows, block):
            part = slice(start, start + block)
            ready = [
                working(a[part], kind, self._dtype, name)
                for a, kind, name in zip(arrays, kinds, self.options.input_names, strict=True)
            ]
            if native is not None:
                native.run_into(ready, [whole[part] for whole in results], start)
                continue
            for whole, result in zip(results, program.run(ready), strict=True):
                whole[part] = result

    def _is_ready(self, arrays: Sequence[Array]) -> bool:
        """Whether the native engine can read all rows without a copy."""
        return all(
            a.dtype == (np.float32 if self.graph.types[name].dtype == FLOAT else np.int32)
            and a.dtype.isnative
            and a.flags.c_contiguous
            and a.flags.aligned
            for name, a in zip(self.graph.inputs, arrays, strict=True)
        )

    def _row_bytes(self, bound: Graph, program: Program) -> int:
        """Memory per row during the computation: on the reference engine that of all values."""
        values = list(bound.outputs) if program.is_native else [n.output for n in bound.nodes]
        sizes = [int(np.prod([n or 0 for n in bound.types[v].shape[1:]])) for v in (*bound.inputs, *values)]
        return max(1, sum(sizes)) * self._dtype.itemsize

    def _program(self, rows: tuple[Shape, ...]) -> tuple[Graph, Program]:
        """The program for rows of these shapes; the most recent ones are cached."""
        kept = self._programs.get(rows)
        if kept is None:
            kept = self._made(self.graph, self._lengths, rows)
            self._programs.put(rows, kept)
        if self._lengths is not None:
            self._attach(kept[1])
        return kept

    def _attach(self, program: Program) -> None:
        """Send the next calls with rows of the program's shapes straight to it."""
        if program.is_native and self.options.output_names is None and self.options.output_structure is None:
            attach(self, cast("NativeProgram", program))

    def _made(
        self, graph: Graph, lengths: ManyLengths | None, rows: Sequence[Shape]
    ) -> tuple[Graph, Program]:
        """A program for rows of these shapes, by the code for many lengths if there is one that serves."""
        if lengths is not None and self.engine == "native":
            found = native_or_none(lambda: lengths.program(rows), self.options.engine, "predictions")
            if found is not None:
                return found
        bound = self._bound(graph, rows)
        return bound, self._compile(bound)

    def _bound(self, graph: Graph, rows: Sequence[Shape]) -> Graph:
        """The graph for rows of these shapes, which the layers after free axes may find too short."""
        try:
            return bind(graph, [(None, *row) for row in rows])
        except ConfigError as error:
            sizes = (", ".join(("rows", *map(str, row))) for row in rows)
            given = ", ".join(
                f"{name!r} has shape ({of})" for name, of in zip(graph.inputs, sizes, strict=True)
            )
            raise InputError(f"{error}; input {given}") from None

    def _compile(self, bound: Graph) -> Program:
        if self.engine == "native":
            made = native_or_none(lambda: native_program(bound), self.options.engine, "predictions")
            if made is not None:
                return made
            if self._lengths is None or not self._lengths.has_code:
                self.engine = "reference"  # else these rows alone are too long for compiled code
        return reference_program(bound, self.options)

    # -- saving and exporting -------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it atomically to one file in an open format; ``foldnet.load_predictor(path)`` reads it.

        The file holds the program as lowered and the options; folding is repeated on loading, with the same bits.
        """
        from foldnet.predictor.file import save

        save(self, path)

    def to_numpy(self, path: str | os.PathLike[str], **settings: Any) -> list[Path]:
        """Write it as a readable Python file that needs NumPy only; see ``foldnet.export.to_numpy``."""
        from foldnet.export import to_numpy

        return to_numpy(self, path, **settings)

    def to_c(self, path: str | os.PathLike[str], **settings: Any) -> list[Path]:
        """Write it as a folder of C99; see ``foldnet.export.to_c``."""
        from foldnet.export import to_c

        return to_c(self, path, **settings)

    def to_library(self, path: str | os.PathLike[str], **settings: Any) -> list[Path]:
        """Write it as a package with compiled libraries; see ``foldnet.export.to_library``."""
        from foldnet.export import to_library

        return to_library(self, path, **settings)

    def to_wheel(self, path: str | os.PathLike[str], **settings: Any) -> list[Path]:
        """Write it as wheels, which pip installs without foldnet; see ``foldnet.export.to_wheel``."""
        from foldnet.export import to_wheel

        return to_wheel(self, path, **settings)

    def to_wasm(self, path: str | os.PathLike[str], **settings: Any) -> list[Path]:
        """Write it as a folder for browsers and node; see ``foldnet.export.to_wasm``."""
        from foldnet.export import to_wasm

        return to_wasm(self, path, **settings)

    def __reduce__(self) -> Any:
        from foldnet.predictor.pickling import functions_of, pickled, unpickle

        return unpickle, (pickled(self), functions_of(self.unfolded))

    def _repr_html_(self) -> str:  # in a notebook
        from foldnet.insight.displays import predictor_html

        return predictor_html(self)

    def __repr__(self) -> str:
        def shapes(of: list[Shape]) -> str:
            return ", ".join(
                str(tuple("rows" if i == 0 else n for i, n in enumerate(s))) for s in of
            ).replace("'", "")

        return (
            f"<Predictor {shapes(self.input_shapes)} -> {shapes(self.output_shapes)}, "
            f"{len(self.graph.nodes)} steps, {self.engine}, {self.dtype}>"
        )
