"""Along axes in C: what needs several elements of a row for one of the result."""

from __future__ import annotations

from math import prod

from foldnet.codegen.loops import Operand, nest, strides_of
from foldnet.engines.native.prediction.body import Body
from foldnet.graph.graph import Node
from foldnet.operations.along.op import GroupMoments, Moments, Softmax, Sparsemax
from foldnet.operations.matrix.op import Dot


def softmax(body: Body, node: Node) -> None:
    """Softmax or its logarithm."""
    op = node.op
    assert isinstance(op, Softmax)
    inner = _inner(body, node, op.axis)
    extra = f", {int(op.log)}"
    if inner == 1:
        _along_axis(body, node, op.axis, "fn_softmax_row(x, y, {n}" + extra + ");")
    else:
        _along_axis(body, node, op.axis, "fn_softmax(x, y, {n}, {inner}" + extra + ");")


def sparsemax(body: Body, node: Node) -> None:
    """Projection onto the simplex."""
    op = node.op
    assert isinstance(op, Sparsemax)
    _along_axis(body, node, op.axis, "fn_sparsemax(x, y, {n}, {inner});")


def _inner(body: Body, node: Node, axis: int) -> int:
    return prod(body.shape(node.output)[axis:]) * body.lanes


def _along_axis(body: Body, node: Node, axis: int, statement: str) -> None:
    shape = body.shape(node.output)
    if 0 in shape:
        return
    outer, n, inner = prod(shape[: axis - 1]), shape[axis - 1], _inner(body, node, axis)
    step = f" + o * {n * inner}" if outer != 1 else ""
    body.lines += [
        f"  for (int o = 0; o < {outer}; o++) {{" if step else "  {",
        f"    const float *x = {body.base(node.inputs[0])}{step};",
        f"    float *y = {body.base(node.output)}{step};",
        "    " + statement.format(n=n, inner=inner),
        "  }",
    ]


def moments(body: Body, node: Node) -> None:
    """Each row by its own statistics."""
    op = node.op
    assert isinstance(op, Moments)
    _normalize(body, node, body.shape(node.output), [a - 1 for a in op.axes], op.kind, float(op.epsilon))


def group_moments(body: Body, node: Node) -> None:
    """Each group of channels by its own statistics: moments over a shape with the channels' axis split."""
    op = node.op
    assert isinstance(op, GroupMoments)
    shape, axis = body.shape(node.output), op.axis - 1
    split = (*shape[:axis], op.groups, shape[axis] // op.groups, *shape[axis + 1 :])
    _normalize(body, node, split, [a for a in range(len(split)) if a != axis], "standard", float(op.epsilon))


def _normalize(
    body: Body, node: Node, shape: tuple[int, ...], axes: list[int], kind: str, epsilon: float
) -> None:
    # Sums are in double, so that a mean far from zero costs no digits.
    if 0 in shape:
        return
    lanes, steps = body.lanes, strides_of(shape)
    count = prod(shape[a] for a in axes)
    kept = [a for a in range(len(shape)) if a not in axes and shape[a] != 1]
    lines = [f"  for (int k{a} = 0; k{a} < {shape[a]}; k{a}++) {{" for a in kept] or ["  {"]
    offset = "".join(f" + k{a} * {steps[a] * lanes}" for a in kept)
    lines += [
        f"    const float *x = {body.base(node.inputs[0])}{offset};",
        f"    float *y = {body.base(node.output)}{offset};",
        f"    double mean[{lanes}], spread[{lanes}];",
        f"    for (int l = 0; l < {lanes}; l++)",
        "      mean[l] = spread[l] = 0.0;",
    ]
    sizes = [shape[a] for a in axes]
    inner, zeros = tuple(steps[a] for a in axes), tuple(0 for _ in axes)
    xs, ys = Operand("x", inner), Operand("y", inner)
    mean, spread = Operand("mean", zeros), Operand("spread", zeros)
    centred = "((double){x} - {m})"
    if kind in ("standard", "variance"):
        lines += nest(sizes, [xs, mean], lanes, lambda x, m: f"{m} += (double){x};")
        lines += [f"    for (int l = 0; l < {lanes}; l++)", f"      mean[l] /= {count}.0;"]

    def square(x: str, m: str, s: str) -> str:
        d = centred.format(x=x, m=m)
        return f"{s} += {d} * {d};"

    lines += nest(sizes, [xs, mean, spread], lanes, square)
    under = f"spread[l] / {count}.0 + {epsilon!r}"
    if kind == "l2":
        under = f"spread[l] < {epsilon!r} ? {epsilon!r} : spread[l]"
    lines += [f"    for (int l = 0; l < {lanes}; l++)", f"      spread[l] = 1.0 / sqrt({under});"]
    value = "(double){x}" if kind == "variance" else centred
    lines += nest(
        sizes,
        [xs, ys, mean, spread],
        lanes,
        lambda x, y, m, s: f"{y} = (float)({value.format(x=x, m=m)} * {s});",
    )
    body.lines += [*lines, "  " + "}" * max(1, len(kept))]


def dot(body: Body, node: Node) -> None:
    """Products summed along the contracted axes, in order."""
    op = node.op
    assert isinstance(op, Dot)
    a, b = node.inputs
    i, j = op.axes[0] - 1, op.axes[1] - 1
    sa, sb = body.shape(a), body.shape(b)
    ta, tb = strides_of(sa), strides_of(sb)
    free_a = [k for k in range(len(sa)) if k != i]
    free_b = [k for k in range(len(sb)) if k != j]
    shape = [sa[k] for k in free_a] + [sb[k] for k in free_b]
    ty = strides_of(shape)
    body.loop(node, [body.operand(node.output)], lambda y: f"{y} = 0.0f;")
    operands = [
        body.operand(node.output, (*ty, 0)),
        body.operand(a, [*(ta[k] for k in free_a), *(0 for _ in free_b), ta[i]]),
        body.operand(b, [*(0 for _ in free_a), *(tb[k] for k in free_b), tb[j]]),
    ]
    body.lines += nest(
        [*shape, sa[i]], operands, body.lanes, lambda y, a, b: f"{y} = FMA({a}, {b}, {y});", "  "
    )
