"""What works along axes of a row, in C."""

from __future__ import annotations

from math import prod

from foldnet.codegen.batch import StepWriter, along, block
from foldnet.codegen.loops import strides_of
from foldnet.codegen.writer import Along, Each, Once, Rule, Stage, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.along.op import (
    CumulativeSum,
    Glu,
    GluGradient,
    GroupMoments,
    Moments,
    MomentsGradient,
    MomentsKind,
    Reduce,
    ReduceGradient,
    ReduceKind,
    Softmax,
    SoftmaxGradient,
    Sparsemax,
    SparsemaxGradient,
)


def softmax(w: Writer, node: Node[Softmax]) -> None:
    """Softmax or its logarithm."""
    op, shape = node.op, w.shape(node.output)
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


def sparsemax(w: Writer, node: Node[Sparsemax]) -> None:
    """Projection onto the simplex, row by row, for it sorts."""
    w.outer(node, node.op.axis - 1, "fn_sparsemax({x}, {y}, {n}, {inner});")


def glu(w: Writer, node: Node[Glu]) -> None:
    """The first half times the sigmoid of the second."""
    op, x = node.op, node.inputs[0]
    shape, steps = w.shape(node.output), strides_of(w.shape(x))
    half = shape[op.axis - 1] * steps[op.axis - 1]
    operands = [w.write(node.output), w.read(x, steps), w.read(x, steps, half)]
    w.nest(shape, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")


def split_of(
    shape: tuple[int, ...], op: Moments | GroupMoments
) -> tuple[tuple[int, ...], tuple[int, ...], MomentsKind]:
    """Shape, the axes that statistics are over, and their kind; a channels' axis is split in groups and channels."""
    if isinstance(op, Moments):
        return shape, tuple(a - 1 for a in op.axes), op.kind
    at = op.axis - 1
    split = (*shape[:at], op.groups, shape[at] // op.groups, *shape[at + 1 :])
    return split, tuple(a for a in range(len(split)) if a != at), "standard"


def moments(w: Writer, node: Node[GroupMoments | Moments]) -> None:
    """Each row, or each group of its channels, by its own statistics.

    In predictions sums are in double, so that a mean far from zero costs no digits.
    """
    op = node.op
    shape, axes, kind = split_of(w.shape(node.output), op)
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


def reduce(w: Writer, node: Node[Reduce]) -> None:
    """Sums, means and extremes over axes, and the place of the largest."""
    op, shape = node.op, w.shape(node.inputs[0])
    axes = tuple(a - 1 for a in op.axes)
    count, real = prod(shape[a] for a in axes), w.real
    exact = op.kind in ("sum", "mean")
    start, add = Once(f"{{s}} = 0.0{real.suffix};"), Each(f"{{s}} += {real.widen}{{x}};")
    mean = f"{{y}} = {real.narrow}({{s}} / {count}.0{real.suffix});"
    largest = "{y} = {x} > {s} ? (float){k} : {y}; {s} = {x} > {s} ? {x} : {s};"
    by_kind: dict[ReduceKind, list[Stage]] = {
        "sum": [start, add, Once(f"{{y}} = {real.narrow}{{s}};")],
        "mean": [start, add, Once(mean)],
        "max": [Once("{s} = {x};"), Each("{s} = fn_maximum({s}, {x});"), Once("{y} = {s};")],
        "min": [Once("{s} = {x};"), Each("{s} = fn_minimum({s}, {x});"), Once("{y} = {s};")],
        "argmax": [Once("{s} = {x}; {y} = 0.0f;"), Each(largest)],
    }
    loops = Along(shape, axes, {"x": node.inputs[0]}, {}, {"y": node.output}, ("s",), single=not exact)
    w.along(loops, by_kind[op.kind])


def cumulative_sum(w: Writer, node: Node[CumulativeSum]) -> None:
    """A sum that runs along the axis."""
    op, shape = node.op, w.shape(node.output)
    loops = Along(shape, (op.axis - 1,), {"x": node.inputs[0]}, {"y": node.output}, {}, ("s",), single=True)
    w.along(loops, [Once("{s} = 0.0f;"), Each("{s} += {x}; {y} = {s};", reverse=op.reverse)])


def softmax_gradient(w: Writer, node: Node[SoftmaxGradient]) -> None:
    """From the result."""
    op, (y, g) = node.op, node.inputs
    loops = Along(w.shape(y), (op.axis - 1,), {"y": y, "g": g}, {"to": node.output}, {}, ("s",), single=True)
    term, value = ("{g}", "{g} - fn_exp({y}) * {s}") if op.log else ("{g} * {y}", "{y} * ({g} - {s})")
    w.along(loops, [Once("{s} = 0.0f;"), Each(f"{{s}} += {term};"), Each(f"{{to}} = {value};")])


def sparsemax_gradient(e: StepWriter, node: Node[SparsemaxGradient]) -> None:
    """From the operand and the result, row by row, for it sorts."""
    op, (x, y, g) = node.op, node.inputs
    shape = e.shape(x)
    loops = along(shape, [op.axis - 1])
    step, n = strides_of(shape)[op.axis - 1], shape[op.axis - 1]
    block(
        e, loops,
        f"const float *g = {e.place(g)} + ({loops.at}) * R, *y = {e.place(y)} + ({loops.at}) * R, "
        f"*x = {e.place(x)} + ({loops.at}) * R;",
        f"float *to = {e.place(node.output)} + ({loops.at}) * R;",
        f"float *z = {e.space(f'sorted {n}', 8 * n)} + ME * {n};",
        f"for (long r = 0; r < R; r++) sparsemax_back(x + r, y + r, g + r, to + r, z, {n}, {step} * R, 0);",
    )  # fmt: skip


def glu_gradient(w: Writer, node: Node[GluGradient]) -> None:
    """On the value and on its gate."""
    op, (x, g) = node.op, node.inputs
    shape, steps = w.shape(g), strides_of(w.shape(x))
    half = steps[op.axis - 1] * shape[op.axis - 1]
    targets = [w.write(node.output, steps), w.write(node.output, steps, half)]
    w.nest(
        shape, [*targets, w.read(x, steps), w.read(x, steps, half), w.read(g)],
        lambda ta, tb, a, b, g: f"const float q = fn_sigmoid({b}); {ta} = {g} * q; {tb} = {g} * {a} * q * (1.0f - q);",
    )  # fmt: skip


def moments_gradient(w: Writer, node: Node[MomentsGradient]) -> None:
    """Through the statistics, too."""
    op, (x, y, g) = node.op, node.inputs
    shape, axes, kind = split_of(w.shape(x), op.of)
    n, epsilon = f"{prod(shape[a] for a in axes)}.0f", w.number(op.of.epsilon)
    values: dict[MomentsKind, str] = {
        "standard": f"({{g}} - {{m}} / {n} - {{y}} * ({{s}} / {n})) * {{q}}",
        "rms": f"({{g}} - {{y}} * ({{s}} / {n})) * {{q}}",
        # At or below the smallest length the inverse is this very number, and does not move with x.
        "l2": f"({{g}} - ({{q}} < 1.0f / sqrtf({epsilon}) ? {{y}} * {{s}} : 0.0f)) * {{q}}",
        # The mean of x is m; only the deviations of x move the variance.
        "variance": f"({{g}} - ({{x}} - {{m}} / {n}) * {{q}} * ({{s}} / {n})) * {{q}}",
    }
    reads, small = {"x": x, "y": y, "g": g}, {"q": w.kept(y, "inverse")}
    loops = Along(shape, axes, reads, {"to": node.output}, small, ("m", "s"), single=True)
    first = "{x}" if kind == "variance" else "{g}"
    sums = Each(f"{{m}} += {first}; {{s}} += {{g}} * {{y}};")
    w.along(loops, [Once("{m} = {s} = 0.0f;"), sums, Each(f"{{to}} = {values[kind]};")])


def reduce_gradient(w: Writer, node: Node[ReduceGradient]) -> None:
    """To every element, or shared among the largest."""
    op, (x, y, g) = node.op, node.inputs
    shape, axes, kind = w.shape(x), tuple(a - 1 for a in op.of.axes), op.of.kind
    stages: list[Stage] = [Each("{to} = {g};")]
    if kind == "mean":
        stages = [Each(f"{{to}} = {{g}} / {prod(shape[a] for a in axes)}.0f;")]
    elif kind in ("max", "min"):
        count = Each("{n} += {x} == {y} ? 1.0f : 0.0f;")
        stages = [Once("{n} = 0.0f;"), count, Each("{to} = ({x} == {y} ? {g} / {n} : 0.0f);")]
    loops = Along(shape, axes, {"x": x}, {"to": node.output}, {"y": y, "g": g}, ("n",), single=True)
    w.along(loops, stages)


RULES: dict[type[Op], Rule] = {
    CumulativeSum: cumulative_sum,
    Glu: glu,
    GroupMoments: moments,
    Moments: moments,
    Reduce: reduce,
    Softmax: softmax,
    Sparsemax: sparsemax,
    GluGradient: glu_gradient,
    MomentsGradient: moments_gradient,
    ReduceGradient: reduce_gradient,
    SoftmaxGradient: softmax_gradient,
    SparsemaxGradient: sparsemax_gradient,
}
