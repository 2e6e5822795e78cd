"""For each op, the C that computes it in a training program, [element][row] by [element][row]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt

from foldnet.engines.native import maths
from foldnet.engines.native.train_emit import Emitter, Operand, _full, strides_of
from foldnet.errors import UnsupportedError
from foldnet.graph import ops, train_ops
from foldnet.graph.graph import Node

SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805

UNARY = {
    "negative": "-({0})",
    "abs": "fn_abs({0})",
    "sign": "(({0}) > 0.0f ? 1.0f : ({0}) < 0.0f ? -1.0f : ({0}))",
    "square": "(({0}) * ({0}))",
    "sqrt": "sqrtf({0})",
    "rsqrt": "(1.0f / sqrtf({0}))",
    "reciprocal": "(1.0f / ({0}))",
    "exp": "fn_exp({0})",
    "expm1": "fn_expm1({0})",
    "log": "fn_log({0})",
    "log1p": "fn_log1p({0})",
    "tanh": "fn_tanh({0})",
    "sigmoid": "fn_sigmoid({0})",
    "softplus": "fn_softplus({0})",
    "sin": "sinf({0})",
    "cos": "cosf({0})",
    "floor": "floorf({0})",
    "logical_not": "(({0}) == 0.0f ? 1.0f : 0.0f)",
    "stop_gradient": "({0})",
}
"""C of each unary operation."""

_COMPARE = {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}

COMBINE = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "power": "powf({0}, {1})",
    # NaN wins, as in NumPy.
    "maximum": "({0} >= {1} || {0} != {0} ? {0} : {1})",
    "minimum": "({0} <= {1} || {0} != {0} ? {0} : {1})",
    **{name: f"({{0}} {sign} {{1}} ? 1.0f : 0.0f)" for name, sign in _COMPARE.items()},
    "logical_and": "({0} != 0.0f && {1} != 0.0f ? 1.0f : 0.0f)",
    "logical_or": "({0} != 0.0f || {1} != 0.0f ? 1.0f : 0.0f)",
}
"""C of each operation of two values."""


@dataclass(frozen=True)
class Along:
    """Loops over the axes that stay and over those that are worked along.

    Attributes:
        outer, inner: heads of C loops.
        at: place of the outer position among all elements; ``small``: among those that stay.
        off: place within, along the inner loops.
        count: elements along.
    """

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    at: str
    small: str
    off: str
    count: int


def along(shape: Sequence[int], axes: Sequence[int]) -> Along:
    """Loops for working along ``axes`` (of the shape without batch axis)."""
    steps = _full(shape)
    kept = [a for a in range(len(shape)) if a not in axes and shape[a] != 1]
    small = _full([shape[a] for a in kept])
    outer, inner = [], []
    for place, a in enumerate(kept):
        low, high = (f"LOW({shape[a]})", f"HIGH({shape[a]})") if place == 0 else ("0", str(shape[a]))
        outer.append(f"for (long i{a} = {low}; i{a} < {high}; i{a}++)")
    for a in axes:
        inner.append(f"for (long k{a} = 0; k{a} < {shape[a]}; k{a}++)")
    return Along(
        tuple(outer or ("if (FIRST)",)),
        tuple(inner),
        " + ".join(f"i{a} * {steps[a]}" for a in kept) or "0",
        " + ".join(f"i{a} * {s}" for a, s in zip(kept, small, strict=True)) or "0",
        " + ".join(f"k{a} * {steps[a]}" for a in axes) or "0",
        prod(shape[a] for a in axes),
    )


def block(e: Emitter, loops: Along, *body: str) -> None:
    """The body inside the outer loops; each element of ``body`` that starts with ``@`` is inside the inner ones."""
    lines = []
    for text in body:
        lines.append(" ".join(loops.inner) + " " + text[1:] if text.startswith("@") else text)
    e.add(*loops.outer, "{", *lines, "}", "BARRIER")


def elementwise(e: Emitter, node: Node, body: Callable[..., str]) -> None:
    """An op whose every element is ``body(*operands)``."""
    shape = e.shape(node.output)
    operands = [e.operand(v, shape) for v in node.inputs]
    e.nest(shape, [e.target(node.output), *operands], lambda y, *xs: f"{y} = {body(*xs)};")


def _dense(e: Emitter, node: Node) -> None:
    x, kernel = node.inputs[:2]
    fan_in, units = e.shape(kernel)
    times = prod(e.shape(x)[:-1])
    bias = e.place(node.inputs[2]) if len(node.inputs) > 2 else "0"
    pack = e.space(f"packed columns {fan_in}", 24 * 8 * fan_in, laned=False) if fan_in * units >= 40_000 else ""
    pack = f"{pack} + ME * {24 * fan_in}" if pack else "0"
    loop = f"for (long t = 0; t < {times}; t++) " if times != 1 else ""
    step = (f" + t * {fan_in} * R", f" + t * {units} * R") if times != 1 else ("", "")
    e.add(
        f"{loop}dense({e.place(x)}{step[0]}, {e.place(kernel)}, {bias}, {e.place(node.output)}{step[1]}, "
        f"{fan_in}, {units}, R, LOW({units}), HIGH({units}), {pack});",
        "BARRIER",
    )


def _affine(e: Emitter, node: Node) -> None:
    if len(node.inputs) > 3:
        elementwise(e, node, lambda x, s, o, m: f"({x} - {m}) * {s} + {o}")
    else:
        elementwise(e, node, lambda x, s, o: f"{x} * {s} + {o}")


def statistics(e: Emitter, node: Node) -> tuple[Along, str, str, int]:
    """Loops of a BatchNorm and the arrays of its means and inverse deviations."""
    x, mean = node.inputs[0], node.inputs[1]
    shape, kept = e.shape(x), e.shape(mean)
    loops = along(shape, [a for a, n in enumerate(kept) if n == 1])
    size = prod(kept)
    return loops, e.space(f"mean {node.output}", size, False), e.space(f"inverse {node.output}", size, False), size


def _batch_norm(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, train_ops.BatchNorm)
    loops, mean, inverse, _ = statistics(e, node)
    x, moving, variance = (e.place(v) for v in node.inputs[:3])
    rest = [e.place(v) for v in node.inputs[3:]]
    gamma = f"{rest[0]}[k]" if op.scale else "1.0f"
    beta = f"{rest[-1]}[k]" if op.center else "0.0f"
    keep, take = e.layout.number(op.momentum), e.layout.number(1 - op.momentum)
    epsilon = e.layout.number(op.epsilon)
    block(
        e, loops,
        f"const long k = {loops.small};",
        f"const float *x = {x} + ({loops.at}) * R; float *y = {e.place(node.output)} + ({loops.at}) * R;",
        f"float m = {moving}[k], v = {variance}[k];",
        "if (TRAINING) {",
        f"const float count = (float)({loops.count}L * rows);",
        "m = v = 0.0f;",
        f"@m += sum_rows(x + ({loops.off}) * R, rows);",
        "m /= count;",
        f"@v += spread_rows(x + ({loops.off}) * R, m, rows);",
        "v /= count;",
        f"{moving}[k] = {moving}[k] * (float){keep} + m * (float){take};",
        f"{variance}[k] = {variance}[k] * (float){keep} + v * (float){take};",
        "}",
        f"const float s = 1.0f / sqrtf(v + (float){epsilon}), gs = s * {gamma}, b = {beta};",
        f"{mean}[k] = m; {inverse}[k] = s;",
        f"@ROWS(r, 0, R) {{ y[({loops.off}) * R + r] = (x[({loops.off}) * R + r] - m) * gs + b; }}",
    )  # fmt: skip


def mask_of(e: Emitter, node: Node) -> tuple[Operand, Operand | None]:
    """A Drop's factors and addends as operands spread over its operand's shape."""
    op = node.op
    assert isinstance(op, train_ops.Drop)
    shape = e.shape(node.inputs[0])
    shared = (*op.shared[1:], *(False,) * len(shape))[: len(shape)]
    mask = tuple(1 if s else n for s, n in zip(shared, shape, strict=True))
    factor = Operand(e.space(f"factor {node.output}", prod(mask)), strides_of(mask))
    if op.kind in ("alpha_dropout", "gaussian_noise"):
        return factor, Operand(e.space(f"addend {node.output}", prod(mask)), strides_of(mask))
    return factor, None


def _drop(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, train_ops.Drop)
    shape = e.shape(node.inputs[0])
    factor, addend = mask_of(e, node)
    count = prod(1 if s else n for s, n in zip((*op.shared[1:], *(False,) * len(shape)), shape, strict=False))
    number = e.layout.number
    low = high = addend_low = addend_high = "0.0"
    threshold = "0.0"
    if op.kind.startswith("gaussian"):
        high = number(op.rate if op.kind == "gaussian_noise" else sqrt(op.rate / (1 - op.rate)))
    elif op.kind == "alpha_dropout":
        a = ((1 - op.rate) * (1 + op.rate * SELU_FLOOR**2)) ** -0.5
        b = -a * SELU_FLOOR * op.rate
        threshold, high = number(min(round(op.rate * 2.0**32), 2**32)), number(a)
        addend_low, addend_high = number(a * SELU_FLOOR + b), number(b)
    else:
        threshold = number(min(round(op.rate * 2.0**32), 2**32))
        high = number(0.0 if op.rate >= 1 else 1 / (1 - op.rate))
    each = 0 if op.shared and op.shared[0] else 1
    quads = -(-count // 4)
    kind = {"gaussian_noise": 2, "gaussian_dropout": 1}.get(op.kind, 0)
    e.add(
        f"random_change({kind}, {factor.name}, {addend.name if addend else '0'}, {count}, R, {each}, LOW({quads}), "
        f"HIGH({quads}), TRAINING, step, (Key){{(uint32_t)seed, {op.stream & 0xFFFFFFFF}u}}, {threshold}, "
        f"(float){low}, (float){high}, (float){addend_low}, (float){addend_high});",
        "BARRIER",
    )
    x = e.operand(node.inputs[0], shape)
    operands = [e.target(node.output), x, factor, *([addend] if addend else [])]
    e.nest(shape, operands, lambda y, x, f, *d: f"{y} = {x} * {f}{' + ' + d[0] if d else ''};")


def _activation(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Activation)
    elementwise(e, node, lambda x: maths.call(op.function, x))


def _softmax(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Softmax)
    loops = along(e.shape(node.inputs[0]), [op.axis - 1])
    x, y = f"x[({loops.off}) * R + r]", f"y[({loops.off}) * R + r]"
    last = f"{y} -= fn_log(s[r])" if op.log else f"{y} /= s[r]"
    keep = f"{x} - m[r]" if op.log else "q"
    block(
        e, loops,
        f"const float *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"float *y = {e.place(node.output)} + ({loops.at}) * R;",
        f"float *m = {e.space('row of a sum', 8)} + ME * R, *s = {e.space('row of another', 8)} + ME * R;",
        "ROWS(r, 0, R) { m[r] = x[r]; s[r] = 0.0f; }",
        f"@ROWS(r, 0, R) {{ m[r] = {x} >= m[r] || {x} != {x} ? {x} : m[r]; }}",
        f"@ROWS(r, 0, R) {{ const float q = fn_exp({x} - m[r]); s[r] += q; {y} = {keep}; }}",
        f"@ROWS(r, 0, R) {{ {last}; }}",
    )  # fmt: skip


def _sparsemax(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Sparsemax)
    shape = e.shape(node.inputs[0])
    loops = along(shape, [op.axis - 1])
    step, n = _full(shape)[op.axis - 1], shape[op.axis - 1]
    block(
        e, loops,
        f"const float *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"float *y = {e.place(node.output)} + ({loops.at}) * R;",
        f"float *z = {e.space(f'sorted {n}', 8 * n)} + ME * {n};",
        f"for (long r = 0; r < R; r++) sparsemax(x + r, y + r, z, {n}, {step} * R);",
    )  # fmt: skip


def _glu(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Glu)
    shape, whole = e.shape(node.output), e.shape(node.inputs[0])
    half = _full(whole)[op.axis - 1] * shape[op.axis - 1]
    x = e.place(node.inputs[0])
    strides = _full(whole)
    operands = [e.target(node.output), Operand(x, strides), Operand(f"({x} + {half} * R)", strides)]
    e.nest(shape, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")


def _prelu(e: Emitter, node: Node) -> None:
    elementwise(e, node, lambda x, a: f"({x} > 0.0f ? {x} : {a} * {x})")


def moments_loops(e: Emitter, node: Node) -> tuple[Along, str]:
    """Loops of a Moments or GroupMoments and the array of its inverse deviations, one a row and group."""
    op, shape = node.op, e.shape(node.inputs[0])
    if isinstance(op, ops.GroupMoments):
        shape, axis = grouped(shape, op)
        loops = along(shape, [a for a in range(len(shape)) if a != axis])
    else:
        assert isinstance(op, ops.Moments)
        loops = along(shape, [a - 1 for a in op.axes])
    return loops, e.space(f"inverse {node.output}", prod(shape) // loops.count)


def grouped(shape: Sequence[int], op: ops.GroupMoments) -> tuple[tuple[int, ...], int]:
    """The shape with the channel axis split in groups and channels, and the axis of the groups."""
    at = op.axis - 1
    return (*shape[:at], op.groups, shape[at] // op.groups, *shape[at + 1 :]), at


def _moments(e: Emitter, node: Node) -> None:
    op = node.op
    kind = op.kind if isinstance(op, ops.Moments) else "standard"
    loops, inverse = moments_loops(e, node)
    epsilon = f"(float){e.layout.number(op.epsilon)}"  # type: ignore[attr-defined]
    x = f"x[({loops.off}) * R + r]"
    centred = kind in ("standard", "variance")
    scale = {"l2": f"1.0f / sqrtf(s[r] > {epsilon} ? s[r] : {epsilon})"}.get(
        kind, f"1.0f / sqrtf(s[r] / {loops.count}.0f + {epsilon})"
    )
    shift = f"({x} - m[r])" if kind == "standard" else x
    block(
        e, loops,
        f"const float *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"float *y = {e.place(node.output)} + ({loops.at}) * R, *q = {inverse} + ({loops.small}) * R;",
        f"float *m = {e.space('row of a sum', 8)} + ME * R, *s = {e.space('row of another', 8)} + ME * R;",
        "ROWS(r, 0, R) { m[r] = s[r] = 0.0f; }",
        *([f"@ROWS(r, 0, R) {{ m[r] += {x}; }}", f"ROWS(r, 0, R) {{ m[r] /= {loops.count}.0f; }}"] if centred else []),
        f"@ROWS(r, 0, R) {{ const float d = {x} - m[r]; s[r] += d * d; }}",
        f"ROWS(r, 0, R) {{ q[r] = {scale}; }}",
        f"@ROWS(r, 0, R) {{ y[({loops.off}) * R + r] = {shift} * q[r]; }}",
    )  # fmt: skip


def _transpose(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Transpose)
    source = _full(e.shape(node.inputs[0]))
    strides = tuple(source[p - 1] for p in op.permutation[1:])
    kind = e.target(node.output).kind
    x = Operand(e.place(node.inputs[0]), strides, True, kind)
    e.nest(e.shape(node.output), [e.target(node.output), x], lambda y, x: f"{y} = {x};")


def _repeat(e: Emitter, node: Node) -> None:
    shape = e.shape(node.output)
    x = Operand(e.place(node.inputs[0]), (0, *_full(shape[1:])), True, e.target(node.output).kind)
    e.nest(shape, [e.target(node.output), x], lambda y, x: f"{y} = {x};")


def pieces(e: Emitter, node: Node) -> list[tuple[str, tuple[int, ...], int]]:
    """Each operand of a Concatenate, its shape, and where in the result it starts."""
    op = node.op
    assert isinstance(op, ops.Concatenate)
    step, at, found = _full(e.shape(node.output))[op.axis - 1], 0, []
    for value in node.inputs:
        found.append((value, e.shape(value), at * step))
        at += e.shape(value)[op.axis - 1]
    return found


def _concatenate(e: Emitter, node: Node) -> None:
    y, kind = e.place(node.output), e.target(node.output).kind
    for value, shape, at in pieces(e, node):
        target = Operand(f"({y} + {at} * R)", _full(e.shape(node.output)), True, kind, True)
        e.nest(shape, [target, Operand(e.place(value), _full(shape), e.laned(value), e.target(value).kind)],
               lambda y, x: f"{y} = {x};")  # fmt: skip


def dot_strides(e: Emitter, node: Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Loops of a Dot: shape over free axes and the contracted one, and strides of the result and the operands."""
    op = node.op
    assert isinstance(op, ops.Dot)
    a, b = (e.shape(v) for v in node.inputs)
    i, j = op.axes[0] - 1, op.axes[1] - 1
    free_a, free_b = [k for k in range(len(a)) if k != i], [k for k in range(len(b)) if k != j]
    shape = (*(a[k] for k in free_a), *(b[k] for k in free_b), a[i])
    sa, sb = _full(a), _full(b)
    of_a = (*(sa[k] for k in free_a), *(0 for _ in free_b), sa[i])
    of_b = (*(0 for _ in free_a), *(sb[k] for k in free_b), sb[j])
    of_y = (*_full(shape[:-1]), 0)
    return shape, of_y, of_a, of_b


