"""Threads that share one row: the same bits whoever takes which part, and nobody reads what is not finished."""

import os
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foldnet
from foldnet import Sequential, layers
from foldnet.codegen.convolution import HEIGHTS, in_tiles, tallest, tile_turns
from foldnet.codegen.layout import pack
from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction import source as source_module
from foldnet.engines.native.prediction import steps
from foldnet.engines.native.prediction.program import NativeCode
from foldnet.engines.native.prediction.source import emit
from foldnet.engines.native.prediction.steps import Step, in_order, in_steps
from foldnet.graph.graph import GraphBuilder, bind
from foldnet.operations.along.op import Softmax
from foldnet.operations.matrix.op import Dense
from tests.native.networks import graph_of, random_inputs
from tests.operations.free_axes import CHANGES, FREE, at_lengths
from tests.operations.op_cases import GRAPHS, ONE_BY_ONE, SIDE_BY_SIDE, data_of, joined, same_bits

LABELS = SIDE_BY_SIDE + ONE_BY_ONE
GROUPS = [LABELS[k::16] for k in range(16)]
FREE_LABELS = [label for label in LABELS if FREE[label][0]][::4]
FREE_GROUPS = [FREE_LABELS[k::5] for k in range(5)]


@pytest.fixture
def parts(monkeypatch):
    """Every loop is divided into as many parts as there may be, and every program is for several threads."""
    monkeypatch.setattr(steps, "PART_COST", 1)
    monkeypatch.setattr(source_module, "TEAM_COST", 1)
    monkeypatch.setattr(source_module, "divided_cost", lambda lines: 10**12)


def assert_same(labels, found, expected):
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert same_bits(a, b), (labels, k)


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_several_threads_give_the_bits_of_one(group, request):
    labels = GROUPS[group]
    graph, data = joined(GRAPHS[n] for n in labels), data_of(labels, 1)
    expected = NativeProgram(graph, threads=1).run(data)
    request.getfixturevalue("parts")
    code = emit(graph).code
    assert code.count("  TURNS(") > len(labels) / 2
    for threads in (1, 2, 3, 7):
        program = NativeProgram(graph, threads=threads)
        for _ in range(1 if threads == 1 else 20):
            assert_same(labels, program.run(data), expected)


@pytest.mark.parametrize("group", range(len(FREE_GROUPS)))
def test_the_same_where_sizes_are_known_at_the_call(group, request):
    labels = FREE_GROUPS[group]
    graph, fixed, lengths, data = at_lengths(labels, CHANGES["long"], rows=1)
    expected = NativeProgram(fixed, threads=1).run(data)
    request.getfixturevalue("parts")
    program = NativeProgram.at_lengths(NativeCode(graph), lengths)
    for threads in (1, 2, 5):
        program.threads = threads
        for _ in range(1 if threads == 1 else 20):
            assert_same(labels, program.run(data), expected)


MAIN = """
#include <stdio.h>
int main(void) {{
  float *weights;
  if (posix_memalign((void **)&weights, 64, {weights}) || !fread(weights, {weights}, 1, stdin))
    return 1;
  static char in_data[{inputs} + 1], out_data[{outputs} + 1];
  if (!fread(in_data, {inputs}, 1, stdin))
    return 1;
  const void *in[] = {{{in_at}}};
  void *out[] = {{{out_at}}};
  for (int k = 0; k < {calls}; k++)
    if (foldnet_run(in, out, weights, 1, 4, NULL))
      return 2;
  return 0;
}}
"""


def listed(name, arrays):
    """C of the places of arrays that lie one after the other, and the bytes of all."""
    at, places = 0, []
    for array in arrays:
        places.append(f"{name} + {at}")
        at += array.nbytes
    return ", ".join(places), at


def said_by_thread_sanitizer(graph, data, folder, calls=20):
    """What it says of so many calls, up to the first race."""
    made = emit(graph)
    weights = pack(made.layout, made.floats, graph.constants)
    in_at, inputs = listed("in_data", data)
    out_at, outputs = listed("out_data", NativeProgram(graph, threads=1).run(data))
    main = MAIN.format(
        calls=calls, weights=weights.nbytes, inputs=inputs, outputs=outputs, in_at=in_at, out_at=out_at
    )
    (folder / "net.c").write_text(made.code + main)
    flags = ["-std=gnu11", "-O1", "-march=native", "-ffp-contract=off", "-pthread", "-fsanitize=thread", "-w"]
    subprocess.run(["gcc", *flags, "net.c", "-lm", "-o", "main"], cwd=folder, check=True)
    given = weights.tobytes() + b"".join(x.tobytes() for x in data)
    options = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
    done = subprocess.run([folder / "main"], input=given, capture_output=True, check=False, env=options)
    assert done.returncode in (0, 66), done.stderr.decode()[:2000]
    return done.stderr.decode()


