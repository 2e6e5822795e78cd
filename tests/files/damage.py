"""Load damaged copies of a file and say, a line each, what came of it; run apart, so that a crash is seen.

    python damage.py GOOD SCRATCH < instructions

An instruction is ``cut N`` (keep N bytes) or ``flip N BIT``. The answer is ``error`` (a FoldnetError), ``same`` (the
good file's network), ``weights`` (one or two numbers differ, all finite), ``other`` (another network), or
a traceback.
"""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

import numpy as np

import foldnet
from foldnet.errors import FoldnetError


def describe(network):
    calls = [[layer.name, type(layer).__name__] for layer in network.layers]
    settings = {layer.name: str(sorted(layer.get_config().items(), key=str)) for layer in network.layers}
    return calls, settings, network.get_weights()


def outcome(good, path):
    try:
        calls, settings, weights = describe(foldnet.load_model(path))
    except FoldnetError:
        return "error"
    if (calls, settings) != good[:2]:
        return "other"
    differ = sum(int((a != b).sum()) for a, b in zip(good[2], weights, strict=True))
    if differ == 0:
        return "same"
    return "weights" if differ <= 2 and all(np.isfinite(w).all() for w in weights) else "other"


def main(good_path, scratch):
    data = Path(good_path).read_bytes()
    good = describe(foldnet.load_model(good_path))
    path = Path(scratch) / f"damaged{Path(good_path).suffix}"
    for line in sys.stdin:
        kind, *numbers = line.split()
        damaged = bytearray(data)
        if kind == "cut":
            del damaged[int(numbers[0]) :]
        else:
            damaged[int(numbers[0])] ^= 1 << int(numbers[1])
        path.write_bytes(damaged)
        start = time.process_time()  # a busy machine makes nothing slow
        try:
            answer = outcome(good, path)
        except Exception:
            traceback.print_exc()
            answer = "traceback"
        slow = " slow" if time.process_time() - start > 1 else ""
        print(line.strip(), answer + slow, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
