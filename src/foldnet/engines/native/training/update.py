"""C of what happens to the weights once their gradients are known: regularizers, clipping, the rule, constraints."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import assert_never

from foldnet.codegen.loops import strides_of
from foldnet.engines.native.training.writer import BatchWriter
from foldnet.graph.training import Constraint, Orthogonal, UpdateRule, Variable
from foldnet.operations.batch.op import BatchReduce
from foldnet.operations.elementwise.c import text_of


def _trainable(e: BatchWriter) -> list[Variable]:
    return [v for v in e.program.variables if v.trainable]


def regularization(e: BatchWriter) -> list[str]:
    """Statements that add every regularizer's value to ``total``."""
    lines = []
    for v in _trainable(e):
        at, size = e.layout.weights[v.name], prod(v.shape)
        if v.l1:
            lines.append(f"total += {e.layout.number(v.l1)} * abs_sum(W + {at}, {size});")
        if v.l2:
            lines.append(f"total += {e.layout.number(v.l2)} * square_sum(W + {at}, {size});")
        if v.orthogonal:
            rows, cols, steps, unit = _matrix(e, v, v.orthogonal)
            share = e.layout.number(v.orthogonal.factor / max(rows * (rows - 1), 1))
            lines.append(f"unit_rows(W + {at}, {rows}, {cols}, {steps}, {unit});")
            lines.append(f"total += {share} * pairs_sum({unit}, {rows}, {cols});")
    return lines


def _matrix(e: BatchWriter, v: Variable, rule: Orthogonal) -> tuple[int, int, str, str]:
    """Rows, columns, the steps from one to the next, and room for a matrix's rows made of length 1."""
    rows, cols = v.shape
    steps = f"{cols}, 1"
    if rule.columns:
        rows, cols, steps = cols, rows, f"1, {cols}"
    return rows, cols, steps, e.space(f"unit {v.name}", rows * cols, False)


def _penalties(e: BatchWriter) -> list[str]:
    lines = []
    for v in _trainable(e):
        if v.orthogonal:
            rows, cols, steps, unit = _matrix(e, v, v.orthogonal)
            share = e.layout.number(v.orthogonal.factor / max(rows * (rows - 1), 1))
            at, on = e.layout.weights[v.name], e.space(f"unit row {cols}", cols, False)
            given = f"W + {at}, G + {at}, {rows}, {cols}, {steps}, {unit}, {on}, (float){share}"
            lines += [f"if (FIRST) pairs_slope({given});", "BARRIER"]
        if not (v.l1 or v.l2):
            continue
        at, size = e.layout.weights[v.name], prod(v.shape)
        l1, l2 = e.layout.number(v.l1), e.layout.number(2 * v.l2)
        lines.append(
            f"for (long i = {at} + LOW({size}); i < {at} + HIGH({size}); i++) G[i] += (float){l1} * "
            f"(W[i] > 0.0f ? 1.0f : W[i] < 0.0f ? -1.0f : 0.0f) + (float){l2} * W[i];"
        )
    return [*lines, "BARRIER"] if lines else []


def _clipping(e: BatchWriter, rule: UpdateRule) -> list[str]:
    if rule.clip is None:
        return []
    kind, limit = rule.clip
    number = e.layout.number(limit)
    n = e.layout.trainable
    if kind == "value":
        return [
            f"{{ const float most = (float){number}; for (long i = LOW({n}); i < HIGH({n}); i++) "
            "G[i] = G[i] > most ? most : G[i] < -most ? -most : G[i]; }",
            "BARRIER",
        ]
    lines = ["if (FIRST) {", f"const double most = {number}; double norm = 0.0;"]
    parts = [(e.layout.weights[v.name], prod(v.shape)) for v in _trainable(e)]
    scale = "if (norm > most) { const float s = (float)(most / norm); for (long i = 0; i < %d; i++) G[%d + i] *= s; }"
    match kind:
        case "global_norm":
            lines += [f"norm += square_sum(G + {at}, {size});" for at, size in parts]
            lines += ["norm = sqrt(norm);", scale % (n, 0)]
        case "norm":
            for at, size in parts:
                lines += [f"norm = sqrt(square_sum(G + {at}, {size}));", scale % (size, at)]
        case _:
            assert_never(kind)
    return [*lines, "}", "BARRIER"]


