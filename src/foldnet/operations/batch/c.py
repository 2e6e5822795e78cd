"""C of the normalizations by statistics of the batch or by moving ones: forward, moving, and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod, sqrt
from typing import assert_never

from foldnet.codegen.batch import Loops, StepWriter, along, block
from foldnet.codegen.expressions import plus, times
from foldnet.codegen.loops import Operand, broadcast_strides, laid_out, loop
from foldnet.codegen.writer import Rule
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
from foldnet.operations.batch.philox import threshold

SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805


class _Parts:
    """A node's loops, operands, and the arrays that forward leaves for backward, one number per channel ``k``."""

    def __init__(self, e: StepWriter, op: Norm, result: str, operands: Sequence[str]) -> None:
        self.op, self.x, self._e, self._result, self.operands = op, operands[0], e, result, operands
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
        return self._e.space(what, self.size, False, of=self._result)

    @property
    def plain(self) -> bool:
        """Whether each feature has one number a row, and all of them count."""
        return self.mask is None and self.loops.count == 1 and self.size == self._e.size(self.x)

    @property
    def k(self) -> str:
        """The channel's number."""
        return self.loops.small if self.loops.small.isalnum() else "k"

    def numbered(self) -> list[str]:
        """The statement that gives the channel its number, where that has no name yet."""
        return [f"const long k = {self.loops.small};"] if self.k != self.loops.small else []

    def here(self, array: str) -> str:
        """This channel's element of an array with one for each."""
        return f"{array}[{self.k}]"

    def own(self, index: int) -> str:
        """This channel's element of a batch-free operand."""
        return self.here(self._e.place(self.operands[index]))

    def pointer(self, name: str, value: str, const: str = "const ") -> str:
        """The statement that gives a name to a value from the outer position on."""
        return f"{const}float *{name} = {plus(self._e.place(value), times(self.loops.at, 'R'))};"

    def how_many(self) -> str:
        """How many numbers the batch has for each channel."""
        return f"(float){'rows' if self.loops.count == 1 else f'({self.loops.count} * rows)'}"

    def counts(self) -> str:
        """The C of the mask's row for the element of x at hand: 0 where it does not count."""
        assert self.mask is not None
        shape, own = self._e.shape(self.x), self._e.shape(self.mask)
        terms = [
            times(f"{'k' if a in self.axes else 'i'}{a}", step)
            for a, step in enumerate(broadcast_strides(own))
            if shape[a] != 1
        ]
        return plus(self._e.place(self.mask), times(plus(*terms), "R"))


def _at_most(value: str, limit: str) -> str:
    return f"{value} <= {limit} || {value} != {value} ? {value} : {limit}"


def _at_least(value: str, limit: str) -> str:
    return f"{value} >= {limit} || {value} != {value} ? {value} : {limit}"


def _moments(p: _Parts) -> list[str]:
    """The batch's mean ``m`` and biased variance ``v``."""
    x = p.loops.rows("x")
    if p.mask is None:
        return [
            f"const float count = {p.how_many()};",
            "V sums = {0}, spreads = {0};",
            f"@sums += sum_lanes({x}, rows);",
            "m = across(sums) / count;",
            f"@spreads += spread_lanes({x}, m, rows);",
            "v = across(spreads) / count;",
        ]
    return [
        "V counts = {0}, sums = {0}, spreads = {0};",
        f"@sums += counted_lanes({x}, {p.counts()}, rows);\ncounts += sum_lanes({p.counts()}, rows);",
        f"const float count = across(counts) + {MASK_EPSILON}f;",
        "m = across(sums) / count;",
        f"@spreads += counted_spread_lanes({x}, {p.counts()}, m, rows);",
        "v = across(spreads) / count;",
        f"{p.here(p.count)} = count;",
    ]


def _towards(e: StepWriter, old: str, new: str, momentum: float) -> str:
    keep, take = e.layout.number(momentum), e.layout.number(1 - momentum)
    return f"{old} = {old} * (float){keep} + {new} * (float){take};"


