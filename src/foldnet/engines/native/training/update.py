"""C of what happens to the weights once their gradients are known: regularizers, clipping, the rule, constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import assert_never

from foldnet.codegen.expressions import composed, plus, times
from foldnet.codegen.loops import strides_of
from foldnet.codegen.names import C_RESERVED, Namespace
from foldnet.codegen.plain_names import role
from foldnet.engines.native.training.functions import indented
from foldnet.engines.native.training.statements import loop, shared
from foldnet.engines.native.training.writer import BatchWriter
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.graph.training import Constraint, Orthogonal, UpdateRule, Variable
from foldnet.operations.elementwise.c import text_of


def _trainable(e: BatchWriter) -> list[Variable]:
    return [v for v in e.program.variables if v.trainable]


def regularization(e: BatchWriter) -> list[str]:
    """Statements that add every regularizer's value to ``total``."""
    lines = []
    for v in _trainable(e):
        w, size = e.place(v.name), prod(v.shape)
        if v.l1:
            lines.append(f"total += {e.layout.number(v.l1)} * abs_sum({w}, {size});")
        if v.l2:
            lines.append(f"total += {e.layout.number(v.l2)} * square_sum({w}, {size});")
        if v.orthogonal:
            rows, cols, steps, unit = _matrix(e, v, v.orthogonal)
            share = e.layout.number(v.orthogonal.factor / max(rows * (rows - 1), 1))
            lines.append(f"unit_rows({w}, {rows}, {cols}, {steps}, {unit});")
            lines.append(f"total += {share} * pairs_sum({unit}, {rows}, {cols});")
    return lines


def _matrix(e: BatchWriter, v: Variable, rule: Orthogonal) -> tuple[int, int, str, str]:
    """Rows, columns, the steps from one to the next, and room for a matrix's rows made of length 1."""
    rows, cols = v.shape
    steps = f"{cols}, 1"
    if rule.columns:
        rows, cols, steps = cols, rows, f"1, {cols}"
    return rows, cols, steps, e.space("rows of length 1", rows * cols, False, of=v.name)


def _penalties(e: BatchWriter) -> list[str]:
    lines: list[str] = []
    for v in _trainable(e):
        w = e.place(v.name)
        if v.orthogonal:
            rows, cols, steps, unit = _matrix(e, v, v.orthogonal)
            share = e.layout.number(v.orthogonal.factor / max(rows * (rows - 1), 1))
            on = e.space(f"unit row {cols}", cols, False)
            given = f"{e.place(v.name)}, {e.gradient(v.name)}, {rows}, {cols}, {steps}, {unit}, {on}, (float){share}"
            lines += ["if (FIRST)", f"pairs_slope({given});", "BARRIER"]
        i = "i" if prod(v.shape) != 1 else "0"
        terms = []
        if v.l1:
            sign = f"({w}[{i}] > 0.0f ? 1.0f : {w}[{i}] < 0.0f ? -1.0f : 0.0f)"
            terms.append(f"(float){e.layout.number(v.l1)} * {sign}")
        if v.l2:
            terms.append(f"(float){e.layout.number(2 * v.l2)} * {w}[{i}]")
        if terms:
            size, to = prod(v.shape), e.gradient(v.name)
            head = shared("i", size) if size != 1 else "if (FIRST)"
            lines += [head, f"{to}[{i}] += {' + '.join(terms)};"]
    if lines and lines[-1] != "BARRIER":
        lines.append("BARRIER")
    return ["/* gradients of the regularizers */", *lines] if lines else []


def _for_each(size: int, statement: Callable[[str], str]) -> list[str]:
    """A statement for every element of an array, given C of its number."""
    return [statement("0")] if size == 1 else [loop("i", 0, size), statement("i")]


def _clipping(e: BatchWriter, rule: UpdateRule) -> list[str]:
    if rule.clip is None:
        return []
    kind, limit = rule.clip
    number = e.layout.number(limit)
    n = e.layout.trainable
    head = f"/* gradients clipped by {kind.replace('_', ' ')} */"
    if kind == "value":
        return [
            head, "{", f"const float most = (float){number};", shared("i", n),
            "G[i] = G[i] > most ? most : G[i] < -most ? -most : G[i];", "}", "BARRIER",
        ]  # fmt: skip
    lines = [head, "if (FIRST) {", f"const double most = {number};", "double norm = 0.0;"]
    parts = [(e.gradient(v.name), prod(v.shape)) for v in _trainable(e)]

    def shrunk(array: str, size: int) -> list[str]:
        each = _for_each(size, lambda i: f"{array}[{i}] *= s;")
        return ["if (norm > most) {", "const float s = (float)(most / norm);", *each, "}"]

    match kind:
        case "global_norm":
            lines += [f"norm += square_sum({array}, {size});" for array, size in parts]
            lines += ["norm = sqrt(norm);", *shrunk("G", n)]
        case "norm":
            for array, size in parts:
                lines += [f"norm = sqrt(square_sum({array}, {size}));", *shrunk(array, size)]
        case _:
            assert_never(kind)
    return [*lines, "}", "BARRIER"]


