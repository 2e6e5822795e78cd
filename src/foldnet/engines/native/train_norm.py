"""C of the normalizations by statistics of the batch or by moving ones: forward, moving, and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foldnet.engines.native.loops import broadcast_strides
from foldnet.engines.native.train_along import Along, along, block
from foldnet.engines.native.train_emit import Emitter
from foldnet.graph import train_ops
from foldnet.graph.graph import Node


class _Parts:
    """A node's loops, operands, and the arrays that forward leaves for backward, one number a channel ``k``."""

    def __init__(self, e: Emitter, node: Node) -> None:
        op = node.op
        assert isinstance(op, train_ops.Norm)
        self.op, self.x, self._e, self._node = op, node.inputs[0], e, node
        kept = e.shape(node.inputs[1])
        self.size = prod(kept)
        self.axes = [a for a, n in enumerate(kept) if n == 1]
        self.loops: Along = along(e.shape(self.x), self.axes)
        rest = list(node.inputs[6 if isinstance(op, train_ops.BatchRenorm) else 3 :])
        self.gamma = rest.pop(0) if op.scale else None
        self.beta = rest.pop(0) if op.center else None
        self.mask = rest.pop(0) if rest else None
        self.mean, self.inverse = self._kept("mean"), self._kept("inverse")
        self.factor = self.addend = ""
        if isinstance(op, train_ops.BatchRenorm):
            self.factor, self.addend = self._kept("factor"), self._kept("addend")
        self.count = self._kept("count") if self.mask else ""

    def _kept(self, what: str) -> str:
        return self._e.space(f"{what} {self._node.output}", self.size, False)

    def own(self, index: int) -> str:
        """This channel's element of a batch-free operand."""
        return f"{self._e.place(self._node.inputs[index])}[k]"

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


def _sums(e: Emitter, p: _Parts, *sums: tuple[str, str], head: Sequence[str] = ()) -> None:
    """For each (array, term): the sums over the channels' elements and rows of ``term``, a vector of rows' sums.

    Each channel leaves its vectors; they are added up sixteen at a time, which takes a third of the instructions.
    """
    loops = p.loops
    lanes = [e.space(f"lanes of {p.size} sums, {i}", 16 * p.size, False) for i in range(len(sums))]
    names = [f"sum{i}" for i in range(len(sums))]
    block(
        e, loops,
        f"const long k = {loops.small};",
        *head,
        f"V {', '.join(f'{name} = {{0}}' for name in names)};",
        f"@{{ {' '.join(f'{name} += {term};' for name, (_, term) in zip(names, sums, strict=True))} }}",
        *(f"STORE({to} + k * 16, {name});" for to, name in zip(lanes, names, strict=True)),
        last=False,
    )  # fmt: skip
    for where, (to, _) in zip(lanes, sums, strict=True):
        e.add(f"add_lanes({where}, {to}, {loops.low}, {loops.high});")


def _channels(e: Emitter, p: _Parts, *body: str) -> None:
    """Arithmetic on numbers that are one a channel."""
    e.add(f"CHANNELS(k, {p.loops.low}, {p.loops.high}) {{", *body, "}")


def _moments(e: Emitter, p: _Parts) -> None:
    """The batch's mean and biased variance, in the arrays of the mean and of the inverse deviation."""
    head = [f"const float *x = {e.place(p.x)} + ({p.loops.at}) * R;"]
    x, m, v = f"x + ({p.loops.off}) * R", p.mean, p.inverse
    centre = [*head, f"const float m = {m}[k];"]
    if p.mask is None:
        count = f"(float)({p.loops.count}L * rows)"
        _sums(e, p, (m, f"sum_lanes({x}, rows)"), head=head)
        _channels(e, p, f"{m}[k] /= {count};")
        _sums(e, p, (v, f"spread_lanes({x}, m, rows)"), head=centre)
        _channels(e, p, f"{v}[k] /= {count};")
        return
    counts = p.counts()
    _sums(e, p, (m, f"counted_lanes({x}, {counts}, rows)"), (p.count, f"sum_lanes({counts}, rows)"), head=head)
    _channels(e, p, f"{p.count}[k] += {train_ops.MASK_EPSILON}f; {m}[k] /= {p.count}[k];")
    _sums(e, p, (v, f"counted_spread_lanes({x}, {counts}, m, rows)"), head=centre)
    _channels(e, p, f"{v}[k] /= {p.count}[k];")


def _towards(e: Emitter, old: str, new: str, momentum: float) -> str:
    keep, take = e.layout.number(momentum), e.layout.number(1 - momentum)
    return f"{old} = {old} * (float){keep} + {new} * (float){take};"


def _corrections(e: Emitter, p: _Parts) -> list[str]:
    """Renorm's factor ``rn`` and addend ``dn``, held to their limits, and what moves."""
    op = p.op
    assert isinstance(op, train_ops.BatchRenorm)
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


def _of_the_batch(e: Emitter, p: _Parts) -> None:
    """What a training step does before it normalizes: the batch's statistics, and the moving ones moved."""
    op = p.op
    _moments(e, p)
    head = f"const float m = {p.mean}[k], v = {p.inverse}[k];"
    if isinstance(op, train_ops.BatchRenorm):
        moves = ["float rn, dn;", *_corrections(e, p), f"{p.factor}[k] = rn; {p.addend}[k] = dn;"]
    else:
        moves = [_towards(e, p.own(1), "m", op.momentum), _towards(e, p.own(2), "v", op.momentum)]  # type: ignore[attr-defined]
    _channels(e, p, head, *moves)