def _corrections(e: StepWriter, p: _Parts, op: BatchRenorm) -> list[str]:
    """Renorm's factor ``rn`` and addend ``dn``, held to their limits, and what moves."""
    moving_mean, moving_variance, moving_stddev, renorm_mean, renorm_stddev = (p.own(i) for i in range(1, 6))
    epsilon = f"(float){e.layout.number(op.epsilon)}"
    lines = [
        f"const float sd = sqrtf(v + {epsilon}), least = sqrtf({epsilon}), known = "
        f"{_at_least(renorm_stddev, 'least')};",
        "rn = sd / known;",
        f"dn = (m - {renorm_mean}) / known;",
    ]
    limits = [(_at_least, "rn", op.r_min), (_at_most, "rn", op.r_max)]
    if op.d_max is not None:
        limits += [(_at_least, "dn", -op.d_max), (_at_most, "dn", op.d_max)]
    for held, name, limit in limits:
        if limit is not None:
            number = f"(float){e.layout.number(limit)}"
            lines.append(f"{name} = {held(name, number)};")
    return [
        *lines,
        _towards(e, moving_mean, "m", op.momentum),
        _towards(e, moving_stddev, "sd", op.momentum),
        f"const float square = {moving_stddev} * {moving_stddev} - {epsilon};",
        f"{moving_variance} = {_at_least('square', '0.0f')};",
        _towards(e, renorm_mean, "m", op.renorm_momentum),
        _towards(e, renorm_stddev, "sd", op.renorm_momentum),
    ]


def _of_the_batch(e: StepWriter, p: _Parts) -> list[str]:
    """What a training step does before it normalizes: the batch's statistics, and the moving ones moved."""
    op = p.op
    if isinstance(op, FixedNorm):
        return []
    if isinstance(op, BatchRenorm):
        moves = _corrections(e, p, op)
    else:
        moves = [_towards(e, p.own(1), "m", op.momentum), _towards(e, p.own(2), "v", op.momentum)]
    return ["if (TRAINING) {", *_moments(p), *moves, "}"]


def norm(e: StepWriter, node: Node[Norm]) -> None:
    """Statistics of the batch, or the moving ones, and what they make of x."""
    p = _Parts(e, node.op, node.output, node.inputs)
    if isinstance(node.op, BatchNorm) and p.plain:
        _norm_of_features(e, node.op, p, node.output)
        return
    gamma = p.here(e.place(p.gamma)) if p.gamma else ""
    beta = p.here(e.place(p.beta)) if p.beta else "0.0f"
    keep = [f"{p.here(p.mean)} = m;", f"{p.here(p.inverse)} = s;"]
    head, factor = "", gamma
    if p.factor:
        head, factor = ", rn = 1.0f, dn = 0.0f", f"rn * {gamma}" if gamma else "rn"
        addend = f"dn * {gamma}" if gamma else "dn"
        beta = f"{addend} + {beta}" if p.beta else addend
        keep += [f"{p.here(p.factor)} = rn;", f"{p.here(p.addend)} = dn;"]
    epsilon = e.layout.number(p.op.epsilon)
    y, x = p.loops.element("y"), p.loops.element("x")
    value = f"({x} - m) * {'gs' if factor else 's'}"
    block(
        e, p.loops,
        *p.numbered(),
        p.pointer("x", p.x),
        p.pointer("y", node.output, ""),
        f"{'const ' if isinstance(p.op, FixedNorm) else ''}float m = {p.own(1)}, v = {p.own(2)}{head};",
        *_of_the_batch(e, p),
        f"const float s = 1.0f / sqrtf(v + (float){epsilon});",
        *([f"const float gs = s * {factor};"] if factor else []),
        *([f"const float b = {beta};"] if p.beta or p.factor else []),
        *keep,
        f"@ROWS(r, 0, R)\n  {y} = {value}{' + b' if p.beta or p.factor else ' + 0.0f'};",
    )  # fmt: skip


def _norm_of_features(e: StepWriter, op: BatchNorm, p: _Parts, result: str) -> None:
    """The same where each feature has a number a row: by a function, many features at a time."""
    x, y, moving_mean, moving_variance = (e.place(v) for v in (p.x, result, *p.operands[1:3]))
    gamma, beta = (e.place(v) if v else "NULL" for v in (p.gamma, p.beta))
    numbers = ", ".join(f"(float){e.layout.number(v)}" for v in (op.epsilon, op.momentum, 1 - op.momentum))
    given = [
        x,
        y,
        f"LOW({p.size})",
        f"HIGH({p.size})",
        "R",
        "rows",
        gamma,
        beta,
        moving_mean,
        moving_variance,
    ]
    e.add(f"feature_norms({', '.join([*given, p.mean, p.inverse, numbers, 'TRAINING'])});")
    e.wait()


