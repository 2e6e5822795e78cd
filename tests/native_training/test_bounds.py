"""No step of a training reads or writes past the end of an array, in memory that a sanitizer watches to the element.

Sanitizers cannot see this by themselves where many arrays lie in one piece of memory; see exact.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from foldnet import Sequential, layers
from foldnet.engines.native.training.source import source
from tests.native_training import exact, programs
from tests.support.compilers import build, sanitizers

NAMES = list(exact.CASES)
GROUPS = [NAMES[i::4] for i in range(4)]
KINDS = (
    "lanes_space", "free_space", "weights", "gradients", "slots", "numbers", "data", "validation", "validate",
    "scalars", "order", "plain", "space", "lanes", "sums", "validation_sums",
)  # fmt: skip


def watched(arguments):
    """What exact.py says, in a process that has the sanitizers loaded."""

    def gcc_file(name):
        return subprocess.run(
            ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()

    environment = {
        **os.environ,
        # A trap instead of a message compiles in two thirds of the time.
        "CC": " ".join(["gcc", *sanitizers("gcc"), "-fsanitize-undefined-trap-on-error", "-g0"]),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
        "LD_PRELOAD": f"{gcc_file('libasan.so')} {gcc_file('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    command = [sys.executable, str(Path(exact.__file__)), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout.strip()
    return said if done.returncode == 0 else f"{said}: exit code {done.returncode}: {done.stderr[-3000:]}"


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
def test_no_step_leaves_its_arrays(names):
    assert watched(names) == "\n".join([*names, "clean"])


def test_an_array_that_is_shorter_by_one_is_noticed():
    assert watched(["--damaged", NAMES[0], *KINDS]) == "tried"


def test_a_block_that_is_shorter_by_one_is_noticed():
    assert (
        watched(["--damaged", "blocks", "block_gradients", "block_lanes", "lanes_space", "free_space"])
        == "tried"
    )


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
  for (int both = 0; both < 2; both++)
    for (int training = 0; training < 2; training++)
      for (long R = 16; R <= 80; R += 16)
        for (long count = 1; count < 14; count++) {
          const size_t size = sizeof(float) * (size_t)(count * R);
          float *factor = malloc(size), *addend = both ? malloc(size) : 0;
          const long quads = (count + 3) / 4;
          for (int sharing = 1; sharing < 3; sharing++)
            random_choice(factor, addend, count, 0, R, 1, 0, (count + 4 * sharing - 1) / (4 * sharing), training, 9,
                          key, sharing, 1e9, 0.0f, 1.5f, 0.0f, 0.5f);
          random_normals(factor, addend, count, 0, R, 1, 0, quads, training, 9, key, 0.5f);
          free(factor);
          free(addend);
        }
  puts("clean");
  return 0;
}
"""


def test_random_numbers_stay_within_buffers_of_their_size(tmp_path):
    """Alone, and in memory of just the size that is asked for: odd counts of numbers, whole and part vectors."""
    network = Sequential(
        [layers.Input((3,)), layers.Dropout(0.5), layers.GaussianNoise(0.5), layers.Dense(1)]
    )
    code = source(programs.program(network)).code
    (tmp_path / "alone.c").write_text(code + ALONE)
    flags = ["-std=gnu11", "-O0", "-march=native", "-pthread", "-w", *sanitizers("gcc")]
    build("gcc", [*flags, "alone.c"], "alone", tmp_path)
    done = subprocess.run([tmp_path / "alone"], capture_output=True, text=True, check=False)
    assert done.stdout == "clean\n", done.stderr[:3000]
