"""``freeze`` makes the predictor of a network; ``load_predictor`` loads a saved one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.errors import ConfigError
from foldnet.graph.graph import Graph
from foldnet.predictor.options import Options, checked_engine, checked_precision
from foldnet.predictor.predictor import Predictor
from foldnet.structure import is_flat, is_nested, plain, without_leaves

if TYPE_CHECKING:
    from foldnet.network import Network


def freeze(
    model: object,
    *,
    engine: str = "auto",
    dtype: str = "float32",
    fold: bool = True,
    activations: Mapping[str, Callable[..., Any]] | None = None,
    without: Iterable[str] = (),
) -> Predictor:
    """Fold a network into one function.

    The function keeps its own copy of the weights: training the network further does not change it. The program
    of a file is kept in the user's cache folder, so that freezing the same bytes again needs no parsing.

    Args:
        model: a network, the path of a file, or a live Keras model.
        engine: ``"native"`` compiles C, ``"reference"`` computes in NumPy, ``"auto"`` compiles if it can.
        dtype: ``"float32"``; on the reference engine also ``"float64"``.
        fold: False keeps every layer as a separate step.
        activations: NumPy functions for activations that a file names but does not define.
        without: names of optional inputs that the function does not take: the network's result with None for them.

    Raises:
        UnsupportedError: a layer or setting that cannot be computed exactly.
        ConfigError: settings contradict each other.
        CompileError: with ``engine="native"``, if its code cannot be compiled or loaded.
    """
    asked = checked_engine(engine)
    precision = checked_precision(dtype, asked)

    def program() -> tuple[Graph, Options]:
        return _program_of(_as_network(model, activations), without)

    if isinstance(model, str | os.PathLike) and not activations and not without:
        from foldnet.predictor.cache import program_of

        unfolded, options = program_of(model, program)
    else:
        unfolded, options = program()
    return Predictor(unfolded, replace(options, engine=asked, dtype=precision, fold=fold))


def load_predictor(
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    activations: Mapping[str, Callable[..., Any]] | None = None,
) -> Predictor:
    """A predictor from a file that ``Predictor.save`` wrote.

    Args:
        path: of the file.
        engine: another engine than the one it was frozen for.
        activations: the NumPy functions, if the network was frozen with the caller's own functions.

    Raises:
        FileFormatError: the file is damaged or not a predictor.
        FileNotFoundError: there is no such file.
    """
    from foldnet.predictor.file import load

    unfolded, options = load(path, activations or {})
    if engine is not None:
        options = replace(options, engine=checked_engine(engine))
    return Predictor(unfolded, options)


def open_predictor(path: str, *, engine: str | None = None) -> Predictor:
    """The predictor of a file, whether it was frozen or holds a network.

    Args:
        path: of the file.
        engine: as for ``freeze``; None is ``"auto"``, or what a predictor was frozen for.

    Raises:
        FoldnetError: as ``freeze`` and ``load_predictor`` do.
    """
    from foldnet.predictor.file import is_frozen

    return load_predictor(path, engine=engine) if is_frozen(path) else freeze(path, engine=engine or "auto")


def same_program(a: Graph, b: Graph) -> bool:
    """Whether two graphs compute the same with the same weights."""
    return (
        (a.inputs, a.outputs, a.nodes, a.types, a.texts) == (b.inputs, b.outputs, b.nodes, b.types, b.texts)
        and a.constants.keys() == b.constants.keys()
        and all(np.array_equal(v, b.constants[k], equal_nan=True) for k, v in a.constants.items())
    )


def _program_of(network: Network, without: Iterable[str] = ()) -> tuple[Graph, Options]:
    """The network's prediction program, unfolded, and the structure of its inputs and outputs."""
    from foldnet.lowering.lower import Mode, lower
    from foldnet.optional_inputs import checked_absent, present

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
    return _own_copy(lower(network, Mode.PREDICT, absent=absent)), options


def _is_plain(structure: object) -> bool:
    """Whether it is one value, a list of values, or a single value without a name."""
    if isinstance(structure, list | tuple) and len(structure) == 1:
        return not is_nested(structure[0])
    return not is_nested(structure) or (isinstance(structure, list) and is_flat(structure))


def _as_network(model: object, activations: Mapping[str, Callable[..., Any]] | None) -> Network:
    from foldnet.network import Network

    if isinstance(model, Network):
        if activations:
            raise ConfigError("activations= is only for files; this network already has its functions")
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


def _own_copy(graph: Graph) -> Graph:
    """The graph with its own read-only copies of the constants."""
    constants = {k: np.array(v) for k, v in graph.constants.items()}
    for array in constants.values():
        array.flags.writeable = False
    return replace(graph, constants=constants)
