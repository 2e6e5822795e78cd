"""The frozen network: a function from rows to predictions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from foldnet.arranging import arranged
from foldnet.engines.fallback import native_or_none
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.fastcall import FastCall, attach
from foldnet.graph.graph import Graph, bind, with_nodes
from foldnet.graph.op import INT
from foldnet.graph.op import Shape as ShapeOp
from foldnet.latest import Latest
from foldnet.passes import optimize
from foldnet.predictor_inputs import Array, read_inputs, working
from foldnet.structure import is_flat, is_nested, pack, plain, without_leaves

if TYPE_CHECKING:
    from foldnet.engines.native import NativeProgram
    from foldnet.network import Network

Shape = ShapeOp

_ENGINES = ("auto", "native", "reference")
_BLOCK_BYTES = 16 << 20
_PROGRAMS_KEPT = 8


class Program(Protocol):
    """What an engine makes of a graph."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows."""


@dataclass(frozen=True)
class Options:
    """How a network is frozen, and what its callers pass and get.

    Attributes:
        engine: ``"auto"``, ``"native"`` or ``"reference"``, as asked for.
        dtype: the working precision.
        fold: whether the passes ran.
        input_names: of the inputs, in order.
        output_names: keys of the results if they are a dict of arrays; None for anything else.
        input_structure: how inputs are nested, if not as one array, a list, or a dict of arrays; numbers in place
            of the inputs.
        output_structure: likewise, of the results.
    """

    engine: str = "auto"
    dtype: str = "float32"
    fold: bool = True
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] | None = None
    input_structure: Any = None
    output_structure: Any = None


