"""Loops of ops that work along some axes of a row, and the ops that do: softmax, moments, reductions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from foldnet.codegen.loops import strides_of
from foldnet.engines.native.training.emit import Emitter
from foldnet.graph.graph import Node
from foldnet.operations.along.op import GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.batch.op import BatchReduce


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
    steps = strides_of(shape)
    kept = [a for a in range(len(shape)) if a not in axes and shape[a] != 1]
    small = strides_of([shape[a] for a in kept])
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


def softmax(e: Emitter, node: Node) -> None:
    """Softmax or its logarithm."""
    op = node.op
    assert isinstance(op, Softmax)
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


def sparsemax(e: Emitter, node: Node) -> None:
    """Sparsemax, row by row, for it sorts."""
    op = node.op
    assert isinstance(op, Sparsemax)
    shape = e.shape(node.inputs[0])
    loops = along(shape, [op.axis - 1])
    step, n = strides_of(shape)[op.axis - 1], shape[op.axis - 1]
    block(
        e, loops,
        f"const float *x = {e.place(node.inputs[0])} + ({loops.at}) * R;",
        f"float *y = {e.place(node.output)} + ({loops.at}) * R;",
        f"float *z = {e.space(f'sorted {n}', 8 * n)} + ME * {n};",
        f"for (long r = 0; r < R; r++) sparsemax(x + r, y + r, z, {n}, {step} * R);",
    )  # fmt: skip


def moments_loops(e: Emitter, node: Node) -> tuple[Along, str]:
    """Loops of a Moments or GroupMoments and the array of its inverse deviations, one a row and group."""
    op, shape = node.op, e.shape(node.inputs[0])
    if isinstance(op, GroupMoments):
        shape, axis = grouped(shape, op)
        loops = along(shape, [a for a in range(len(shape)) if a != axis])
    else:
        assert isinstance(op, Moments)
        loops = along(shape, [a - 1 for a in op.axes])
    return loops, e.space(f"inverse {node.output}", prod(shape) // loops.count)


def grouped(shape: Sequence[int], op: GroupMoments) -> tuple[tuple[int, ...], int]:
    """The shape with the channel axis split in groups and channels, and the axis of the groups."""
    at = op.axis - 1
    return (*shape[:at], op.groups, shape[at] // op.groups, *shape[at + 1 :]), at


def moments(e: Emitter, node: Node) -> None:
    """Moments and GroupMoments."""
    op = node.op
    kind = op.kind if isinstance(op, Moments) else "standard"
    loops, inverse = moments_loops(e, node)
    epsilon = f"(float){e.layout.number(op.epsilon)}"  # type: ignore[attr-defined]
    x = f"x[({loops.off}) * R + r]"
    centred = kind in ("standard", "variance")
    means = [f"@ROWS(r, 0, R) {{ m[r] += {x}; }}", f"ROWS(r, 0, R) {{ m[r] /= {loops.count}.0f; }}"]
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
        *(means if centred else []),
        f"@ROWS(r, 0, R) {{ const float d = {x} - m[r]; s[r] += d * d; }}",
        f"ROWS(r, 0, R) {{ q[r] = {scale}; }}",
        f"@ROWS(r, 0, R) {{ y[({loops.off}) * R + r] = {shift} * q[r]; }}",
    )  # fmt: skip


def batch_reduce(e: Emitter, node: Node) -> None:
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


def reduce(e: Emitter, node: Node) -> None:
    """Sum, mean, max, min or argmax."""
    op = node.op
    assert isinstance(op, Reduce)
    shape = e.shape(node.inputs[0])
    loops = along(shape, [a - 1 for a in op.axes])
    x = f"x[({loops.off}) * R + r]"
    k = f"k{op.axes[0] - 1}"
    step, start = {
        "sum": (f"y[r] += {x};", "0.0f"),
        "mean": (f"y[r] += {x};", "0.0f"),
        "max": (f"y[r] = {x} >= y[r] || {x} != {x} ? {x} : y[r];", "x[r]"),
        "min": (f"y[r] = {x} <= y[r] || {x} != {x} ? {x} : y[r];", "x[r]"),
        "argmax": (
            f"const int up = {x} > m[r]; m[r] = up ? {x} : m[r]; y[r] = up ? (float){k} : y[r];",
            "0.0f",
        ),
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
