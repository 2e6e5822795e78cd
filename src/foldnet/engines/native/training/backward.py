"""For each op, the C that carries a gradient from its result to its operands (reverse-mode differentiation)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from foldnet.codegen.batch import Loops, along, block
from foldnet.codegen.loops import Operand, strides_of
from foldnet.engines.native.training.writer import BatchWriter
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Node
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.c import split_by_groups
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.batch.c import mask_of, norm_back
from foldnet.operations.batch.op import BatchNorm, BatchReduce, BatchRenorm, Drop, FixedNorm
from foldnet.operations.elementwise.functions import BINARY, of, parameters
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.elementwise.slopes import Params, Printed, in_c
from foldnet.operations.matrix.loops import dot_loops, product_loops
from foldnet.operations.matrix.op import Dense, Dot, Product, TurnedDense
from foldnet.operations.structure.c import pieces, slice_of
from foldnet.operations.structure.op import Concatenate, Gather, Pick, Repeat, Slice, Transpose

DOTS_UP_TO = 3
"""Units up to which the gradient of a kernel is one sum over rows an element; above, a product of matrices."""


def expression(e: BatchWriter, node: Node, texts: dict[int, str | Printed], reuse: bool = False) -> None:
    """Push gradients that are expressions of the operands ``{0}``, ``{1}``.., the result ``{y}`` and ``{g}``."""
    shape = e.shape(node.output)
    result = e.spread(node.output, shape)
    g = e.of_gradient(node.output, shape)
    wanted = {k: t for k, t in texts.items() if node.inputs[k] in e.wants}
    if reuse and len(wanted) == 1 and len(node.inputs) == 1:
        e.release(node.output)  # each element is read just before it is written
    for k, given in wanted.items():
        slope = given if isinstance(given, Printed) else printed(given)
        known = {str(i): e.spread(v, shape) for i, v in enumerate(node.inputs) if str(i) in slope.uses}
        known |= {name: value for name, value in (("y", result), ("g", g)) if name in slope.uses}

        def body(
            *elements: str, slope: Printed = slope, names: tuple[str, ...] = tuple(known)
        ) -> tuple[str, str]:
            return slope.filled(dict(zip(names, elements, strict=True)))

        e.push(node.inputs[k], shape, list(known.values()), body)


def printed(text: str) -> Printed:
    """A slope written as C."""
    return Printed((), text, tuple(name for name in ("0", "1", "2", "3", "y", "g") if f"{{{name}}}" in text))


def slopes(table: str, name: str, params: Params, count: int) -> dict[int, str | Printed]:
    """The slopes of a record as C."""
    return {k: in_c(table, name, params, k) for k in range(count)}


def _dense(e: BatchWriter, node: Node) -> None:
    x, kernel = node.inputs[:2]
    fan_in, units = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    g = e.gradient(node.output)

    def each(*lines: str) -> None:
        e.add(*([f"for (long t = 0; t < {times}; t++) {{", *lines, "}"] if times != 1 else lines))

    at_x, at_g = (f" + t * {fan_in} * R", f" + t * {units} * R") if times != 1 else ("", "")
    if kernel in e.wants:
        sign = e.assign(kernel, times == 1)
        add, gw = int(sign == "+="), e.gradient(kernel)
        if units <= DOTS_UP_TO:
            each(
                f"pair_sums({e.place(x)}{at_x}, {g}{at_g}, LOW({fan_in}), HIGH({fan_in}), {units}, R, rows, "
                f"{gw}, {add});"
            )
        else:
            blocks = -(-units // 16)
            turned = e.space(f"turned {-(-units // 64)}", -(-units // 64) * 64)
            each(
                f"to_panels({g}{at_g}, {units}, R, {turned}, LOW({blocks}), HIGH({blocks}));",
                "BARRIER",
                e.product(
                    fan_in,
                    units,
                    "rows",
                    (f"{e.place(x)}{at_x}", "R", 1),
                    turned,
                    64,
                    gw,
                    units,
                    add=sign == "+=",
                ),
                "BARRIER",
            )
    if len(node.inputs) > 2 and node.inputs[2] in e.wants:
        sign = e.assign(node.inputs[2], times == 1)
        each(
            f"feature_sums({g}{at_g}, LOW({units}), HIGH({units}), R, rows, {e.gradient(node.inputs[2])}, "
            f"{int(sign == '+=')});"
        )
    if x in e.wants:
        left = (e.place(kernel), units, 1)
        add_x = e.assign(x) == "+="
        each(e.product(fan_in, "R", units, left, f"{g}{at_g}", "R", f"{e.gradient(x)}{at_x}", "R", add=add_x))
    e.add("BARRIER")


def _turned_dense(e: BatchWriter, node: Node) -> None:
    x, kernel = node.inputs
    units, fan_in = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    at_x, at_g = f" + t * {fan_in} * R", f" + t * {units} * R"
    g = f"{e.gradient(node.output)}{at_g}"
    if kernel in e.wants:
        add = e.assign(kernel, times == 1) == "+="
        blocks = -(-fan_in // 16)
        turned = e.space(f"turned {-(-fan_in // 64)}", -(-fan_in // 64) * 64)
        product = e.product(
            units, fan_in, "rows", (g, "R", 1), turned, 64, e.gradient(kernel), fan_in, add=add
        )
        e.add(
            f"for (long t = 0; t < {times}; t++) {{",
            f"to_panels({e.place(x)}{at_x}, {fan_in}, R, {turned}, LOW({blocks}), HIGH({blocks}));",
            "BARRIER", product, "BARRIER", "}",
        )  # fmt: skip
    if x in e.wants:
        add = e.assign(x) == "+="
        left = (e.place(kernel), 1, fan_in)
        product = e.product(fan_in, "R", units, left, g, "R", f"{e.gradient(x)}{at_x}", "R", add=add)
        e.add(f"for (long t = 0; t < {times}; t++) {{ {product} }}")
    e.add("BARRIER")


def _affine(e: BatchWriter, node: Node) -> None:
    centred = "({0} - {3})" if len(node.inputs) > 3 else "{0}"
    expression(e, node, {0: "({g} * {1})", 1: f"({{g}} * {centred})", 2: "{g}", 3: "(-{g} * {1})"}
               if len(node.inputs) > 3 else {0: "({g} * {1})", 1: "({g} * {0})", 2: "{g}"})  # fmt: skip


def _drop(e: BatchWriter, node: Node) -> None:
    if node.inputs[0] not in e.wants:
        return
    op = node.op
    assert isinstance(op, Drop)
    shape, g = e.shape(node.output), e.of_gradient(node.output, e.shape(node.output))
    factor = mask_of(e, node)[0]
    e.release(node.output)
    if op.kind == "gaussian_noise":
        e.push(node.inputs[0], shape, [g], lambda g: g)
    else:
        e.push(node.inputs[0], shape, [g, factor], lambda g, f: f"{g} * {f}")


def _softmax(e: BatchWriter, node: Node) -> None:
    if node.inputs[0] not in e.wants:
        return
    op = node.op
    assert isinstance(op, Softmax)
    loops = along(e.shape(node.output), [op.axis - 1])
    g, y = (f"{n}[({loops.off}) * R + r]" for n in "gy")
    term = g if op.log else f"{g} * {y}"
    sign = e.assign(node.inputs[0])
    value = f"{g} - fn_exp({y}) * s[r]" if op.log else f"{y} * ({g} - s[r])"
    block(
        e, loops,
        f"const float *g = {e.gradient(node.output)} + ({loops.at}) * R, "
        f"*y = {e.place(node.output)} + ({loops.at}) * R;",
        f"float *to = {e.gradient(node.inputs[0])} + ({loops.at}) * R;",
        f"float *s = {e.space('row of a sum', 8)} + ME * R;",
        "ROWS(r, 0, R) { s[r] = 0.0f; }",
        f"@ROWS(r, 0, R) {{ s[r] += {term}; }}",
        f"@ROWS(r, 0, R) {{ to[({loops.off}) * R + r] {sign} {value}; }}",
    )  # fmt: skip


def _sparsemax(e: BatchWriter, node: Node) -> None:
    if node.inputs[0] not in e.wants:
        return
    op = node.op
    assert isinstance(op, Sparsemax)
    shape = e.shape(node.output)
    loops = along(shape, [op.axis - 1])
    step, n = strides_of(shape)[op.axis - 1], shape[op.axis - 1]
    add = int(e.assign(node.inputs[0]) == "+=")
    block(
        e, loops,
        f"const float *g = {e.gradient(node.output)} + ({loops.at}) * R, "
        f"*y = {e.place(node.output)} + ({loops.at}) * R, *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"float *to = {e.gradient(node.inputs[0])} + ({loops.at}) * R;",
        f"float *z = {e.space(f'sorted {n}', 8 * n)} + ME * {n};",
        f"for (long r = 0; r < R; r++) sparsemax_back(x + r, y + r, g + r, to + r, z, {n}, {step} * R, {add});",
    )  # fmt: skip


def _glu(e: BatchWriter, node: Node) -> None:
    x = node.inputs[0]
    if x not in e.wants:
        return
    op = node.op
    assert isinstance(op, Glu)
    shape, strides = e.shape(node.output), strides_of(e.shape(x))
    half = strides[op.axis - 1] * shape[op.axis - 1]
    sign = e.assign(x)
    to, place = e.gradient(x), e.place(x)
    operands = [
        Operand(to, strides, True, "float", True), Operand(f"({to} + {half} * R)", strides, True, "float", True),
        Operand(place, strides), Operand(f"({place} + {half} * R)", strides), e.of_gradient(node.output, shape),
    ]  # fmt: skip
    e.nest(
        shape, operands,
        lambda ta, tb, a, b, g: f"const float q = fn_sigmoid({b}); {ta} {sign} {g} * q; "
        f"{tb} {sign} {g} * {a} * q * (1.0f - q);",
    )  # fmt: skip


def _moments(e: BatchWriter, node: Node) -> None:
    if node.inputs[0] not in e.wants:
        return
    op = node.op
    kind = op.kind if isinstance(op, Moments) else "standard"
    loops, inverse = moments_loops(e, node)
    sign = e.assign(node.inputs[0])
    g, y, x = (f"{n}[({loops.off}) * R + r]" for n in "gyx")
    n = f"{loops.count}.0f"
    epsilon = f"(float){e.layout.number(op.epsilon)}"  # type: ignore[attr-defined]
    value = {
        "standard": f"({g} - m[r] / {n} - {y} * (s[r] / {n})) * q[r]",
        "rms": f"({g} - {y} * (s[r] / {n})) * q[r]",
        # At or below the smallest length the inverse is this very number, and does not move with x.
        "l2": f"({g} - (q[r] < 1.0f / sqrtf({epsilon}) ? {y} * s[r] : 0.0f)) * q[r]",
        # The mean of x is m; only the deviations of x move the variance.
        "variance": f"({g} - ({x} - m[r] / {n}) * q[r] * (s[r] / {n})) * q[r]",
    }[kind]
    block(
        e, loops,
        f"const float *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"const float *g = {e.gradient(node.output)} + ({loops.at}) * R, "
        f"*y = {e.place(node.output)} + ({loops.at}) * R, *q = {inverse} + ({loops.small}) * R;",
        f"float *to = {e.gradient(node.inputs[0])} + ({loops.at}) * R;",
        f"float *m = {e.space('row of a sum', 8)} + ME * R, *s = {e.space('row of another', 8)} + ME * R;",
        "(void)x; ROWS(r, 0, R) { m[r] = s[r] = 0.0f; }",
        f"@ROWS(r, 0, R) {{ m[r] += {x if kind == 'variance' else g}; s[r] += {g} * {y}; }}",
        f"@ROWS(r, 0, R) {{ to[({loops.off}) * R + r] {sign} {value}; }}",
    )  # fmt: skip


def _transpose(e: BatchWriter, node: Node) -> None:
    op, x = node.op, node.inputs[0]
    assert isinstance(op, Transpose)
    if x not in e.wants:
        return
    source = strides_of(e.shape(x))
    sign = e.assign(x)
    target = Operand(e.gradient(x), tuple(source[p - 1] for p in op.permutation[1:]), True, "float", True)
    shape = e.shape(node.output)
    e.nest(shape, [target, e.of_gradient(node.output, shape)], lambda t, g: f"{t} {sign} {g};")


def _repeat(e: BatchWriter, node: Node) -> None:
    x = node.inputs[0]
    if x not in e.wants:
        return
    shape = e.shape(node.output)
    sign = e.assign(x, whole=False)
    target = Operand(e.gradient(x), (0, *strides_of(shape[1:])), True, "float", True)
    e.nest(shape, [target, e.of_gradient(node.output, shape)], lambda t, g: f"{t} {sign} {g};", sums=True)


def _concatenate(e: BatchWriter, node: Node) -> None:
    g = e.gradient(node.output)
    for value, shape, at in pieces(e, node):
        if value in e.wants:
            source = Operand(f"({g} + {at} * R)", strides_of(e.shape(node.output)))
            e.push(value, shape, [source], lambda g: g)


def _dot(e: BatchWriter, node: Node) -> None:
    assert isinstance(node.op, Dot)
    shape, (of_y, of_a, of_b) = dot_loops(node.op, *map(e.shape, node.inputs))
    for value, own, other, of_other in zip(
        node.inputs, (of_a, of_b), reversed(node.inputs), (of_b, of_a), strict=True
    ):
        if value in e.wants:
            sign = e.assign(value, whole=False)
            operands = [
                Operand(e.gradient(value), own, True, "float", True),
                Operand(e.gradient(node.output), of_y), Operand(e.place(other), of_other),
            ]  # fmt: skip
            e.nest(shape, operands, lambda t, g, o, sign=sign: f"{t} {sign} {g} * {o};", sums=True)


def _gather(e: BatchWriter, node: Node) -> None:
    table = node.inputs[1]
    if table not in e.wants:
        return
    count, width = e.shape(table)
    e.assign(table, whole=False)
    e.add(
        f"add_up({e.place(node.inputs[0])}, {e.gradient(node.output)}, {e.gradient(table)}, "
        f"{e.size(node.inputs[0])}, {count}, {width}, R, rows, LOW({width}), HIGH({width}));",
        "BARRIER",
    )


def _reduce(e: BatchWriter, node: Node) -> None:
    op, x = node.op, node.inputs[0]
    assert isinstance(op, Reduce)
    if op.kind == "argmax" or x not in e.wants:
        return
    shape = e.shape(x)
    loops = along(shape, [a - 1 for a in op.axes])
    sign = e.assign(x)
    at = f"x[({loops.off}) * R + r]"
    before, value = [], "g[r]"
    if op.kind == "mean":
        value = f"g[r] / {loops.count}.0f"
    if op.kind in ("max", "min"):
        before = [
            f"float *n = {e.space('row of a sum', 8)} + ME * R;",
            "ROWS(r, 0, R) { n[r] = 0.0f; }",
            f"@ROWS(r, 0, R) {{ n[r] += {at} == y[r] ? 1.0f : 0.0f; }}",
        ]
        value = f"({at} == y[r] ? g[r] / n[r] : 0.0f)"
    block(
        e, loops,
        f"const float *x = {e.place(x)} + ({loops.at}) * R, *y = {e.place(node.output)} + ({loops.small}) * R;",
        f"const float *g = {e.gradient(node.output)} + ({loops.small}) * R;",
        f"float *to = {e.gradient(x)} + ({loops.at}) * R;",
        "(void)x; (void)y;",
        *before,
        f"@ROWS(r, 0, R) {{ to[({loops.off}) * R + r] {sign} {value}; }}",
    )  # fmt: skip


def _batch_reduce(e: BatchWriter, node: Node) -> None:
    op, x = node.op, node.inputs[0]
    assert isinstance(op, BatchReduce)
    if x not in e.wants:
        return
    n, g, sign = e.size(x), e.gradient(node.output), e.assign(x)
    share = " / (float)rows" if op.kind == "mean" else ""
    e.add(
        f"for (long i = LOW({n}); i < HIGH({n}); i++) {{ const float whole = sum_rows({g} + i * R, rows){share}; "
        f"ROWS(r, 0, R) {{ {e.gradient(x)}[i * R + r] {sign} whole; }} }}",
        "BARRIER",
    )


def moments_loops(e: BatchWriter, node: Node) -> tuple[Loops, str]:
    """Loops of a Moments or GroupMoments and the array of its inverse deviations, one a row and group."""
    op, shape = node.op, e.shape(node.inputs[0])
    if isinstance(op, GroupMoments):
        loops = along(*split_by_groups(shape, op))
    else:
        assert isinstance(op, Moments)
        loops = along(shape, [a - 1 for a in op.axes])
    return loops, e.space(f"inverse {node.output}", prod(e.shape(node.inputs[0])) // loops.count)


def _slice_back(e: BatchWriter, node: Node) -> None:
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


def _pick_back(e: BatchWriter, node: Node) -> None:
    """The gradient summed over a position's copies."""
    if node.inputs[0] in e.wants:
        e.assign(node.inputs[0], whole=False)
        _picked(e, node, f"{e.gradient(node.inputs[0])}[{{of}}] += {e.gradient(node.output)}[{{to}}];")