class Predictor(FastCall):
    """What ``freeze`` returns: call it on rows, ``predict(x)``; a row gives the same bits in any batch.

    ``x`` is any array-like of shape (rows, ...); for several inputs a list or tuple in order, or a dict by name. The
    result is a new array of shape (rows, ...); a list of them for several outputs, or a dict if the network's are.
    What is not numbers, or of another shape than the network takes, raises InputError.

    Args:
        unfolded: the network's prediction program, as lowered.
        options: see ``Options``.

    Attributes:
        unfolded: the program as lowered, one or more steps a layer.
        graph: the program that runs, folded if ``fold``.
        options: as given.
        engine: ``"native"`` or ``"reference"``: what computes.
    """

    def __init__(self, unfolded: Graph, options: Options) -> None:
        self.unfolded = unfolded
        self.options = options
        self.graph = optimize(unfolded) if options.fold else unfolded
        self._dtype = np.dtype(options.dtype)
        # No lock: a call may come from a signal handler amid another, or in a child forked amid one.
        self._programs: Latest[tuple[Graph, Program]] = Latest(_PROGRAMS_KEPT)
        self.engine = _choose_engine(self.graph, options)
        if all(n is not None for shape in self.input_shapes for n in shape[1:]):
            _, program = self._program(tuple(shape[1:] for shape in self.input_shapes))
            if self.engine == "native" and options.output_names is None and options.output_structure is None:
                attach(self, cast("NativeProgram", program))

    @property
    def input_shapes(self) -> list[Shape]:
        """Shape of each input; None where free, so first of all the rows."""
        return [self.graph.types[v].shape for v in self.graph.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """Shape of each result; None where free."""
        return [self.graph.types[v].shape for v in self.graph.outputs]

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: the keys of a dict of data."""
        return list(self.options.input_names)

    @property
    def dtype(self) -> str:
        """``"float32"``, or ``"float64"`` on the reference engine."""
        return self.options.dtype

    @property
    def notes(self) -> list[str]:
        """What was not folded, and why."""
        return list(self.graph.notes)

    def steps(self, width: int = 80) -> list[str]:
        """What it computes, one entry a step, in order, in lines of at most so many columns."""
        from foldnet.graph.text import steps

        return steps(self.graph, width)

    def layer_values(self, x: Any) -> dict[str, Array]:
        """What the layers give that folding left with a value of their own, computed by this predictor's engine.

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
        bound = bind(opened, [(None, *a.shape[1:]) for a in arrays])
        values = dict(zip(names, self._run(bound, self._compile(bound), arrays), strict=True))
        return {path: values[value] for path, value in kept.items()}

    def _call(self, x: Any, *others: Any) -> Any:
        """Any call that the compiled entry point does not serve; several inputs may come one after the other."""
        if others:
            x = (x, *others)
        if self.options.input_structure is not None:
            x = arranged(x, self.options.input_structure, self.options.input_names, "the data")
        results = self.results(x)
        if self.options.output_names is not None:
            return dict(zip(self.options.output_names, results, strict=True))
        if self.options.output_structure is not None:
            return pack(self.options.output_structure, results)
        return results[0] if len(results) == 1 else results

    def results(self, x: Any) -> list[Array]:
        """The results in order, whatever the structure of the network's outputs.

        Args:
            x: rows, as for a call; for several inputs in order or by name.
        """
        arrays = read_inputs(x, self.graph, self.options.input_names)
        bound, program = self._program(tuple(a.shape[1:] for a in arrays))
        return self._run(bound, program, arrays)

    def _run(self, bound: Graph, program: Program, arrays: list[Array]) -> list[Array]:
        """Block by block, so that conversions and intermediate values stay small beside the data."""
        rows = len(arrays[0])
        if self._is_ready(arrays):
            return program.run(arrays)
        types = [bound.types[v] for v in bound.outputs]
        results = [
            np.empty((rows, *(n or 0 for n in t.shape[1:])), np.int32 if t.dtype == INT else self._dtype)
            for t in types
        ]
        kinds = [bound.types[v] for v in bound.inputs]
        block = max(1, _BLOCK_BYTES // self._row_bytes(bound))
        for start in range(0, rows, block):
            part = slice(start, start + block)
            ready = [
                working(a[part], kind, self._dtype, name)
                for a, kind, name in zip(arrays, kinds, self.options.input_names, strict=True)
            ]
            for whole, result in zip(results, program.run(ready), strict=True):
                whole[part] = result
        return results

    def _is_ready(self, arrays: list[Array]) -> bool:
        """Whether the native engine can read all rows where they lie."""
        return self.engine == "native" and all(
            a.dtype == np.float32 and a.dtype.isnative and a.flags.c_contiguous and a.flags.aligned
            for a in arrays
        )

    def _row_bytes(self, bound: Graph) -> int:
        """Memory that a row needs while it is computed: on the reference engine that of all values."""
        values = [n.output for n in bound.nodes] if self.engine == "reference" else list(bound.outputs)
        sizes = [int(np.prod([n or 0 for n in bound.types[v].shape[1:]])) for v in (*bound.inputs, *values)]
        return max(1, sum(sizes)) * self._dtype.itemsize

    def _program(self, rows: tuple[Shape, ...]) -> tuple[Graph, Program]:
        """The program for rows of these shapes; the latest few are kept."""
        kept = self._programs.get(rows)
        if kept is None:
            bound = bind(self.graph, [(None, *row) for row in rows])
            kept = bound, self._compile(bound)
            self._programs.put(rows, kept)
        return kept

    def _compile(self, bound: Graph) -> Program:
        if self.engine != "reference":
            made = native_or_none(lambda: _native(bound), self.options.engine, "predictions")
            if made is not None:
                return made
            self.engine = "reference"
        # Imported where it is used: a prediction by compiled code need not wait for it.
        from foldnet.engines.reference import ReferenceProgram

        return ReferenceProgram(bound, self.options.dtype)

    # -- keeping and handing on -----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to one file in an open format, whole or not at all; ``foldnet.load_predictor(path)`` reads it.

        The file holds the program as lowered and the options; folding is done again on loading, to the same bits.
        """
        from foldnet.predictor_file import save

        save(self, path)

    def to_numpy(self, path: str | os.PathLike[str], **settings: Any) -> Any:
        """Write it as a readable Python file that needs NumPy only; see ``foldnet.export.to_numpy``."""
        from foldnet.export import to_numpy

        return to_numpy(self, path, **settings)

    def to_c(self, path: str | os.PathLike[str], **settings: Any) -> Any:
        """Write it as a folder of C99; see ``foldnet.export.to_c``."""
        from foldnet.export import to_c

        return to_c(self, path, **settings)

    def __reduce__(self) -> Any:
        from foldnet.predictor_file import functions_of, pickled, unpickle

        return unpickle, (pickled(self), functions_of(self.unfolded))

    def _repr_html_(self) -> str:  # in a notebook
        from foldnet.insight.page.displays import predictor_html

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


def freeze(
    model: Any,
    *,
    engine: str = "auto",
    dtype: str = "float32",
    fold: bool = True,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    without: Iterable[str] = (),
) -> Predictor:
    """Fold a network into one function.

    The function keeps its own copy of the weights: training the network further does not change it. What a file
    gave is kept in the user's cache folder, so that freezing the same bytes again needs no parsing.

    Args:
        model: a network, the path of a file, or a live Keras model.
        engine: ``"native"`` compiles C, ``"reference"`` computes in NumPy, ``"auto"`` compiles if it can.
        dtype: ``"float32"``; on the reference engine also ``"float64"``.
        fold: False keeps every layer a step of its own.
        activations: NumPy functions for activations that a file names but cannot say.
        without: names of optional inputs that the function does not take: it computes what the network gives for None.

    Raises:
        UnsupportedError: a layer or setting that cannot be computed exactly.
        ConfigError: settings that contradict each other.
        CompileError: ``engine="native"``, and its code cannot be compiled or loaded.
    """
    if engine not in _ENGINES:
        raise ConfigError(f"engine must be one of {', '.join(_ENGINES)}, got {engine!r}")
    if dtype not in ("float32", "float64"):
        raise ConfigError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    if dtype == "float64" and engine == "native":
        raise ConfigError('the native engine computes in float32; for float64 use engine="reference"')

    def program() -> tuple[Graph, Options]:
        return _program_of(_as_network(model, activations), without)

    if isinstance(model, str | os.PathLike) and not activations and not without:
        from foldnet.predictor_cache import program_of

        unfolded, options = program_of(model, program)
    else:
        unfolded, options = program()
    return Predictor(unfolded, replace(options, engine=engine, dtype=dtype, fold=fold))


def load_predictor(
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    activations: Mapping[str, Callable[..., Any]] | None = None,
) -> Predictor:
    """A predictor from a file that ``Predictor.save`` wrote.

    Args:
        path: of the file.
        engine: another one than it was frozen for.
        activations: the NumPy functions of a network that was frozen with functions of the caller's.

    Raises:
        FileFormatError: the file is damaged or not a predictor.
        FileNotFoundError: there is no such file.
    """
    from foldnet.predictor_file import load

    unfolded, options = load(path, activations or {})
    if engine is not None and engine not in _ENGINES:
        raise ConfigError(f"engine must be one of {', '.join(_ENGINES)}, got {engine!r}")
    return Predictor(unfolded, options if engine is None else replace(options, engine=engine))


def own_copy(graph: Graph) -> Graph:
    """The graph with constants of its own, which nothing can change."""
    constants = {k: np.array(v) for k, v in graph.constants.items()}
    for array in constants.values():
        array.flags.writeable = False
    return replace(graph, constants=constants)


def same_program(a: Graph, b: Graph) -> bool:
    """Whether two graphs compute the same with the same weights."""
    return (
        (a.inputs, a.outputs, a.nodes, a.types) == (b.inputs, b.outputs, b.nodes, b.types)
        and a.constants.keys() == b.constants.keys()
        and all(np.array_equal(v, b.constants[k], equal_nan=True) for k, v in a.constants.items())
    )


def _program_of(network: Network, without: Iterable[str] = ()) -> tuple[Graph, Options]:
    """The network's prediction program, unfolded, and what its callers pass and get."""
    from foldnet.lowering.lower import Mode, lower
    from foldnet.optional import checked_absent, present

    absent = checked_absent(network, without)
    given, results = network.input_structure, network.output_structure
    if absent:
        given = without_leaves(given, lambda t: t.name in absent)
    by_key, named = (isinstance(s, Mapping) and is_flat(s) for s in (given, results))
    names = tuple(t.name for t in present(network, absent))
    options = Options(
        input_names=tuple(map(str, sorted(given))) if by_key else names,
        output_names=tuple(map(str, sorted(results))) if named else None,
        input_structure=None if by_key or _is_plain(given) else plain(given),
        output_structure=None if named or _is_plain(results) else plain(results),
    )
    return own_copy(lower(network, Mode.PREDICT, absent=absent)), options


def _is_plain(structure: Any) -> bool:
    """Whether it is one value, or a list of them, or holds a single one without a name."""
    if isinstance(structure, list | tuple) and len(structure) == 1:
        return not is_nested(structure[0])
    return not is_nested(structure) or (isinstance(structure, list) and is_flat(structure))


def _as_network(model: Any, activations: Mapping[str, Callable[..., Any]] | None) -> Network:
    from foldnet.network import Network

    if isinstance(model, Network):
        if activations:
            raise ConfigError("activations= are for files; this network has its functions already")
        if not model.built:
            raise ConfigError(
                f"{model.name!r} has no shape yet; give its first layer an input_shape, or build it"
            )
        return model
    from foldnet import files

    if isinstance(model, str | os.PathLike):
        network: Network = files.load_model(model, activations=activations, compile=False)
    else:
        network = files.from_keras(model, activations=activations)
    return network


def _choose_engine(graph: Graph, options: Options) -> str:
    functions = [
        f for f in (getattr(n.op, "activation", getattr(n.op, "function", None)) for n in graph.nodes) if f
    ]
    supplied = next((f for f in functions if f.function is not None), None)
    if options.engine == "native" and supplied is not None:
        raise UnsupportedError(
            f"the activation {supplied.name!r} is a Python function, which does not compile; use "
            'engine="reference", or functools.partial of one of foldnet.activations'
        )
    native = options.engine != "reference" and options.dtype == "float32" and supplied is None
    return "native" if native else "reference"


def _native(bound: Graph) -> Program:
    from foldnet.engines.native import NativeProgram

    return NativeProgram(bound)
