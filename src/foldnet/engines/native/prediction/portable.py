"""From a graph to strict C99 for any machine: one function for one row, with the weights inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from foldnet.codegen import convolution, maths, matrix
from foldnet.codegen.layout import Weights, pack, row_shape
from foldnet.codegen.workspace import plan
from foldnet.engines.native.prediction.source import FMA, STACK_FLOATS, check, ctype, used_inputs
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op

FLASH = """\
/* On AVR the weights stay in flash, and each is read from there; -DWEIGHTS_IN_RAM copies them to memory at the start.
   Elsewhere nothing of this is seen. */
#if defined(__AVR__) && !defined(WEIGHTS_IN_RAM)
#include <avr/pgmspace.h>
#define FLASH PROGMEM
#define WEIGHT(number) pgm_read_float(&(number))
#else
#define FLASH
#define WEIGHT(number) (number)
#endif
"""

WORKSPACE = """\
/* Where values between the layers are kept: empty for the stack, static for memory of their own. */
#ifndef WORKSPACE
#define WORKSPACE{kept}
#endif
"""


@dataclass(frozen=True)
class PortableSource:
    """C99 for any machine.

    Attributes:
        code: one translation unit, without includes missing or names beyond ``name`` and statics.
        declaration: of the function, for a header, without the semicolon:
            ``int name(const float *x0, float *y0)``; one row in, one row out; it returns 0, or the number
            (from 1) of the node that found fault with the data.
        inputs: C type and row shape of each ``x``.
        outputs: likewise of each ``y``.
        faults: the nodes that can find fault: an index outside its table, a float that is no index.
        weights: bytes of the weights.
        workspace: bytes of the values between layers.
        is_static: whether that is kept in static memory unless it is said otherwise.
    """

    code: str
    declaration: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    faults: tuple[Node[Op], ...]
    weights: int = 0
    workspace: int = 0
    is_static: bool = False


def emit_portable(
    graph: Graph, name: str = "predict", parameters: Sequence[str] | None = None
) -> PortableSource:
    """Strict C99: one function, one row at a time, no allocation, no library but libm.

    Args:
        graph: with all sizes but the batch's known.
        name: of the function; a C identifier.
        parameters: names of the inputs and then the outputs, C identifiers, too; by default x0, x1, ..., y0, ...

    Raises:
        UnsupportedError: something that only the reference engine computes, or a free axis.
    """
    check(graph)
    places, weights = plan(graph, inputs=False), Weights(graph)
    count = len(graph.inputs)
    numbered = [*(f"x{i}" for i in range(count)), *(f"y{i}" for i in range(len(graph.outputs)))]
    names = numbered if parameters is None else list(parameters)
    takes, gives = names[:count], names[count:]
    direct = {v: takes[i] for i, v in used_inputs(graph)}
    body = BlockWriter(graph, places, weights, lanes=1, simd=1, direct=direct, names=True)
    lines = body.all()
    arguments = [f"const {ctype(graph, v)} *{p}" for p, v in zip(takes, graph.inputs, strict=True)]
    arguments += [f"{ctype(graph, v)} *{p}" for p, v in zip(gives, graph.outputs, strict=True)]
    declaration = f"int {name}({', '.join(arguments)})"
    shapes = [row_shape(graph, v)[int(v in graph.constants) :] for v in graph.outputs]
    small = places.floats + places.ints <= STACK_FLOATS
    text = [f"{declaration} {{", "  int bad = 0;"]
    if places.floats:
        text.append(f"  WORKSPACE float f[{places.floats}];")
    if places.ints:
        text.append(f"  WORKSPACE int32_t j[{places.ints}];")
    used = dict(used_inputs(graph))
    text += [f"  (void){p};" for i, p in enumerate(takes) if i not in used]
    results = [(ctype(graph, v), s) for v, s in zip(graph.outputs, shapes, strict=True)]
    stores = [
        line for i, v in enumerate(graph.outputs) for line in body.stored(v, gives[i], prod(results[i][1]))
    ]
    text += [*body.declarations(), *lines, *stores]
    code = "\n".join([*text, "  return bad;", "}"]) + "\n"
    head = [
        "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n",
        "#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n",
        FMA.format(fma="fmaf"),
        "#define BAD(l, number) (bad = bad ? bad : (number) + 1)\n" if body.faults else "",
        FLASH + "\n" + _weights_array(graph, weights) if weights.size else "",
        WORKSPACE.format(kept="" if small else " static") if "WORKSPACE " in code else "",
        maths.functions_for(code),
        *(matrix.portable_kernel(*how) for how in matrix.PORTABLE_KERNELS.items() if f"{how[0]}(" in code),
        convolution.one_position("WEIGHT({})".format) if body.portable_convs else "",
    ]
    kinds = [(ctype(graph, v), row_shape(graph, v)) for v in graph.inputs]
    return PortableSource(
        "\n".join([*(h for h in head if h), code]),
        declaration,
        tuple(kinds),
        tuple(results),
        tuple(body.faults),
        weights=4 * weights.size,
        workspace=4 * (places.floats + places.ints),
        is_static=not small,
    )


def _weights_array(graph: Graph, weights: Weights) -> str:
    if any(graph.constants[p.name].dtype.kind in "iub" for p in weights.parts.values()):
        raise UnsupportedError("integer constants have no place in portable C")
    buffer = pack(tuple(weights.parts.values()), weights.size, graph.constants)
    lines = [f"static const float w[{weights.size}] FLASH = {{"]
    for part in sorted(weights.parts.values(), key=lambda p: p.offset):
        shape = graph.constants[part.name].shape
        label = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in part.name)
        lines.append(f"  /* {part.offset}: {label}, {' x '.join(map(str, shape))} */")
        end = part.offset + -(-max(prod(shape), 1) // 16) * 16
        values = [maths.literal(v) for v in buffer[part.offset : end]]
        lines += ["  " + " ".join(f"{v}," for v in values[k : k + 8]) for k in range(0, len(values), 8)]
    return "\n".join([*lines, "};"]) + "\n"
