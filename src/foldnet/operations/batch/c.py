"""C of the normalizations by statistics of the batch or by moving ones: forward, moving, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod, sqrt
from typing import Any

from foldnet.codegen.batch import Loops, StepWriter, along, block
from foldnet.codegen.loops import Operand, broadcast_strides
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.batch.op import (
    MASK_EPSILON,
    BatchNorm,
    BatchReduce,
    BatchRenorm,
    Drop,
    DropGradient,
    FixedNorm,
    Norm,
    NormGradient,
    RowShare,
    SumTo,
    weights_of,
)

SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805


class _Parts:
    """A node's loops, operands, and the arrays that forward leaves for backward, one number per channel ``k``."""

    def __init__(self, e: StepWriter, op: Norm, result: str, operands: Sequence[str]) -> None:
        self.op, self.x, self._e, self._result, self._operands = op, operands[0], e, result, operands
        kept = e.shape(operands[1])
        self.size = prod(kept)
        self.axes = [a for a, n in enumerate(kept) if n == 1]
        self.loops: Loops = along(e.shape(self.x), self.axes)
        self.gamma, self.beta, self.mask = weights_of(op, operands)
        self.mean, self.inverse = self._kept("mean"), self._kept("inverse")
        self.factor = self.addend = ""
        if isinstance(op, BatchRenorm):
            self.factor, self.addend = self._kept("factor"), self._kept("addend")
        self.count = self._kept("count") if self.mask else ""

    def _kept(self, what: str) -> str:
        return self._e.space(f"{what} {self._result}", self.size, False)

    def own(self, index: int) -> str:
        """This channel's element of a batch-free operand."""
        return f"{self._e.place(self._operands[index])}[k]"

    def counts(self) -> str:
        """The C of the mask's row for the element of x at hand: 0 where it does not count."""
        assert self.mask is not None
        shape, own = self._e.shape(self.x), self._e.shape(self.mask)
        terms = [
            f"{'k' if a in self.axes else 'i'}{a} * {step}"
            for a, step in enumerate(broadcast_strides(own))
            if step and shape[a] != 1
        ]
        return f"({self._e.place(self.mask)} + ({' + '.join(terms) or '0'}) * R)"


def _at_most(value: str, limit: str) -> str:
    return f"({value} <= {limit} || {value} != {value} ? {value} : {limit})"


def _at_least(value: str, limit: str) -> str:
    return f"({value} >= {limit} || {value} != {value} ? {value} : {limit})"


def _moments(p: _Parts) -> list[str]:
    """The batch's mean ``m`` and biased variance ``v``."""
    x = f"x + ({p.loops.off}) * R"
    if p.mask is None:
        return [
            f"const float count = (float)({p.loops.count}L * rows);",
            "m = v = 0.0f;",
            f"@m += sum_rows({x}, rows);",
            "m /= count;",
            f"@v += spread_rows({x}, m, rows);",
            "v /= count;",
        ]
    return [
        "float count = 0.0f;",
        "m = v = 0.0f;",
        f"@{{ m += counted_rows({x}, {p.counts()}, rows); count += sum_rows({p.counts()}, rows); }}",
        f"count += {MASK_EPSILON}f;",
        "m /= count;",
        f"@v += counted_spread_rows({x}, {p.counts()}, m, rows);",
        "v /= count;",
        f"{p.count}[k] = count;",
    ]


def _towards(e: StepWriter, old: str, new: str, momentum: float) -> str:
    keep, take = e.layout.number(momentum), e.layout.number(1 - momentum)
    return f"{old} = {old} * (float){keep} + {new} * (float){take};"


def _corrections(e: StepWriter, p: _Parts) -> list[str]:
    """Renorm's factor ``rn`` and addend ``dn``, held to their limits, and what moves."""
    op = p.op
    assert isinstance(op, BatchRenorm)
    moving_mean, moving_variance, moving_stddev, renorm_mean, renorm_stddev = (p.own(i) for i in range(1, 6))
    epsilon = f"(float){e.layout.number(op.epsilon)}"
    lines = [
        f"const float sd = sqrtf(v + {epsilon}), least = sqrtf({epsilon}), known = "
        f"{_at_least(renorm_stddev, 'least')};",
        f"rn = sd / known; dn = (m - {renorm_mean}) / known;",
    ]
    limits = [(_at_least, "rn", op.r_min), (_at_most, "rn", op.r_max)]
    if op.d_max is not None:
        limits += [(_at_least, "dn", -op.d_max), (_at_most, "dn", op.d_max)]
    for held, name, limit in limits:
        if limit is not None:
            lines.append(
                f"{{ const float q = (float){e.layout.number(limit)}; {name} = {held(name, 'q')}; }}"
            )
    return [
        *lines,
        _towards(e, moving_mean, "m", op.momentum),
        _towards(e, moving_stddev, "sd", op.momentum),
        f"{{ const float q = {moving_stddev} * {moving_stddev} - {epsilon}; "
        f"{moving_variance} = {_at_least('q', '0.0f')}; }}",
        _towards(e, renorm_mean, "m", op.renorm_momentum),
        _towards(e, renorm_stddev, "sd", op.renorm_momentum),
    ]


