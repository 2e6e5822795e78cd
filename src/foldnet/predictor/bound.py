"""A predictor bound to arrays: each call computes the results in place, and allocates nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.predictor.fastcall import Bound, attach_bound
from foldnet.predictor.inputs import by_input, read_inputs
from foldnet.predictor.options import Options
from foldnet.predictor.programs import Program
from foldnet.structure import flatten, same, shown

if TYPE_CHECKING:
    from foldnet.engines.native import NativeProgram
    from foldnet.predictor.predictor import Predictor


def bound_to(predictor: Predictor, x: object, y: object) -> Bound:
    """The predictor bound to arrays; see ``Predictor.bind``."""
    arrays = bindable(x, predictor)
    graph, program = predictor._program_for(arrays)
    rows = len(arrays[0])
    if y is None:
        results = new_results(graph, rows, predictor.dtype)
    else:
        results = given_results(y, graph, rows, predictor.options)
    check_apart(arrays, results, predictor.options)
    plain = Plain(predictor, graph, program, tuple(arrays), tuple(results))
    bound = Bound(plain, plain.inputs, plain.outputs)
    if program.is_native:
        attach_bound(bound, cast("NativeProgram", program), arrays, results)
    return bound


class Plain:
    """What a bound call does that does not go straight to compiled code.

    Args:
        predictor: to be called.
        graph: with the sizes of these arrays.
        program: of that graph.
        inputs: arrays of the graph's shapes, which the caller may since have changed.
        results: likewise.
    """

    def __init__(
        self,
        predictor: Predictor,
        graph: Graph,
        program: Program,
        inputs: tuple[Array, ...],
        results: tuple[Array, ...],
    ) -> None:
        self.predictor, self.inputs = predictor, inputs
        self.outputs = predictor._structured(list(results))
        self._graph, self._program, self._results = graph, program, results
        self._shapes = [a.shape for a in (*inputs, *results)]

    def __call__(self) -> object:
        """The results.

        Raises:
            InputError: as a call does; or an array is not what it was any more.
        """
        arrays = (*self.inputs, *self._results)
        values, options = (*self._graph.inputs, *self._graph.outputs), self.predictor.options
        names = [f"input {name!r}" for name in options.input_names]
        names += [result_name(number, options) for number in range(len(self._results))]
        for array, shape, value, name in zip(arrays, self._shapes, values, names, strict=True):
            if array.shape != shape:
                raise InputError(
                    f"{name} had shape {shape} when it was bound, and now has {array.shape}; bind again"
                )
            _check_memory(array, _dtype(self._graph, value, options.dtype), name)
        for array, name in zip(self._results, names[len(self.inputs) :], strict=True):
            check_writable(array, name)
        self.predictor._compute(self._graph, self._program, self.inputs, self._results)
        return self.outputs

    def __repr__(self) -> str:
        return f"{self.predictor!r} to {len(self.inputs[0])} rows"


def is_direct(array: Array) -> bool:
    """Whether compiled code can read it where it is."""
    return array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned


def bindable(x: object, predictor: Predictor) -> list[Array]:
    """The caller's own arrays, one for each input.

    Raises:
        InputError: something else than arrays that can be read where they are.
    """
    graph, names = predictor.graph, predictor.options.input_names
    x = predictor._in_order(x)
    for value, name, value_name in zip(by_input(x, graph, names), names, graph.inputs, strict=True):
        if value_name in graph.texts:
            raise InputError(
                f"input {name!r} takes texts, which cannot be bound; call the predictor with them"
            )
        if not isinstance(value, np.ndarray):
            raise InputError(
                f"input {name!r} must be a NumPy array to be bound, not {type(value).__name__}; "
                "a call reads what is in it then"
            )
    arrays = read_inputs(x, graph, names)
    for array, value_name, name in zip(arrays, graph.inputs, names, strict=True):
        _check_memory(array, _dtype(graph, value_name, predictor.dtype), f"input {name!r}")
    return arrays


def new_results(graph: Graph, rows: int, dtype: str) -> list[Array]:
    """Arrays for the results.

    Args:
        graph: all sizes but the batch's known, or taken for 0.
        rows: their number.
        dtype: of results that are not whole numbers.
    """
    return [
        np.empty((rows, *(n or 0 for n in graph.types[v].shape[1:])), _dtype(graph, v, dtype))
        for v in graph.outputs
    ]


def given_results(y: object, graph: Graph, rows: int, options: Options) -> list[Array]:
    """The caller's arrays for the results, in order.

    Args:
        y: an array; for several results a list, tuple or dict of them, as a call gives them.
        graph: all sizes but the batch's known.
        rows: their number.
        options: the structure of the results, and the working precision.

    Raises:
        InputError: something else than writable arrays in which results can be put without a copy.
    """
    arrays = _by_output(y, graph, options)
    for array, value, number in zip(arrays, graph.outputs, range(len(arrays)), strict=True):
        name = result_name(number, options)
        if not isinstance(array, np.ndarray):
            raise InputError(f"{name} must be a NumPy array, not {type(array).__name__}")
        expected = (rows, *(n or 0 for n in graph.types[value].shape[1:]))
        if array.shape != expected:
            raise InputError(f"{name} has shape {array.shape}; expected {expected}")
        _check_memory(array, _dtype(graph, value, options.dtype), name)
        check_writable(array, name)
    return arrays


def check_writable(array: Array, name: str) -> None:
    """Refuse a read-only array for results.

    Raises:
        InputError: it is read-only.
    """
    if not array.flags.writeable:
        raise InputError(f"{name} is read-only; the results are written into it")


def check_apart(inputs: Sequence[Array], results: Sequence[Array], options: Options) -> None:
    """Refuse results in the memory of inputs or of other results: rows are read after others are written.

    Raises:
        InputError: arrays overlap.
    """
    named = [(f"input {name!r}", a) for name, a in zip(options.input_names, inputs, strict=True)]
    targets = [(result_name(number, options), a) for number, a in enumerate(results)]
    pairs = [(t, n) for t in targets for n in named] + list(combinations(targets, 2))
    for (one, a), (other, b) in pairs:
        if np.may_share_memory(a, b):
            raise InputError(
                f"{one} and {other} share memory; give an array of its own, such as np.empty_like(y)"
            )


def result_name(number: int, options: Options) -> str:
    """What a result is called in errors."""
    return "the result" if options.output_names is None else f"the result {options.output_names[number]!r}"


def _by_output(y: object, graph: Graph, options: Options) -> list[Any]:
    count = len(graph.outputs)
    if options.output_names is not None:
        if isinstance(y, Mapping) and set(y) == set(options.output_names):
            return [y[name] for name in options.output_names]
        raise InputError(f"the results are a dict with the entries {list(options.output_names)}")
    if options.output_structure is not None:
        if same(options.output_structure, y):
            return flatten(y)
        raise InputError(f"the results are nested as {shown(options.output_structure)}")
    if count == 1:
        return list(y) if isinstance(y, list | tuple) and len(y) == 1 else [y]
    if isinstance(y, list | tuple) and len(y) == count:
        return list(y)
    raise InputError(f"the network has {count} results; pass a list of {count} arrays for them")


def _dtype(graph: Graph, value: str, dtype: str) -> np.dtype[Any]:
    return np.dtype(np.int32 if graph.types[value].dtype == INT else dtype)


def _check_memory(array: Array, dtype: np.dtype[Any], name: str) -> None:
    if array.dtype != dtype or not array.dtype.isnative:
        raise InputError(f"{name} has dtype {array.dtype}; expected {dtype}, as it is used where it is")
    if not is_direct(array):
        raise InputError(f"{name} must be C-contiguous and aligned, as it is used where it is")
