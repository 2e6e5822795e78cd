"""A network as NumPy code to copy: its weights by name from the model, and one short function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from foldnet.arrays import Array
from foldnet.codegen.literals import assignment, plain_float
from foldnet.codegen.names import plain
from foldnet.codegen.plain_names import role as last_part
from foldnet.errors import UnsupportedError
from foldnet.export.numpy_helpers import HELPERS, with_needed
from foldnet.export.numpy_steps import RESERVED, StepWriter
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Op
from foldnet.layers.base import Layer
from foldnet.network import Network
from foldnet.operations import catalogue
from foldnet.operations.texts import Operands

WIDTH = 76
"""The longest line, if possible: the code is indented on a terminal of 80 columns."""

SHORT = {
    "kernel": "W", "bias": "b", "embeddings": "table", "moving_mean": "mean", "moving_variance": "variance",
}  # fmt: skip
"""The usual short names of weights."""

MOST_VALUES = 64
"""The largest number of values that are written out if they are not weights of a layer."""


def numpy_snippet(network: Network, graph: Graph, layers: Mapping[str, Layer]) -> list[str]:
    """Lines of Python that define ``predict``, with ``np`` imported and a network called ``model``.

    Args:
        network: the network called ``model``.
        graph: its lowering for prediction, before any pass.
        layers: of the network, by the path of their calls.

    Raises:
        UnsupportedError: an activation is the caller's own function, or a step has too many numbers that are not
            weights.
    """
    writer = _Snippet(graph, layers)
    steps = writer.write()
    helpers = [HELPERS[name] for name in with_needed(steps.helpers)]
    needs_math = any("math." in text for text in (*helpers, *(t for x in steps.layers for t in x.lines)))
    lines = [
        *["import math", ""] * needs_math,
        "import numpy as np",
        "",
        *writer.unpacked(_ways_to(network)),
        "",
    ]
    for helper in helpers:
        lines += ["", *helper.splitlines(), ""]
    lines += ["", f"def predict({', '.join(steps.parameters)}):"]
    for parameter, value in zip(steps.parameters, graph.inputs, strict=True):
        if value in graph.texts:
            lines.append(f"    {parameter} = codes({parameter})  # the place of each text among known ones")
            continue
        kind = "int32" if graph.types[value].dtype == INT else "float32"
        lines.append(f"    {parameter} = np.asarray({parameter}, np.{kind})")
    for layer in steps.layers:
        note = "" if layer.lines else ": nothing at prediction time"
        lines += [f"    # {plain(layer.path)}{note}", *(f"    {line}" for line in layer.lines)]
    results = steps.results[0] if len(steps.results) == 1 else f"[{', '.join(steps.results)}]"
    return [*lines, f"    return {results}"]


def _ways_to(network: Network, start: str = "model") -> dict[int, str]:
    """The expression for each layer, by the layer's id."""
    ways: dict[int, str] = {}
    for layer in network.layers:
        ways = _ways_of(layer, f"{start}.get_layer({_quoted(layer.name)})") | ways
    return ways


def _ways_of(layer: Layer, way: str) -> dict[int, str]:
    if isinstance(layer, Network):
        return _ways_to(layer, way)
    ways = {id(layer): way}
    if layer.repeats_layer:
        (inner,) = layer.inner_layers.values()
        ways |= _ways_of(inner, f"{way}.layer")
    return ways


def _quoted(name: str) -> str:
    text = ascii(name)[1:-1].replace('"', '\\"').replace("\\'", "'")
    return f'"{text}"'


