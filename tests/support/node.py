"""Networks in WebAssembly, run by node."""

import base64
import json
import os
import shutil
import subprocess

import numpy as np
import pytest

NEEDS_NODE = pytest.mark.skipif(
    shutil.which("node") is None and not os.environ.get("FOLDNET_REQUIRE_NODE"),
    reason="needs node, which no Python package brings; .ci/run installs it and forbids the skip",
)
"""Node 18 or newer; where FOLDNET_REQUIRE_NODE is set, its absence is a failure."""

CALLS = """
import { readFileSync } from "node:fs";
const asked = JSON.parse(readFileSync(0));
const kinds = { f: Float32Array, i: Int32Array };
const read = ({ kind, bytes, shape, nested }) => {
  if (nested !== undefined) return nested;
  return { data: new kinds[kind](Uint8Array.from(Buffer.from(bytes, "base64")).buffer), shape };
};
const written = ({ data, shape }) => {
  const bytes = Buffer.from(data.buffer).toString("base64");
  return { kind: data instanceof Int32Array ? "i" : "f", shape, bytes };
};
const { load } = await import(asked.url);
const answers = [];
for (const simd of asked.simd) {
  const predict = await load({ simd });
  for (const call of asked.calls) {
    const inputs = call.map(read);
    const y = predict(inputs.length > 1 ? inputs : inputs[0]);
    answers.push((predict.outputs.length > 1 ? y : [y]).map((t) => (t.data ? written(t) : { nested: t })));
  }
}
process.stdout.write(JSON.stringify(answers));
"""


def node(script, given="", folder=None):
    """What a script, an ES module, prints."""
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def answers(module, *calls, simd=(True,)):
    """The results of calls of a module, each a list of arrays; with ``simd=(True, False)`` of both modules in turn.

    Each call is a list of inputs: arrays, or nested lists.
    """
    asked = {"url": module.as_uri(), "simd": simd, "calls": [[_given(x) for x in call] for call in calls]}
    found = json.loads(node(CALLS, json.dumps(asked)))
    return [[_taken(y) for y in answer] for answer in found]


def _given(x):
    if isinstance(x, list):
        return {"nested": x}
    x = np.ascontiguousarray(x, np.int32 if x.dtype.kind in "iub" else np.float32)
    return {"kind": x.dtype.kind, "shape": x.shape, "bytes": base64.b64encode(x.tobytes()).decode()}


def _taken(y):
    if "nested" in y:
        return np.array(y["nested"], np.float32)
    return np.frombuffer(base64.b64decode(y["bytes"]), {"f": "f4", "i": "i4"}[y["kind"]]).reshape(y["shape"])
