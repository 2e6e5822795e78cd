"""One row, and many, in node and in compiled C, in one run.

python benchmarks/wasm.py [--quick]

Native is the call of a predictor in Python, with one NumPy array given and one returned; in node it is the call of the
ES module, for one row with a list in a list, for many with a Float32Array. Both include reading rows and results,
and have one thread. Exit code 1 if results differ, or if one row takes more than three times the native time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("FOLDNET_THREADS", "1")

import numpy as np

import foldnet
from foldnet import Sequential, layers

WINE = Path(__file__).parents[1] / "src" / "foldnet" / "demo" / "wine.keras"
TURNS = 60
SLOWER = 3.0
"""How many times the native time one row may take."""
NODE = """
import { readFileSync } from "node:fs";
const { url, rows, turns } = JSON.parse(readFileSync(0));
const { load } = await import(url);
const best = (work, calls) => {
  let least = Infinity;
  for (let k = 0; k < turns; k++) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) work();
    least = Math.min(least, (performance.now() - start) / calls);
  }
  return least * 1e3;
};
const found = { y: null };
for (const simd of [true, false]) {
  const predict = await load({ simd });
  const one = rows.slice(0, 1), flat = Float32Array.from(rows.flat());
  found.y ??= predict(rows);
  found[simd ? "simd" : "plain"] = [best(() => predict(one), 5000), best(() => predict(flat, rows.length), 1)];
}
console.log(JSON.stringify(found));
"""


def networks():
    wide = Sequential(
        [
            layers.Input((64,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return {"wine": foldnet.load_model(str(WINE)), "64-128-128-10": wide}


def best(work, calls, turns):
    least = float("inf")
    for _ in range(turns):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        least = min(least, (time.perf_counter() - start) / calls)
    return least * 1e6


def measure(network, rows, turns):
    predict = foldnet.freeze(network, engine="native")
    x = np.random.default_rng(0).normal(size=(rows, *predict.input_shapes[0][1:])).astype(np.float32)
    one = x[:1].copy()
    with tempfile.TemporaryDirectory() as folder:
        module = predict.to_wasm(folder, name="network")[0]
        given = json.dumps({"url": module.as_uri(), "rows": x.tolist(), "turns": turns})
        command = ["node", "--input-type=module", "-e", NODE]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    y = predict(x)
    np.testing.assert_allclose(np.array(found["y"]), y, rtol=1e-5, atol=1e-6)
    native = best(lambda: predict(one), 500, turns), best(lambda: predict(x), 1, turns)
    return (
        native,
        found["simd"],
        found["plain"],
        (np.abs(np.array(found["y"]) - y) / np.maximum(1, np.abs(y))).max(),
    )


def main():
    parser = argparse.ArgumentParser(description="One row, and many, in node and in compiled C.")
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 10 if parser.parse_args().quick else TURNS
    rows, missed = 10_000, False
    print(f"microseconds, best of {turns}; in brackets the ratio to native\n")
    print(f"{'network':<16}{'rows':>8}{'native':>12}{'wasm, SIMD':>20}{'wasm, plain':>20}{'difference':>12}")
    for name, network in networks().items():
        native, simd, plain, difference = measure(network, rows, turns)
        missed |= simd[0] > SLOWER * native[0]
        for k, count in enumerate((1, rows)):
            cells = [f"{t[k]:.2f} ({t[k] / native[k]:.1f})" for t in (simd, plain)]
            print(f"{name:<16}{count:>8}{native[k]:>12.2f}{cells[0]:>20}{cells[1]:>20}{difference:>12.1e}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