class _Rule:
    """The C of a rule: what each element of a variable becomes.

    Attributes:
        n: trainable weights, the step from one slot to the next.
    """

    def __init__(self, e: BatchWriter, rule: UpdateRule) -> None:
        self._e, self._rule, self.n = e, rule, e.layout.trainable
        graph = rule.graph
        names = Namespace({*C_RESERVED, "job", "lo", "hi", "decay", "scalars"})
        counts: dict[str, int] = {}
        self._called = {name: names.fresh(role(name)) for name in (*graph.constants, *graph.inputs)}
        for node in graph.nodes:
            counts[node.op.label] = counts.get(node.op.label, 0) + 1
            self._called[node.output] = names.fresh(f"{node.op.label}_{counts[node.op.label]}")
        self._numbers: dict[str, str] = {}
        self._slots = [names.fresh(f"{self._called[name]}_slot") for name in graph.inputs[2:]]
        self._elements = dict(zip(graph.inputs, ["W", "G", *self._slots], strict=True))

    def _constant(self, name: str) -> str:
        given = self._rule.scalars
        source = f"scalars[{given.index(name)}]" if name in given else self._number(name)
        return f"{source} * decay" if name == "weight_decay" else source

    def _number(self, name: str) -> str:
        """C of a constant that the program is given: only what is read has a place among the numbers."""
        if name not in self._numbers:
            number = float(self._rule.graph.constants[name])
            self._numbers[name] = f"(float){self._e.layout.number(number)}"
        return self._numbers[name]

    def _made(self, values: Iterable[str], varying: bool) -> list[str]:
        """The statements that make these values, of those that vary from element to element, or of the others."""
        graph = self._rule.graph
        needed, kept = set(values), []
        for node in reversed(graph.nodes):
            if node.output in needed and not node.op.mixes_rows:
                needed |= set(node.inputs)
                kept.append(node)
        lines = []
        if varying:
            lines += [
                f"const float {self._called[v]} = {array}[i];"
                for v, array in self._elements.items()
                if v in needed
            ]
        else:
            lines += [
                f"const float {self._called[v]} = {self._constant(v)};"
                for v in graph.constants
                if v in needed
            ]
        for node in reversed(kept):
            if bool(graph.types[node.output].shape) == varying:
                text = composed(text_of(node.op), *(self._called[v] for v in node.inputs))
                lines.append(f"const float {self._called[node.output]} = {text};")
        return lines

    def _sum(self, node: Node[Op]) -> list[str]:
        """A sum over a variable's elements: a loop of its own, ahead of the one that updates them."""
        (value,), whole = node.inputs, self._called[node.output]
        share = f"{whole}_sum / (double)(hi - lo)" if node.op.label == "batch_mean" else f"{whole}_sum"
        return [
            f"double {whole}_sum = 0.0;",
            "for (long i = lo; i < hi; i++) {",
            *self._made([value], True),
            f"{whole}_sum += (double){self._called[value]};",
            "}",
            f"const float {whole} = {composed('(float){0}', share)};",
        ]

    def text(self) -> str:
        """The function."""
        rule, graph = self._rule, self._rule.graph
        sums = [node for node in graph.nodes if node.op.mixes_rows]
        head = self._made([*graph.outputs, *(v for node in sums for v in node.inputs)], False)
        body = [line for node in sums for line in self._sum(node)]
        body += ["FREELY", "for (long i = lo; i < hi; i++) {"] if rule.by_variable else ["ROWS(i, lo, hi) {"]
        body += self._made(graph.outputs, True)
        targets = ["W", *self._slots]
        body += [f"{to}[i] = {self._called[v]};" for v, to in zip(graph.outputs, targets, strict=True)]
        lines = indented([*self._arrays([*head, *body]), *head, *body, "}"], 1)
        return "\n".join(["static void rule(Job *job, long lo, long hi, float decay) {", *lines, "}", ""])

    def _arrays(self, lines: Sequence[str]) -> list[str]:
        """The declarations of the arrays that the lines read or write."""
        arrays = {"W": "job->weights", "G": "job->gradients"}
        arrays |= {name: plus("job->slots", k * self.n) for k, name in enumerate(self._slots)}
        numbers = {
            "const double *const N = job->numbers;": "N[",
            f"const float *const scalars = {plus('job->scalars', times('job->scalar_row', len(self._rule.scalars)))};":
                "scalars[",
        }  # fmt: skip
        text = "\n".join(lines)
        return [
            *(f"float *const {name} = {at};" for name, at in arrays.items() if f"{name}[" in text),
            *(declared for declared, used in numbers.items() if used in text),
            *(["(void)decay;"] if " decay" not in text else []),
        ]


def rule_function(e: BatchWriter, rule: UpdateRule) -> str:
    """C of the rule for elements ``lo`` up to ``hi`` of the trainable weights: whole vectors unless by variable."""
    return _Rule(e, rule).text()


