"""A predictor with its name and what the protocol says of it: names, datatypes and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, FoldnetError
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import bind
from foldnet.graph.op import INT, Shape
from foldnet.predictor import Predictor
from foldnet.serving.limits import RefusedError
from foldnet.serving.tensors import DATATYPES, TEXTS

VERSION = "1"
"""The only version of each model."""

PLATFORM = "foldnet"


@dataclass(frozen=True)
class Tensor:
    """An input or a result: its name, its datatype, and its shape with None for free axes."""

    name: str
    datatype: str
    shape: Shape

    def described(self) -> dict[str, object]:
        """As the protocol's metadata have it: free axes are −1."""
        return {"name": self.name, "datatype": self.datatype, "shape": self._dims()}

    def configured(self) -> dict[str, object]:
        """As Triton's model configuration has it, which clients of Triton may ask for."""
        kind = "STRING" if self.datatype == TEXTS else self.datatype
        return {"name": self.name, "data_type": f"TYPE_{kind}", "dims": self._dims()}

    def _dims(self) -> list[int]:
        return [-1 if n is None else n for n in self.shape]


class Served:
    """One model of a server.

    Args:
        name: in the paths.
        predictor: what computes.

    Attributes:
        inputs: its inputs, in order.
        outputs: its results, in order; named as the network names them, or else after their layers.

    Raises:
        ConfigError: the name cannot be a part of a path.
    """

    def __init__(self, name: str, predictor: Predictor) -> None:
        if not name or "/" in name or name in (".", "..") or not name.isprintable():
            raise ConfigError(f"a model cannot be called {name!r}: its name is a part of a path, without /")
        self.name, self.predictor = name, predictor
        graph = predictor.graph
        floats = DATATYPES[np.dtype(predictor.dtype)]

        def datatype(value: str) -> str:
            if value in graph.texts:
                return TEXTS
            return "INT32" if graph.types[value].dtype == INT else floats

        self.inputs = tuple(
            Tensor(n, datatype(v), graph.types[v].shape)
            for n, v in zip(predictor.input_names, graph.inputs, strict=True)
        )
        # A result may be an input as it is: its codes then are whole numbers.
        self.outputs = tuple(
            Tensor(n, "INT32" if graph.types[v].dtype == INT else floats, graph.types[v].shape)
            for n, v in zip(output_names(predictor), graph.outputs, strict=True)
        )
        self._is_free = bool(free_axes(graph))

    def metadata(self) -> dict[str, object]:
        """The answer to ``GET /v2/models/NAME``."""
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": PLATFORM,
            "inputs": [t.described() for t in self.inputs],
            "outputs": [t.described() for t in self.outputs],
        }

    def config(self) -> dict[str, object]:
        """The answer to ``GET /v2/models/NAME/config``: shapes include the rows, so there is no ``max_batch_size``."""
        return {
            "name": self.name,
            "platform": PLATFORM,
            "backend": PLATFORM,
            "max_batch_size": 0,
            "input": [t.configured() for t in self.inputs],
            "output": [t.configured() for t in self.outputs],
        }

    def results(self, inputs: Mapping[str, Array], most: int) -> list[Array]:
        """The results in order.

        Args:
            inputs: by name.
            most: bytes of all results together.

        Raises:
            InputError: as a call of the predictor does.
            RefusedError: the results would be larger.
        """
        size = self._answer_size(inputs)
        if size > most:
            raise RefusedError(
                413, f"the answer would have {size} bytes, and at most {most} are allowed: send fewer rows"
            )
        return self.predictor.results(inputs)

    def _answer_size(self, inputs: Mapping[str, Array]) -> int:
        """Bytes of the results; 0 for inputs that the predictor refuses."""
        given = [inputs.get(t.name) for t in self.inputs]
        if any(a is None or a.ndim != len(t.shape) for a, t in zip(given, self.inputs, strict=True)):
            return 0
        arrays = [a for a in given if a is not None]
        shapes: Sequence[Shape] = self.predictor.output_shapes
        if self._is_free:
            try:
                bound = bind(self.predictor.graph, [(None, *a.shape[1:]) for a in arrays])
            except FoldnetError:
                return 0
            shapes = [bound.types[v].shape for v in bound.outputs]
        itemsizes = [
            np.dtype(np.int32 if t.datatype == "INT32" else self.predictor.dtype).itemsize
            for t in self.outputs
        ]
        one = sum(prod(n or 1 for n in s[1:]) * size for s, size in zip(shapes, itemsizes, strict=True))
        return len(arrays[0]) * one


def output_names(predictor: Predictor) -> list[str]:
    """Names of the results: those of the network's dict, or else of the layers that made them."""
    if predictor.options.output_names is not None:
        return list(predictor.options.output_names)
    graph = predictor.unfolded
    layers = {value: path for path, value in graph.layer_outputs.items()}
    names: list[str] = []
    for place, value in enumerate(graph.outputs, 1):
        name = layers.get(value, f"output_{place}")
        names.append(name if name not in names else f"{name}_{place}")
    return names


def all_served(predictors: Mapping[str, Any]) -> dict[str, Served]:
    """The models of a server, by name.

    Raises:
        ConfigError: there are none, or one is not a predictor.
    """
    if not isinstance(predictors, Mapping) or not predictors:
        raise ConfigError('give the predictors by name: {"wine": foldnet.load_predictor("wine.foldnet")}')
    for name, predictor in predictors.items():
        if not isinstance(predictor, Predictor):
            raise ConfigError(
                f"{name!r} is {type(predictor).__name__}, not a predictor: foldnet.freeze(...) makes one of a network"
            )
    return {str(name): Served(str(name), predictor) for name, predictor in predictors.items()}
