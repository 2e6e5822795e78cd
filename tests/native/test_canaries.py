"""No step of a prediction writes past the end of its array: in a workspace apart, what lies between stays as it was.

Sanitizers cannot see this, as all arrays lie in one piece of memory. A debug build sets them apart, fills the whole
workspace with a pattern, and looks after the call whether what belongs to nobody still has it.
"""

import ctypes
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
import pytest

from foldnet.codegen import layout, workspace
from foldnet.codegen.layout import pack
from foldnet.engines.native import compiler as cc
from foldnet.graph.graph import Node
from foldnet.graph.op import FLOAT, Elementwise
from foldnet.operations.elementwise.op import Unary
from tests.native.apart import APART, listed, set_apart
from tests.native.networks import narrow_networks, random_inputs
from tests.operations.free_axes import CHANGES, FREE, at_lengths, changed, fits
from tests.operations.op_cases import GRAPHS, ONE_BY_ONE, SIDE_BY_SIDE, data_of, joined
from tests.support import compile_once

SIMD = 8

WATCH = """
#include <stddef.h>
#include <string.h>
static char *watched;
static size_t watched_size;
static void *watched_malloc(size_t size) {
  watched = malloc(watched_size = size);
  if (watched)
    memset(watched, 0xA5, size);
  return watched;
}
static void watched_free(void *memory);
#define malloc watched_malloc
#define free watched_free
"""
CHECK = """
#undef free
__attribute__((visibility("default"))) int dead = -1;
static void watched_free(void *memory) {
  const char *start = (char *)memory + (64 - (uintptr_t)memory % 64);
  for (int g = 0; dead < 0 && g < (int)(sizeof gaps / sizeof *gaps); g++)
    for (long i = 0; i < gaps[g][2]; i++)
      if (start[(gaps[g][0] ? sizeof(float) * FLOATS : 0) + gaps[g][1] + i] != (char)0xA5) {
        dead = g;
        break;
      }
  free(memory);
}
"""


def watched(labels, folder, monkeypatch, rows):
    """The debug build of these cases, run: after which value a gap has died, None for none."""
    graph = joined(GRAPHS[label] for label in labels)
    return watched_graph(graph, graph, data_of(labels, rows), folder, monkeypatch, rows)


def watched_graph(graph, fixed, inputs, folder, monkeypatch, rows, lengths=(), strategy="lanes", simd=SIMD):
    """The same for a graph whose sizes may depend on lengths, and which is ``fixed`` for the given ones."""
    made, of_blocks, of_rows = set_apart(graph, simd, monkeypatch, lengths, strategy)
    table = of_rows if rows < (2 if strategy == "rows" else 3) else of_blocks
    assert len(table) > min(20, len(graph.outputs) // 2)
    code = made.code.replace("#include <stdlib.h>\n", "#include <stdlib.h>\n" + WATCH, 1)
    code += f"static const long gaps[][3] = {listed(table)};\n"
    if lengths:
        code += f"static const int64_t lengths[] = {{{', '.join(map(str, lengths))}}};\n"
    (folder / "net.c").write_text(code + CHECK)
    command = [*cc.find().command, "-std=gnu11", "-O0", "-march=native", "-fPIC", "-shared", "-pthread", "-w"]
    done = compile_once.run([*command, "net.c", "-o", "net.so", "-lm"], folder)
    assert done.returncode == 0, done.stderr[:3000]
    library = ctypes.CDLL(str(folder / "net.so"))
    weights = pack(made.layout, made.floats, graph.constants)
    # A result's memory goes on behind it, so that a write past its end is seen, too.
    sizes = [rows * prod(layout.shape_of_row(fixed, name)) for name in fixed.outputs]
    outputs = [np.full(4 * (size + APART), 0xA5, np.uint8) for size in sizes]
    pointers = [(ctypes.c_void_p * len(a))(*(x.ctypes.data for x in a)) for a in (inputs, outputs)]
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2, ctypes.c_void_p)(
        ("foldnet_run", library)
    )
    handed_over = (ctypes.c_int64 * len(lengths))(*lengths)
    assert run(*pointers, weights.ctypes.data, rows, 1, handed_over) == 0
    for name, size, output in zip(fixed.outputs, sizes, outputs, strict=True):
        if (output[4 * size :] != 0xA5).any():
            return name
    dead = ctypes.c_int.in_dll(library, "dead").value
    return list(table.values())[dead] if dead >= 0 else None