def _of_the_batch(e: StepWriter, p: _Parts) -> list[str]:
    """What a training step does before it normalizes: the batch's statistics, and the moving ones moved."""
    op = p.op
    if isinstance(op, FixedNorm):
        return []
    if isinstance(op, BatchRenorm):
        moves = _corrections(e, p)
    else:
        moves = [_towards(e, p.own(1), "m", op.momentum), _towards(e, p.own(2), "v", op.momentum)]
    return ["if (TRAINING) {", *_moments(p), *moves, "}"]


def norm(e: StepWriter, node: Node) -> None:
    """Statistics of the batch, or the moving ones, and what they make of x."""
    assert isinstance(node.op, Norm)
    p = _Parts(e, node.op, node.output, node.inputs)
    loops = p.loops
    gamma = f"{e.place(p.gamma)}[k]" if p.gamma else "1.0f"
    beta = f"{e.place(p.beta)}[k]" if p.beta else "0.0f"
    head, corrected, keep = "", ("", ""), ""
    if p.factor:
        head, corrected = ", rn = 1.0f, dn = 0.0f", ("rn * ", f"dn * {gamma} + ")
        keep = f" {p.factor}[k] = rn; {p.addend}[k] = dn;"
    epsilon = e.layout.number(p.op.epsilon)
    block(
        e, loops,
        f"const long k = {loops.small};",
        f"const float *x = {e.place(p.x)} + ({loops.at}) * R; float *y = {e.place(node.output)} + ({loops.at}) * R;",
        f"float m = {p.own(1)}, v = {p.own(2)}{head};",
        *_of_the_batch(e, p),
        f"const float s = 1.0f / sqrtf(v + (float){epsilon}), gs = s * {corrected[0]}{gamma}, "
        f"b = {corrected[1]}{beta};",
        f"{p.mean}[k] = m; {p.inverse}[k] = s;{keep}",
        f"@ROWS(r, 0, R) {{ y[({loops.off}) * R + r] = (x[({loops.off}) * R + r] - m) * gs + b; }}",
    )  # fmt: skip


def _to_x(e: StepWriter, p: _Parts, to: str) -> Sequence[str]:
    """The gradient on x, given ``total`` and ``along``: Ioffe and Szegedy (2015), section 3, in closed form."""
    loops = p.loops
    factor = (
        "s" + (f" * {p.factor}[k]" if p.factor else "") + (f" * {e.place(p.gamma)}[k]" if p.gamma else "")
    )
    to = f"float *to = {e.place(to)} + ({loops.at}) * R;"
    if isinstance(p.op, FixedNorm):
        return [
            f"const float f = {factor};",
            to,
            f"@ROWS(r, 0, R) {{ const long o = ({loops.off}) * R + r; to[o] = f * g[o]; }}",
        ]
    head = f"const float f = {factor}, a = total / count, b = along / count * s"
    at = f"const long o = ({loops.off}) * R + r;"
    if p.mask is None:
        return [
            f"{head};",
            to,
            f"@ROWS(r, 0, R) {{ {at} to[o] = f * (g[o] - a - (x[o] - m) * b); }}",
        ]
    # Sums are divided by a little more than their number, so deviations do not sum to 0.
    return [
        f"{head}, c = m + m * {MASK_EPSILON}f / count;",
        to,
        f"@{{ const float *w = {p.counts()}; "
        f"ROWS(r, 0, R) {{ {at} to[o] = f * (g[o] - (w[r] != 0.0f ? a + (x[o] - c) * b : 0.0f)); }} }}",
    ]


def norm_gradient(e: StepWriter, node: Node) -> None:
    """Gradients on x, gamma and beta."""
    op = node.op
    assert isinstance(op, NormGradient)
    y, g, *operands = node.inputs
    p = _Parts(e, op.of, y, operands)
    loops, results = p.loops, iter(node.outputs)
    count = f"{p.count}[k]" if p.count else f"(float)({loops.count}L * rows)"
    lines: list[str] = []
    on_x = next(results) if op.on_x else ""
    if op.on_gamma:
        value = f"along * {p.factor}[k] + total * {p.addend}[k]" if p.factor else "along"
        lines.append(f"{e.place(next(results))}[k] = {value};")
    if op.on_beta:
        lines.append(f"{e.place(next(results))}[k] = total;")
    if on_x:
        lines += _to_x(e, p, on_x)
    block(
        e, loops,
        f"const long k = {loops.small};",
        f"const float *x = {e.place(p.x)} + ({loops.at}) * R, *g = {e.place(g)} + ({loops.at}) * R;",
        f"const float m = {p.mean}[k], s = {p.inverse}[k], count = {count};",
        "float total = 0.0f, along = 0.0f;",
        f"@{{ total += sum_rows(g + ({loops.off}) * R, rows); "
        f"along += centred_rows(g + ({loops.off}) * R, x + ({loops.off}) * R, m, rows); }}",
        "along *= s; (void)count; (void)total; (void)along;",
        *lines,
    )  # fmt: skip