def _norm_gradient_of_features(
    e: StepWriter, op: NormGradient, p: _Parts, g: str, results: Sequence[str]
) -> None:
    left = list(results)
    on_x, on_gamma, on_beta = (
        e.place(left.pop(0)) if on else "NULL" for on in (op.on_x, op.on_gamma, op.on_beta)
    )
    x, gradient, gamma = e.place(p.x), e.place(g), e.place(p.gamma) if p.gamma else "NULL"
    e.add(
        f"feature_norms_back({x}, {gradient}, LOW({p.size}), HIGH({p.size}), R, rows, {gamma}, {p.mean}, {p.inverse}, "
        f"{on_gamma}, {on_beta}, {on_x});"
    )
    e.wait()


def _to_x(e: StepWriter, p: _Parts, to: str) -> list[str]:
    """The gradient on x, given ``total`` and ``along``: Ioffe and Szegedy (2015), section 3, in closed form."""
    factor = "s" + (f" * {p.here(p.factor)}" if p.factor else "")
    factor += f" * {p.here(e.place(p.gamma))}" if p.gamma else ""
    pointer, at = p.pointer("to", to, ""), p.loops.element
    lines = [f"const float f = {factor};", pointer]
    if isinstance(p.op, FixedNorm):
        return [*lines, f"@ROWS(r, 0, R)\n  {at('to')} = f * {at('g')};"]
    lines.append("const float a = total / count, b = along / count * s;")
    if p.mask is None:
        return [*lines, f"@ROWS(r, 0, R)\n  {at('to')} = f * ({at('g')} - a - ({at('x')} - m) * b);"]
    # Sums are divided by a little more than their number, so deviations do not sum to 0.
    return [
        *lines,
        f"const float c = m + m * {MASK_EPSILON}f / count;",
        f"@const float *w = {p.counts()};\nROWS(r, 0, R)\n"
        f"  {at('to')} = f * ({at('g')} - (w[r] != 0.0f ? a + ({at('x')} - c) * b : 0.0f));",
    ]


def norm_gradient(e: StepWriter, node: Node[NormGradient]) -> None:
    """Gradients on x, gamma and beta."""
    op = node.op
    y, g, *operands = node.inputs
    p = _Parts(e, op.of, y, operands)
    if isinstance(op.of, BatchNorm) and p.plain:
        _norm_gradient_of_features(e, op, p, g, node.outputs)
        return
    results = iter(node.outputs)
    on_x = next(results) if op.on_x else ""
    through = op.on_x and not isinstance(p.op, FixedNorm)
    total = op.on_beta or through or bool(op.on_gamma and p.factor)
    along = op.on_gamma or through
    sums = ["totals"] * total + ["alongs"] * along
    statements = [f"totals += sum_lanes({p.loops.rows('g')}, rows);"] * total
    statements += [f"alongs += centred_lanes({p.loops.rows('g')}, {p.loops.rows('x')}, m, rows);"] * along
    lines = ["const float total = across(totals);"] * total + [
        "const float along = across(alongs) * s;"
    ] * along
    if op.on_gamma:
        value = f"along * {p.here(p.factor)} + total * {p.here(p.addend)}" if p.factor else "along"
        lines.append(f"{p.here(e.place(next(results)))} = {value};")
    if op.on_beta:
        lines.append(f"{p.here(e.place(next(results)))} = total;")
    if on_x:
        lines += _to_x(e, p, on_x)
    numbers = [f"m = {p.here(p.mean)}"] * along + [f"s = {p.here(p.inverse)}"] * (along or op.on_x)
    numbers += [f"count = {p.here(p.count) if p.count else p.how_many()}"] * through
    block(
        e, p.loops,
        *p.numbered(),
        *([p.pointer("x", p.x)] if along else []),
        p.pointer("g", g),
        *([f"const float {', '.join(numbers)};"] if numbers else []),
        *([f"V {', '.join(f'{s} = {{0}}' for s in sums)};"] if sums else []),
        *(["@" + "\n".join(statements)] if statements else []),
        *lines,
    )  # fmt: skip


def mask_of(e: StepWriter, op: Drop, result: str) -> tuple[Operand, Operand | None]:
    """A Drop's factors and addends as operands spread over its result's shape."""
    shape = e.shape(result)
    shared = (*op.shared[1:], *(False,) * len(shape))[: len(shape)]
    mask = tuple(1 if s else n for s, n in zip(shared, shape, strict=True))
    factor = Operand(e.space("factor", prod(mask), of=result), broadcast_strides(mask))
    if op.kind in ("alpha_dropout", "gaussian_noise"):
        return factor, Operand(e.space("addend", prod(mask), of=result), broadcast_strides(mask))
    return factor, None


