"""The kinds of candidates that ``verify`` accepts, with one interface: outputs, and layers' values."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.opening import open_file
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import FoldnetError, InputError
from foldnet.graph.graph import Graph
from foldnet.insight.rows import read_rows
from foldnet.network import Network
from foldnet.structure import flatten
from foldnet.tracing import recorded

Outputs = Callable[[Sequence[Array]], list[Array]]
Layers = Callable[[Sequence[Array]], dict[str, Array]]


@dataclass(frozen=True)
class Candidate:
    """Something that predicts.

    Attributes:
        description: its kind, and what computes its layers' values.
        outputs: predictions for rows, one array per output of the network; none if it only shows layers.
        layers: for rows, the values of the layer calls that it shows, by path.
        own_layers: whether it computes those itself. If not, they can show a fault but are no proof.
        flat: whether all outputs of a row are in one line of numbers, as a program prints them.
        of_given_rows: whether it is numbers computed before, which exist for those rows only.
        own_names: whether its layers have their own names, as in another network; unknown names are then ignored,
            while an unknown name that the user wrote is an error.
        takes_codes: whether it takes the codes of texts, as a program in C.
        row: for a function, its result for one row without a batch axis, one array per output.
    """

    description: str
    outputs: Outputs | None
    layers: Layers = lambda inputs: {}
    own_layers: bool = False
    flat: bool = False
    of_given_rows: bool = False
    own_names: bool = False
    takes_codes: bool = False
    row: Outputs | None = None


def adapt(candidate: object) -> Candidate:
    """The candidate for an argument of ``verify``.

    Raises:
        InputError: it is not of a kind that can predict.
        CompileError: a C export, and there is no compiler.
        FileNotFoundError: the path does not exist.
    """
    if isinstance(candidate, str | Path):
        return _from_path(Path(candidate))
    if isinstance(candidate, Network):
        return _from_network(candidate)
    if _is_keras(candidate):
        return _from_keras(candidate)
    if callable(candidate) and isinstance(getattr(candidate, "graph", None), Graph):
        return _from_predictor(candidate)
    if callable(candidate):
        return _from_function(candidate)
    if isinstance(candidate, Mapping | Iterator):
        return _from_values(candidate)
    if hasattr(candidate, "__array__") or isinstance(candidate, list | tuple):
        return _from_outputs(candidate)
    raise InputError(
        f"cannot verify a {type(candidate).__name__}: give a Predictor, a function from rows to predictions, the "
        "path of an exported file or directory, a Keras model, or the numbers themselves: predictions as an array, "
        "layers' values as a dict"
    )


def _from_values(values: Mapping[str, Any] | Iterator[tuple[str, Any]]) -> Candidate:
    """Values by layer, computed elsewhere."""
    named = _named(values.items() if isinstance(values, Mapping) else values)
    return Candidate(
        f"values of {len(named)} layers", None, lambda inputs: named, own_layers=True, of_given_rows=True
    )


def _from_outputs(values: object) -> Candidate:
    """Predictions computed elsewhere."""
    arrays = _arrays(values)
    return Candidate("predictions given as numbers", lambda inputs: arrays, of_given_rows=True)


def _named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Array]:
    """Traced values by layer call: the second value of a name is that of the layer's second call.

    Raises:
        InputError: there are no pairs of a name and a value.
    """
    named: dict[str, Array] = {}
    try:
        for name, value in pairs:
            calls = sum(n == name or n.startswith(f"{name}@") for n in named)
            named[name if not calls else f"{name}@{calls}"] = np.array(value)
    except (TypeError, ValueError):
        raise InputError(
            "values of layers come as a dict {layer name: array}, or as pairs of a name and an array"
        ) from None
    return named


def _from_path(path: Path) -> Candidate:
    if not path.exists():
        raise FileNotFoundError(f"there is no file or directory {str(path)!r} to verify")
    if path.is_dir() or path.suffix == ".py":
        from foldnet.insight.verify import exported

        if path.is_dir():
            exported.check_c(path)
        run = exported.run_c if path.is_dir() else exported.run_python
        kind = "C export" if path.is_dir() else "Python file"
        return Candidate(
            f"{kind} {path.name!r}, run as its own program",
            lambda inputs: run(path, inputs),
            flat=path.is_dir(),
            takes_codes=path.is_dir(),
        )
    if path.suffix == ".foldnet":
        from foldnet.predictor import load_predictor

        return _from_predictor(load_predictor(path))
    if path.suffix in (".npy", ".npz"):
        return _from_numbers(path)
    from foldnet.files import load_model

    return _from_network(load_model(path))


def _from_numbers(path: Path) -> Candidate:
    """Predictions in an NPY file, or layers' values by name in an NPZ file."""
    try:
        with open_file(path) as file:
            loaded = np.load(file, allow_pickle=False)
            return _from_outputs(loaded) if isinstance(loaded, np.ndarray) else _from_values(dict(loaded))
    except FoldnetError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} holds no arrays that NumPy can read: {error}") from None


