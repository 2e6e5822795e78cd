"""The C statements of a network's body: one row, or one block of rows as lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from foldnet.engines.native import maths
from foldnet.engines.native.layout import ALIASES, Plan, Weights, row_shape
from foldnet.engines.native.loops import Operand, broadcast_strides, nest, strides_of
from foldnet.engines.native.matrix import STRETCH, TILE, panels
from foldnet.errors import UnsupportedError
from foldnet.graph import ops
from foldnet.graph.graph import Graph, Node


class Body:
    """Emits the statements of a graph for a number of lanes.

    In the code, ``w`` is the weights buffer, ``f`` and ``j`` the workspaces of floats and ints, and ``bad`` a
    statement's way to report an index outside its table.

    Args:
        graph: with sizes known.
        plan: places of the values.
        weights: collects the places of the constants.
        lanes: rows side by side; 1 for one row.
        simd: floats in a vector; 1 for portable C.
        direct: inputs that are read where the caller keeps them, by name, with their C expression.
        names: whether comments name layers. Code to be cached does not: names would be part of its key.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        weights: Weights,
        *,
        lanes: int,
        simd: int,
        direct: dict[str, str],
        names: bool = False,
    ) -> None:
        self.graph, self.plan, self.weights = graph, plan, weights
        self.lanes, self.simd, self.direct, self.names = lanes, simd, direct, names
        self.tiles: set[int] = set()
        self.panel_widths: set[int] = set()
        self.faults: list[Node] = []
        self.lines: list[str] = []

    # -- operands -------------------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """Shape of one row of a value; of the whole for a constant."""
        return row_shape(self.graph, value)

    def base(self, value: str, offset: int = 0) -> str:
        """C expression of a value's first element, or of the one ``offset`` elements of a row further on."""
        root = self.plan.roots.get(value, value)
        if value in self.graph.constants:
            return self._pointer("w", self.weights.at(value) + offset)
        if root in self.direct:
            return self._pointer(self.direct[root], offset)
        space = "f" if self.graph.types[root].dtype == ops.FLOAT else "j"
        return self._pointer(space, (self.plan.offsets[root] + offset) * self.lanes)

    @staticmethod
    def _pointer(name: str, offset: int) -> str:
        return f"({name} + {offset})" if offset else name

    def operand(self, value: str, strides: Sequence[int] | None = None, offset: int = 0) -> Operand:
        """A value in a loop over its own row's shape, or by other strides."""
        laned = value not in self.graph.constants
        if strides is None:
            strides = strides_of(self.shape(value))
        return Operand(self.base(value, offset), tuple(strides), laned)

    def spread(self, value: str, rank: int) -> Operand:
        """A value broadcast over a row of this rank; a constant may have the batch axis as a leading 1."""
        shape = self.shape(value)
        return self.operand(value, broadcast_strides(shape)[len(shape) - rank :])

    # -- statements -----------------------------------------------------------------------------------------

    def emit(self) -> list[str]:
        """The statements of all nodes, in order."""
        for node in self.graph.nodes:
            if isinstance(node.op, ALIASES) and self.plan.roots[node.output] != node.output:
                continue
            emitter = EMITTERS.get(type(node.op))
            if emitter is None:
                raise UnsupportedError(
                    f'layer {node.layer!r}: {type(node.op).__name__} has no compiled form; use engine="reference"'
                )
            start = len(self.lines)
            emitter(self, node)
            if len(self.lines) > start:
                self.lines.insert(start, f"  /* {_comment(node, self.names)} */")
        return self.lines

    def loop(self, node: Node, operands: Sequence[Operand], body: Callable[..., str]) -> None:
        """A loop over the elements of the node's result."""
        self.lines += nest(self.shape(node.output), operands, self.lanes, body, "  ")

    def dense(self, node: Node) -> None:
        """Calls of the matrix kernels, then the activation."""
        x, kernel, *rest = node.inputs
        inputs, units = self.shape(kernel)
        positions = prod(self.shape(x)[:-1])
        if self.simd == 1:
            wat, bat = self.weights.at(kernel), self.weights.at(rest[0]) if rest else None
        else:
            widths = panels(units, self.simd)
            wat, bat = self.weights.at(kernel, widths), self.weights.at(rest[0], widths) if rest else None
        lines: list[str] = []
        if self.simd == 1:
            bias = "NULL" if bat is None else f"w + {bat}"
            lines.append(f"dense(x, w + {wat}, {bias}, y, {inputs}, {units});")
        elif self.lanes == 1:
            self._row_calls(lines, inputs, widths, wat, bat)
        else:
            self._block_calls(lines, inputs, units, widths, wat, bat)
        head = f"  for (int m = 0; m < {positions}; m++) {{" if positions != 1 else "  {"
        step = (
            (f" + m * {inputs * self.lanes}", f" + m * {units * self.lanes}") if positions != 1 else ("", "")
        )
        self.lines += [
            head,
            f"    const float *x = {self.base(x)}{step[0]};",
            f"    float *y = {self.base(node.output)}{step[1]};",
            *(f"    {line}" for line in lines),
            "  }",
        ]
        self.finish(node)

    def _row_calls(
        self, lines: list[str], inputs: int, widths: Sequence[int], wat: int, bat: int | None
    ) -> None:
        self.panel_widths |= set(widths)
        count = sum(1 for w in widths if w == widths[0])
        width = widths[0]
        if count > 1:
            bias = "NULL" if bat is None else f"w + {bat} + p * {width}"
            lines.append(f"for (int p = 0; p < {count}; p++)")
            lines.append(
                f"  row{width}(x, w + {wat} + p * {width * inputs}, {bias}, y + p * {width}, {inputs});"
            )
        else:
            count = 0
        column = count * width
        for other in widths[count:]:
            bias = "NULL" if bat is None else f"w + {bat + column}"
            lines.append(f"row{other}(x, w + {wat + column * inputs}, {bias}, y + {column}, {inputs});")
            column += other

    def _block_calls(
        self, lines: list[str], inputs: int, units: int, widths: Sequence[int], wat: int, bat: int | None
    ) -> None:
        lanes = self.lanes
        pad = ""
        if inputs > STRETCH:
            lines.append(f"for (int s = 0; s < {inputs}; s += {STRETCH}) {{")
            lines.append(f"  const int count = {inputs} - s < {STRETCH} ? {inputs} - s : {STRETCH};")
            pad = "  "

        def call(size: int, column: str, start: str, width: int) -> str:
            self.tiles.add(size)
            bias = "NULL" if bat is None else f"w + {bat} + {column}"
            if pad:
                x, first, count = f"x + s * {lanes}", f"{start} + s * {width}", "count, s > 0"
                bias = "NULL" if bat is None else f"s ? NULL : {bias}"
            else:
                x, first, count = "x", start, f"{inputs}, 0"
            return (
                f"block{size}({x}, w + {wat} + {first}, {width}, {bias}, y + ({column}) * {lanes}, {count});"
            )

        width = widths[0]
        full = units // width if width % TILE == 0 else 0
        if full > 1:
            lines.append(f"{pad}for (int p = 0; p < {full}; p++)")
            lines.append(f"{pad}  for (int u = 0; u < {width}; u += {TILE})")
            lines.append(f"{pad}    " + call(TILE, f"p * {width} + u", f"p * {width * inputs} + u", width))
        else:
            full = 0
        column = full * width
        for width in widths[full:]:
            left = min(width, units - column)
            for u in range(0, left, TILE):
                size = min(TILE, left - u)
                lines.append(pad + call(size, f"{column + u}", f"{column * inputs + u}", width))
            column += width
        if pad:
            lines.append("}")

    def finish(self, node: Node) -> None:
        """The fused activation, over the result in place."""
        function = getattr(node.op, "activation", None)
        if function is not None and maths.call(function, "v") != "v":
            y = self.operand(node.output)
            self.loop(node, [y], lambda v: f"{v} = {maths.call(function, v)};")

    def affine(self, node: Node) -> None:
        """``(x - shift) * scale + offset``."""
        op = node.op
        assert isinstance(op, ops.Affine)
        rank = len(self.shape(node.output))
        operands = [self.operand(node.output), self.operand(node.inputs[0])]
        operands += [self.spread(v, rank) for v in node.inputs[1:]]

        def body(y: str, x: str, scale: str, offset: str, shift: str = "") -> str:
            value = f"FMA({f'{x} - {shift}' if shift else x}, {scale}, {offset})"
            return f"{y} = {maths.call(op.activation, value)};"

        self.loop(node, operands, body)

    def activation(self, node: Node) -> None:
        """An elementwise function."""
        op = node.op
        assert isinstance(op, ops.Activation)
        operands = [self.operand(node.output), self.operand(node.inputs[0])]
        self.loop(node, operands, lambda y, x: f"{y} = {maths.call(op.function, x)};")

    def prelu(self, node: Node) -> None:
        """``x`` or ``alpha * x``."""
        rank = len(self.shape(node.output))
        operands = [
            self.operand(node.output),
            self.operand(node.inputs[0]),
            self.spread(node.inputs[1], rank),
        ]
        self.loop(node, operands, lambda y, x, a: f"{y} = fn_prelu({x}, {a});")

    def binary(self, node: Node) -> None:
        """Two operands, broadcast."""
        op = node.op
        assert isinstance(op, ops.Binary)
        rank = len(self.shape(node.output))
        operands = [self.operand(node.output), *(self.spread(v, rank) for v in node.inputs)]
        expression = BINARY[op.kind]
        self.loop(
            node, operands, lambda y, a, b: f"{y} = {maths.call(op.activation, expression.format(a=a, b=b))};"
        )

    def cast(self, node: Node) -> None:
        """Between floats and indices; a float that is no index is reported."""
        op = node.op
        assert isinstance(op, ops.Cast)
        was = self.graph.types[node.inputs[0]].dtype
        operands = [self.operand(node.output), self.operand(node.inputs[0])]
        if was == op.dtype or op.dtype == ops.FLOAT:
            self.loop(node, operands, lambda y, x: f"{y} = {x if was == op.dtype else f'(float){x}'};")
            return
        at = f"i * {self.lanes} + l"
        x, y = (f"{operand.base}[{at}]" for operand in reversed(operands))
        self.lines += [
            f"  for (int i = 0; i < {prod(self.shape(node.output))}; i++)",
            f"    for (int l = 0; l < {self.lanes}; l++) {{",
            f"      if (!fn_is_index({x}))",
            f"        BAD(l, {self._fault(node)});",
            f"      {y} = fn_to_int({x});",
            "    }",
        ]

    def _fault(self, node: Node) -> int:
        self.faults.append(node)
        return len(self.faults) - 1

    def copy(self, node: Node) -> None:
        """The operand's elements as they are."""
        strides = strides_of(self.shape(node.output))
        operands = [self.operand(node.output), self.operand(node.inputs[0], strides)]
        self.loop(node, operands, lambda y, x: f"{y} = {x};")

    def transpose(self, node: Node) -> None:
        """The operand by permuted strides."""
        op = node.op
        assert isinstance(op, ops.Transpose)
        steps = strides_of(self.shape(node.inputs[0]))
        operands = [
            self.operand(node.output),
            self.operand(node.inputs[0], [steps[p - 1] for p in op.permutation[1:]]),
        ]
        self.loop(node, operands, lambda y, x: f"{y} = {x};")

    def repeat(self, node: Node) -> None:
        """The operand again and again."""
        steps = strides_of(self.shape(node.inputs[0]))
        operands = [self.operand(node.output), self.operand(node.inputs[0], (0, *steps))]
        self.loop(node, operands, lambda y, x: f"{y} = {x};")

    def concatenate(self, node: Node) -> None:
        """The operands one after the other."""
        op = node.op
        assert isinstance(op, ops.Concatenate)
        steps = strides_of(self.shape(node.output))
        start = 0
        for value in node.inputs:
            shape = self.shape(value)[-len(steps) :]
            operands = [
                self.operand(node.output, steps, start * steps[op.axis - 1]),
                self.operand(value, strides_of(shape)),
            ]
            self.lines += nest(shape, operands, self.lanes, lambda y, x: f"{y} = {x};", "  ")
            start += shape[op.axis - 1]

    def glu(self, node: Node) -> None:
        """The first half times the sigmoid of the second."""
        op = node.op
        assert isinstance(op, ops.Glu)
        x = node.inputs[0]
        steps = strides_of(self.shape(x))
        half = self.shape(node.output)[op.axis - 1] * steps[op.axis - 1]
        operands = [self.operand(node.output), self.operand(x, steps), self.operand(x, steps, half)]
        self.loop(node, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")

    def softmax(self, node: Node) -> None:
        """Softmax or its logarithm."""
        op = node.op
        assert isinstance(op, ops.Softmax)
        inner = self._inner(node, op.axis)
        extra = f", {int(op.log)}"
        if inner == 1:
            self._along_axis(node, op.axis, "fn_softmax_row(x, y, {n}" + extra + ");")
        else:
            self._along_axis(node, op.axis, "fn_softmax(x, y, {n}, {inner}" + extra + ");")

    def sparsemax(self, node: Node) -> None:
        """Projection onto the simplex."""
        op = node.op
        assert isinstance(op, ops.Sparsemax)
        self._along_axis(node, op.axis, "fn_sparsemax(x, y, {n}, {inner});")

    def _inner(self, node: Node, axis: int) -> int:
        return prod(self.shape(node.output)[axis:]) * self.lanes

    def _along_axis(self, node: Node, axis: int, statement: str) -> None:
        shape = self.shape(node.output)
        if 0 in shape:
            return
        outer, n, inner = prod(shape[: axis - 1]), shape[axis - 1], self._inner(node, axis)
        step = f" + o * {n * inner}" if outer != 1 else ""
        self.lines += [
            f"  for (int o = 0; o < {outer}; o++) {{" if step else "  {",
            f"    const float *x = {self.base(node.inputs[0])}{step};",
            f"    float *y = {self.base(node.output)}{step};",
            "    " + statement.format(n=n, inner=inner),
            "  }",
        ]

    def moments(self, node: Node) -> None:
        """Each row by its own statistics."""
        op = node.op
        assert isinstance(op, ops.Moments)
        self._normalize(node, self.shape(node.output), [a - 1 for a in op.axes], op.kind, float(op.epsilon))

    def group_moments(self, node: Node) -> None:
        """Each group of channels by its own statistics: moments over a shape with the channels' axis split."""
        op = node.op
        assert isinstance(op, ops.GroupMoments)
        shape, axis = self.shape(node.output), op.axis - 1
        split = (*shape[:axis], op.groups, shape[axis] // op.groups, *shape[axis + 1 :])
        self._normalize(
            node, split, [a for a in range(len(split)) if a != axis], "standard", float(op.epsilon)
        )

    def _normalize(
        self, node: Node, shape: tuple[int, ...], axes: list[int], kind: str, epsilon: float
    ) -> None:
        # Sums are in double, so that a mean far from zero costs no digits.
        if 0 in shape:
            return
        lanes, steps = self.lanes, strides_of(shape)
        count = prod(shape[a] for a in axes)
        kept = [a for a in range(len(shape)) if a not in axes and shape[a] != 1]
        lines = [f"  for (int k{a} = 0; k{a} < {shape[a]}; k{a}++) {{" for a in kept] or ["  {"]
        offset = "".join(f" + k{a} * {steps[a] * lanes}" for a in kept)
        lines += [
            f"    const float *x = {self.base(node.inputs[0])}{offset};",
            f"    float *y = {self.base(node.output)}{offset};",
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
        self.lines += [*lines, "  " + "}" * max(1, len(kept))]

    def dot(self, node: Node) -> None:
        """Products summed along the contracted axes, in order."""
        op = node.op
        assert isinstance(op, ops.Dot)
        a, b = node.inputs
        i, j = op.axes[0] - 1, op.axes[1] - 1
        sa, sb = self.shape(a), self.shape(b)
        ta, tb = strides_of(sa), strides_of(sb)
        free_a = [k for k in range(len(sa)) if k != i]
        free_b = [k for k in range(len(sb)) if k != j]
        shape = [sa[k] for k in free_a] + [sb[k] for k in free_b]
        ty = strides_of(shape)
        self.loop(node, [self.operand(node.output)], lambda y: f"{y} = 0.0f;")
        operands = [
            self.operand(node.output, (*ty, 0)),
            self.operand(a, [*(ta[k] for k in free_a), *(0 for _ in free_b), ta[i]]),
            self.operand(b, [*(0 for _ in free_a), *(tb[k] for k in free_b), tb[j]]),
        ]
        self.lines += nest(
            [*shape, sa[i]], operands, self.lanes, lambda y, a, b: f"{y} = FMA({a}, {b}, {y});", "  "
        )

    def gather(self, node: Node) -> None:
        """Rows of a table; an index outside it is reported, and nothing is read there."""
        index, table = node.inputs
        count, width = self.shape(table)
        positions, lanes = prod(self.shape(index)), self.lanes
        number = self._fault(node)
        if count == 0:
            raise UnsupportedError(f"layer {node.layer!r}: its table has no rows")
        self.lines += [
            f"  for (int p = 0; p < {positions}; p++)",
            f"    for (int l = 0; l < {lanes}; l++) {{",
            f"      int32_t k = {self.base(index)}[p * {lanes} + l];",
            f"      if (k < 0 || k >= {count}) {{",
            f"        BAD(l, {number});",
            "        k = 0;",
            "      }",
            f"      for (int c = 0; c < {width}; c++)",
            f"        {self.base(node.output)}[(p * {width} + c) * {lanes} + l] = "
            f"{self.base(table)}[k * {width} + c];",
            "    }",
        ]


BINARY = {
    "add": "{a} + {b}",
    "subtract": "{a} - {b}",
    "multiply": "{a} * {b}",
    "maximum": "fn_maximum({a}, {b})",
    "minimum": "fn_minimum({a}, {b})",
}
"""C of each kind of Binary."""

EMITTERS: dict[type[ops.Op], Callable[[Body, Node], None]] = {
    ops.Dense: Body.dense,
    ops.Affine: Body.affine,
    ops.Activation: Body.activation,
    ops.PRelu: Body.prelu,
    ops.Softmax: Body.softmax,
    ops.Sparsemax: Body.sparsemax,
    ops.Glu: Body.glu,
    ops.Moments: Body.moments,
    ops.GroupMoments: Body.group_moments,
    ops.Reshape: Body.copy,
    ops.Identity: Body.copy,
    ops.Transpose: Body.transpose,
    ops.Repeat: Body.repeat,
    ops.Binary: Body.binary,
    ops.Concatenate: Body.concatenate,
    ops.Dot: Body.dot,
    ops.Gather: Body.gather,
    ops.Cast: Body.cast,
}
"""How each op is written; a test holds this to the closed set."""


def _comment(node: Node, names: bool) -> str:
    kind = type(node.op).__name__
    if not names or not node.layer:
        return kind
    # A name out of a file must not end the comment, nor join lines or make trigraphs.
    return f"{''.join(c if c.isalnum() and c.isascii() else '_' for c in node.layer)}: {kind}"
