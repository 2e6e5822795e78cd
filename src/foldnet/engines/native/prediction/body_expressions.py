"""The ops of expressions in C for predictions: functions of values, reductions, parts of a row, products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foldnet.codegen.loops import Operand, nest, strides_of
from foldnet.engines.native.prediction.body import Body
from foldnet.graph.graph import Node
from foldnet.operations.along.op import CumulativeSum, Reduce
from foldnet.operations.elementwise.c import text_at
from foldnet.operations.matrix.op import Product
from foldnet.operations.structure.op import OneHot, Pick, Slice

REDUCE = {
    "sum": ("{y} = 0.0", "{y} += (double){x}", "(float){y}"),
    "mean": ("{y} = 0.0", "{y} += (double){x}", "(float)({y} / {n}.0)"),
    "max": ("{y} = {x}", "{y} = fn_maximum({y}, {x})", "{y}"),
    "min": ("{y} = {x}", "{y} = fn_minimum({y}, {x})", "{y}"),
}
"""Start, step and end of each reduction; sums are in double, so that their length costs no digits."""


def function(body: Body, node: Node) -> None:
    """One value from each operand's element."""
    rank = len(body.shape(node.output))
    operands = [body.operand(node.output), *(body.spread(v, rank) for v in node.inputs)]
    text = text_at(body.graph, node)
    body.loop(node, operands, lambda y, *xs: f"{y} = {text.format(*xs)};")


def reduce(body: Body, node: Node) -> None:
    """Sums, means and extremes over axes, and the place of the largest, for one position of the others at a time."""
    op = node.op
    assert isinstance(op, Reduce)
    shape, lanes = body.shape(node.inputs[0]), body.lanes
    axes = [a - 1 for a in op.axes]
    if 0 in shape:
        return
    steps = strides_of(shape)
    kept = [a for a in range(len(shape)) if a not in axes and shape[a] != 1]
    small = strides_of([shape[a] for a in kept])
    at = "".join(f" + k{a} * {steps[a] * lanes}" for a in kept)
    to = "".join(f" + k{a} * {s * lanes}" for a, s in zip(kept, small, strict=True))
    exact = op.kind in ("sum", "mean")
    lines = [f"  for (int k{a} = 0; k{a} < {shape[a]}; k{a}++) {{" for a in kept] or ["  {"]
    lines += [f"    const float *x = {body.base(node.inputs[0])}{at};"]
    lines += [
        f"    float *y = {body.base(node.output)}{to};",
        f"    {'double' if exact else 'float'} s[{lanes}];",
    ]
    each = f"    for (int l = 0; l < {lanes}; l++)"
    xs, out = Operand("x", tuple(steps[a] for a in axes)), Operand("s", tuple(0 for _ in axes))
    sizes = [shape[a] for a in axes]
    if op.kind == "argmax":
        step = f"i * {steps[axes[0]] * lanes} + l"
        lines += [each + " {", "      int best = 0;", f"      for (int i = 1; i < {sizes[0]}; i++)"]
        lines += [f"        if (x[{step}] > x[best * {steps[axes[0]] * lanes} + l])", "          best = i;"]
        lines += ["      s[l] = (float)best;", "      y[l] = s[l];", "    }"]
    else:
        start, step, end = REDUCE[op.kind]
        lines += [each, f"      {start.format(y='s[l]', x='x[l]')};"]
        lines += nest(sizes, [xs, out], lanes, lambda x, y: step.format(x=x, y=y) + ";")
        lines += [each, f"      y[l] = {end.format(y='s[l]', n=prod(sizes))};"]
    body.lines += [*lines, "  " + "}" * max(1, len(kept))]


def one_hot(body: Body, node: Node) -> None:
    """A comparison with each index."""
    op = node.op
    assert isinstance(op, OneHot)
    shape = body.shape(node.output)
    x = Operand(body.base(node.inputs[0]), strides_of(shape[:-1]))
    for k in range(op.size):
        y = Operand(body.base(node.output, k), strides_of(shape)[:-1])
        body.lines += nest(
            shape[:-1], [y, x], body.lanes, lambda y, x, k=k: f"{y} = {x} == {k} ? 1.0f : 0.0f;", "  "
        )


