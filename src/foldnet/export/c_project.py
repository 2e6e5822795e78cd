"""A network as a directory of C99: the prediction, a program around it, a self-test, a Makefile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from foldnet.codegen.layout import ctype, shape_of_row
from foldnet.codegen.names import Namespace, identifier, plain
from foldnet.export import c_texts
from foldnet.export.c_codes import coder_names, text_words
from foldnet.export.c_self_test import test_words
from foldnet.export.c_texts import fill
from foldnet.export.examples import example_rows, given_arrays, given_rows
from foldnet.export.files import write_files
from foldnet.export.numpy_steps import op_in_words
from foldnet.export.shapes import InputShapes, sized
from foldnet.files.overwrite import MARK
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op

if TYPE_CHECKING:
    from os import PathLike

    from foldnet.engines.native.prediction.portable import PortableSource
    from foldnet.export.c_lengths import FreeLengths
    from foldnet.predictor import Predictor


ROWS = 16
"""The number of rows recorded in the self-test."""


@dataclass(frozen=True)
class Port:
    """An input or an output of the C function.

    Attributes:
        name: of its parameter.
        size_name: name of the macro with its size; of a variable if the size depends on lengths.
        type: of its numbers.
        size: how many numbers a row has.
        shape: of a row.
    """

    name: str
    size_name: str
    type: str
    size: int
    shape: tuple[int, ...]


def to_c(
    source: Graph | Predictor,
    directory: str | PathLike[str],
    *,
    name: str | None = None,
    x: object = None,
    input_shapes: InputShapes = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a frozen network as a directory of C99 that needs only libm and allocates nothing.

    Texts of an input are whole numbers there, and a function such as ``name_code_words`` gives that of each text.

    ``predict.h`` and ``predict.c`` contain the function, ``main.c`` a program that reads rows from standard input,
    ``self_test.c`` recorded rows with their predictions, and ``Makefile`` and ``README.md`` how to build them.

    Args:
        source: a Predictor or a Graph.
        directory: to write into; created if missing. Other files in it are not changed.
        name: prefix of every C name, as in ``name_predict``; by default the directory's name.
        x: rows for the self-test to record, as ``predict`` takes them (a list of arrays for several inputs); by
            default random ones.
        input_shapes: shape of a row of each input. Without it, the function takes the lengths of free axes, and a
            workspace whose size depends on them.
        overwrite: whether to overwrite files that no export wrote.

    Returns:
        The files written.

    Raises:
        UnsupportedError: an activation is the caller's own function, or a size must be known.
        FileExistsError: the directory has a file with one of these names that no export wrote, and ``overwrite`` is
            False.
        InputError: ``x`` does not fit the network.
    """
    from foldnet.engines.native.prediction.portable import emit_portable
    from foldnet.export.c_lengths import FreeLengths

    directory = Path(directory)
    graph = sized(source if isinstance(source, Graph) else source.graph, input_shapes)
    stem = name if name is not None else directory.resolve().name.removesuffix("_c")
    name = identifier(stem, "network")
    takes, gives = port_names(graph)
    coders = coder_names(graph, name)
    free = FreeLengths(graph, takes, gives) if free_axes(graph) else None
    portable = emit_portable(
        graph if free is None else free.graph,
        f"{name}_predict",
        [*takes, *gives],
        None if free is None else free.names,
        coders,
    )
    given = None if x is None else given_arrays(graph, x)
    if free is not None:
        graph = free.recorded(given)
    prefix = f"{name}_" if free is None else ""
    inputs, outputs = _ports(graph, graph.inputs, takes, prefix), _ports(graph, graph.outputs, gives, prefix)
    rows = example_rows(graph, ROWS) if given is None else given_rows(graph, given)
    words = {
        "mark": MARK, "title": plain(stem), "name": name, "MACRO": name.upper(), "code": portable.code,
        "rows": str(len(rows[0])),
        **_describing_words(graph, portable.faults, free is not None), **_memory_words(portable),
        **_port_words(name, inputs, outputs, free),
        **_main_words(name, inputs, outputs, portable.faults, free),
        **test_words(graph, inputs, outputs, rows, free),
        **text_words(graph, name, dict(zip(graph.inputs, takes, strict=True)), coders),
    }  # fmt: skip
    parts = c_texts.FIXED
    if free is not None:
        parts = c_texts.OF_LENGTHS
        words |= free.words([*inputs, *outputs], len(inputs))
    words |= {key: fill(text, words) for key, text in parts.items()}
    texts = {
        "predict.h": c_texts.PREDICT_H, "predict.c": c_texts.PREDICT_C, "main.c": c_texts.MAIN_C,
        "self_test.c": c_texts.SELF_TEST_C, "Makefile": c_texts.MAKEFILE, "README.md": c_texts.README,
    }  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    files = {directory / file: fill(text, words).encode() for file, text in texts.items()}
    write_files(files, overwrite=overwrite)
    return list(files)


def port_names(graph: Graph) -> tuple[list[str], list[str]]:
    """The names of the parameters, the same in header and source."""
    # Every name begins with x_ or output_ where there are several: an input may be called `int`, `linux` or `y1`.
    names = Namespace(())
    takes = [names.fresh(f"x_{identifier(value)}") for value in graph.inputs]
    gives = [f"output_{i + 1}" for i in range(len(graph.outputs))]
    return ["input"] if len(takes) == 1 else takes, ["output"] if len(gives) == 1 else gives


def _ports(graph: Graph, values: Sequence[str], ports: Sequence[str], prefix: str) -> list[Port]:
    """The inputs or outputs; the names of macros begin with the prefix, and without one sizes are variables."""
    found = []
    for value, port in zip(values, ports, strict=True):
        shape = shape_of_row(graph, value)
        # A variable has a name that no parameter has: there may be inputs called `a` and `a_size`.
        size_name = f"{prefix}{port}_size".upper() if prefix else f"size_of_{port}"
        found.append(Port(port, size_name, ctype(graph, value), max(prod(shape), 1), shape))
    return found


