"""Ctrl+C: the fit stops soon, and leaves a model that can be used, with its history."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

from foldnet import Input, Sequential, layers
from foldnet.at_once import default_threads
from foldnet.engines.native.training.program import MOST_THREADS

SCRIPT = """
import os, signal, sys
import numpy as np
from functools import partial
import foldnet
from foldnet import layers, Sequential, Input, callbacks
from foldnet.training import loop, trainer
from foldnet.training.interrupts import Interrupts
from foldnet.engines.training import training_engine
trainer.training_engine = partial(training_engine, engine=sys.argv[1])

class Interrupting(Interrupts):
    # Sends the signal from within the fit, once it has surely made an epoch, however busy the machine is.
    left = int(sys.argv[2])

    @property
    def should_stop(self):
        ask = super().should_stop
        def asked():
            Interrupting.left -= 1
            if Interrupting.left == 0:
                os.kill(os.getpid(), signal.SIGINT)
            return ask()
        return asked

x = np.random.default_rng(0).normal(size=(2000, 8)).astype("f4")
model = Sequential([Input((8,)), layers.Dense(16, activation="relu"), layers.BatchNormalization(), layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x[:, :1], epochs=1, verbose=0)
loop.Interrupts = Interrupting
try:
    model.fit(x, x[:, :1], epochs=1_000_000, verbose=0)
except KeyboardInterrupt:
    losses = model.history.history["loss"]
    assert len(losses) > 0 and np.isfinite(losses).all()
    assert np.isfinite(model.predict(x[:5])).all()
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    print("usable", len(losses), flush=True)
"""


@pytest.mark.parametrize(("engine", "looks"), [("reference", 150), ("native", 4)])
def test_ctrl_c(engine, looks, quick_compiler):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine, str(looks)], capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CC": quick_compiler},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "usable" in done.stdout


def small():
    return Sequential(
        [Input((11,)), layers.Dense(10, activation="relu"), layers.BatchNormalization(), layers.Dense(1)]
    )


def wide():
    """A step of 8,192 rows takes most of a second."""
    return Sequential([
        Input((784,)), layers.Dense(1024, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3),
        layers.Dense(1024, activation="relu"), layers.BatchNormalization(), layers.Dense(1),
    ])  # fmt: skip


def not_threaded():
    """As much as one thread alone is thought to be worth: a step of 40,000 rows takes half a second."""
    return Sequential([
        Input((300,)), layers.Dense(320, activation="relu"), layers.BatchNormalization(), layers.Dense(300),
        layers.Dense(1),
    ])  # fmt: skip


CASES = {
    "small steps": (small, 2000, 32, 0),
    "steps that take long": (wide, 8192, 8192, 0),
    "steps that take long, one thread": (not_threaded, 40_000, 40_000, 0),
    "validation": (small, 32, 32, 3_000_000),
    "validation that takes long": (wide, 32, 8192, 16_384),
}


def seconds_to_stop(model, x, batch, validation, after):
    """Seconds of processor time, which, unlike those of a clock, other programs do not use up."""
    sent = []

    def interrupt():
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, interrupt)
    fit = partial(model.fit, batch_size=batch, epochs=1_000_000, validation_data=validation, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        (timer.start(), fit(x, x[:, :1]))
    taken = time.process_time() - sent[0]
    timer.join()
    return taken / min(MOST_THREADS, default_threads())


@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_stops_within_a_fifth_of_a_second(case):
    make, rows, batch, judged = CASES[case]
    model = make()
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, xv = (rng.normal(size=(n, model.inputs[0].shape[1])).astype(np.float32) for n in (rows, judged))
    model.fit(x[:32], x[:32, :1], epochs=1, verbose=0)
    validation = (xv, xv[:, :1]) if judged else None
    # Three tries in a row, lest luck passes.
    taken = [seconds_to_stop(model, x, batch, validation, 0.2 + 0.07 * k) for k in range(3)]
    assert max(taken) < 0.2
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.history.history.get("loss", [])).all()
    model.fit(x[:32], x[:32, :1], epochs=1, verbose=0)