class _Snippet(StepWriter):
    """Steps whose constants are weights of the model's layers, or numbers in the code."""

    wide: ClassVar[int] = WIDTH - 4

    def __init__(self, graph: Graph, layers: Mapping[str, Layer]) -> None:
        super().__init__(graph)
        self.names.taken |= {"model", *RESERVED}
        self.layers = layers
        self.numbers: dict[int, int] = {}  # of each layer, in its weights' names
        self.used: dict[tuple[int, str], str] = {}  # variable by layer and weight
        self.owners: dict[int, Layer] = {}
        self.reshaped: dict[tuple[str, tuple[int, ...]], str] = {}  # variable by weight's variable and shape
        self.literals: dict[str, Array] = {}

    def written(self, op: Op, o: Operands) -> str:
        """The operation's expression as a person would write it."""
        text = catalogue.find("text", op)
        return (text.brief or text.expression)(op, o)

    def is_neutral(self, node: Node[Op], index: int) -> bool:
        """A weight of a layer is never left out, even if it has its initial value."""
        return super().is_neutral(node, index) and self._weight(node, node.inputs[index]) is None

    def name_constants(self, node: Node[Op]) -> None:
        """A weight's name, or the number itself."""
        wanted = self.statistics(node) or self.by_role(node)
        for role, value in wanted.items():
            if value not in self.constants:
                self.constants[value] = self._text(node, role, value)

    def _text(self, node: Node[Op], role: str, value: str) -> str:
        array = self.laid(node, value, self.graph.constants[value])
        weight = self._weight(node, value)
        if weight is not None:
            return self._named(self.layers[node.layer], weight, array)
        if array.size == 1:
            return _number(float(array.reshape(-1)[0]))
        if array.size > MOST_VALUES:
            raise UnsupportedError(
                f"layer {node.layer!r} has {array.size:,} numbers that are not weights; "
                "foldnet.freeze(model).to_numpy(path) writes them with the code"
            )
        name = self.names.fresh(f"{role}{self._number_of(self.layers[node.layer])}")
        self.literals[name] = array.astype(np.int32 if array.dtype.kind in "iub" else np.float32)
        return name

    def _weight(self, node: Node[Op], value: str) -> str | None:
        """The weight of the node's layer that equals a constant, in any shape."""
        layer, array = self.layers.get(node.layer), self.graph.constants.get(value)
        held = {} if layer is None else layer.named_weights
        name = value.rpartition("/")[2]
        for weight in [name] * (name in held) + [w for w in held if w != name]:
            if array is not None and array.size == held[weight].size:
                same = np.array_equal(array.reshape(-1), held[weight].reshape(-1), equal_nan=True)
                if same and (weight == name or array.size > 1):
                    return weight
        return None

    def _number_of(self, layer: Layer) -> int:
        """One number for all weights of a layer: W1 and b1; each kind of layer has its own numbering."""
        if id(layer) not in self.numbers:
            own = set(map(_short, layer.named_weights))
            same = [o for o in self.owners.values() if own & set(map(_short, o.named_weights))]
            self.numbers[id(layer)] = 1 + max((self.numbers[id(o)] for o in same), default=0)
            self.owners[id(layer)] = layer
        return self.numbers[id(layer)]

    def _named(self, layer: Layer, weight: str, array: Array) -> str:
        key = (id(layer), weight)
        if key not in self.used:
            self.used[key] = self.names.fresh(f"{_short(weight)}{self._number_of(layer)}")
        name, held = self.used[key], layer.named_weights[weight]
        if array.shape == held.shape:
            return name
        laid = (name, array.shape)
        if laid not in self.reshaped:
            self.reshaped[laid] = self.names.fresh(f"{name}_laid")
        return self.reshaped[laid]

    def unpacked(self, ways: Mapping[int, str]) -> Iterator[str]:
        """The lines that take the weights out of the model."""
        for layer in self.owners.values():
            held = list(layer.named_weights)
            names = [self.used.get((id(layer), weight), "_") for weight in held]
            if any(name != "_" for name in names):
                shapes = [str(layer.named_weights[weight].shape) for weight in held]
                yield from _unpacking(names, f"{ways[id(layer)]}.get_weights()", shapes)
        for (name, shape), laid in self.reshaped.items():
            yield f"{laid} = {name}.reshape({', '.join(map(str, shape))})"
        for name, array in self.literals.items():
            yield from assignment(name, array).splitlines()


def _short(weight: str) -> str:
    """A weight as a variable; those of layers inside a layer have the layers' names before theirs."""
    name = last_part(weight)
    return SHORT.get(name, name)


def _unpacking(names: Sequence[str], source: str, shapes: Sequence[str]) -> list[str]:
    left = names[0] if len(names) == 1 else ", ".join(names)
    line = f"{left} = {source}[0]" if len(names) == 1 else f"{left} = {source}"
    comment = f"  # {', '.join(dict.fromkeys(shapes))}"
    if len(line) > WIDTH:
        index = "[0]" if len(names) == 1 else ""
        return [f"{left} = (", f"    {source}{index}", ")"]
    return [line + comment * (len(line + comment) <= WIDTH)]


def _number(value: float) -> str:
    """A number as a person would write it: 1 / 255 for Rescaling."""
    text = plain_float(float(np.float32(value)) if value != float(f"{value:.7g}") else value)
    whole = round(1 / value) if value and np.isfinite(value) and abs(value) < 1 else 0
    if len(text) > 8 and whole and np.float32(1 / whole) == np.float32(value):
        return f"(1 / {whole})"
    return f"({text})" if text.startswith("-") else text