@pytest.mark.parametrize("one_by_one", [False, True], ids=["side by side", "one by one"])
@pytest.mark.parametrize("change", ["longer", "one"])
def test_no_step_writes_past_its_array_where_sizes_are_known_at_the_call(
    change, one_by_one, tmp_path, monkeypatch
):
    labels = [
        label
        for label in (ONE_BY_ONE if one_by_one else SIDE_BY_SIDE)
        if FREE[label][0] and fits(label, changed(label, CHANGES["same"]))
    ][:: 1 if one_by_one else 4]
    graph, fixed, lengths, data = at_lengths(labels, CHANGES[change], rows=2)
    dead = watched_graph(graph, fixed, data, tmp_path, monkeypatch, 2, tuple(lengths))
    assert dead is None, labels[int(dead.split("/")[0])]


@pytest.mark.parametrize("rows", [1, 2 * SIMD, 45], ids=["a row", "a whole block", "blocks and a part"])
@pytest.mark.parametrize("names", [SIDE_BY_SIDE, ONE_BY_ONE], ids=["side by side", "one by one"])
def test_no_step_writes_past_its_array(names, rows, tmp_path, monkeypatch):
    names = names[:: 2 if rows == 45 else 1]
    dead = watched(names, tmp_path, monkeypatch, rows)
    assert dead is None, names[int(dead.split("/")[0])]


@pytest.mark.parametrize("rows", [2, 24, 45])
def test_no_step_writes_past_its_array_where_rows_lie_in_memory(rows, tmp_path, monkeypatch):
    names = SIDE_BY_SIDE[rows % 2 :: 2]
    graph = joined(GRAPHS[label] for label in names)
    # Results go straight to the caller; half of them stay in the workspace, as something is made of them.
    stay = [v for v in graph.outputs if graph.types[v].dtype == FLOAT and v not in graph.constants][::2]
    more = [Node(Unary(Elementwise("negative")), (v,), f"{v} negative", "") for v in stay]
    types = {**graph.types, **{n.output: graph.types[n.inputs[0]] for n in more}}
    outputs = tuple(f"{v} negative" if v in stay else v for v in graph.outputs)
    graph = replace(graph, nodes=(*graph.nodes, *more), types=types, outputs=outputs)
    dead = watched_graph(graph, graph, data_of(names, rows), tmp_path, monkeypatch, rows, strategy="rows")
    assert dead is None, names[int(dead.split("/")[0])]


@pytest.mark.parametrize("name", narrow_networks())
def test_no_step_writes_past_its_array_where_values_stay_in_registers(name, tmp_path, monkeypatch):
    graph = narrow_networks()[name]
    inputs = random_inputs(graph, 85)
    assert watched_graph(graph, graph, inputs, tmp_path, monkeypatch, 85, simd=16) is None


@pytest.mark.parametrize("rows", [1, 45])
def test_an_array_that_is_too_small_is_noticed(rows, tmp_path, monkeypatch):
    names = SIDE_BY_SIDE[::3]
    graph = joined(GRAPHS[name] for name in names)
    victim = next(n.output for n in graph.nodes if SIMD < layout.elements(graph, n.output) < SIMD + APART)
    real = layout.elements

    def fewer(graph, name, short):
        return real(graph, name) - short * (name == victim)

    monkeypatch.setattr(workspace, "elements", partial(fewer, short=real(graph, victim) - 1))
    assert watched(names, tmp_path, monkeypatch, rows) == victim