def _dot(e: Emitter, node: Node) -> None:
    shape, of_y, of_a, of_b = dot_strides(e, node)
    y = e.place(node.output)
    e.add(f"if (FIRST) memset({y}, 0, sizeof(float) * {e.size(node.output)}L * R);", "BARRIER")
    operands = [Operand(y, of_y, True, "float", True)]
    operands += [Operand(e.place(v), s) for v, s in zip(node.inputs, (of_a, of_b), strict=True)]
    e.nest(shape, operands, lambda y, a, b: f"{y} += {a} * {b};", serial=True)


def _gather(e: Emitter, node: Node) -> None:
    count, width = e.shape(node.inputs[1])
    e.add(
        f"look_up({e.place(node.inputs[0])}, {e.place(node.inputs[1])}, {e.place(node.output)}, "
        f"{e.size(node.inputs[0])}, {count}, {width}, R, rows, job, LOW({width}), HIGH({width}));",
        "BARRIER",
    )


def _cast(e: Emitter, node: Node) -> None:
    if e.is_int(node.output) and not e.is_int(node.inputs[0]):
        elementwise(e, node, lambda x: f"fn_to_int({x})")
    elif e.is_int(node.inputs[0]):
        elementwise(e, node, lambda x: f"(float){x}")


def _one_hot(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, train_ops.OneHot)
    x, y = node.inputs[0], e.place(node.output)
    e.add(
        f"for (long i = LOW({e.size(x)}); i < HIGH({e.size(x)}); i++) for (long k = 0; k < {op.size}; k++) "
        f"ROWS(r, 0, R) {{ {y}[(i * {op.size} + k) * R + r] = {e.place(x)}[i * R + r] == k ? 1.0f : 0.0f; }}",
        "BARRIER",
    )