def _memory_words(portable: PortableSource) -> dict[str, str]:
    """The texts about the memory of a prediction."""
    return {
        "weights_bytes": f"{portable.weights:,}",
        "workspace_bytes": f"{portable.workspace:,}",
        "static": str(int(portable.is_static)),
    }


def fault_text(node: Node[Op]) -> str:
    """The error text of a node, for a C string."""
    return f"{node.op.fault} ({plain(node.layer)})"


def _describing_words(graph: Graph, faults: Sequence[Node[Op]], has_lengths: bool) -> dict[str, str]:
    layers: dict[str, list[str]] = {}
    for node in graph.nodes:
        layers.setdefault(plain(node.layer), []).append(plain(op_in_words(node.op)))
    numbers = [f"{i} for {fault_text(node)}" for i, node in enumerate(faults, 1)]
    if has_lengths:
        numbers.append("-1 for lengths that the network cannot take")
    status = (
        f"Returns 0, or, where a row has no prediction, {', '.join(numbers)}." if numbers else "Returns 0."
    )
    return {
        "layers": "\n".join(f"   {layer}: {', '.join(kinds)}" for layer, kinds in layers.items()),
        "table": "\n".join(f"- `{layer}`: {', '.join(kinds)}" for layer, kinds in layers.items()),
        "status": status,
    }


def _port_words(
    name: str, inputs: Sequence[Port], outputs: Sequence[Port], free: FreeLengths | None
) -> dict[str, str]:
    ports = [*inputs, *outputs]
    arguments = [f"const {p.type} *{p.name}" for p in inputs] + [f"{p.type} *{p.name}" for p in outputs]
    if free is None:
        more, sizes = [], [p.size_name for p in ports]
        example = [f"{p.type} {p.name}[{p.size_name}]{' = {0}' if p in inputs else ''};" for p in ports]
    else:
        arguments += [*(f"long {length}" for length in free.names), "void *workspace"]
        more, sizes = [*free.names, "workspace"], [f"sizes.{p.name}" for p in ports]
        example = [
            f"struct {name}_predict_sizes sizes;",
            f"int taken = {name}_predict_sizes({', '.join([*free.names, '&sizes'])});",
            *(f"{p.type} *{p.name} = malloc(sizeof *{p.name} * sizes.{p.name});" for p in ports),
            "void *workspace = malloc(sizes.workspace);",
        ]
    call = ", ".join([*(p.name for p in ports), *more])
    example.append(f"int status = {name}_predict({call});")
    order = f": {', then '.join(f'{p.size} of {p.name}' for p in inputs)}" if len(inputs) > 1 else ""
    shaped = [p for p in ports if len(p.shape) > 1]
    shapes = [f"/* {p.name}: {' x '.join(map(str, p.shape))}, the last axis nearest. */" for p in shaped]
    return {
        "size_macros": "\n".join([*shapes, *(f"#define {p.size_name} {p.size}" for p in ports)]),
        "arguments": ", ".join(arguments),
        "row_arguments": ", ".join(
            [*(f"{p.name} + row * {size}" for p, size in zip(ports, sizes, strict=True)), *more]
        ),
        "example": "\n".join(example),
        "order": order,
        "total": str(sum(p.size for p in inputs)),
    }


def _main_words(
    name: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    faults: Sequence[Node[Op]],
    free: FreeLengths | None,
) -> Mapping[str, str]:
    stores = []
    for p in inputs:
        if p.type == "float":
            value = [f"    {p.name}[index] = strtof(text, &end);", "    return end == text + length;"]
        else:
            value = [
                "    const double value = strtod(text, &end);",
                "    if (end != text + length || !(value >= -2147483648.0 && value < 2147483648.0))",
                "      return 0;",
                f"    {p.name}[index] = (int32_t)value;",
                f"    return (double){p.name}[index] == value;",
            ]
        stores += [f"  if (index < {p.size_name}) {{", *value, "  }", f"  index -= {p.size_name};"]
    more = [] if free is None else [*free.names, "workspace"]
    call = f"{name}_predict({', '.join([*(p.name for p in (*inputs, *outputs)), *more])})"
    predict = [f"    (void){call}; /* always 0 */"]
    if faults:
        texts = ", ".join(f'"{fault_text(node)}"' for node in faults)
        predict = [
            f"    static const char *const faults[] = {{{texts}}};",
            f"    const int fault = {call};",
            "    if (fault) {",
            '      fprintf(stderr, "line %ld: %s\\n", line, faults[fault - 1]);',
            "      return EXIT_FAILURE;",
            "    }",
        ]
    prints = []
    for p in outputs:
        form = '"%s%.9g", before, (double)' if p.type == "float" else '"%s%ld", before, (long)'
        prints += [
            f'    for (size_t i = 0; i < {p.size_name}; i++, before = ",")',
            f"      printf({form}{p.name}[i]);",
        ]
    whole = [p.name for p in inputs if p.type != "float"]
    a_number = "a number" if not whole else "a whole number"
    if 0 < len(whole) < len(inputs):
        a_number = f"a number, or not a whole one where {' and '.join(whole)} {'take' if whole[1:] else 'takes'} that"
    return {
        "static_arrays": "\n".join(f"static {p.type} {p.name}[{p.size_name}];" for p in (*inputs, *outputs)),
        "stores": "\n".join(stores[:-1]),
        "predict": "\n".join(predict),
        "prints": "\n".join(prints),
        "a_number": a_number,
    }
