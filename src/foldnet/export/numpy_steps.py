"""A graph as NumPy steps: a variable for each value, a name for each weight, a line for each step."""

from __future__ import annotations

import builtins
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.codegen.literals import plain_float
from foldnet.codegen.names import Namespace, identifier
from foldnet.export.numpy_helpers import HELPERS
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Elementwise, Op, Shape, fused_activation
from foldnet.operations import catalogue
from foldnet.operations.elementwise.text import activated
from foldnet.operations.texts import Operands, Text
from foldnet.signatures import parameters_of

STATISTICS = ("moving_mean", "moving_variance", "epsilon")
"""The weights of a BatchNormalization that lowering keeps in addition to scale, offset and shift."""

WEIGHTS = ("kernel", "bias", "gamma", "beta", "alpha", "embeddings", "scale", "offset", "shift")
"""Constants that keep their name in the graph; others are named by their role in the op."""

RESERVED = {
    *dir(builtins), *HELPERS, "np", "math", "sys", "predict", "main", "as_rows", "is_number", "read_rows", "weights",
    "x",
}  # fmt: skip
"""Names with another meaning in the file, which no variable may have."""

WIDE = 92
"""The line length above which a normalization is written in two lines."""


@dataclass
class Layer:
    """The steps of one layer, in order.

    Attributes:
        path: of the layer in the network.
        kinds: descriptions of its ops.
        lines: assignments; none if the layer does nothing.
        shape: of its result.
    """

    path: str
    kinds: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    shape: Shape = ()


@dataclass
class Steps:
    """A graph as steps.

    Attributes:
        parameters: variable of each input, in order.
        weights: arrays by variable, in the order of use.
        layers: the steps of each.
        results: expression of each output, in order.
        helpers: names of the helper functions that the lines call.
        texts: for each input that takes texts the variable of those that the network knows.
    """

    parameters: list[str]
    weights: dict[str, Array] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)


def steps_of(graph: Graph) -> Steps:
    """Name everything in the graph and write a line for each of its steps.

    Raises:
        UnsupportedError: an activation is the caller's own Python function.
    """
    return StepWriter(graph).write()