def _reduce(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, train_ops.Reduce)
    shape = e.shape(node.inputs[0])
    loops = along(shape, [a - 1 for a in op.axes])
    x = f"x[({loops.off}) * R + r]"
    k = f"k{op.axes[0] - 1}"
    step, start = {
        "sum": (f"y[r] += {x};", "0.0f"),
        "mean": (f"y[r] += {x};", "0.0f"),
        "max": (f"y[r] = {x} >= y[r] || {x} != {x} ? {x} : y[r];", "x[r]"),
        "min": (f"y[r] = {x} <= y[r] || {x} != {x} ? {x} : y[r];", "x[r]"),
        "argmax": (f"const int up = {x} > m[r]; m[r] = up ? {x} : m[r]; y[r] = up ? (float){k} : y[r];", "0.0f"),
    }[op.kind]
    end = [f"ROWS(r, 0, R) {{ y[r] /= {loops.count}.0f; }}"] if op.kind == "mean" else []
    best = []
    if op.kind == "argmax":
        best = [f"float *m = {e.space('row of a sum', 8)} + ME * R;", "ROWS(r, 0, R) { m[r] = x[r]; }"]
    block(
        e, loops,
        f"const float *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"float *y = {e.place(node.output)} + ({loops.small}) * R;",
        *best,
        f"ROWS(r, 0, R) {{ y[r] = {start}; }}",
        f"@ROWS(r, 0, R) {{ {step} }}",
        *end,
    )  # fmt: skip


