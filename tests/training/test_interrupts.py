"""Ctrl+C: the fit stops soon, and leaves a model that can be used, with its history."""

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import sys, warnings
import numpy as np
from functools import partial
import foldnet
from foldnet import layers, Sequential, Input, callbacks
from foldnet.training import trainer
from foldnet.engines.training import training_engine
trainer.training_engine = partial(training_engine, engine=sys.argv[1])
x = np.random.default_rng(0).normal(size=(2000, 8)).astype("f4")
model = Sequential([Input((8,)), layers.Dense(16, activation="relu"), layers.BatchNormalization(), layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x[:, :1], epochs=1, verbose=0)
print("ready", flush=True)
import time
try:
    model.fit(x, x[:, :1], epochs=1_000_000, verbose=0)
except KeyboardInterrupt:
    print("stopped", time.time(), flush=True)
    losses = model.history.history["loss"]
    assert len(losses) > 0 and np.isfinite(losses).all()
    assert np.isfinite(model.predict(x[:5])).all()
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    print("usable", len(losses), flush=True)
"""


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_ctrl_c(engine):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, engine], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert process.stdout.readline().strip() == "ready"
        time.sleep(1.0)
        asked = time.time()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert "usable" in out
    stopped = float(out.split("stopped ")[1].split()[0])
    assert stopped - asked < 2.0  # 0.2 s on an idle machine; tests share theirs