class StepWriter:
    """Writes the steps of one graph; see ``steps_of``."""

    wide: ClassVar[int] = WIDE

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.same: dict[str, str] = {}  # the result of an Identity is its operand
        for node in graph.nodes:
            if node.op.is_identity:
                self.same[node.output] = self._root(node.inputs[0])
        self.names = Namespace(RESERVED)
        self.constants: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.variables: dict[str, str] = {}  # of values
        self.holds: dict[str, str] = {}  # the value that each variable holds at this point
        self.steps = Steps([])

    def _root(self, value: str) -> str:
        return self.same.get(value, value)

    def write(self) -> Steps:
        """All of them."""
        for node in self.graph.nodes:
            self.name_constants(node)
        self.chain = self._is_chain()
        self.last_use = self._last_uses()
        for value in self.graph.inputs:
            single = len(self.graph.inputs) == 1
            name = "x" if single else self.names.fresh(identifier(value, "input"))
            self.variables[value] = name
            self.holds[name] = value
            self.steps.parameters.append(name)
        for value, name in zip(self.graph.inputs, self.steps.parameters, strict=True):
            if value in self.graph.texts:
                self.steps.texts[value] = self.names.fresh(f"{name}_texts")
        self._write_nodes()
        self.steps.results = [self._result(self._root(v)) for v in self.graph.outputs]
        return self.steps

    def _result(self, value: str) -> str:
        if value in self.constants:
            raise TypeError(f"the output {value!r} is a constant")  # no network of layers gives such a graph
        # An output that is an unchanged input must be a copy of the caller's array.
        return f"{self.variables[value]}.copy()" if value in self.graph.inputs else self.variables[value]

    # -- weights --------------------------------------------------------------------------------------------

    def statistics(self, node: Node[Op]) -> dict[str, str]:
        """The weights of the BatchNormalization that an Affine was lowered from, by their names there."""
        prefix, _, last = node.inputs[1].rpartition("/") if len(node.inputs) > 1 else ("", "", "")
        if last != "scale" or fused_activation(node.op) is not None:
            return {}
        kept = {name: f"{prefix}/{name}" for name in (*STATISTICS, "gamma", "beta")}
        kept = {name: key for name, key in kept.items() if key in self.graph.constants}
        return kept if all(name in kept for name in STATISTICS) else {}

    def name_constants(self, node: Node[Op]) -> None:
        """Names such as ``kernel_1`` and ``bias_1`` with one number per layer; single numbers are written out."""
        for value in node.inputs:
            array = self.graph.constants.get(value)
            if array is not None and array.ndim == 0 and node.op.mixes:
                text = plain_float(float(array))
                self.constants[value] = f"({text})" if text.startswith("-") else text
        wanted = self.statistics(node) or self.by_role(node)
        new = {role: value for role, value in wanted.items() if value not in self.constants}
        if not new:
            return
        count = 1 + max(self.counts.get(role, 0) for role in new)
        for role, value in new.items():
            array = self.graph.constants[value]
            self.counts[role] = count
            name = self.names.fresh(f"{role}_{count}")
            self.constants[value] = name
            array = array.astype(np.int32 if array.dtype.kind in "iub" else np.float32)
            self.steps.weights[name] = self.laid(node, value, array)

    def by_role(self, node: Node[Op]) -> dict[str, str]:
        """The op's constants that change something, by their roles; two of one role by their paths' last two parts."""
        places = [
            i
            for i, value in enumerate(node.inputs)
            if value in self.graph.constants and not self.is_neutral(node, i)
        ]
        roles = [self.role(node, i) for i in places]
        found: dict[str, str] = {}
        for i, role in zip(places, roles, strict=True):
            value = node.inputs[i]
            if roles.count(role) > 1:
                role = identifier("/".join(value.split("/")[-2:]))
            found[identifier(value) if role in found else role] = value
        return found

    def laid(self, node: Node[Op], value: str, array: Array) -> Array:
        """A constant without its leading axes of size 1, if the op broadcasts it over rows anyway."""
        spread = node.inputs[0] != value and _text(node.op).spread
        while spread and array.ndim > 1 and array.shape[0] == 1:
            array = array[0]
        return array

    def role(self, node: Node[Op], index: int) -> str:
        """The name of an op's constant operand."""
        own = node.inputs[index].rpartition("/")[2]
        roles = _text(node.op).roles
        return own if own in WEIGHTS else roles[index] if index < len(roles) else identifier(own, "numbers")

    def is_neutral(self, node: Node[Op], index: int) -> bool:
        """Whether a constant operand changes nothing, and is left out."""
        array = self.graph.constants.get(node.inputs[index])
        if array is None or index == 0:
            return False
        return _text(node.op).neutral(index, array)

    # -- values ---------------------------------------------------------------------------------------------

    def _is_chain(self) -> bool:
        """Whether each step uses only the result of the one before, so that one variable is enough."""
        if len(self.graph.inputs) != 1 or len(self.graph.outputs) != 1:
            return False
        at = self.graph.inputs[0]
        for node in self.graph.nodes:
            if {self._root(v) for v in node.inputs if v not in self.graph.constants} != {self._root(at)}:
                return False
            at = node.output
        return self._root(self.graph.outputs[0]) == self._root(at)

    def _last_uses(self) -> Mapping[str, float]:
        last: dict[str, float] = {}
        for index, node in enumerate(self.graph.nodes):
            for value in node.inputs:
                last[self._root(value)] = index
        return last | {self._root(v): math.inf for v in self.graph.outputs}

    def _variable(self, node: Node[Op], index: int) -> str:
        """The variable for a node's result: its layer's, unless that holds a value that is still needed."""
        # For layers folded into one, the name of the last is used.
        wanted = "x" if self.chain else identifier(node.layer.rpartition(" + ")[2], "value")
        name, count = wanted, 1
        while True:
            held = self.holds.get(name)
            if held is not None and self.last_use.get(held, -1) <= index:
                break
            if held is None and (name not in self.names.taken or self.chain):
                break
            count += 1
            name = f"{wanted}_{count}"
        self.names.taken.add(name)
        self.holds[name] = node.output
        return name

    def _write_nodes(self) -> None:
        inside = ""  # an expression that is inserted into the next node's line
        for index, node in enumerate(self.graph.nodes):
            layer = self._layer(node)
            if node.op.is_identity:
                layer.kinds.append("nothing at prediction time")
                continue
            layer.kinds.append(self._kind(node))
            statistics = self.statistics(node)
            x = self.variables.get(self._root(node.inputs[0]), inside)
            expression = "" if statistics else self._expression(node, inside)
            if self._is_taken_in(node, index):
                inside = expression
                continue
            inside = ""
            variable = self.variables[node.output] = self._variable(node, index)
            if statistics:
                layer.lines += self._normalization(variable, x, statistics)
            elif expression != variable:
                layer.lines.append(f"{variable} = {expression}")

    def _layer(self, node: Node[Op]) -> Layer:
        if not self.steps.layers or self.steps.layers[-1].path != node.layer:
            self.steps.layers.append(Layer(node.layer))
        layer = self.steps.layers[-1]
        layer.shape = self.graph.types[node.output].shape
        return layer

    def _is_taken_in(self, node: Node[Op], index: int) -> bool:
        """Whether the next node is this layer's activation and the only user of this result: one line for both."""
        if index + 1 >= len(self.graph.nodes) or self.last_use.get(node.output) != index + 1:
            return False
        following = self.graph.nodes[index + 1]
        takes = _text(following.op).nests and following.op.is_activation and following.layer == node.layer
        return takes and not self.statistics(node)

    def _expression(self, node: Node[Op], inside: str) -> str:
        values = [self._root(v) for v in node.inputs]
        texts = [self.constants.get(v) or self.variables.get(v, inside) for v in values]
        o = Operands(
            texts,
            [self.graph.types[v].shape for v in values],
            self.graph.types[node.output].shape,
            [self.is_neutral(node, i) for i in range(len(values))],
            node.layer,
            self.steps.helpers,
        )
        return activated(fused_activation(node.op), self.written(node.op, o), o)

    def written(self, op: Op, o: Operands) -> str:
        """The operation's expression, without a fused activation."""
        return _text(op).expression(op, o)

    def _normalization(self, variable: str, x: str, statistics: Mapping[str, str]) -> list[str]:
        """BatchNormalization with its own weights: one line, or two if it would be long."""
        name = {k: self.constants[v] for k, v in statistics.items()}
        normalized = f"({x} - {name['moving_mean']}) / np.sqrt({name['moving_variance']} + {name['epsilon']})"
        learned = f" * {name['gamma']}" if "gamma" in name else ""
        learned += f" + {name['beta']}" if "beta" in name else ""
        line = f"{variable} = {normalized}{learned}"
        if len(line) <= self.wide or not learned:
            return [line]
        return [f"{variable} = {normalized}", f"{variable} = {variable}{learned}"]

    def _kind(self, node: Node[Op]) -> str:
        return "BatchNormalization" if self.statistics(node) else op_in_words(node.op)


def _text(op: Op) -> Text:
    return catalogue.find("text", op)


def op_in_words(op: Op) -> str:
    """A description of an operation with its activation: ``Dense, relu``."""
    own = getattr(op, "function", None)
    if own is not None:
        return _in_words(own)
    kind = _text(op).words or type(op).__name__
    fused = fused_activation(op)
    return kind if fused is None else f"{kind}, {_in_words(fused)}"


def _in_words(function: Elementwise) -> str:
    """The activation with the parameters that differ from their defaults."""
    known = activations.FUNCTIONS.get(function.name)
    usual = {} if known is None else {p.name: p.default for p in parameters_of(known).values()}
    unusual = [(k, v) for k, v in function.params if v != (math.inf if usual.get(k) is None else usual[k])]
    return str(replace(function, params=tuple(unusual)))
