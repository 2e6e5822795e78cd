"""What works along axes of a row, in C."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from foldnet.codegen.loops import strides_of
from foldnet.codegen.writer import Along, Each, Once, Stage, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax


def softmax(w: Writer, node: Node) -> None:
    """Softmax or its logarithm."""
    op, shape = node.op, w.shape(node.output)
    assert isinstance(op, Softmax)
    if w.lanes == 1 and op.axis == len(shape):  # the loop along the axis is the one to vectorize
        w.outer(node, op.axis - 1, f"fn_softmax_row({{x}}, {{y}}, {{n}}, {int(op.log)});")
        return
    loops = Along(
        shape, (op.axis - 1,), {"x": node.inputs[0]}, {"y": node.output}, {}, ("top", "sum"), single=True
    )
    stages: list[Stage] = [
        Once("{top} = {x}; {sum} = 0.0f;"),
        Each("{top} = {x} >= {top} || {x} != {x} ? {x} : {top};"),
    ]
    if op.log:
        stages += [
            Each("{y} = {x} - {top}; {sum} += fn_exp({y});"),
            Once("{sum} = fn_log({sum});"),
            Each("{y} -= {sum};"),
        ]
    else:
        stages += [Each("{y} = fn_exp({x} - {top}); {sum} += {y};"), Each("{y} /= {sum};")]
    w.along(loops, stages)


def sparsemax(w: Writer, node: Node) -> None:
    """Projection onto the simplex, row by row, for it sorts."""
    assert isinstance(node.op, Sparsemax)
    w.outer(node, node.op.axis - 1, "fn_sparsemax({x}, {y}, {n}, {inner});")


def glu(w: Writer, node: Node) -> None:
    """The first half times the sigmoid of the second."""
    op, x = node.op, node.inputs[0]
    assert isinstance(op, Glu)
    shape, steps = w.shape(node.output), strides_of(w.shape(x))
    half = shape[op.axis - 1] * steps[op.axis - 1]
    operands = [w.write(node.output), w.read(x, steps), w.read(x, steps, half)]
    w.nest(shape, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")


def split_by_groups(shape: tuple[int, ...], op: GroupMoments) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape with the channels' axis split in groups and channels, and the axes that statistics are over."""
    at = op.axis - 1
    split = (*shape[:at], op.groups, shape[at] // op.groups, *shape[at + 1 :])
    return split, tuple(a for a in range(len(split)) if a != at)


def moments(w: Writer, node: Node) -> None:
    """Each row, or each group of its channels, by its own statistics.

    In predictions sums are in double, so that a mean far from zero costs no digits.
    """
    op, shape = node.op, w.shape(node.output)
    if isinstance(op, GroupMoments):
        shape, axes = split_by_groups(shape, op)
        kind = "standard"
    else:
        assert isinstance(op, Moments)
        axes, kind = tuple(a - 1 for a in op.axes), op.kind
    count = prod(shape[a] for a in axes)
    kept = w.keep(node, "inverse", prod(shape) // max(count, 1))
    small = {"q": kept} if kept else {}
    loops = Along(shape, axes, {"x": node.inputs[0]}, {"y": node.output}, small, ("mean", "spread"))
    real, epsilon = w.real, w.number(op.epsilon)
    one, n = f"1.0{real.suffix}", f"{count}.0{real.suffix}"
    under = f"{{spread}} / {n} + {epsilon}"
    if kind == "l2":
        under = f"({{spread}} < {epsilon} ? {epsilon} : {{spread}})"
    centred = f"({real.widen}{{x}} - {{mean}})"
    value = f"{real.widen}{{x}}" if kind == "variance" else centred
    stages: list[Stage] = [Once(f"{{mean}} = {{spread}} = 0.0{real.suffix};")]
    if kind in ("standard", "variance"):
        stages += [Each(f"{{mean}} += {real.widen}{{x}};"), Once(f"{{mean}} /= {n};")]
    stages += [
        Each(f"{{spread}} += {centred} * {centred};"),
        Once(f"{{spread}} = {one} / {real.sqrt}({under});"),
        *([Once("{q} = {spread};")] if kept else []),
        Each(f"{{y}} = {real.narrow}({value} * {{spread}});"),
    ]
    w.along(loops, stages)


def reduce(w: Writer, node: Node) -> None:
    """Sums, means and extremes over axes, and the place of the largest."""
    op, shape = node.op, w.shape(node.inputs[0])
    assert isinstance(op, Reduce)
    axes = tuple(a - 1 for a in op.axes)
    count, real = prod(shape[a] for a in axes), w.real
    exact = op.kind in ("sum", "mean")
    start, add = Once(f"{{s}} = 0.0{real.suffix};"), Each(f"{{s}} += {real.widen}{{x}};")
    mean = f"{{y}} = {real.narrow}({{s}} / {count}.0{real.suffix});"
    largest = "{y} = {x} > {s} ? (float){k} : {y}; {s} = {x} > {s} ? {x} : {s};"
    by_kind: dict[str, list[Stage]] = {
        "sum": [start, add, Once(f"{{y}} = {real.narrow}{{s}};")],
        "mean": [start, add, Once(mean)],
        "max": [Once("{s} = {x};"), Each("{s} = fn_maximum({s}, {x});"), Once("{y} = {s};")],
        "min": [Once("{s} = {x};"), Each("{s} = fn_minimum({s}, {x});"), Once("{y} = {s};")],
        "argmax": [Once("{s} = {x}; {y} = 0.0f;"), Each(largest)],
    }
    loops = Along(shape, axes, {"x": node.inputs[0]}, {}, {"y": node.output}, ("s",), single=not exact)
    w.along(loops, by_kind[op.kind])


def cumulative_sum(w: Writer, node: Node) -> None:
    """A sum that runs along the axis."""
    op, shape = node.op, w.shape(node.output)
    assert isinstance(op, CumulativeSum)
    loops = Along(shape, (op.axis - 1,), {"x": node.inputs[0]}, {"y": node.output}, {}, ("s",), single=True)
    w.along(loops, [Once("{s} = 0.0f;"), Each("{s} += {x}; {y} = {s};")])


RULES: dict[type[Op], Callable[[Writer, Node], None]] = {
    CumulativeSum: cumulative_sum,
    Glu: glu,
    GroupMoments: moments,
    Moments: moments,
    Reduce: reduce,
    Softmax: softmax,
    Sparsemax: sparsemax,
}