def rule_function(e: BatchWriter, rule: UpdateRule) -> str:
    """C of the rule, for elements ``lo`` up to ``hi`` of the trainable weights, whole vectors unless it is by variable.

    A sum over a variable's elements is a loop of its own, ahead of the one that updates them.
    """
    graph, n = rule.graph, e.layout.trainable
    names: dict[str, str] = {}
    head, body = [], []
    for name in graph.constants:
        names[name] = f"c{len(names)}"
        if name in rule.scalars:
            source = f"scalars[{rule.scalars.index(name)}]"
        else:
            source = f"(float){e.layout.number(float(graph.constants[name]))}"
        factor = " * decay" if name == "weight_decay" else ""
        head.append(f"const float {names[name]} = {source}{factor};")
    own = len(graph.inputs) - 2
    arrays = ["W", "G", *(f"(job->slots + {k}L * {n})" for k in range(own))]
    for name, array in zip(graph.inputs, arrays, strict=True):
        names[name] = f"e{len(names)}"
        body.append(f"const float {names[name]} = {array}[i];")
    ahead: list[str] = []
    for node in graph.nodes:
        if isinstance(node.op, BatchReduce):
            whole = names[node.output] = f"s{len(names)}"
            share = " / (double)(hi - lo)" if node.op.kind == "mean" else ""
            ahead += [
                f"double {whole}_sum = 0.0;",
                "for (long i = lo; i < hi; i++) {",
                *body,
                _unused(body),
                f"{whole}_sum += (double){names[node.inputs[0]]};",
                "}",
                f"const float {whole} = (float)({whole}_sum{share});",
            ]
            continue
        text = text_of(node.op).format(*(names[v] for v in node.inputs))
        names[node.output] = f"t{len(names)}"
        varies = bool(graph.types[node.output].shape)
        (body if varies else head).append(f"const float {names[node.output]} = {text};")
    if ahead:
        body.append(_unused(body))
    targets = ["W", *arrays[2:]]
    for output, array in zip(graph.outputs, targets, strict=True):
        body.append(f"{array}[i] = {names[output]};")
    lines = [
        "static void rule(Job *job, long lo, long hi, float decay) {",
        "  float *const W = job->weights, *const G = job->gradients; const double *const N = job->numbers;",
        f"  const float *const scalars = job->scalars + job->scalar_row * {len(rule.scalars)};",
        "  (void)decay; (void)N; (void)scalars; (void)G;",
        *(f"  {line}" for line in [*head, "".join(f"(void){n};" for n in names.values() if n[0] == "c")]),
        *(f"  {line}" for line in ahead),
        "  FREELY for (long i = lo; i < hi; i++) {" if rule.by_variable else "  ROWS(i, lo, hi) {",
        *(f"    {line}" for line in body),
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _unused(body: Sequence[str]) -> str:
    """What tells compilers that a loop need not use every value it works out, for each loop works out all."""
    return "".join(f"(void){line.split()[2]};" for line in body)


def _constraint(e: BatchWriter, variable: Variable, rule: Constraint) -> list[str]:
    at, shape = e.layout.weights[variable.name], variable.shape
    if rule.kind == "non_neg":
        return [f"for (long i = {at}; i < {at + prod(shape)}; i++) W[i] = W[i] < 0.0f ? 0.0f : W[i];"]
    steps = strides_of(shape)
    axes = [a % len(shape) for a in rule.axes]
    kept = [a for a in range(len(shape)) if a not in axes]
    outer = " ".join(f"for (long i{a} = 0; i{a} < {shape[a]}; i{a}++)" for a in kept)
    inner = " ".join(f"for (long i{a} = 0; i{a} < {shape[a]}; i{a}++)" for a in axes)
    place = " + ".join([str(at), *(f"i{a} * {steps[a]}" for a in range(len(shape)))])
    low, high, rate, epsilon = (
        f"(float){e.layout.number(n)}" for n in (rule.low, rule.high, rule.rate, rule.epsilon)
    )
    match rule.kind:
        case "unit_norm":
            desired = "1.0f"
        case "max_norm":
            desired = f"(norm < {high} ? norm : {high})"
        case "min_max_norm":
            held = f"(norm < {low} ? {low} : norm < {high} ? norm : {high})"
            desired = f"({rate} * {held} + (1.0f - {rate}) * norm)"
        case _:
            assert_never(rule.kind)
    return [
        f"{outer} {{ float norm = 0.0f; {inner} norm += W[{place}] * W[{place}]; norm = sqrtf(norm);",
        f"const float s = {desired} / ({epsilon} + norm); {inner} W[{place}] *= s; }}",
    ]


def _average(e: BatchWriter, rule: UpdateRule) -> list[str]:
    if rule.ema is None:
        return []
    momentum, every = rule.ema
    done = f"(step / {rule.accumulate})"
    n, number = e.layout.trainable, e.layout.number(momentum)
    copy = f"if (({done} + 1) % {every} == 0) W[i] = A[i];" if every else ""
    return [
        f"{{ float *const A = job->averages; const float kept = {done} > 0 ? (float){number} : 0.0f; "
        f"for (long i = LOW({n}); i < HIGH({n}); i++) {{ A[i] = kept * A[i] + (1.0f - kept) * W[i]; {copy} }} }}",
        "BARRIER",
    ]


def _calls(e: BatchWriter, rule: UpdateRule) -> list[str]:
    """The rule for all weights, those that decay first; or for one variable after the other."""
    n, decaying = e.layout.trainable, e.layout.decaying
    if rule.by_variable:
        places = [(e.layout.weights[v.name], prod(v.shape), float(v.decay)) for v in _trainable(e)]
        return [f"if (FIRST) rule(job, {at}, {at + size}, {decay}f);" for at, size, decay in places]
    lines = []
    for start, end, decay in ((0, decaying, "1.0f"), (decaying, n, "0.0f")):
        if start < end:
            vectors = (end - start) // 16
            lines.append(
                f"rule(job, {start} + 16 * LOW({vectors}), {start} + 16 * HIGH({vectors}), {decay});"
            )
    return lines


def _accumulated(e: BatchWriter, rule: UpdateRule, changes: Sequence[str]) -> list[str]:
    """Gradients added up, and after enough steps their mean in their place, for the changes to follow."""
    n, every = e.layout.trainable, rule.accumulate
    each = f"for (long i = LOW({n}); i < HIGH({n}); i++)"
    return [
        f"{{ float *const A = job->slots + {len(rule.slots) - 1}L * {n};",
        f"if ((step + 1) % {every} != 0) {{ {each} A[i] += G[i]; }} else {{",
        f"{each} {{ G[i] = (G[i] + A[i]) / {every}.0f; A[i] = 0.0f; }}",
        "BARRIER",
        *changes,
        "} }",
        "BARRIER",
    ]


def update(e: BatchWriter, rule: UpdateRule) -> Sequence[str]:
    """Statements of a step's end, given the gradients."""
    changes = [*_clipping(e, rule), *_calls(e, rule), "BARRIER"]
    lines = [*_penalties(e), *(changes if rule.accumulate == 1 else _accumulated(e, rule, changes))]
    lines += _average(e, rule)
    held = [line for v in _trainable(e) if v.constraint for line in _constraint(e, v, v.constraint)]
    if held:
        lines += ["if (FIRST) {", *held, "}", "BARRIER"]
    return lines