def _from_predictor(predictor: Any) -> Candidate:
    """A Predictor: outputs, and the layers that folding did not change, all by its own engine."""

    def outputs(inputs: Sequence[Array]) -> list[Array]:
        return _arrays(predictor(inputs[0] if len(inputs) == 1 else list(inputs)))

    return Candidate(
        f"Predictor on the {predictor.engine} engine",
        outputs,
        lambda inputs: dict(predictor.layer_values(inputs[0] if len(inputs) == 1 else list(inputs))),
        own_layers=True,
        own_names=True,
    )


def _from_network(network: Network) -> Candidate:
    from foldnet.lowering.lower import lower

    graph = lower(network)
    program = ReferenceProgram(graph, "float32")

    def read(inputs: Sequence[Array]) -> list[Array]:
        return read_rows(graph, list(inputs) if len(inputs) > 1 else inputs[0])

    def layers(inputs: Sequence[Array]) -> dict[str, Array]:
        values = program.values(read(inputs))
        return {path: values[name] for path, name in graph.layer_outputs.items()}

    return Candidate(
        f"network {network.name!r} on the reference engine",
        lambda inputs: program.run(read(inputs)),
        layers,
        own_layers=True,
        own_names=True,
    )


def _from_function(function: Callable[..., Any]) -> Candidate:
    name = getattr(function, "__name__", type(function).__name__)
    traced: dict[str, Array] = {}

    def outputs(inputs: Sequence[Array]) -> list[Array]:
        copies = [np.array(x) for x in inputs]
        with recorded() as steps:
            together = len(copies) > 1 and not _takes(function, len(copies))
            result = function(copies) if together else function(*copies)
            if isinstance(result, Iterator):
                steps += list(result)
                result = None
        traced.clear()
        traced.update(_named(steps))
        return [] if result is None else _arrays(result)

    def row(inputs: Sequence[Array]) -> list[Array]:
        copies = [np.array(x) for x in inputs]
        with recorded():
            result = function(*copies)
        return [np.asarray(result)] if np.ndim(result) == 0 else _arrays(result)

    return Candidate(f"function {name}", outputs, lambda inputs: dict(traced), own_layers=True, row=row)


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function has a parameter for each input, rather than one for the list of them."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _is_keras(candidate: object) -> bool:
    has = all(hasattr(candidate, name) for name in ("predict", "layers", "inputs", "get_config"))
    return has and _keras_of(candidate) is not None


def _keras_of(model: object) -> Any:
    """The keras or tf_keras module that a live model comes from; it is loaded, since the model is live."""
    for cls in type(model).__mro__:
        root = cls.__module__.partition(".")[0]
        if root in ("keras", "tf_keras"):
            return sys.modules.get(root)
    return None


def _from_keras(model: Any) -> Candidate:
    keras = _keras_of(model)

    def predict(live: Any, inputs: Sequence[Array]) -> list[Array]:
        return _arrays(live.predict(inputs[0] if len(inputs) == 1 else list(inputs), verbose=0))

    # Only layers that are called once, and on the model's own values, have one output to compare.
    exposed = [
        layer
        for layer in model.layers
        if not hasattr(layer, "layers") and len(getattr(layer, "_inbound_nodes", ())) == 1
    ]
    try:
        probe = keras.Model(model.inputs, [layer.output for layer in exposed])
    except (AttributeError, RuntimeError, TypeError, ValueError):  # a subclassed model has no such outputs
        return Candidate("Keras model (outputs only)", lambda inputs: predict(model, inputs))

    def layers(inputs: Sequence[Array]) -> dict[str, Array]:
        return {layer.name: value for layer, value in zip(exposed, predict(probe, inputs), strict=True)}

    return Candidate("Keras model", lambda inputs: predict(model, inputs), layers, own_layers=True)


def _arrays(result: object) -> list[Array]:
    """Predictions as one array per output; a list of numbers is one output, a list of arrays several."""
    if (
        isinstance(result, list | tuple)
        and result
        and not any(np.ndim(r) and hasattr(r, "shape") for r in result)
    ):
        try:
            result = np.asarray(result)
        except ValueError:
            raise InputError(
                "the predictions are lists of different lengths, which are no array of shape (rows, ...)"
            ) from None
    return [np.asarray(leaf) for leaf in flatten(result)]
