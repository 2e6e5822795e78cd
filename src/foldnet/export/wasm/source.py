"""The C of a module: the prediction of one row from ``emit_portable``, and what JavaScript calls around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from foldnet.codegen.layout import ctype, shape_of_row
from foldnet.codegen.names import plain
from foldnet.codegen.size_names import SizeNames, lengths_of, writing
from foldnet.engines.native.prediction.portable import emit_portable
from foldnet.export.c_lengths import FreeLengths
from foldnet.export.c_texts import fill
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import Graph
from foldnet.graph.sizes import free

PREDICT = "network_predict"

RUN = """\
/* Predict rows that lie one after the other. Of `call` the first number is set to the fault of a row that has no
   prediction; the others are where inputs and outputs lie, the workspace, and the lengths. Returns how many rows have a
   prediction before the first that has none. */
__attribute__((export_name("run"))) int32_t run(int32_t rows, int32_t *call) {
@ports@
  for (int32_t row = 0; row < rows; row++) {
    call[0] = network_predict(@arguments@);
    if (call[0])
      return row;
  }
  return rows;
}
"""

SIZES = """\
/* Sizes for some lengths: the bytes of the workspace, and each size of an output that depends on the lengths. Returns 0
   for lengths that the network cannot take. */
__attribute__((export_name("sizes"))) int32_t sizes(@lengths@, int32_t *found) {
  struct network_predict_sizes sizes;
  if (!network_predict_sizes(@names@, &sizes))
    return 0;
@statements@
  return 1;
}
"""

CODER = """\
__attribute__((export_name("@name@"))) int32_t exported_@name@(const char *text, size_t length) {
  return @name@(text, length);
}
"""


@dataclass(frozen=True)
class Port:
    """An input or output as JavaScript sees it.

    Attributes:
        name: of the input or output.
        kind: ``"float"``, ``"int"``, or ``"text"`` for texts, whose codes ``coder`` computes.
        shape: of a row: sizes, or names of lengths; of an output None for a size that depends on lengths.
        coder: the function of the module that gives a text's code.
    """

    name: str
    kind: str
    shape: tuple[int | str | None, ...]
    coder: str = ""


@dataclass(frozen=True)
class WasmSource:
    """The C of a module, and what JavaScript must know of it.

    Attributes:
        code: one translation unit.
        inputs: in order.
        outputs: in order.
        lengths: names of the lengths of free axes, in order.
        faults: texts of the faults that the code finds, by their number from 1.
        free: the lengths, if there are any.
    """

    code: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    lengths: tuple[str, ...]
    faults: tuple[str, ...]
    free: FreeLengths | None


def wasm_source(graph: Graph, input_names: Sequence[str], output_names: Sequence[str]) -> WasmSource:
    """The C of a network's module.

    Args:
        graph: of the network.
        input_names: what the caller calls the inputs.
        output_names: what the results are called.

    Raises:
        UnsupportedError: the network has no code, or none for its free axes.
    """
    takes = [f"x{i}" for i in range(len(graph.inputs))]
    gives = [f"y{i}" for i in range(len(graph.outputs))]
    called = dict(zip(graph.inputs, (f"code_{i}" for i in range(len(takes))), strict=True))
    coders = {value: called[value] for value in graph.inputs if value in graph.texts}
    found = FreeLengths(graph, takes, gives, "to_wasm") if free_axes(graph) else None
    sized = graph if found is None else found.graph
    names = [] if found is None else found.names
    portable = emit_portable(sized, PREDICT, [*takes, *gives], names, coders)
    code = [portable.code, _run(sized, takes, gives, names)]
    if names:
        members = ", ".join([*takes, *gives, "workspace"])
        code.insert(0, f"#include <stddef.h>\nstruct {PREDICT}_sizes {{\n  size_t {members};\n}};\n")
        code.append(_sizes(sized, names))
    code += [fill(CODER, {"name": name}) for name in coders.values()]
    of_axes = {} if found is None else {(i, axis): names[k] for i, axis, k in found.axes}
    shapes = _shapes_of_inputs(graph, of_axes)
    inputs = [
        Port(name, "text" if v in coders else _kind(graph, v), shapes[i], called[v] if v in coders else "")
        for i, (name, v) in enumerate(zip(input_names, graph.inputs, strict=True))
    ]
    outputs = [
        Port(name, _kind(graph, v), tuple(None if free(n) else n for n in shape_of_row(sized, v)))
        for name, v in zip(output_names, graph.outputs, strict=True)
    ]
    faults = tuple(f"{node.op.fault} ({plain(node.layer)})" for node in portable.faults)
    return WasmSource("\n".join(code), tuple(inputs), tuple(outputs), tuple(names), faults, found)


def _kind(graph: Graph, value: str) -> str:
    return "float" if ctype(graph, value) == "float" else "int"


def _shapes_of_inputs(
    graph: Graph, of_axes: dict[tuple[int, int], str]
) -> list[tuple[int | str | None, ...]]:
    """The shape of a row of each input, with the names of lengths, by input and axis, where a size is free."""
    return [
        tuple(
            of_axes[number, axis] if n is None else n
            for axis, n in enumerate(graph.types[name].shape)
            if axis > 0
        )
        for number, name in enumerate(graph.inputs)
    ]


def _run(graph: Graph, takes: Sequence[str], gives: Sequence[str], lengths: Sequence[str]) -> str:
    ports, values = [*takes, *gives], (*graph.inputs, *graph.outputs)
    kinds = [*(f"const {ctype(graph, v)}" for v in graph.inputs), *(ctype(graph, v) for v in graph.outputs)]
    lines = [
        f"  {kind} *const {p} = ({kind} *)(uintptr_t)call[{k}];"
        for k, (p, kind) in enumerate(zip(ports, kinds, strict=True), 1)
    ]
    size = {p: str(prod(shape_of_row(graph, v))) for p, v in zip(ports, values, strict=True)}
    more: list[str] = []
    if lengths:
        after = len(ports) + 1
        lines += [
            f"  struct {PREDICT}_sizes sizes;",
            f"  void *const workspace = (void *)(uintptr_t)call[{after}];",
            *(f"  const long {length} = call[{k}];" for k, length in enumerate(lengths, after + 1)),
            f"  if (!{PREDICT}_sizes({', '.join(lengths)}, &sizes))",
            "    return 0;",
        ]
        size = {p: f"(int32_t)sizes.{p}" for p in ports}
        more = [*lengths, "workspace"]
    arguments = ", ".join([*(f"{p} + row * {size[p]}" for p in ports), *more])
    return fill(RUN, {"ports": "\n".join(lines), "arguments": arguments})


def _sizes(graph: Graph, names: Sequence[str]) -> str:
    lengths = lengths_of(graph)
    assert lengths is not None
    sizes = SizeNames(lengths, [f"(int64_t){name}" for name in names], "int64_t")
    with writing(lengths, sizes):
        rows = (shape_of_row(graph, value) for value in graph.outputs)
        results = [
            f"  found[{k}] = (int32_t){n};"
            for k, n in enumerate((n for row in rows for n in row if free(n) is not None), 1)
        ]
    statements = ["  found[0] = (int32_t)sizes.workspace;", *sizes.definitions(results), *results]
    words = {
        "lengths": ", ".join(f"long {name}" for name in names),
        "names": ", ".join(names),
        "statements": "\n".join(statements),
    }
    return fill(SIZES, words)
