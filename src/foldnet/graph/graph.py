"""Graph: nodes in computing order, the type of every value, and the arrays of constants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.graph.op import FLOAT, INT, Dtype, Op, Shape
from foldnet.graph.texts import Texts


@dataclass(frozen=True)
class Type:
    """Shape (batch axis first, ``None`` for free axes; constants have no batch axis) and dtype of a value."""

    shape: Shape
    dtype: Dtype = FLOAT


def constant_type(array: Array) -> Type:
    """The type of a constant."""
    return Type(array.shape, INT if array.dtype.kind in "iu" else FLOAT)


O_co = TypeVar("O_co", bound=Op, covariant=True)


@dataclass(frozen=True)
class Node(Generic[O_co]):
    """One op applied to named values; ``Node[Pool]`` is a node whose op is a Pool, and ``Node[Op]`` is any node.

    Attributes:
        op: what is computed.
        inputs: names of its operands.
        output: name of its result.
        layer: path of the layer call that it belongs to.
        others: names of further results, if the operation has several.
    """

    op: O_co
    inputs: tuple[str, ...]
    output: str
    layer: str
    others: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all its results."""
        return (self.output, *self.others)


def result_types(op: Op, operands: Sequence[Type], layer: str = "") -> list[Type]:
    """The types of an operation's results.

    Raises:
        ConfigError: the operation cannot take such operands; it names the layer that the operation belongs to.
    """
    shapes = [t.shape for t in operands]
    try:
        first = Type(op.output_shape(*shapes), op.output_dtype(*(t.dtype for t in operands)))
        return [first, *(Type(shape) for shape in op.other_shapes(*shapes))]
    except ConfigError as error:
        if not layer or str(error).startswith("layer "):
            raise
        raise ConfigError(f"layer {layer!r}: {error}") from None


@dataclass(frozen=True)
class Graph:
    """An immutable program over named values.

    Attributes:
        inputs: names of the data values, in the network's order.
        outputs: names of the results, in the network's order.
        nodes: ordered so that every operand comes before its use.
        types: the type of every value, constants included.
        constants: arrays of the constant values; float64 if computed by a pass, so that engines round once.
        layer_outputs: by path of the layer call, the value that holds the layer's result, unless a pass has removed it;
            by ``path:1`` that of its second result.
        notes: what passes did not do, and why.
        spreads: for the constant with an Affine's learned mean, the standard deviation learned with it; passes need
            it to decide whether folding the mean away would cancel.
        texts: for each input whose data is texts, how they become the whole numbers that it holds.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node[Op], ...]
    types: Mapping[str, Type]
    constants: Mapping[str, Array] = field(default_factory=dict)
    layer_outputs: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    spreads: Mapping[str, Array] = field(default_factory=dict)
    texts: Mapping[str, Texts] = field(default_factory=dict)

    def producer(self, value: str) -> Node[Op] | None:
        """The node that computes a value; None for inputs and constants."""
        return next((n for n in self.nodes if n.output == value), None)

    def consumers(self, value: str) -> tuple[Node[Op], ...]:
        """The nodes that read a value."""
        return tuple(n for n in self.nodes if value in n.inputs)


class GraphBuilder:
    """Collects nodes and constants under new names; each gets its type from its op's rule."""

    def __init__(self) -> None:
        self.inputs: list[str] = []
        self.nodes: list[Node[Op]] = []
        self.types: dict[str, Type] = {}
        self.constants: dict[str, Array] = {}
        self.layer_outputs: dict[str, str] = {}
        self.spreads: dict[str, Array] = {}
        self.texts: dict[str, Texts] = {}
        self.layer = ""

    def _fresh(self, hint: str) -> str:
        name, count = hint, 1
        while name in self.types:
            name, count = f"{hint}.{count}", count + 1
        return name

    def input(self, name: str, shape: Shape, dtype: Dtype = FLOAT) -> str:
        """Declare a data value."""
        name = self._fresh(name)
        self.types[name] = Type(shape, dtype)
        self.inputs.append(name)
        return name

    def constant(self, name: str, array: Array) -> str:
        """Declare a constant; the same array under the same name is stored once."""
        if self.constants.get(name) is array:
            return name
        name = self._fresh(name)
        self.constants[name] = array
        self.types[name] = constant_type(array)
        return name

    def emit(self, op: Op, *operands: str) -> str:
        """Append a node and return the name of its result."""
        return self.emit_all(op, *operands)[0]

    def emit_all(self, op: Op, *operands: str) -> tuple[str, ...]:
        """Append a node and return the names of all its results."""
        names = []
        for type_ in result_types(op, [self.types[o] for o in operands], self.layer):
            names.append(self._fresh(f"{self.layer or 'value'}:{type(op).__name__.lower()}"))
            self.types[names[-1]] = type_
        self.nodes.append(Node(op, operands, names[0], self.layer, tuple(names[1:])))
        return tuple(names)

    def shape(self, value: str) -> Shape:
        """Shape of a value, batch axis first."""
        return self.types[value].shape

    def dtype(self, value: str) -> Dtype:
        """What a value holds."""
        return self.types[value].dtype

    def texts_of(self, value: str) -> Texts | None:
        """How texts became the whole numbers of a value; None if they do not stand for texts."""
        while value not in self.texts:
            node = next((n for n in reversed(self.nodes) if n.output == value), None)
            if node is None or not node.op.keeps_values:
                return None
            value = node.inputs[0]
        return self.texts[value]

    def build(self, outputs: Sequence[str]) -> Graph:
        """The finished graph."""
        return Graph(
            tuple(self.inputs),
            tuple(outputs),
            tuple(self.nodes),
            dict(self.types),
            dict(self.constants),
            dict(self.layer_outputs),
            spreads=dict(self.spreads),
            texts=dict(self.texts),
        )