@pytest.mark.parametrize("group", range(0, len(GROUPS), 4))
@pytest.mark.usefixtures("parts")
def test_threads_touch_nothing_at_once(group, tmp_path):
    labels = [n for k in range(4) for n in GROUPS[group + k]][::2]
    assert said_by_thread_sanitizer(joined(GRAPHS[n] for n in labels), data_of(labels, 1), tmp_path) == ""


@pytest.mark.usefixtures("parts")
def test_a_step_that_does_not_wait_is_noticed(tmp_path, monkeypatch):
    real = source_module.header

    def hasty(module, name):
        return real(module, name).replace(") < all; spins++)", ") < 0; spins++)")

    monkeypatch.setattr(source_module, "header", hasty)
    b = GraphBuilder()
    value = b.input("x", (None, 64, 33))
    for axis in (1, 2, 1, 2):  # each step reads what all parts of the one before have written
        value = b.emit(Softmax(axis), value)
    graph = b.build([value])
    (x,) = random_inputs(graph, 1)
    assert "data race" in said_by_thread_sanitizer(graph, [x], tmp_path, calls=5000)


# -- what is divided --


def dense(units=512, inputs=4096):
    return graph_of(Dense(), (inputs,), weights=(np.ones((inputs, units)), np.zeros(units)))


def test_rows_of_little_work_are_for_one_thread():
    assert "TURNS" not in emit(dense(64, 64)).code
    assert "TURNS" in emit(dense(1024, 4096)).code


def test_threads_come_with_the_work():
    """So that a small network does not wake many of them."""
    code = emit(dense(1024, 4096)).code
    (team,) = (int(line.split()[-1]) for line in code.splitlines() if line.startswith("#define TEAM "))
    assert team == -(-(1024 * 4096 + 10 * 4096) // source_module.TEAM_COST)


def test_nothing_is_divided_where_most_of_the_work_goes_in_order():
    """A sequence of 1,000 steps, of which only what comes before them could be."""
    model = Sequential([layers.Input((1000, 16)), layers.LSTM(64)])
    graph = foldnet.freeze(model, engine="reference").graph
    code = emit(bind(graph, [(None, 1000, 16)])).code
    assert source_module.cost(graph) > 10 * source_module.TEAM_COST
    assert "TURNS" not in code


def test_what_is_not_divided_is_taken_by_one_thread():
    def lines(low, high):
        return [f"  for (int i = {low}; i < {high}; i++)", "    b(i);"]

    many, few = Step(64, 3 * steps.PART_COST, lines), Step(64, steps.PART_COST, lines)
    text, count = in_steps(["  /* A */", "  a();", few, "  /* B */", many, "  /* C */", "  c();"])
    assert count == 3
    assert [line.strip() for line in text] == [
        "TURNS(0, 1, 1) {", "/* A */", "a();", "for (int i = 0; i < 64; i++)", "b(i);", "}",
        "/* B */", "TURNS(1, 64, 3) {", "for (int i = t.low; i < t.high; i++)", "b(i);", "}",
        "TURNS(2, 1, 1) {", "/* C */", "c();", "}",
    ]  # fmt: skip
    assert in_order(["  a();", many]) == ["  a();", "  for (int i = 0; i < 64; i++)", "    b(i);"]


@settings(max_examples=200, deadline=None)
@given(count=st.integers(1, 300), vectors=st.integers(1, 4), simd=st.sampled_from([8, 16]), data=st.data())
def test_turns_of_tiles_cover_each_position_once(count, vectors, simd, data):
    tall = tallest(vectors, simd)
    turns = tile_turns(count, tall)
    cuts = sorted({0, turns, *data.draw(st.lists(st.integers(0, turns), max_size=4))})
    covered = []

    def call(height, p):
        return f"done({height}, {p});"

    for low, high in pairwise(cuts):
        for head, body in loops(in_tiles(count, tall, call, turns=(low, high))):
            start, end, step = head
            for p in range(start, end, step):
                height, at = body(p)
                assert height in range(1, max(HEIGHTS) + 1)
                covered += range(at, at + height)
    assert sorted(covered) == list(range(count))


def loops(lines):
    """The loops that ``in_tiles`` has written, as numbers: the head, and what the body is given for each turn."""
    for head, body in zip(lines[::2], lines[1::2], strict=True):
        parts = head.removeprefix("for (").removesuffix(")").split("; ")
        start, end, step = parts[0].split("=")[1], parts[1].split("<", 1)[1], parts[2].split("+=")[1]
        height, at = body.strip().removeprefix("done(").removesuffix(");").split(", ")
        yield (number(start), number(end), int(step)), lambda p, h=height, a=at: (int(h), number(a, p))


def number(text, p=0):
    """The value of C's arithmetic and ``a ? b : c``."""
    text = text.strip()
    while "(" in text:
        inner = text[text.rindex("(") : text.index(")", text.rindex("(")) + 1]
        text = text.replace(inner, str(number(inner[1:-1], p)))
    if "?" in text:
        test, rest = text.split("?")
        yes, no = rest.split(":")
        return number(yes, p) if eval(test, {}, {"p": p}) else number(no, p)
    return int(eval(text, {}, {"p": p}))
