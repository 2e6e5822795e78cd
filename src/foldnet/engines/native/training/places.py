"""Where a training program's values lie and what they are called in C.

A value with a batch axis is laid out [element][row] in the workspace, at a fixed number of elements times R, the
rounded-up number of rows, which is known only when the program runs. Values without a batch axis (weights,
numbers) lie in the buffer of weights, trainable ones first and in one piece, so that an update is one loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from foldnet.codegen.expressions import Number, composed, plus, times
from foldnet.codegen.loops import C_TYPES, CType, Operand, broadcast_strides, strides_of
from foldnet.codegen.plain_names import PlainNames
from foldnet.engines.native.training.layout import Layout, prepared
from foldnet.graph.graph import Node
from foldnet.graph.op import INT, Op
from foldnet.graph.training import TrainingProgram, Variable
from foldnet.passes.differentiate import Differentiated, differentiate
from foldnet.passes.guards import guards


class Places:
    """Knows each value's place, shape and gradient.

    Attributes:
        forward: the nodes of the program; ``backward`` those of its gradients.
        copies: gradients of variables that lie elsewhere and are to be copied: variable and value.
        names: of values and layers.
        needed: when each node of the program is needed, by its output.
    """

    def __init__(self, program: TrainingProgram) -> None:
        self.program = program
        graph, trains = prepared(program), program.update is not None
        d = differentiate(program, graph) if trains else Differentiated(graph, len(graph.nodes), {})
        self.graph, self.gradients = d.graph, d.gradients
        self.forward, self.backward = d.graph.nodes[: d.forward], d.graph.nodes[d.forward :]
        self.layout = Layout()
        self.names = PlainNames(d.graph)
        self._spaces: dict[tuple[str, str], str] = {}
        self._declared: dict[str, str] = {}
        self._where: dict[str, str] = {}
        self._pool: dict[int, list[str]] = {}
        self._released: set[str] = set()
        self._place_weights()
        self.roots = self._roots()
        self._late = {v for node in self.backward for v in node.outputs}
        self.needed = guards(d.graph, len(self.forward))
        self._passing = self._found_passing()
        self._taken_over = self._owners()
        self._gradients: dict[str, int] = {}
        self.copies: list[tuple[str, str]] = []
        self._place_gradients()
        self._dies = self._deaths()
        self._dying: list[str] = []

    def _place_weights(self) -> None:
        moving = [v for v in self.program.variables if not v.trainable]
        changing = [v for v in self.program.variables if v.trainable]
        # Ends at whole vectors: what lies between may be computed with, and is never read.
        at = 0
        for decay in (True, False):
            for v in (v for v in changing if v.decay == decay):
                self.layout.weights[v.name] = at
                at += prod(v.shape)
            at = -(-at // 16) * 16
            if decay:
                self.layout.decaying = at
        self.layout.trainable = at
        rest = [v.name for v in moving]
        rest += [n for n in self.graph.constants if n not in self.layout.weights and n not in rest]
        for name in rest:
            self.layout.weights[name] = at
            at += -(-self.size(name) // 16) * 16
        self.layout.size = at

    def _place_gradients(self) -> None:
        """A variable's gradient lies in the buffer of gradients; one that is another's, too, is copied there."""
        for variable, value in self.gradients.items():
            root = self.roots[value]
            if root in self._gradients or root not in self._late:
                self.copies.append((variable, value))
            else:
                self._gradients[root] = self.layout.weights[variable]

    def _roots(self) -> dict[str, str]:
        roots = {name: name for name in self.graph.types}
        for node in self.graph.nodes:
            if node.op.is_alias(self.graph.types[node.inputs[0]].dtype):
                roots[node.output] = roots[node.inputs[0]]
        return roots

    def _owners(self) -> dict[str, str]:
        """The values that lie where an operand of theirs was, which nothing else reads, and that operand."""
        read = Counter(self.roots[v] for node in self.graph.nodes for v in node.inputs)
        read.update(self.roots[v] for v in self.graph.outputs)
        found = {}
        for node in self.graph.nodes:
            for result, operand in node.op.takes_over:
                value, owner = node.outputs[result], self.roots[node.inputs[operand]]
                if self.laned(owner) and read[owner] == 1 and self.size(owner) == self.size(value):
                    found[value] = owner
        return found

    def shares(self, a: str, b: str) -> bool:
        """Whether one value lies where another one was."""
        return self._taken_over.get(self.roots[a]) == self.roots[b]

    def work(self) -> int:
        """Multiply-adds of a row, forward."""
        return sum(
            node.op.multiply_adds(self.shape(node.output), *map(self.shape, node.inputs))
            for node in self.forward
        )

    # -- what values are ------------------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape without the batch axis."""
        shape = self.graph.types[value].shape
        return tuple(int(n or 0) for n in (shape[1:] if self.laned(value) else shape))

    def size(self, value: str) -> int:
        """Elements of a row, or of the whole of a value without rows."""
        return prod(self.shape(value))

    def laned(self, value: str) -> bool:
        """Whether a value has a batch axis."""
        shape = self.graph.types[value].shape
        return value not in self.graph.constants and bool(shape) and shape[0] is None

    def is_int(self, value: str) -> bool:
        """Whether a value holds indices."""
        return self.graph.types[value].dtype == INT

    def variable(self, value: str) -> Variable | None:
        """The variable of this name."""
        return next((v for v in self.program.variables if v.name == value), None)

    def read(self, value: str, strides: Sequence[int] | None = None, offset: Number = 0) -> Operand:
        """A value that a loop reads, over its own row's shape or by other strides."""
        own = strides_of(self.shape(value)) if strides is None else tuple(strides)
        kind = C_TYPES[self.graph.types[value].dtype]
        return Operand(self.place(value), own, self.laned(value), kind, start=offset)

    def write(self, value: str, strides: Sequence[int] | None = None, offset: Number = 0) -> Operand:
        """A value that a loop writes."""
        return replace(self.read(value, strides, offset), written=True)

    def spread(self, value: str, shape: Sequence[int]) -> Operand:
        """A value as it is read when spread over ``shape``."""
        own = self.shape(value)
        padded = (1,) * (len(shape) - len(own)) + own
        return self.read(value, broadcast_strides(padded))

    # -- where they lie -------------------------------------------------------------------------------------------

    def place(self, value: str) -> str:
        """The C name of a value's array."""
        root = self.roots.get(value, value)
        name = self.names.value(root)
        if name in self._declared:
            return name
        if root in self.layout.weights:  # the graph may not have it: a layer that no loss depends on
            self._declared[name] = self._at(name, "float", plus("W", self.layout.weights[root]))
            return name
        kind = C_TYPES[self.graph.types[root].dtype]
        if root in self._gradients:
            self._declared[name] = self._at(name, kind, plus("G", self._gradients[root]))
        elif root in self._taken_over:
            self._where[name] = self._where[self.place(self._taken_over[root])]
            self._declared[name] = self._at(name, kind, self._where[name])
        elif (
            (root in self._late or root in self._passing)
            and self.laned(root)
            and (free := self._pool.get(self.size(root)))
        ):
            self._declared[name], self._where[name] = self._at(name, kind, free[-1]), free.pop()
        else:
            self._declare(name, self.size(root), self.laned(root), kind)
        return name

    def gradient(self, variable: str) -> str:
        """The C name of a variable's gradient, where an update finds it."""
        name = self.names.known(variable, "gradient")
        self._declared[name] = self._at(name, "float", plus("G", self.layout.weights[variable]))
        return name

    @staticmethod
    def _at(name: str, kind: CType, where: str) -> str:
        return f"{kind} *const {name} = {where if kind == 'float' else composed(f'({kind} *){{0}}', where)};"

    def space(self, hint: str, count: int, laned: bool = True, of: str = "") -> str:
        """A new array of ``count`` elements, with or without rows; the same again for the same hint and value."""
        key = of, hint
        if key not in self._spaces:
            self._spaces[key] = self.names.of(of, hint)
            self._declare(self._spaces[key], count, laned)
        return self._spaces[key]

    def _declare(self, name: str, count: int, laned: bool, kind: CType = "float") -> None:
        if laned:
            place, self.layout.lanes = plus("S", times(self.layout.lanes, "R")), self.layout.lanes + count
        else:
            place, self.layout.free = plus("F", self.layout.free), self.layout.free + -(-count // 16) * 16
        self._declared[name], self._where[name] = self._at(name, kind, place), place

    def begin(self, node: Node[Op]) -> None:
        """Say that a node comes next: what it alone still needs may lie where its result will.

        It matters for nodes of the gradients, and for those that are not always needed.
        """
        self._dying = self._dies.get(node.output, [])
        if node.op.in_place:
            self._release([v for v in self._dying if self.size(v) == self.size(node.output)])

    def end(self) -> None:
        """Say that it is written: what nothing needs any more leaves its place to others."""
        self._release(self._dying)

    def _release(self, values: Sequence[str]) -> None:
        for root in values:
            name = self.names.value(root)
            if name in self._declared and root not in self._released:
                self._released.add(root)
                self._pool.setdefault(self.size(root), []).append(self._where[name])

    def _found_passing(self) -> set[str]:
        """The values that not every step needs, and that no gradient is made of: their memory can serve others, too."""
        made = {node.output for node in self.forward if self.needed[node.output]}
        read = {self.roots[v] for node in self.backward for v in node.inputs}
        return made - read - {self.roots[v] for v in self.graph.outputs}

    def _deaths(self) -> dict[str, list[str]]:
        """For each node the values with rows, made for gradients or not always needed, that it is the last to read."""
        made = self._late | self._passing
        kept = {self.roots[v] for v in self.graph.outputs}
        last: dict[str, str] = {}
        for node in self.graph.nodes:
            for value in node.inputs:
                root = self.roots[value]
                if root in made and root not in kept and self.laned(root):
                    last[root] = node.output
        found: dict[str, list[str]] = {}
        for root, output in last.items():
            found.setdefault(output, []).append(root)
        return found