def with_nodes(
    graph: Graph,
    nodes: Iterable[Node[Op]],
    *,
    constants: Mapping[str, Array] | None = None,
    outputs: Sequence[str] | None = None,
    layer_outputs: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    infer_all: bool = True,
) -> Graph:
    """The graph with other nodes: types are inferred again, unused constants and layer outputs are dropped.

    With ``infer_all`` False the types of the graph's own nodes hold where those of their operands have not changed,
    which takes less time.
    """
    nodes = tuple(nodes)
    constants = graph.constants if constants is None else constants
    outputs = graph.outputs if outputs is None else tuple(outputs)
    used = set(outputs) | {v for n in nodes for v in n.inputs}
    constants = {k: v for k, v in constants.items() if k in used}
    types = {name: graph.types[name] for name in graph.inputs}
    types |= {
        k: graph.types[k] if v is graph.constants.get(k) else constant_type(v) for k, v in constants.items()
    }
    own = frozenset() if infer_all else frozenset(map(id, graph.nodes))
    for node in nodes:
        if id(node) in own and all(types[v] is graph.types[v] for v in node.inputs):
            types.update((v, graph.types[v]) for v in node.outputs)
            continue
        found = result_types(node.op, [types[v] for v in node.inputs], node.layer)
        # The type that was there if it is the same, so that what follows need not be looked at.
        was = (graph.types.get(v) for v in node.outputs)
        types.update((v, a if a == b else b) for v, a, b in zip(node.outputs, was, found, strict=True))
    known = graph.layer_outputs if layer_outputs is None else layer_outputs
    return replace(
        graph,
        nodes=nodes,
        types=types,
        constants=constants,
        outputs=outputs,
        layer_outputs={k: v for k, v in known.items() if v in types},
        notes=(*graph.notes, *(n for n in notes if n not in graph.notes)),
        spreads={k: v for k, v in graph.spreads.items() if k in constants},
    )


def bind(graph: Graph, shapes: Sequence[Shape]) -> Graph:
    """The graph for inputs of these shapes (batch axis included): free axes get sizes, and types are updated.

    Raises:
        ConfigError: an op cannot take the shapes.
    """
    types = dict(graph.types)
    for name, shape in zip(graph.inputs, shapes, strict=True):
        types[name] = Type(shape, graph.types[name].dtype)
    return with_nodes(replace(graph, types=types), graph.nodes)
