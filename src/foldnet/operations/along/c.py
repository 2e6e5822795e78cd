"""What works along axes of a row, in C."""

from __future__ import annotations

from math import prod

from foldnet.codegen.batch import StepWriter, along, block
from foldnet.codegen.expressions import composed, floating, plus, times
from foldnet.codegen.loops import strides_of
from foldnet.codegen.writer import Along, Each, Once, Real, Rule, Stage, Total, Writer
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
        shape,
        (op.axis - 1,),
        {"x": node.inputs[0]},
        {"y": node.output},
        {},
        {"top": "{x}", "sum": "0.0f"},
        single=True,
    )
    stages: list[Stage] = [Each("{top} = {x} >= {top} || {x} != {x} ? {x} : {top};")]
    if op.log:
        stages += [
            Each("{y} = {x} - {top};"),
            Total("sum", "fn_exp({y})"),
            Once("{sum} = fn_log({sum});"),
            Each("{y} -= {sum};"),
        ]
    else:
        stages += [Each("{y} = fn_exp({x} - {top});"), Total("sum", "{y}"), Each("{y} /= {sum};")]
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


def narrowed(real: Real, value: str) -> str:
    """The C of a value in float32, given in the numbers that sums are kept in."""
    return composed(f"{real.narrow}{{0}}", value)


def moments(w: Writer, node: Node[GroupMoments | Moments]) -> None:
    """Each row, or each group of its channels, by its own statistics.

    In predictions sums are in double, so that a mean far from zero costs no digits.
    """
    op = node.op
    shape, axes, kind = split_of(w.shape(node.output), op)
    count = prod(shape[a] for a in axes)
    kept = w.keep(node, "inverse", prod(n for a, n in enumerate(shape) if a not in axes))
    small = {"q": kept} if kept else {}
    real, epsilon = w.real, w.number(op.epsilon)
    centres = kind in ("standard", "variance")
    zero = f"0.0{real.suffix}"
    sums = {"mean": zero, "spread": zero} if centres else {"spread": zero}
    loops = Along(shape, axes, {"x": node.inputs[0]}, {"y": node.output}, small, sums)
    one, n = f"1.0{real.suffix}", floating(count, real.suffix)
    under = f"{{spread}} / {n} + {epsilon}"
    if kind == "l2":
        under = f"{{spread}} < {epsilon} ? {epsilon} : {{spread}}"
    x = f"{real.widen}{{x}}"
    centred = f"({x} - {{mean}})" if centres else x
    value = x if kind == "variance" else centred
    stages: list[Stage] = []
    if centres:
        stages += [Total("mean", f"{real.widen}{{x}}"), Once(f"{{mean}} /= {n};")]
    stages += [
        Total("spread", f"{centred} * {centred}"),
        Once(f"{{spread}} = {one} / {real.sqrt}({under});"),
        *([Once("{q} = {spread};")] if kept else []),
        Each(f"{{y}} = {narrowed(real, f'{value} * {{spread}}')};"),
    ]
    w.along(loops, stages)


def reduce(w: Writer, node: Node[Reduce]) -> None:
    """Sums, means and extremes over axes, and the place of the largest."""
    op, shape = node.op, w.shape(node.inputs[0])
    axes = tuple(a - 1 for a in op.axes)
    count, real = prod(shape[a] for a in axes), w.real
    exact = op.kind in ("sum", "mean")
    add = Total("s", f"{real.widen}{{x}}")
    mean = f"{{y}} = {narrowed(real, f'{{s}} / {floating(count, real.suffix)}')};"
    largest = "{y} = {x} > {s} ? (float){k} : {y};\n{s} = {x} > {s} ? {x} : {s};"
    by_kind: dict[ReduceKind, list[Stage]] = {
        "sum": [add, Once(f"{{y}} = {real.narrow}{{s}};")],
        "mean": [add, Once(mean)],
        "max": [Each("{s} = fn_maximum({s}, {x});"), Once("{y} = {s};")],
        "min": [Each("{s} = fn_minimum({s}, {x});"), Once("{y} = {s};")],
        "argmax": [Once("{y} = 0.0f;"), Each(largest)],
    }
    sums = {"s": f"0.0{real.suffix}" if exact else "{x}"}
    loops = Along(shape, axes, {"x": node.inputs[0]}, {}, {"y": node.output}, sums, single=not exact)
    w.along(loops, by_kind[op.kind])


def cumulative_sum(w: Writer, node: Node[CumulativeSum]) -> None:
    """A sum that runs along the axis."""
    op, shape = node.op, w.shape(node.output)
    loops = Along(
        shape, (op.axis - 1,), {"x": node.inputs[0]}, {"y": node.output}, {}, {"s": "0.0f"}, single=True
    )
    w.along(loops, [Each("{s} += {x};\n{y} = {s};", reverse=op.reverse)])


