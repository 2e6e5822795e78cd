"""From a graph to strict C99 for any machine: one function for one row, with the weights inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from foldnet.codegen import convolution, maths, matrix, text_codes
from foldnet.codegen.layout import Weights, ctype, pack, row_shape, shape_of_row
from foldnet.codegen.size_names import SizeNames, lengths_of, writing
from foldnet.codegen.workspace import Plan, plan
from foldnet.engines.native.prediction.bodies import used_inputs
from foldnet.engines.native.prediction.source import (
    FMA,
    LARGEST,
    LONGEST,
    STACK_FLOATS,
    check,
)
from foldnet.engines.native.prediction.steps import in_order
from foldnet.engines.native.prediction.writer import BlockWriter
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.graph.sizes import Lengths, free

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
        code: one translation unit, without includes missing or names beyond ``name`` and statics. The function takes
            one row and gives one row. It returns 0; the number (from 1) of the node that found fault with the data; or
            -1 if the network cannot take the lengths. With lengths it needs a ``struct name_sizes``, with a ``size_t``
            for each input, each output and the workspace: a header declares it before.
        declaration: of the function, for a header, without the semicolon.
        inputs: C type and row shape of each ``x``.
        outputs: likewise of each ``y``.
        faults: the nodes that can find fault: an index outside its table, a float that is no index.
        weights: bytes of the weights.
        workspace: bytes of the values between layers; 0 if the caller gives them.
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
    graph: Graph,
    name: str = "predict",
    parameters: Sequence[str] | None = None,
    length_names: Sequence[str] | None = None,
    coders: Mapping[str, str] | None = None,
) -> PortableSource:
    """Strict C99: one function, one row at a time, no allocation, no library but libm.

    Sizes may be known only when it runs (``free_axes.with_lengths``). The function then also takes the lengths and a
    workspace, and another function, ``name_sizes``, gives the sizes for some lengths.

    Args:
        graph: with all sizes but the batch's known, or depending on lengths.
        name: of the function; a C identifier.
        parameters: names of the inputs and then the outputs, C identifiers, too; by default x0, x1, ..., y0, ...
        length_names: names of the lengths; by default length0, length1, ...
        coders: for inputs of texts, the name of a function from a text to its code; by default there are none.

    Raises:
        UnsupportedError: something that only the reference engine computes, or a free axis.
    """
    check(graph)
    count = len(graph.inputs)
    numbered = [*(f"x{i}" for i in range(count)), *(f"y{i}" for i in range(len(graph.outputs)))]
    names = numbered if parameters is None else list(parameters)
    ports = _Ports(graph, tuple(names[:count]), tuple(names[count:]))
    lengths, weights = lengths_of(graph), Weights(graph)
    if lengths is None:
        declaration = f"int {name}({', '.join(ports.parameters)})"
        function, places, body = _fixed_function(ports, declaration, weights)
    else:
        called = list(length_names or (f"length{k}" for k in range(len(lengths.assumed))))
        given = [*ports.parameters, *(f"long {length}" for length in called), "void *workspace"]
        declaration = f"int {name}({', '.join(given)})"
        function, places, body = _function_of_lengths(ports, name, declaration, weights, lengths, called)
    codes = text_codes.code_functions({f: graph.texts[value] for value, f in (coders or {}).items()})
    small = lengths is None and places.floats + places.ints <= STACK_FLOATS
    head = [
        "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n",
        "#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n",
        FMA.format(fma="fmaf"),
        "#define BAD(l, number) (bad = bad ? bad : (number) + 1)\n" if body.faults else "",
        FLASH + "\n" + _weights_array(graph, weights) if weights.size else "",
        WORKSPACE.format(kept="" if small else " static") if "WORKSPACE " in function else "",
        text_codes.FLASH if "TEXT_FLASH" in codes else "",
        maths.functions_for(function + codes),
        *(
            matrix.portable_kernel(*how)
            for how in matrix.PORTABLE_KERNELS.items()
            if f"{how[0]}(" in function
        ),
        convolution.one_position("WEIGHT({})".format) if body.portable_convs else "",
    ]
    return PortableSource(
        "\n".join([*(h for h in head if h), function, *([codes] if codes else [])]),
        declaration,
        tuple((ctype(graph, v), row_shape(graph, v)) for v in graph.inputs),
        tuple((ctype(graph, v), shape_of_row(graph, v)) for v in graph.outputs),
        tuple(body.faults),
        weights=4 * weights.size,
        workspace=4 * (places.floats + places.ints) if lengths is None else 0,
        is_static=not small,
    )


@dataclass(frozen=True)
class _Ports:
    """The inputs and outputs of a graph, and the names of their parameters."""

    graph: Graph
    takes: tuple[str, ...]
    gives: tuple[str, ...]

    @property
    def parameters(self) -> list[str]:
        """Their declarations."""
        graph = self.graph
        takes = [f"const {ctype(graph, v)} *{p}" for p, v in zip(self.takes, graph.inputs, strict=True)]
        return takes + [f"{ctype(graph, v)} *{p}" for p, v in zip(self.gives, graph.outputs, strict=True)]

    @property
    def unused(self) -> list[str]:
        """Statements for inputs that nothing depends on."""
        used = dict(used_inputs(self.graph))
        return [f"  (void){p};" for i, p in enumerate(self.takes) if i not in used]

    def body(
        self, places: Plan, weights: Weights, taken: Sequence[str] = ()
    ) -> tuple[BlockWriter, list[str]]:
        """The writer, and the statements of the whole prediction, whose values have no parameter's or taken name."""
        graph = self.graph
        direct = {v: self.takes[i] for i, v in used_inputs(graph)}
        names = [*self.takes, *self.gives, *taken]
        body = BlockWriter(graph, places, weights, lanes=1, simd=1, direct=direct, names=True, taken=names)
        lines = in_order(body.all())
        stores = [
            line
            for v, p in zip(graph.outputs, self.gives, strict=True)
            for line in body.stored(v, p, prod(shape_of_row(graph, v)))
        ]
        return body, [*body.declarations(), *lines, *stores]