def _by_text(text: str) -> Callable[..., str]:
    return lambda *xs: text.format(*xs)


def forward(e: Emitter, node: Node) -> None:
    """Emit the C of a node.

    Raises:
        UnsupportedError: an op, or a function, without a compiled form.
    """
    op = node.op
    if e.roots[node.output] != node.output:
        return
    if isinstance(op, train_ops.Unary):
        elementwise(e, node, _by_text(UNARY[op.kind]))
    elif isinstance(op, (train_ops.Combine, ops.Binary)):
        elementwise(e, node, _by_text(COMBINE[op.kind]))
    elif isinstance(op, train_ops.Where):
        elementwise(e, node, lambda c, a, b: f"({c} != 0.0f ? {a} : {b})")
    elif type(op) in RULES:
        RULES[type(op)](e, node)
    else:
        raise UnsupportedError(f"{type(op).__name__} has no compiled form for training; use engine=\"reference\"")


RULES: dict[type, Callable[[Emitter, Node], None]] = {
    ops.Activation: _activation,
    ops.Affine: _affine,
    ops.Cast: _cast,
    ops.Concatenate: _concatenate,
    ops.Dense: _dense,
    ops.Dot: _dot,
    ops.Gather: _gather,
    ops.Glu: _glu,
    ops.GroupMoments: _moments,
    ops.Moments: _moments,
    ops.PRelu: _prelu,
    ops.Repeat: _repeat,
    ops.Softmax: _softmax,
    ops.Sparsemax: _sparsemax,
    ops.Transpose: _transpose,
    train_ops.BatchNorm: _batch_norm,
    train_ops.Drop: _drop,
    train_ops.OneHot: _one_hot,
    train_ops.Reduce: _reduce,
}
"""How ops that are not plain expressions are computed."""
