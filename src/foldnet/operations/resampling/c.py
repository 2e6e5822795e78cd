"""Axes of another length in C: what counts for a new position is computed when the code runs, in double."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from foldnet.codegen.expressions import Number, composed, floating, plus, times
from foldnet.codegen.loops import Operand, strides_of
from foldnet.codegen.writer import Body, Rule, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op, Row
from foldnet.operations.resampling.op import (
    REACH,
    AdaptiveMax,
    CutToShape,
    Mix,
    MixGradient,
    Nearest,
    PadToShape,
)


@dataclass(frozen=True)
class _Axis:
    """An axis that gets another length, and all that lies around it.

    Attributes:
        outer: how many positions there are ahead of it.
        n, count: its old and its new length.
        inner: how many neighbours there are from one position to the next.
    """

    outer: int
    n: int
    count: int
    inner: int

    @classmethod
    def of(cls, axis: int, old: Row, new: Row) -> _Axis:
        """The axis with this number, the rows counted."""
        return cls(prod(old[: axis - 1]), old[axis - 1], new[axis - 1], prod(old[axis:]))

    def nest(
        self, w: Writer, values: Sequence[str], lengths: Sequence[int], places: Sequence[Number], body: Body
    ) -> None:
        """Loops over all that lies around one position of each value, the first of which is written."""
        operands: list[Operand] = []
        for value, length, at in zip(values, lengths, places, strict=True):
            access = w.read if operands else w.write
            operands.append(access(value, (length * self.inner, 1), times(at, self.inner)))
        w.nest((self.outer, self.inner), operands, body)


@contextmanager
def _positions(w: Writer, count: int) -> Iterator[Number]:
    """A loop over the new positions."""
    with w.inside("{"), w.loop("p", count) as p:
        yield p


def nearest(w: Writer, node: Node[Nearest]) -> None:
    """Copies."""
    (x,), y = node.inputs, node.output
    if 0 in w.shape(y):
        return
    axis = _Axis.of(node.op.axis, w.shape(x), w.shape(y))
    with _positions(w, axis.count) as p:
        middle = times(f"2 * (int64_t){p} + 1", axis.n) if p else str(axis.n)
        w.add(f"const int k = (int)({composed('{0} / {1}', middle, str(2 * axis.count))});")
        axis.nest(w, (y, x), (axis.count, axis.n), (p, "k"), lambda y, x: f"{y} = {x};")


def _window(axis: _Axis, p: Number) -> str:
    """A statement that names the ends of a window."""
    n, count = str(axis.n), str(axis.count)
    if not p:
        return f"const int first = 0, end = {n};"
    first = composed("(int64_t){0} * {1} / {2}", str(p), n, count)
    end = composed("((int64_t){0} * {1} + {2}) / {3}", plus(p, 1), n, plus(axis.count, -1), count)
    return f"const int first = (int)({first}), end = (int)({end});"


def adaptive_max(w: Writer, node: Node[AdaptiveMax]) -> None:
    """The first of a window, then the larger of it and each other."""
    (x,), y = node.inputs, node.output
    if 0 in w.shape(y):
        return
    axis = _Axis.of(node.op.axis, w.shape(x), w.shape(y))
    lengths = axis.count, axis.n
    with _positions(w, axis.count) as p:
        w.add(_window(axis, p))
        axis.nest(w, (y, x), lengths, (p, "first"), lambda y, x: f"{y} = {x};")
        with w.inside("for (int k = first + 1; k < end; k++) {"):
            axis.nest(w, (y, x), lengths, (p, "k"), lambda y, x: f"{y} = fn_maximum({y}, {x});")


@contextmanager
def _counted(w: Writer, op: Mix, axis: _Axis) -> Iterator[Number]:
    """Loops over new positions ``p``, and for each over the old ones ``k`` that count for it, with weight ``by``."""
    with _positions(w, axis.count) as p:
        if op.kind == "mean":
            w.add(_window(axis, p))
            weight = "(float)(1.0 / (end - first))"
        else:
            weight = _weight(w, op, axis, p)
        w.add("int begun = 0;")
        with w.inside("for (int k = first; k < end; k++) {"):
            w.add(f"const float by = {weight};", "if (by == 0.0f)", "  continue;")
            yield p
            w.add("begun = 1;")


def _weight(w: Writer, op: Mix, axis: _Axis, p: Number) -> str:
    """C of the weight of an old position ``k``; names the ends of those that may count, and adds up their weights."""
    assert op.kind != "mean"
    n, count, reach = str(axis.n), floating(axis.count, ""), f"{REACH[op.kind]}.0"
    middle = times(f"(double){p} + 0.5" if p else "0.5", axis.n)
    w.add(f"const double at = {composed('{0} / {1} - 0.5', middle, count)};")
    away = "fabs(at - k)"
    if op.antialias:
        wide = composed("{0} > {1} ? {0} / {2} : 1.0", n, str(axis.count), count)
        w.add(f"const double wide = {wide};")
        away, reach = f"{away} / wide", f"{reach} * wide"
    w.add(
        f"const int low = (int)ceil(at - {reach}), high = (int)floor(at + {reach}) + 1;",
        composed("const int first = low < 0 ? 0 : low, end = high < {0} ? high : (int){0};", n),
        "double total = 0.0;",
        "for (int k = first; k < end; k++)",
        f"  total += fn_{op.kind}({away});",
    )
    return f"(float)(fn_{op.kind}({away}) / total)"


def mix(w: Writer, node: Node[Mix]) -> None:
    """The first that counts times its weight, then the others added to it."""
    (x,), y = node.inputs, node.output
    if 0 in w.shape(y):
        return
    axis = _Axis.of(node.op.axis, w.shape(x), w.shape(y))
    with _counted(w, node.op, axis) as p:
        around = (y, x), (axis.count, axis.n), (p, "k")
        with w.inside("if (begun) {"):
            axis.nest(w, *around, lambda y, x: f"{y} = {w.multiply_add('by', x, y)};")
        with w.inside("else {"):
            axis.nest(w, *around, lambda y, x: f"{y} = by * {x};")


def mix_gradient(w: Writer, node: Node[MixGradient]) -> None:
    """Each new position's gradient, added to those of the positions that count for it."""
    x, g = node.inputs
    w.zero(node.output)
    if 0 in w.shape(g):
        return
    axis = _Axis.of(node.op.of.axis, w.shape(x), w.shape(g))
    with _counted(w, node.op.of, axis) as p:
        around = (node.output, g), (axis.n, axis.count), ("k", p)
        axis.nest(w, *around, lambda t, g: f"{t} += by * {g};")


