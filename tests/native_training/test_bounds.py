"""No step of a training writes past the end of an array: canaries between those of one workspace, and kernels alone."""

import ctypes
import subprocess

import numpy as np
import programs
import pytest
import test_gradients
from support.compilers import sanitizers

from foldnet import Sequential, layers
from foldnet.engines.native import cache, train_known
from foldnet.engines.native.train import NativeTraining
from foldnet.engines.native.train_emit import Emitter
from foldnet.engines.native.train_source import source
from foldnet.latest import Latest

PATTERN = 0x7FA5A5A5  # a NaN, so that reading past an end shows, too
ROWS = 37  # of a step; the workspace holds 48


def apart(monkeypatch):
    """Programs get a row of lanes, or a vector, that belongs to nobody after each array; returns where these are."""
    gaps = []
    real = Emitter._declare

    def declare(self, name, count, laned, kind="float"):
        real(self, name, count, laned, kind)
        if laned:
            gaps.append(("lanes_space", self.layout.lanes * 48, 48))
            self.layout.lanes += 1
        else:
            gaps.append(("free_space", self.layout.free, 16))
            self.layout.free += 16

    monkeypatch.setattr(Emitter, "_declare", declare)
    monkeypatch.setattr(train_known, "_known", Latest(2))
    load = cache.load
    monkeypatch.setattr(cache, "load", lambda code, symbol, *options: load(code, symbol, "-O0"))
    return gaps


def watched(program, data, threads, monkeypatch, short=0):
    """A fit of three steps: the gaps whose pattern has changed."""
    gaps, given, alive = apart(monkeypatch), [], []
    buffers = NativeTraining._buffers

    def filled(self, *arguments):
        b = buffers(self, *arguments)
        for field, at, size in gaps:
            space = getattr(b.job, field) + 4 * (at - short * 48 * (field == "lanes_space"))
            place = np.ctypeslib.as_array((ctypes.c_uint32 * size).from_address(space))
            place[:] = PATTERN
            given.append((field, at, place))
        alive.append(b)
        return b

    monkeypatch.setattr(NativeTraining, "_buffers", filled)
    NativeTraining(program).fit(
        programs.start(program), data, programs.plan(ROWS, ROWS, 3, rate=1e-3, seed=7, threads=threads)
    )
    assert len(given) > 5
    return [(field, at) for field, at, place in given if (place != PATTERN).any()]


CASES = {
    "dropout and normalization": lambda: programs.program(programs.q2()),
    **{c.__name__: lambda c=c: test_gradients.made(c)[0] for c in test_gradients.CASES},
}


@pytest.mark.parametrize("case", CASES)
def test_no_step_writes_past_its_array(case, monkeypatch):
    program = CASES[case]()
    assert watched(program, programs.data(program, ROWS, seed=3), 2, monkeypatch) == []


def test_a_canary_within_an_array_dies(monkeypatch):
    program = CASES["dropout and normalization"]()
    assert watched(program, programs.data(program, ROWS, seed=3), 1, monkeypatch, short=1)


ALONE = r"""
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  const Key key = {1, 2};
  for (long count = 1; count < 140; count++) {
    uint32_t *space = malloc(sizeof *space * (size_t)count);
    numbers(space, count, 3, key);
    int32_t *order = malloc(sizeof *order * (size_t)count);
    for (long i = 0; i < count; i++)
      order[i] = (int32_t)i;
    shuffle(order, count, space, 5, key);
    long sum = 0;
    for (long i = 0; i < count; i++)
      sum += order[i];
    if (sum != count * (count - 1) / 2)
      return 2;
    free(order);
    free(space);
  }
  for (int kind = 0; kind < 3; kind++)
    for (int training = 0; training < 2; training++)
      for (long R = 16; R <= 80; R += 16)
        for (long count = 1; count < 14; count++)
          for (int both = kind == 2; both < 2; both++) {
            const size_t size = sizeof(float) * (size_t)(count * R);
            float *factor = malloc(size), *addend = both ? malloc(size) : 0;
            random_change(kind, factor, addend, count, R, 1, 0, (count + 3) / 4, training, 9, key, 1e9, 0.0f, 1.5f,
                          0.0f, 0.5f);
            free(factor);
            free(addend);
          }
  puts("clean");
  return 0;
}
"""


def test_random_numbers_stay_within_buffers_of_their_size(tmp_path):
    """Alone, and in memory of just the size that is asked for: odd counts of numbers, whole and part vectors."""
    network = Sequential([layers.Input((3,)), layers.Dropout(0.5), layers.Dense(1)])
    code = source(programs.program(network)).code
    (tmp_path / "alone.c").write_text(code + ALONE)
    flags = ["-std=gnu11", "-O0", "-march=native", "-pthread", "-w", *sanitizers("gcc")]
    subprocess.run(["gcc", *flags, "alone.c", "-lm", "-o", "alone"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "alone"], capture_output=True, text=True, check=False)
    assert done.stdout == "clean\n", done.stderr[:3000]
