"""What moves values, in C."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.expressions import plus, times
from foldnet.codegen.loops import index, lane, strides_of
from foldnet.codegen.writer import Rule, Writer
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Node
from foldnet.graph.op import INT, Op
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    JoinColumns,
    OneHot,
    Part,
    PartGradient,
    Pick,
    PickGradient,
    Repeat,
    Reshape,
    Slice,
    SliceGradient,
    Stretch,
    TableGradient,
    Transpose,
)


def _copied(w: Writer, node: Node[Op], strides: Sequence[int], offset: int = 0) -> None:
    """The first operand, read by these strides."""
    operands = [w.write(node.output), w.read(node.inputs[0], strides, offset)]
    w.nest(w.shape(node.output), operands, lambda y, x: f"{y} = {x};")


def copy(w: Writer, node: Node[Identity | Reshape]) -> None:
    """The operand's elements as they are."""
    _copied(w, node, strides_of(w.shape(node.output)))


def transpose(w: Writer, node: Node[Transpose]) -> None:
    """The operand by permuted strides."""
    steps = strides_of(w.shape(node.inputs[0]))
    _copied(w, node, [steps[p - 1] for p in node.op.permutation[1:]])


def repeat(w: Writer, node: Node[Repeat]) -> None:
    """The operand again and again."""
    _copied(w, node, (0, *strides_of(w.shape(node.inputs[0]))))


def stretch(w: Writer, node: Node[Stretch]) -> None:
    """Each position again and again."""
    shape, counts = w.shape(node.inputs[0]), node.op.counts
    steps, out = strides_of(shape), strides_of(w.shape(node.output))
    loops = [n for pair in zip(shape, counts, strict=True) for n in pair]
    of_x = [s for step in steps for s in (step, 0)]
    of_y = [s for step, count in zip(out, counts, strict=True) for s in (step * count, step)]
    operands = [w.write(node.output, of_y), w.read(node.inputs[0], of_x)]
    w.nest(loops, operands, lambda y, x: f"{y} = {x};")