def cut_to_shape(w: Writer, node: Node[CutToShape]) -> None:
    """The operand, read from where the part begins."""
    (x,), y = node.inputs, node.output
    if 0 in w.shape(y):
        return
    steps = strides_of(w.shape(x))
    start = sum(first * step for first, step in zip(node.op.starts(w.shape(x)), steps, strict=True))
    w.nest(w.shape(y), [w.write(y), w.read(x, steps, start)], lambda y, x: f"{y} = {x};")


def pad_to_shape(w: Writer, node: Node[PadToShape]) -> None:
    """The number, then the operand among it."""
    (x,), y = node.inputs, node.output
    shape, steps = w.shape(x), strides_of(w.shape(y))
    value = f"{w.real.narrow}{w.number(node.op.value)}"
    w.nest(w.shape(y), [w.write(y)], lambda y: f"{y} = {value};")
    start = sum(n * step for n, step in zip(node.op.before(shape), steps, strict=True))
    w.nest(shape, [w.write(y, steps, start), w.read(x)], lambda y, x: f"{y} = {x};")


RULES: dict[type[Op], Rule] = {
    Nearest: nearest,
    Mix: mix,
    MixGradient: mix_gradient,
    AdaptiveMax: adaptive_max,
    CutToShape: cut_to_shape,
    PadToShape: pad_to_shape,
}
