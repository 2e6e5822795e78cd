"""The C header of a library, and an example that calls it."""

from __future__ import annotations

from math import prod

from foldnet.codegen.layout import shape_of_row
from foldnet.codegen.names import plain
from foldnet.export.c_project import fault_text
from foldnet.export.c_texts import fill
from foldnet.export.library.network import Network, Port
from foldnet.files.overwrite import MARK
from foldnet.graph.graph import Node
from foldnet.graph.op import Op

HEADER = """\
/* Predictions of the network @title@ by a shared library. @mark@. */

#ifndef @MACRO@_H
#define @MACRO@_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Predict some rows. All arrays have their rows first and lie without gaps:

@ports@

   in:       a pointer to each input, in this order
   out:      a pointer to room for each result, in this order
   rows:     how many there are
   threads:  how many may share the work; the results do not depend on it. 1 leaves all to the caller
   lengths:  @lengths@

   It may be called from several threads at once. Returns 0; -1 if there was no memory@status@. */
int64_t @name@_run(const void *const *in, void *const *out, int64_t rows, int64_t threads, const int64_t *lengths);
@sizes@
/* The features of the processor that are used: @levels@. */
const char *@name@_level(void);

/* Use these instead of the highest that the processor has. Returns 1; 0 if it does not have them, or there are none of
   that name. To be called before the first prediction. */
int @name@_use_level(const char *level);

#ifdef __cplusplus
}
#endif

#endif
"""

SIZES = """
/* The sizes that depend on lengths, inputs first, each in the order of its axes: @count@ numbers. Returns 1; 0 if the
   network cannot take rows of these lengths. */
int @name@_sizes(const int64_t *lengths, int64_t *sizes);
"""

EXAMPLE = """\
/* Predicts one row of zeros. @mark@. Build it in this folder:

     cc example.c ./LIBRARY -Wl,-rpath,. -o example

   with the library of this machine, @name@-x86_64-linux.so for instance. */

#include "@name@.h"
#include <stdio.h>

@arrays@

int main(void) {
  const void *in[] = {@takes@};
  void *out[] = {@gives@};
@lengths@  const int64_t status = @name@_run(in, out, 1, 1, @given@);
  if (status) {
    fprintf(stderr, "there is no prediction: status %ld\\n", (long)status);
    return 1;
  }
@prints@
  return 0;
}
"""


def c_header(network: Network, faults: tuple[Node[Op], ...]) -> str:
    """The text of the header."""
    free = network.lengths
    count = 1 + max((k for _, _, k in free), default=-1)
    status = "; -2 if the network cannot take these lengths" if free else ""
    if faults:
        numbers = ", ".join(f"{i} for {fault_text(node)}" for i, node in enumerate(faults))
        status += f"; or, where\n   a row has no prediction, 1 + row * {len(faults)} + number: {numbers}"
    ports = [_described(port, "in") for port in network.inputs]
    ports += [_described(port, "out") for port in network.outputs]
    axes = ", ".join(f"axis {axis} of in[{number}] is number {k}" for number, axis, k in free)
    words = {
        "title": plain(network.name),
        "mark": MARK,
        "MACRO": network.name.upper(),
        "name": network.name,
        "ports": "\n".join(ports),
        "lengths": f"{count} numbers: {axes}" if free else "not used: NULL",
        "status": status,
        "levels": "baseline; on x86-64 also avx2 (with FMA) and avx512 (F, BW, DQ, VL)",
        "sizes": fill(SIZES, {"name": network.name, "count": str(_free_sizes(network))}) if free else "",
    }
    return fill(HEADER, words)


def _free_sizes(network: Network) -> int:
    return sum(n is None for port in (*network.inputs, *network.outputs) for n in port.shape)


def _described(port: Port, kind: str) -> str:
    sizes = ["rows", *("any" if n is None else str(n) for n in port.shape)]
    return f"   {kind}  {port.type} {port.name}: {' x '.join(sizes)}"


def c_example(network: Network) -> str:
    """The text of a program that predicts one row of zeros."""
    graph = network.recorded
    ports = [*network.inputs, *network.outputs]
    sizes = [max(prod(shape_of_row(graph, v)), 1) for v in (*graph.inputs, *graph.outputs)]
    prints = [
        line
        for port, size in list(zip(ports, sizes, strict=True))[len(network.inputs) :]
        for line in (
            f"  for (int i = 0; i < {size}; i++)",
            f'    printf("%.9g\\n", (double){port.name}[i]);',
        )
    ]
    rows = {k: graph.types[graph.inputs[number]].shape[axis] for number, axis, k in network.lengths}
    lengths = ", ".join(str(rows[k]) for k in range(len(rows)))
    return fill(
        EXAMPLE,
        {
            "mark": MARK,
            "name": network.name,
            "arrays": "\n".join(
                f"static {port.type} {port.name}[{size}];" for port, size in zip(ports, sizes, strict=True)
            ),
            "takes": ", ".join(port.name for port in network.inputs),
            "gives": ", ".join(port.name for port in network.outputs),
            "lengths": f"  const int64_t lengths[] = {{{lengths}}};\n" if rows else "",
            "given": "lengths" if rows else "NULL",
            "prints": "\n".join(prints),
        },
    )