def drop(e: StepWriter, node: Node[Drop]) -> None:
    """Random factors, and x times them."""
    op = node.op
    shape = e.shape(node.inputs[0])
    factor, addend = mask_of(e, op, node.output)
    count = prod(1 if s else n for s, n in zip((*op.shared[1:], *(False,) * len(shape)), shape, strict=False))
    number = e.layout.number
    low = addend_low = addend_high = "0.0f"
    drops = op.kind in ("alpha_dropout", "dropout")
    match op.kind:
        case "gaussian_noise":
            high = f"(float){number(op.rate)}"
        case "gaussian_dropout":
            high = f"(float){number(sqrt(op.rate / (1 - op.rate)))}"
        case "alpha_dropout":
            a = ((1 - op.rate) * (1 + op.rate * SELU_FLOOR**2)) ** -0.5
            b = -a * SELU_FLOOR * op.rate
            high = f"(float){number(a)}"
            addend_low, addend_high = f"(float){number(a * SELU_FLOOR + b)}", f"(float){number(b)}"
        case "dropout":
            high = f"(float){number(0.0 if op.rate >= 1 else 1 / (1 - op.rate))}"
        case _:
            assert_never(op.kind)
    each = 0 if op.shared and op.shared[0] else 1
    name, drawn, sharing = "random_normals", high, 1
    if drops:
        below, sharing = threshold(op.rate)
        # The rate is an argument of the program, so that its code is the same for every rate of this many.
        name, drawn = (
            "random_choice",
            f"{sharing}, {number(below)}, {low}, {high}, {addend_low}, {addend_high}",
        )
    blocks = -(-count // (4 * sharing))
    e.add_ahead(
        f"{name}({factor.base}, {addend.base if addend else 'NULL'}, {count}, ROW_0, R, {each}, LOW({blocks}), "
        f"HIGH({blocks}), TRAINING, step, (Key){{(uint32_t)seed, {op.stream & 0xFFFFFFFF}u}}, {drawn});"
    )
    x = e.spread(node.inputs[0], shape)
    operands = [e.write(node.output), x, factor, *([addend] if addend else [])]
    e.nest(shape, operands, lambda y, x, f, *d: f"{y} = {x} * {f}{' + ' + d[0] if d else ''};")


def batch_reduce(e: StepWriter, node: Node[BatchReduce]) -> None:
    """Sum or mean over the rows, written to every row."""
    op = node.op
    n, x, y = e.size(node.output), e.place(node.inputs[0]), e.place(node.output)
    share = " / (float)rows" if op.kind == "mean" else ""
    i = "i" if n != 1 else 0
    at = plus(times(i, "R"), "r")
    body = f"const float whole = sum_rows({plus(x, times(i, 'R'))}, rows){share};\nROWS(r, 0, R)\n  {y}[{at}] = whole;"
    e.add(*laid_out([loop("i", f"LOW({n})", f"HIGH({n})", "long")] if i else ["if (FIRST)"], body))
    e.wait()


def drop_gradient(e: StepWriter, node: Node[DropGradient]) -> None:
    """Times the factors."""
    op, (y, g) = node.op, node.inputs
    shape, to = e.shape(g), e.write(node.output)
    if op.of.kind == "gaussian_noise":
        e.nest(shape, [to, e.read(g)], lambda t, g: f"{t} = {g};")
    else:
        factor = mask_of(e, op.of, y)[0]
        e.nest(shape, [to, e.read(g), factor], lambda t, g, f: f"{t} = {g} * {f};")


def row_share(e: StepWriter, node: Node[RowShare]) -> None:
    """``1 / rows`` at each row."""
    e.add("if (FIRST)", "ROWS(r, 0, R)", f"{e.place(node.output)}[r] = 1.0f / (float)ALL_ROWS;")
    e.wait()


def sum_to(e: StepWriter, node: Node[SumTo]) -> None:
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
        count, n = prod(shape[:summed]), prod(shape[summed:])
        of, function = e.place(x), "feature_sums"
        if count != 1:
            of, function = f"{of}, {count}, {n}", "position_sums"
        given = f"{of}, LOW({n}), HIGH({n}), R, rows, {e.place(node.output)}, {e.adds(node.output)}"
        e.add(f"{function}({given});")
        e.wait()
        return
    e.zero(node.output)
    target = e.write(node.output, broadcast_strides(padded))
    e.nest(
        shape, [target, replace(e.read(x), rows=True)], lambda t, x: f"{t} += sum_rows({x}, rows);", sums=True
    )


RULES: dict[type[Op], Rule] = {
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