def _fixed_function(ports: _Ports, declaration: str, weights: Weights) -> tuple[str, Plan, BlockWriter]:
    places = plan(ports.graph, inputs=False)
    body, lines = ports.body(places, weights)
    text = [f"{declaration} {{", "  int bad = 0;"]
    if places.floats:
        text.append(f"  WORKSPACE float f[{places.floats}];")
    if places.ints:
        text.append(f"  WORKSPACE int32_t j[{places.ints}];")
    return "\n".join([*text, *ports.unused, *lines, "  return bad;", "}"]) + "\n", places, body


def _function_of_lengths(
    ports: _Ports, name: str, declaration: str, weights: Weights, lengths: Lengths, called: list[str]
) -> tuple[str, Plan, BlockWriter]:
    names = SizeNames(lengths, called)
    with writing(lengths, names):
        places = plan(ports.graph, inputs=False)
        body, lines = ports.body(places, weights, called)
        spaces = ["  float *const f = (float *)workspace;"] if "f" in body.used else []
        if "j" in body.used:
            spaces.append(f"  int32_t *const j = (int32_t *)workspace + {places.floats};")
    text = [
        _sizes_function(ports, name, places, lengths, called),
        f"{declaration} {{",
        "  int bad = 0;",
        f"  struct {name}_sizes sizes;",
        f"  if (!{name}_sizes({', '.join(called)}, &sizes))",
        "    return -1;",
        *names.definitions([*spaces, *lines]),
        *ports.unused,
        *(spaces or ["  (void)workspace;"]),
        *lines,
        "  return bad;",
        "}",
    ]
    return "\n".join(text) + "\n", places, body


def _sizes_function(ports: _Ports, name: str, places: Plan, lengths: Lengths, called: list[str]) -> str:
    graph, names = ports.graph, SizeNames(lengths, [f"(int64_t){length}" for length in called], "int64_t")
    with writing(lengths, names):
        # Those of the lengths themselves come first, so that nothing that is computed from them overflows.
        tests = [f"{length} < 1 || {length} > {LONGEST}" for length in called]
        tests += _too_large_inputs(graph, lengths, called)
        late = [f"!({names.test(condition)})" for condition in lengths.conditions]
        sizes = {
            p: f"{prod(shape_of_row(graph, v))}"
            for p, v in zip((*ports.takes, *ports.gives), (*graph.inputs, *graph.outputs), strict=True)
        }
        sizes["workspace"] = f"{4 * (places.floats + places.ints)}"
    given = [f"long {length}" for length in called]
    lines = [
        f"int {name}_sizes({', '.join([*given, f'struct {name}_sizes *sizes'])}) {{",
        *(line for test in tests for line in (f"  if ({test})", "    return 0;")),
        *names.definitions([*late, *sizes.values()]),
        *(line for test in late for line in (f"  if ({test})", "    return 0;")),
        *(f"  sizes->{port} = (size_t){size};" for port, size in sizes.items()),
        "  return 1;",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _too_large_inputs(graph: Graph, lengths: Lengths, called: list[str]) -> list[str]:
    """C that tells whether an input is too large, without a product that overflows."""
    tests = []
    for value in graph.inputs:
        shape = shape_of_row(graph, value)
        sizes = [n for n in shape if free(n) is not None]
        if len(sizes) > 1:
            most = (LARGEST - 1) // max(prod(n for n in shape if free(n) is None), 1)
            names = [called[lengths.atom(size.terms[0][0][0]).number] for size in map(free, sizes) if size]
            tests.append(f"{names[0]} > {' / '.join([str(most), *names[1:]])}")
    return tests


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