def _constraint(e: BatchWriter, variable: Variable, rule: Constraint) -> list[str]:
    w, shape = e.place(variable.name), variable.shape
    comment = f"/* {rule.kind.replace('_', ' ')}: {w} */"
    if rule.kind == "non_neg":
        return [comment, *_for_each(prod(shape), lambda i: f"{w}[{i}] = {w}[{i}] < 0.0f ? 0.0f : {w}[{i}];")]
    steps = strides_of(shape)
    axes = [a % len(shape) for a in rule.axes]
    heads = [
        [loop(f"i{a}", 0, shape[a]) for a in range(len(shape)) if (a in axes) == inner and shape[a] != 1]
        for inner in (False, True)
    ]
    place = plus(*(times(f"i{a}", steps[a]) for a in range(len(shape)) if shape[a] != 1))

    def number(value: float) -> str:
        return f"(float){e.layout.number(value)}"

    epsilon = number(rule.epsilon)
    match rule.kind:
        case "unit_norm":
            desired = "1.0f"
        case "max_norm":
            high = number(rule.high)
            desired = f"(norm < {high} ? norm : {high})"
        case "min_max_norm":
            low, high, rate = number(rule.low), number(rule.high), number(rule.rate)
            held = f"norm < {low} ? {low} : norm < {high} ? norm : {high}"
            desired = f"({rate} * ({held}) + (1.0f - {rate}) * norm)"
        case _:
            assert_never(rule.kind)
    outer, inner = heads
    return [
        comment, *outer[:-1], f"{outer[-1]} {{" if outer else "{",
        "float norm = 0.0f;", *inner, f"norm += {w}[{place}] * {w}[{place}];", "norm = sqrtf(norm);",
        f"const float s = {desired} / ({epsilon} + norm);", *inner, f"{w}[{place}] *= s;", "}",
    ]  # fmt: skip


def _average(e: BatchWriter, rule: UpdateRule) -> list[str]:
    if rule.ema is None:
        return []
    momentum, every = rule.ema
    steps = f"step / {rule.accumulate}" if rule.accumulate != 1 else "step"
    copy = [f"if (({steps} + 1) % {every} == 0)", "W[i] = A[i];"] if every else []
    return [
        "/* moving averages of the weights */", "{", "float *const A = job->averages;",
        f"const float kept = {steps} > 0 ? (float){e.layout.number(momentum)} : 0.0f;",
        f"{shared('i', e.layout.trainable)} {{", "A[i] = kept * A[i] + (1.0f - kept) * W[i];", *copy, "}", "}",
        "BARRIER",
    ]  # fmt: skip


def _calls(e: BatchWriter, rule: UpdateRule) -> list[str]:
    """The rule for all weights, those that decay first; or for one variable after the other."""
    n, decaying = e.layout.trainable, e.layout.decaying
    head = "/* the optimizer's rule */"
    if rule.by_variable:
        places = [
            (e.names.value(v.name), e.layout.weights[v.name], prod(v.shape), float(v.decay))
            for v in _trainable(e)
        ]
        calls = [f"rule(job, {at}, {at + size}, {decay}f); /* {name} */" for name, at, size, decay in places]
        return [head, "if (FIRST) {", *calls, "}"]
    lines = [head]
    for start, end, decay in ((0, decaying, "1.0f"), (decaying, n, "0.0f")):
        if start < end:
            vectors = (end - start) // 16
            low, high = (plus(start, times(16, f"{bound}({vectors})")) for bound in ("LOW", "HIGH"))
            lines.append(f"rule(job, {low}, {high}, {decay});")
    return lines


def _accumulated(e: BatchWriter, rule: UpdateRule, changes: Sequence[str]) -> list[str]:
    """Gradients added up, and after enough steps their mean in their place, for the changes to follow."""
    n, every = e.layout.trainable, rule.accumulate
    return [
        "{", f"float *const A = {plus('job->slots', (len(rule.slots) - 1) * n)};",
        f"if ((step + 1) % {every} != 0) {{", shared("i", n), "A[i] += G[i];", "} else {",
        f"{shared('i', n)} {{", f"G[i] = (G[i] + A[i]) / {every}.0f;", "A[i] = 0.0f;", "}",
        "BARRIER", *changes, "}", "}", "BARRIER",
    ]  # fmt: skip


def update(e: BatchWriter, rule: UpdateRule) -> Sequence[str]:
    """Statements of a step's end, given the gradients."""
    changes = [*_clipping(e, rule), *_calls(e, rule), "BARRIER"]
    lines = [*_penalties(e), *(changes if rule.accumulate == 1 else _accumulated(e, rule, changes))]
    lines += _average(e, rule)
    held = [line for v in _trainable(e) if v.constraint for line in _constraint(e, v, v.constraint)]
    if held:
        lines += ["if (FIRST) {", *held, "}", "BARRIER"]
    return lines