def slice_of(op: Slice, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """The strides by which a slice steps through its operand, and the place of its first element."""
    places, steps = op.places(tuple(shape)), strides_of(shape)
    strides = tuple(p.step * s for p, s in zip(places, steps, strict=True))
    return strides, sum(p.start * s for p, s in zip(places, steps, strict=True))


def slice_(body: Body, node: Node) -> None:
    """The operand by other strides."""
    op = node.op
    assert isinstance(op, Slice)
    if 0 in body.shape(node.output):
        return
    strides, start = slice_of(op, body.shape(node.inputs[0]))
    operands = [body.operand(node.output), body.operand(node.inputs[0], strides, start)]
    body.loop(node, operands, lambda y, x: f"{y} = {x};")


def pick(body: Body, node: Node) -> None:
    """Positions of one axis, out of a table of them."""
    op = node.op
    assert isinstance(op, Pick)
    shape, n = body.shape(node.output), body.shape(node.inputs[0])[op.axis - 1]
    outer, inner, count = prod(shape[: op.axis - 1]), prod(shape[op.axis :]) * body.lanes, len(op.places)
    if 0 in shape:
        return
    body.lines += [
        "  {",
        f"    static const int32_t places[{count}] = {{{', '.join(map(str, op.places))}}};",
        f"    for (int o = 0; o < {outer}; o++)",
        f"      for (int k = 0; k < {count}; k++)",
        f"        for (int i = 0; i < {inner}; i++)",
        f"          {body.base(node.output)}[(o * {count} + k) * {inner} + i] = "
        f"{body.base(node.inputs[0])}[(o * {n} + places[k]) * {inner} + i];",
        "  }",
    ]


def strides_by(letters: str, own: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a value through loops over all letters; 0 on those that it has not."""
    steps = dict(zip(own, strides_of(shape), strict=True))
    return tuple(steps.get(letter, 0) for letter in letters)


def product_loops(
    op: Product, left: Sequence[int], right: Sequence[int]
) -> tuple[list[int], list[tuple[int, ...]]]:
    """Sizes of the loops of a Product, the summed letters last, and the strides of the result and both operands."""
    letters = "".join(dict.fromkeys(op.result + op.left + op.right))
    sizes = {**dict(zip(op.left, left, strict=True)), **dict(zip(op.right, right, strict=True))}
    result = [sizes[k] for k in op.result]
    strides = [
        strides_by(letters, own, shape)
        for own, shape in ((op.result, result), (op.left, left), (op.right, right))
    ]
    return [sizes[k] for k in letters], strides


def product(body: Body, node: Node) -> None:
    """Products, summed in order."""
    op = node.op
    assert isinstance(op, Product)
    a, b = node.inputs
    sizes, (of_y, of_a, of_b) = product_loops(op, body.shape(a), body.shape(b))
    body.loop(node, [body.operand(node.output)], lambda y: f"{y} = 0.0f;")
    operands = [body.operand(node.output, of_y), body.operand(a, of_a), body.operand(b, of_b)]
    body.lines += nest(sizes, operands, body.lanes, lambda y, a, b: f"{y} = FMA({a}, {b}, {y});", "  ")


def cumulative_sum(body: Body, node: Node) -> None:
    """Each position is the one before plus its own."""
    op = node.op
    assert isinstance(op, CumulativeSum)
    shape = body.shape(node.output)
    step = strides_of(shape)[op.axis - 1]
    first = [1 if a == op.axis - 1 else n for a, n in enumerate(shape)]
    rest = [n - 1 if a == op.axis - 1 else n for a, n in enumerate(shape)]
    steps = strides_of(shape)
    ends = [body.operand(node.output, steps), body.operand(node.inputs[0], steps)]
    body.lines += nest(first, ends, body.lanes, lambda y, x: f"{y} = {x};", "  ")
    operands = [
        body.operand(node.output, steps, step), body.operand(node.output, steps),
        body.operand(node.inputs[0], steps, step),
    ]  # fmt: skip
    if shape[op.axis - 1] > 1:
        body.lines += nest(rest, operands, body.lanes, lambda y, before, x: f"{y} = {before} + {x};", "  ")