def _picked(e: BatchWriter, node: Node, statement: str) -> None:
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


def _product_back(e: BatchWriter, node: Node) -> None:
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
            e.nest(sizes, operands, lambda t, g, o, sign=sign: f"{t} {sign} {g} * {o};", sums=True)
            continue
        row = e.space("row of a sum", 8) + " + ME * R"
        e.nest(
            sizes, operands,
            lambda t, g, o, row=row, sign=sign: (
                f"float *t = {row}; ROWS(r, 0, R) {{ t[r] = {g} * {o}; }} {t} {sign} sum_rows(t, rows);"
            ),
            sums=True,
        )  # fmt: skip


def _running(
    e: BatchWriter, shape: tuple[int, ...], axis: int, source: str, target: str, sign: str, back: bool
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


def _cumulative_sum_back(e: BatchWriter, node: Node) -> None:
    """A sum that runs back along the axis."""
    op, x = node.op, node.inputs[0]
    assert isinstance(op, CumulativeSum)
    if x in e.wants:
        sign = e.assign(x)
        _running(e, e.shape(x), op.axis - 1, e.gradient(node.output), e.gradient(x), sign, back=True)


def backward(e: BatchWriter, node: Node) -> None:
    """Emit what carries the gradient on a node's result to its operands, if there is one."""
    op = node.op
    if (
        e.roots[node.output] != node.output
        or node.output not in e.wants
        or e.roots[node.output] not in e.started
    ):
        return
    if isinstance(op, Unary):
        if op.function.function is not None:
            raise UnsupportedError(
                f"the activation {op.function.name!r} has no compiled derivative; use functools.partial of one of "
                "foldnet.activations, if one of them fits"
            )
        params = tuple(parameters(op.function).items())
        expression(
            e, node, slopes("unary", op.function.name, params, len(of(op.function).slopes)), reuse=True
        )
    elif isinstance(op, Binary):
        expression(e, node, slopes("binary", op.kind, (), len(BINARY[op.kind].slopes)))
    elif isinstance(op, Where):
        expression(e, node, {1: in_c("where", "where", (), 1), 2: in_c("where", "where", (), 2)})
    elif type(op) in RULES:
        RULES[type(op)](e, node)
    if e.place(node.output):
        e.release(node.output)


RULES: dict[type, Callable[[BatchWriter, Node], None]] = {
    Affine: _affine,
    Concatenate: _concatenate,
    Dense: _dense,
    Dot: _dot,
    Gather: _gather,
    Glu: _glu,
    GroupMoments: _moments,
    Moments: _moments,
    Repeat: _repeat,
    Softmax: _softmax,
    Sparsemax: _sparsemax,
    Transpose: _transpose,
    BatchNorm: norm_back,
    BatchReduce: _batch_reduce,
    BatchRenorm: norm_back,
    FixedNorm: norm_back,
    Drop: _drop,
    Reduce: _reduce,
    TurnedDense: _turned_dense,
    Slice: _slice_back,
    Pick: _pick_back,
    Product: _product_back,
    CumulativeSum: _cumulative_sum_back,
}
"""How gradients go through ops that are not plain expressions."""
