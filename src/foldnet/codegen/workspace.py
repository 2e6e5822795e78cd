"""Where values lie in a workspace, which is planned so that nothing else has a value's place while it lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from foldnet.codegen.layout import ALIGN, elements, row_shape
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import FLOAT, INT, Dtype, Op
from foldnet.graph.sizes import free, larger, usual


@dataclass(frozen=True)
class Plan:
    """Offsets of values in the workspace, in elements of one row; floats and ints have a workspace each.

    Attributes:
        roots: for each value, the value whose memory it has.
        offsets: for each root, its place.
        rooms: for each root, the elements of its place.
        floats: size of the float workspace.
        ints: size of the int workspace.
    """

    roots: Mapping[str, str]
    offsets: Mapping[str, int]
    rooms: Mapping[str, int]
    floats: int
    ints: int


def plan(
    graph: Graph,
    *,
    align: int = 1,
    inputs: bool = True,
    apart: int = 0,
    within: Mapping[str, str] | None = None,
) -> Plan:
    """Give every value a place that nothing else needs while it lives.

    Args:
        graph: with sizes known, or known when the program runs.
        align: places are multiples of this, and have room for whole vectors of so many elements from each position of
            the last axis on.
        inputs: whether inputs have places, too; else they are read where the caller keeps them.
        apart: elements, a multiple of ``align``, that belong to nobody after each value, none of which then takes
            another's place: so that a write past an end is seen (a sanitizer does not, within one workspace).
        within: values that need no place, each with the one whose statements compute it, too.
    """
    within = within or {}
    roots = {name: name for name in graph.inputs}
    for node in graph.nodes:
        first = node.inputs[0]
        alias = first in roots and node.op.is_alias(graph.types[first].dtype)
        roots[node.output] = roots[first] if alias else node.output
    end = len(graph.nodes)
    made = {node.output: index for index, node in enumerate(graph.nodes)}
    dies: dict[str, int] = {}
    for node in graph.nodes:
        for v in node.inputs:
            if v in roots:
                dies[roots[v]] = max(dies.get(roots[v], 0), made[within.get(node.output, node.output)])
    dies |= {roots[v]: end for v in (roots if apart else graph.outputs) if v in roots}
    at_run_time = any(free(n) is not None for type_ in graph.types.values() for n in type_.shape)
    kinds: dict[Dtype, _Places] = {
        dtype: _Slots(dies) if at_run_time else _Gaps(dies) for dtype in (FLOAT, INT)
    }
    rooms: dict[str, int] = {}

    def place(name: str, born: int, count: int) -> None:
        rooms[name] = rounded_up(count, align) or align
        kinds[graph.types[name].dtype].place(name, born, rooms[name] + apart)

    for name in graph.inputs if inputs else ():
        place(name, 0, _needed(graph, name, align))
    for index, node in enumerate(graph.nodes):
        name = node.output
        if roots[name] != name or name in within:
            continue
        reused = _overwritable(graph, index, roots, dies, rooms)
        if reused is not None:
            rooms[name] = rooms[reused]
            kinds[graph.types[name].dtype].share(name, reused)
        else:
            place(name, index, _with_scratch(graph, node) or _needed(graph, name, align))
    offsets = {name: at for places in kinds.values() for name, at in places.offsets().items()}
    return Plan(roots, offsets, rooms, kinds[FLOAT].total(), kinds[INT].total())


class _Places(Protocol):
    """How the places of values of one type are chosen."""

    def place(self, name: str, born: int, room: int) -> None:
        """Give a value a place of its own, from the node with this number on."""

    def share(self, name: str, other: str) -> None:
        """Give a value the place of another one."""

    def offsets(self) -> dict[str, int]:
        """Where each value lies."""

    def total(self) -> int:
        """How much memory that is."""


@dataclass
class _Gaps:
    """Each value at the first gap that is large enough."""

    dies: Mapping[str, int]
    _at: dict[str, int] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)

    def place(self, name: str, born: int, room: int) -> None:
        taken = sorted((self._at[o], self._ends[o]) for o in self._at if self.dies.get(o, -1) >= born)
        start = 0
        for low, high in taken:
            if start + room <= low:
                break
            start = max(start, high)
        self._at[name], self._ends[name] = start, start + room

    def share(self, name: str, other: str) -> None:
        self._at[name], self._ends[name] = self._at[other], self._ends[other]

    def offsets(self) -> dict[str, int]:
        return self._at

    def total(self) -> int:
        return max(self._ends.values(), default=0)


@dataclass
class _Slots:
    """Places that several values have one after the other, as large as the largest of them.

    Which values share a place does not depend on their sizes, so that it can be decided before these are known.
    """

    dies: Mapping[str, int]
    _rooms: list[int] = field(default_factory=list)
    _owners: dict[str, int] = field(default_factory=dict)

    def place(self, name: str, born: int, room: int) -> None:
        taken = {slot for owner, slot in self._owners.items() if self.dies.get(owner, -1) >= born}
        open_ones = [slot for slot in range(len(self._rooms)) if slot not in taken]
        if not open_ones:
            self._owners[name] = len(self._rooms)
            self._rooms.append(room)
            return
        # The one that fits best: it need not grow, or grows least.
        size = usual(room)
        slot = min(open_ones, key=lambda k: (usual(self._rooms[k]) < size, abs(usual(self._rooms[k]) - size)))
        self._owners[name] = slot
        self._rooms[slot] = larger(self._rooms[slot], room)

    def share(self, name: str, other: str) -> None:
        self._owners[name] = self._owners[other]

    def offsets(self) -> dict[str, int]:
        starts = [sum(self._rooms[:slot]) for slot in range(len(self._rooms))]
        return {name: starts[slot] for name, slot in self._owners.items()}

    def total(self) -> int:
        return sum(self._rooms)


def rounded_up(count: int, align: int) -> int:
    """The next multiple.

    >>> rounded_up(17, 16), rounded_up(32, 16)
    (32, 32)
    """
    return -(-count // align) * align


def scratch_at(graph: Graph, value: str) -> int:
    """Where the scratch of the operation that makes a value begins: behind the value, at a multiple of ``ALIGN``."""
    return rounded_up(elements(graph, value), ALIGN)


def _needed(graph: Graph, value: str, align: int) -> int:
    """Elements of a value, and those that a vector at the last position of its last axis has beyond it."""
    *_, last = (1, *row_shape(graph, value))
    return elements(graph, value) + -last % align


def _with_scratch(graph: Graph, node: Node[Op]) -> int:
    """Elements of a result and of the scratch behind it; 0 for an operation without scratch."""
    scratch = node.op.scratch(*(row_shape(graph, v) for v in (node.output, *node.inputs)))
    return scratch and scratch_at(graph, node.output) + scratch


def _overwritable(
    graph: Graph, index: int, roots: Mapping[str, str], dies: Mapping[str, int], rooms: Mapping[str, int]
) -> str | None:
    node = graph.nodes[index]
    if not node.op.in_place:
        return None
    for operand in node.inputs:
        root = roots.get(operand)
        same = graph.types[operand] == graph.types[node.output]
        if (
            root is not None
            and root in rooms
            and same
            and dies.get(root) == index
            and _alone(node.inputs, operand, roots)
        ):
            return root
    return None


def _alone(operands: Sequence[str], chosen: str, roots: Mapping[str, str]) -> bool:
    # A broadcast operand that shares memory with the chosen one would be read after it is overwritten.
    return all(o == chosen or roots.get(o) != roots[chosen] for o in operands)