def softmax_gradient(w: Writer, node: Node[SoftmaxGradient]) -> None:
    """From the result."""
    op, (y, g) = node.op, node.inputs
    assert isinstance(op, SoftmaxGradient)
    loops = Along(
        w.shape(y), (op.axis - 1,), {"y": y, "g": g}, {"to": node.output}, {}, {"s": "0.0f"}, single=True
    )
    term, value = ("{g}", "{g} - fn_exp({y}) * {s}") if op.log else ("{g} * {y}", "{y} * ({g} - {s})")
    w.along(loops, [Each(f"{{s}} += {term};"), Each(f"{{to}} = {value};")])


def sparsemax_gradient(e: StepWriter, node: Node[SparsemaxGradient]) -> None:
    """From the operand and the result, row by row, for it sorts."""
    op, (x, y, g) = node.op, node.inputs
    shape = e.shape(x)
    loops = along(shape, [op.axis - 1])
    step, n, at = strides_of(shape)[op.axis - 1], shape[op.axis - 1], times(loops.at, "R")
    block(
        e, loops,
        *(f"const float *{name} = {plus(e.place(v), at)};" for name, v in (("x", x), ("y", y), ("g", g))),
        f"float *to = {plus(e.place(node.output), at)};",
        f"float *z = {e.space(f'sorted {n}', 8 * n)} + {times('ME', n)};",
        "for (long r = 0; r < R; r++)",
        f"sparsemax_back(x + r, y + r, g + r, to + r, z, {n}, {times(step, 'R')});",
    )  # fmt: skip


def glu_gradient(w: Writer, node: Node[GluGradient]) -> None:
    """On the value and on its gate."""
    op, (x, g) = node.op, node.inputs
    shape, steps = w.shape(g), strides_of(w.shape(x))
    half = steps[op.axis - 1] * shape[op.axis - 1]
    targets = [w.write(node.output, steps), w.write(node.output, steps, half)]
    w.nest(
        shape, [*targets, w.read(x, steps), w.read(x, steps, half), w.read(g)],
        lambda ta, tb, a, b, g: "\n".join([
            f"const float q = fn_sigmoid({b});", f"{ta} = {g} * q;", f"{tb} = {g} * {a} * q * (1.0f - q);",
        ]),
    )  # fmt: skip


def moments_gradient(w: Writer, node: Node[MomentsGradient]) -> None:
    """Through the statistics, too."""
    op, (x, y, g) = node.op, node.inputs
    shape, axes, kind = split_of(w.shape(x), op.of)
    n, epsilon = floating(prod(shape[a] for a in axes), "f"), w.number(op.of.epsilon) if kind == "l2" else ""
    values: dict[MomentsKind, str] = {
        "standard": f"({{g}} - {{m}} / {n} - {{y}} * ({{s}} / {n})) * {{q}}",
        "rms": f"({{g}} - {{y}} * ({{s}} / {n})) * {{q}}",
        # At or below the smallest length the inverse is this very number, and does not move with x.
        "l2": f"({{g}} - ({{q}} < 1.0f / sqrtf({epsilon}) ? {{y}} * {{s}} : 0.0f)) * {{q}}",
        # The mean of x is m; only the deviations of x move the variance.
        "variance": f"({{g}} - ({{x}} - {{m}} / {n}) * {{q}} * ({{s}} / {n})) * {{q}}",
    }
    reads, small = {"x": x, "y": y, "g": g}, {"q": w.kept(y, "inverse")}
    first = "{x}" if kind == "variance" else "{g}"
    added = {"m": first, "s": "{g} * {y}"} if kind in ("standard", "variance") else {"s": "{g} * {y}"}
    loops = Along(shape, axes, reads, {"to": node.output}, small, dict.fromkeys(added, "0.0f"), single=True)
    add = Each("\n".join(f"{{{name}}} += {term};" for name, term in added.items()))
    w.along(loops, [add, Each(f"{{to}} = {values[kind]};")])


def reduce_gradient(w: Writer, node: Node[ReduceGradient]) -> None:
    """To every element, or shared among the largest."""
    op, (x, y, g) = node.op, node.inputs
    shape, axes, kind = w.shape(x), tuple(a - 1 for a in op.of.axes), op.of.kind
    stages: list[Stage] = [Each("{to} = {g};")]
    sums: dict[str, str] = {}
    if kind == "mean":
        stages = [Each(f"{{to}} = {{g}} / {floating(prod(shape[a] for a in axes), 'f')};")]
    elif kind in ("max", "min"):
        count = Each("{n} += {x} == {y} ? 1.0f : 0.0f;")
        sums, stages = {"n": "0.0f"}, [count, Each("{to} = {x} == {y} ? {g} / {n} : 0.0f;")]
    loops = Along(shape, axes, {"x": x}, {"to": node.output}, {"y": y, "g": g}, sums, single=True)
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