def norm(e: Emitter, node: Node) -> None:
    """Statistics of the batch, or the moving ones, and what they make of x."""
    p = _Parts(e, node)
    loops = p.loops
    gamma = f"{e.place(p.gamma)}[k]" if p.gamma else "1.0f"
    beta = f"{e.place(p.beta)}[k]" if p.beta else "0.0f"
    scale, shift = (e.space(f"{what} {node.output}", p.size, False) for what in ("scale", "shift"))
    moving = [f"{p.mean}[k] = {p.own(1)}; {p.inverse}[k] = {p.own(2)};"]
    corrected = ("", "")
    if p.factor:
        corrected = (f"{p.factor}[k] * ", f"{p.addend}[k] * {gamma} + ")
        moving.append(f"{p.factor}[k] = 1.0f; {p.addend}[k] = 0.0f;")
    if isinstance(p.op, train_ops.FixedNorm):
        _channels(e, p, *moving)
    else:
        e.add("if (TRAINING) {")
        _of_the_batch(e, p)
        e.add("} else {")
        _channels(e, p, *moving)
        e.add("}")
    _channels(
        e, p,
        f"const float s = 1.0f / sqrtf({p.inverse}[k] + (float){e.layout.number(p.op.epsilon)});",
        f"{p.inverse}[k] = s; {scale}[k] = s * {corrected[0]}{gamma}; {shift}[k] = {corrected[1]}{beta};",
    )  # fmt: skip
    at = f"({loops.off}) * R + r"
    block(
        e, loops,
        f"const long k = {loops.small};",
        f"const float *x = {e.place(p.x)} + ({loops.at}) * R; float *y = {e.place(node.output)} + ({loops.at}) * R;",
        f"const float m = {p.mean}[k], gs = {scale}[k], b = {shift}[k];",
        f"@ROWS(r, 0, R) {{ y[{at}] = (x[{at}] - m) * gs + b; }}",
    )  # fmt: skip


def _to_x(e: Emitter, p: _Parts, node: Node, total: str, along: str, count: str) -> None:
    """The gradient on x: Ioffe and Szegedy (2015), section 3, in closed form."""
    loops = p.loops
    x, g = f"{e.place(p.x)} + ({loops.at}) * R", f"{e.gradient(node.output)} + ({loops.at}) * R"
    e.release(node.output)
    sign = e.assign(p.x)
    head = [
        f"const long k = {loops.small};",
        f"const float *x = {x}, *g = {g};",
        f"float *to = {e.gradient(p.x)} + ({loops.at}) * R;",
        "const float s = {0}[k], f = s{1}{2};".format(
            p.inverse,
            f" * {p.factor}[k]" if p.factor else "",
            f" * {e.place(p.gamma)}[k]" if p.gamma else "",
        ),
    ]
    at = f"const long o = ({loops.off}) * R + r;"
    if isinstance(p.op, train_ops.FixedNorm):
        block(e, loops, *head, "(void)x;", f"@ROWS(r, 0, R) {{ {at} to[o] {sign} f * g[o]; }}")
        return
    _channels(e, p, f"{total}[k] /= {count}; {along}[k] = {along}[k] / {count} * {p.inverse}[k];")
    head.append(f"const float m = {p.mean}[k], a = {total}[k], b = {along}[k];")
    if p.mask is None:
        block(e, loops, *head, f"@ROWS(r, 0, R) {{ {at} to[o] {sign} f * (g[o] - a - (x[o] - m) * b); }}")
        return
    # Sums are divided by a little more than their number, so deviations do not sum to 0.
    block(
        e, loops, *head,
        f"const float c = m + m * {train_ops.MASK_EPSILON}f / {count};",
        f"@{{ const float *w = {p.counts()}; "
        f"ROWS(r, 0, R) {{ {at} to[o] {sign} f * (g[o] - (w[r] != 0.0f ? a + (x[o] - c) * b : 0.0f)); }} }}",
    )  # fmt: skip


def norm_back(e: Emitter, node: Node) -> None:
    """Gradients on x, gamma and beta."""
    p = _Parts(e, node)
    loops = p.loops
    total, along = (e.space(f"{what} of {p.size}", p.size, False) for what in ("total", "along"))
    count = f"{p.count}[k]" if p.count else f"(float)({loops.count}L * rows)"
    at = f"({loops.off}) * R"
    _sums(
        e, p, (total, f"sum_lanes(g + {at}, rows)"), (along, f"centred_lanes(g + {at}, x + {at}, m, rows)"),
        head=[
            f"const float *x = {e.place(p.x)} + ({loops.at}) * R, "
            f"*g = {e.gradient(node.output)} + ({loops.at}) * R;",
            f"const float m = {p.mean}[k];",
        ],
    )  # fmt: skip
    _channels(e, p, f"{along}[k] *= {p.inverse}[k];")
    place = f"{loops.low}, {loops.high}"
    if p.gamma in e.wants:
        assert p.gamma is not None
        value = along
        if p.factor:
            value = e.space(f"gamma of {p.size}", p.size, False)
            _channels(e, p, f"{value}[k] = {along}[k] * {p.factor}[k] + {total}[k] * {p.addend}[k];")
        e.add(f"give({e.gradient(p.gamma)}, {value}, {place}, {int(e.assign(p.gamma) == '+=')});")
    if p.beta in e.wants:
        assert p.beta is not None
        e.add(f"give({e.gradient(p.beta)}, {total}, {place}, {int(e.assign(p.beta) == '+=')});")
    if p.x in e.wants:
        _to_x(e, p, node, total, along, count)
    else:
        e.add("BARRIER")
