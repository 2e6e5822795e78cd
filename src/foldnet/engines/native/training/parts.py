"""Parts of rows, products by letters and running sums in training programs, forward and backward."""

from __future__ import annotations

from math import prod

from foldnet.codegen.loops import strides_of
from foldnet.engines.native.prediction.body_expressions import product_loops, slice_of
from foldnet.engines.native.training.along import along, block
from foldnet.engines.native.training.emit import Emitter
from foldnet.engines.native.training.layout import Operand
from foldnet.graph.graph import Node
from foldnet.operations.along.op import CumulativeSum
from foldnet.operations.matrix.op import Product
from foldnet.operations.structure.op import Pick, Slice


def slice_(e: Emitter, node: Node) -> None:
    """A copy by other strides."""
    op = node.op
    assert isinstance(op, Slice)
    shape = e.shape(node.output)
    strides, start = slice_of(op, e.shape(node.inputs[0]))
    x = Operand(f"({e.place(node.inputs[0])} + {start} * R)", strides, True, e.target(node.output).kind)
    if 0 not in shape:
        e.nest(shape, [e.target(node.output), x], lambda y, x: f"{y} = {x};")


def slice_back(e: Emitter, node: Node) -> None:
    """The gradient to where the values came from, nothing elsewhere."""
    op, x = node.op, node.inputs[0]
    assert isinstance(op, Slice)
    if x not in e.wants:
        return
    shape = e.shape(node.output)
    strides, start = slice_of(op, e.shape(x))
    sign = e.assign(x, whole=False)
    target = Operand(f"({e.gradient(x)} + {start} * R)", strides, True, "float", True)
    if 0 not in shape:
        e.nest(shape, [target, e.of_gradient(node.output, shape)], lambda t, g: f"{t} {sign} {g};")


def _picked(e: Emitter, node: Node, statement: str) -> None:
    """Loops over the positions of a Pick; ``{to}`` and ``{of}`` are a place in the result and in the operand."""
    op = node.op
    assert isinstance(op, Pick)
    shape, n = e.shape(node.output), e.shape(node.inputs[0])[op.axis - 1]
    outer, inner, count = prod(shape[: op.axis - 1]), prod(shape[op.axis :]), len(op.places)
    if 0 in shape:
        return
    # Whatever is shared among threads, no two of them meet the same element of the operand.
    over_outer = outer >= inner
    o = f"LOW({outer}); o < HIGH({outer})" if over_outer else f"0; o < {outer}"
    i = f"0; i < {inner}" if over_outer else f"LOW({inner}); i < HIGH({inner})"
    to, of = f"((o * {count} + k) * {inner} + i) * R + r", f"((o * {n} + places[k]) * {inner} + i) * R + r"
    e.add(
        "{",
        f"static const int32_t places[{count}] = {{{', '.join(map(str, op.places))}}};",
        f"for (long o = {o}; o++) for (long k = 0; k < {count}; k++) for (long i = {i}; i++)",
        f"ROWS(r, 0, R) {{ {statement.format(to=to, of=of)} }}",
        "}",
        "BARRIER",
    )


def pick(e: Emitter, node: Node) -> None:
    """A copy of each position."""
    _picked(e, node, f"{e.place(node.output)}[{{to}}] = {e.place(node.inputs[0])}[{{of}}];")


def pick_back(e: Emitter, node: Node) -> None:
    """The gradient summed over a position's copies."""
    if node.inputs[0] in e.wants:
        e.assign(node.inputs[0], whole=False)
        _picked(e, node, f"{e.gradient(node.inputs[0])}[{{of}}] += {e.gradient(node.output)}[{{to}}];")


def product(e: Emitter, node: Node) -> None:
    """Products, summed in order."""
    op = node.op
    assert isinstance(op, Product)
    sizes, (of_y, *own) = product_loops(op, *(e.shape(v) for v in node.inputs))
    y = e.place(node.output)
    e.add(f"if (FIRST) memset({y}, 0, sizeof(float) * {e.size(node.output)}L * R);", "BARRIER")
    operands = [Operand(y, of_y, True, "float", True)]
    operands += [Operand(e.place(v), s, e.laned(v)) for v, s in zip(node.inputs, own, strict=True)]
    e.nest(sizes, operands, lambda y, a, b: f"{y} += {a} * {b};", serial=True)


def product_back(e: Emitter, node: Node) -> None:
    """For each operand the gradient times the other, summed over what it has not."""
    op = node.op
    assert isinstance(op, Product)
    sizes, (of_y, *own) = product_loops(op, *(e.shape(v) for v in node.inputs))
    for place, value in enumerate(node.inputs):
        if value not in e.wants:
            continue
        other = node.inputs[1 - place]
        sign = e.assign(value, whole=False)
        target = Operand(e.gradient(value), own[place], e.laned(value), "float", True)
        operands = [
            target, Operand(e.gradient(node.output), of_y), Operand(e.place(other), own[1 - place], e.laned(other)),
        ]  # fmt: skip
        if e.laned(value):
            e.nest(sizes, operands, lambda t, g, o, sign=sign: f"{t} {sign} {g} * {o};", serial=True)
            continue
        row = e.space("row of a sum", 8) + " + ME * R"
        e.nest(
            sizes, operands,
            lambda t, g, o, row=row, sign=sign: (
                f"float *t = {row}; ROWS(r, 0, R) {{ t[r] = {g} * {o}; }} {t} {sign} sum_rows(t, rows);"
            ),
            serial=True,
        )  # fmt: skip


def _running(
    e: Emitter, shape: tuple[int, ...], axis: int, source: str, target: str, sign: str, back: bool
) -> None:
    loops = along(shape, [axis])
    n, step = shape[axis], strides_of(shape)[axis]
    at = f"({n - 1} - i) * {step}" if back else f"i * {step}"
    block(
        e, loops,
        f"const float *x = {source} + ({loops.at}) * R;",
        f"float *y = {target} + ({loops.at}) * R, *s = {e.space('row of a sum', 8)} + ME * R;",
        "ROWS(r, 0, R) { s[r] = 0.0f; }",
        f"for (long i = 0; i < {n}; i++) ROWS(r, 0, R) "
        f"{{ s[r] += x[({at}) * R + r]; y[({at}) * R + r] {sign} s[r]; }}",
    )  # fmt: skip


def cumulative_sum(e: Emitter, node: Node) -> None:
    """A sum that runs along the axis."""
    op = node.op
    assert isinstance(op, CumulativeSum)
    _running(
        e, e.shape(node.output), op.axis - 1, e.place(node.inputs[0]), e.place(node.output), "=", back=False
    )


def cumulative_sum_back(e: Emitter, node: Node) -> None:
    """A sum that runs back along the axis."""
    op, x = node.op, node.inputs[0]
    assert isinstance(op, CumulativeSum)
    if x in e.wants:
        sign = e.assign(x)
        _running(e, e.shape(x), op.axis - 1, e.gradient(node.output), e.gradient(x), sign, back=True)