def slice_of(op: Slice, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """The strides by which a slice steps through its operand, and the place of its first element."""
    places, steps = op.places(tuple(shape)), strides_of(shape)
    strides = tuple(p.step * s for p, s in zip(places, steps, strict=True))
    return strides, sum(p.start * s for p, s in zip(places, steps, strict=True))


def slice_(w: Writer, node: Node[Slice]) -> None:
    """The operand by other strides."""
    if 0 not in w.shape(node.output):
        _copied(w, node, *slice_of(node.op, w.shape(node.inputs[0])))


def pieces(w: Writer, node: Node[Concatenate]) -> list[tuple[str, tuple[int, ...], int]]:
    """Each operand of a Concatenate, its shape, and where in the result it starts."""
    op, shape = node.op, w.shape(node.output)
    step, at, found = strides_of(shape)[op.axis - 1], 0, []
    for value in node.inputs:
        own = w.shape(value)[-len(shape) :]
        found.append((value, own, at * step))
        at += own[op.axis - 1]
    return found


def concatenate(w: Writer, node: Node[Concatenate]) -> None:
    """The operands one after the other."""
    steps = strides_of(w.shape(node.output))
    for value, shape, at in pieces(w, node):
        operands = [w.write(node.output, steps, at), w.read(value, strides_of(shape))]
        w.nest(shape, operands, lambda y, x: f"{y} = {x};")


def pick(w: Writer, node: Node[Pick]) -> None:
    """Positions of one axis, out of a table of them."""
    op = node.op
    shape, n = w.shape(node.output), w.shape(node.inputs[0])[op.axis - 1]
    if 0 in shape:
        return
    outer, inner, count = prod(shape[: op.axis - 1]), prod(shape[op.axis :]), len(op.places)
    with w.table("places", op.places) as (p, place):
        operands = [
            w.write(node.output, (count * inner, 1), times(p, inner)),
            w.read(node.inputs[0], (n * inner, 1), times(place, inner)),
        ]
        w.nest((outer, inner), operands, lambda y, x: f"{y} = {x};")


def gather(w: Writer, node: Node[Gather]) -> None:
    """Rows of a table; an index outside it is reported, and its first row read."""
    indices, table = node.inputs
    count, width = w.shape(table)
    if count == 0:
        raise UnsupportedError(f"layer {node.layer!r}: its table has no rows")
    shape = w.shape(indices)
    report = [w.read(indices), lane(len(shape))]
    w.nest(shape, report, lambda k, row: f"if ({k} < 0 || {k} >= {count})\n  {w.fault(node, row)}")
    rows, rank = w.read(indices, (*strides_of(shape), 0)), len(shape) + 1
    operands = [w.write(node.output), rows, index(rank - 1, rank)]
    w.nest(
        (*shape, width), operands,
        lambda y, k, c: f"{y} = {w.entry(table, plus(times(f'{k} < 0 || {k} >= {count} ? 0 : {k}', width), c))};",
    )  # fmt: skip


def cast(w: Writer, node: Node[Cast]) -> None:
    """Between floats and indices; a float that is no index is reported."""
    op, shape = node.op, w.shape(node.output)
    was = w.graph.types[node.inputs[0]].dtype
    operands = [w.write(node.output), w.read(node.inputs[0])]
    if was == op.dtype or op.dtype != INT:
        w.nest(shape, operands, lambda y, x: f"{y} = {x if was == op.dtype else f'(float){x}'};")
        return
    w.nest(
        shape, [*operands, lane(len(shape))],
        lambda y, x, row: f"if (!fn_is_index({x}))\n  {w.fault(node, row)}\n{y} = fn_to_int({x});",
    )  # fmt: skip


def one_hot(w: Writer, node: Node[OneHot]) -> None:
    """A comparison with each index."""
    op, shape = node.op, w.shape(node.output)
    steps = strides_of(shape)[:-1]
    with w.loop("k", op.size) as k:
        operands = [w.write(node.output, steps, k), w.read(node.inputs[0])]
        w.nest(shape[:-1], operands, lambda y, x: f"{y} = {x} == {k} ? 1.0f : 0.0f;")


def slice_gradient(w: Writer, node: Node[SliceGradient]) -> None:
    """At the positions that were taken, 0 elsewhere."""
    op, (x, g) = node.op, node.inputs
    w.zero(node.output)
    if 0 not in w.shape(g):
        target = w.write(node.output, *slice_of(op.of, w.shape(x)))
        w.nest(w.shape(g), [target, w.read(g)], lambda t, g: f"{t} = {g};")


def _start_of(op: Part, shape: Sequence[int]) -> int:
    return sum(start * step for start, step in zip(op.starts, strides_of(shape), strict=True))


def part(w: Writer, node: Node[Part]) -> None:
    """Copied from its place."""
    op, shape = node.op, w.shape(node.inputs[0])
    operands = [
        w.write(node.output, strides_of(op.sizes)),
        w.read(node.inputs[0], strides_of(shape), _start_of(op, shape)),
    ]
    w.nest(op.sizes, operands, lambda y, x: f"{y} = {x};")


def part_gradient(w: Writer, node: Node[PartGradient]) -> None:
    """Copied to its place, 0 elsewhere."""
    op, shape = node.op.of, node.op.shape
    w.zero(node.output)
    operands = [
        w.write(node.output, strides_of(shape), _start_of(op, shape)),
        w.read(node.inputs[0], strides_of(op.sizes)),
    ]
    w.nest(op.sizes, operands, lambda y, x: f"{y} = {x};")


def join_columns(w: Writer, node: Node[JoinColumns]) -> None:
    """Each matrix copied to its columns."""
    steps, at = strides_of(w.shape(node.output)), 0
    for value in node.inputs:
        shape = w.shape(value)
        w.nest(shape, [w.write(node.output, steps, at), w.read(value)], lambda y, x: f"{y} = {x};")
        at += shape[1]


def pick_gradient(w: Writer, node: Node[PickGradient]) -> None:
    """Summed over each position's copies."""
    op, (x, g) = node.op, node.inputs
    shape, n, axis, places = w.shape(g), w.shape(x)[op.of.axis - 1], op.of.axis, op.of.places
    w.zero(node.output)
    if 0 in shape:
        return
    outer, inner, count = prod(shape[: axis - 1]), prod(shape[axis:]), len(places)
    with w.table("places", places) as (p, place):
        operands = [
            w.write(node.output, (n * inner, 1), times(place, inner)),
            w.read(g, (count * inner, 1), times(p, inner)),
        ]
        w.nest((outer, inner), operands, lambda t, g: f"{t} += {g};")


def table_gradient(e: StepWriter, node: Node[TableGradient]) -> None:
    """Summed over the places that read a row."""
    indices, g = node.inputs
    count, width = e.shape(node.output)
    e.zero(node.output)
    e.add(
        f"add_up({e.place(indices)}, {e.place(g)}, {e.place(node.output)}, "
        f"{e.size(indices)}, {count}, {width}, R, rows, LOW({width}), HIGH({width}));",
    )
    e.wait()


RULES: dict[type[Op], Rule] = {
    Cast: cast,
    Concatenate: concatenate,
    Gather: gather,
    Identity: copy,
    OneHot: one_hot,
    Pick: pick,
    Repeat: repeat,
    Reshape: copy,
    Slice: slice_,
    Stretch: stretch,
    Transpose: transpose,
    PickGradient: pick_gradient,
    SliceGradient: slice_gradient,
    Part: part,
    PartGradient: part_gradient,
    JoinColumns: join_columns,
    TableGradient: table_gradient,
}