def mask_of(e: StepWriter, op: Drop, result: str) -> tuple[Operand, Operand | None]:
    """A Drop's factors and addends as operands spread over its result's shape."""
    shape = e.shape(result)
    shared = (*op.shared[1:], *(False,) * len(shape))[: len(shape)]
    mask = tuple(1 if s else n for s, n in zip(shared, shape, strict=True))
    factor = Operand(e.space(f"factor {result}", prod(mask)), broadcast_strides(mask))
    if op.kind in ("alpha_dropout", "gaussian_noise"):
        return factor, Operand(e.space(f"addend {result}", prod(mask)), broadcast_strides(mask))
    return factor, None


def drop(e: StepWriter, node: Node) -> None:
    """Random factors, and x times them."""
    op = node.op
    assert isinstance(op, Drop)
    shape = e.shape(node.inputs[0])
    factor, addend = mask_of(e, op, node.output)
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
        f"random_change({kind}, {factor.base}, {addend.base if addend else '0'}, {count}, R, {each}, LOW({quads}), "
        f"HIGH({quads}), TRAINING, step, (Key){{(uint32_t)seed, {op.stream & 0xFFFFFFFF}u}}, {threshold}, "
        f"(float){low}, (float){high}, (float){addend_low}, (float){addend_high});",
        "BARRIER",
    )
    x = e.spread(node.inputs[0], shape)
    operands = [e.write(node.output), x, factor, *([addend] if addend else [])]
    e.nest(shape, operands, lambda y, x, f, *d: f"{y} = {x} * {f}{' + ' + d[0] if d else ''};")


def batch_reduce(e: StepWriter, node: Node) -> None:
    """Sum or mean over the rows, written to every row."""
    op = node.op
    assert isinstance(op, BatchReduce)
    n, x, y = e.size(node.output), e.place(node.inputs[0]), e.place(node.output)
    share = " / (float)rows" if op.kind == "mean" else ""
    e.add(
        f"for (long i = LOW({n}); i < HIGH({n}); i++) {{ const float whole = sum_rows({x} + i * R, rows){share}; "
        f"ROWS(r, 0, R) {{ {y}[i * R + r] = whole; }} }}",
        "BARRIER",
    )


def drop_gradient(e: StepWriter, node: Node) -> None:
    """Times the factors."""
    op, (y, g) = node.op, node.inputs
    assert isinstance(op, DropGradient)
    shape, to = e.shape(g), e.write(node.output)
    if op.of.kind == "gaussian_noise":
        e.nest(shape, [to, e.read(g)], lambda t, g: f"{t} = {g};")
    else:
        factor = mask_of(e, op.of, y)[0]
        e.nest(shape, [to, e.read(g), factor], lambda t, g, f: f"{t} = {g} * {f};")


def row_share(e: StepWriter, node: Node) -> None:
    """``1 / rows`` at each row."""
    e.add(f"if (FIRST) ROWS(r, 0, R) {{ {e.place(node.output)}[r] = 1.0f / (float)rows; }}")
    e.wait()


def sum_to(e: StepWriter, node: Node) -> None:
    """Summed over rows and over the axes along which a value was spread, in order."""
    (x,) = node.inputs
    shape, own = e.shape(x), e.shape(node.output)
    padded = (1,) * (len(shape) - len(own)) + own
    if e.laned(node.output) or not e.laned(x):
        e.zero(node.output)
        target = e.write(node.output, broadcast_strides(padded))
        e.nest(shape, [target, e.read(x)], lambda t, x: f"{t} += {x};", sums=True)
        return
    summed = next((k for k in range(len(shape) + 1) if padded == (1,) * k + shape[k:]), None)
    if summed is not None:  # only axes in front: all features at once
        times, n = prod(shape[:summed]), prod(shape[summed:])
        if times != 1:
            e.zero(node.output)
        loop = f"for (long t = 0; t < {times}; t++) " if times != 1 else ""
        at = f" + t * {n} * R" if loop else ""
        to = e.place(node.output)
        e.add(f"{loop}feature_sums({e.place(x)}{at}, LOW({n}), HIGH({n}), R, rows, {to}, {int(times != 1)});")
        e.wait()
        return
    e.zero(node.output)
    target = e.write(node.output, broadcast_strides(padded))
    e.nest(
        shape, [target, replace(e.read(x), rows=True)], lambda t, x: f"{t} += sum_rows({x}, rows);", sums=True
    )


RULES: dict[type[Op], Callable[[Any, Node], None]] = {
    BatchNorm: norm,
    BatchReduce: batch_reduce,
    BatchRenorm: norm,
    Drop: drop,
    FixedNorm: norm,
    DropGradient: drop_gradient,
    NormGradient: norm_gradient,
    RowShare: row_share,
    SumTo: sum_to,
}
