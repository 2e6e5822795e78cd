"""Signals, threads and forks amid compiling and predicting: nobody waits for a lock that is never released."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SECONDS = 600
"""A watchdog, generous for machines that are very busy: a deadlock fails the test."""

HEAD = """
import os, signal, sys, threading, time
from pathlib import Path
import numpy as np
import foldnet
from foldnet import Sequential, layers
from foldnet.engines.native import compiler as cc
from foldnet.predictor.lengths import ManyLengths
signal.alarm({seconds})
home = Path(os.environ["FOLDNET_CACHE"]).parent

# Each length is compiled for itself, as where an operation must know it: so that there is something to compile.
for_all_lengths, ManyLengths.program = ManyLengths.program, lambda self, rows: None

def network(units=2, free=True):
    made = Sequential([layers.Input((None, 3) if free else (3,)), layers.Dense(units), layers.Dense(1)])
    made.set_weights([np.linspace(-1, 1, w.size).reshape(w.shape) for w in made.get_weights()])
    return made

def rows(length):
    return np.ones((2, length, 3), np.float32)

def wait_for(path):
    while not path.exists():
        time.sleep(0.005)

def send_amid_compiling(number):
    def send():
        wait_for(home / "compiling")
        os.kill(os.getpid(), number)
    threading.Thread(target=send).start()

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

# The compiler waits for a file of the test's, so that what happens meanwhile happens while it runs.
SLOW = """#!/bin/sh
: > {home}/compiling
while [ ! -e {home}/go ]; do sleep 0.01; done
exec {cc} "$@"
"""

SCRIPTS = {}


def script(function):
    """Take a function's docstring for the program of a test."""
    SCRIPTS[function.__name__] = function.__doc__
    return function


@script
def a_signal_amid_a_compilation():
    """
    # The handler predicts with the same predictor: a shape that is compiled, and one that is not.
    predict = foldnet.freeze(network(), engine="native")
    expected = predict(rows(4)), predict(rows(5))
    os.environ["CC"] = str(home / "slow")
    seen = []
    def handler(*_):
        seen.append(predict(rows(4)))
        (home / "go").touch()
        seen.append(predict(rows(7)))
        seen.append(predict(rows(6)))
    signal.signal(signal.SIGUSR1, handler)
    send_amid_compiling(signal.SIGUSR1)
    result = predict(rows(6))
    assert [s.shape for s in seen] == [(2, 4, 1), (2, 7, 1), (2, 6, 1)]
    assert np.array_equal(seen[0], expected[0]) and np.array_equal(seen[2], result)
    """


@script
def a_signal_amid_the_compilation_for_all_lengths():
    """
    ManyLengths.program = for_all_lengths
    os.environ["CC"] = str(home / "slow")
    predict = foldnet.freeze(network(), engine="native")
    seen = []
    def handler(*_):
        (home / "go").touch()
        seen.append(predict(rows(7)))
        seen.append(predict(rows(6)))
    signal.signal(signal.SIGUSR1, handler)
    send_amid_compiling(signal.SIGUSR1)
    result = predict(rows(6))
    assert np.array_equal(seen[1], result) and np.array_equal(seen[0][:, :6], result)
    """


@script
def a_fork_while_a_thread_compiles():
    """
    predict = foldnet.freeze(network(), engine="native")
    predict(rows(4))
    os.environ["CC"] = str(home / "slow")
    thread = threading.Thread(target=lambda: predict(rows(6)))
    thread.start()
    wait_for(home / "compiling")
    child = os.fork()
    if not child:
        signal.alarm(60)
        known = predict(rows(4))
        (home / "go").touch()
        new = predict(rows(6))
        assert np.array_equal(new[:, :4], known)
        sys.exit(7)  # with all that Python does at its end, which must leave the parent's files alone
    assert ended(child) == 7
    thread.join()
    assert predict.engine == "native" and predict(rows(6)).shape == (2, 6, 1)
    """


@script
def a_child_that_lives_on_holds_up_no_compilation():
    """
    predict = foldnet.freeze(network(), engine="native")
    os.environ["CC"] = str(home / "slow")
    thread = threading.Thread(target=lambda: predict(rows(6)))
    thread.start()
    wait_for(home / "compiling")
    child = os.fork()
    if not child:
        signal.alarm(60)
        wait_for(home / "done")
        os._exit(7)
    (home / "go").touch()
    thread.join()
    (home / "done").touch()
    assert ended(child) == 7
    """


@script
def a_thread_predicts_while_another_compiles():
    """
    predict = foldnet.freeze(network(), engine="native")
    predict(rows(4))
    os.environ["CC"] = str(home / "slow")
    thread = threading.Thread(target=lambda: predict(rows(6)))
    thread.start()
    wait_for(home / "compiling")
    assert predict(rows(4)).shape == (2, 4, 1)
    assert not (home / "go").exists()
    (home / "go").touch()
    thread.join()
    """


@script
def a_fork_while_a_thread_fits():
    """
    model, other = network(free=False), network(3, free=False)
    x = np.random.default_rng(0).normal(size=(500, 3)).astype("f4")
    for m in (model, other):
        m.compile("sgd", "mse")
        m.fit(x, x[:, :1], epochs=1, verbose=0)
    begun = threading.Event()
    class Begun(foldnet.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            begun.set()
            self.model.stop_training = stop.is_set()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: model.fit(x, x[:, :1], epochs=10**6, verbose=0, callbacks=[Begun()]))
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        signal.alarm(60)
        other.fit(x, x[:, :1], epochs=1, verbose=0)
        model.predict(x, verbose=0)
        os._exit(7)
    assert ended(child) == 7
    stop.set()
    thread.join()
    """


@script
def ctrl_c_amid_the_compilation_of_a_predictor():
    """
    os.environ["CC"] = str(home / "slow")
    predict = foldnet.freeze(network(), engine="native")
    send_amid_compiling(signal.SIGINT)
    try:
        predict(rows(4))
    except KeyboardInterrupt:
        assert not (home / "go").exists()
    else:
        raise SystemExit("not interrupted")
    (home / "go").touch()
    assert predict(rows(4)).shape == (2, 4, 1) and predict.engine == "native"
    assert not list((home / "tmp").iterdir())
    """


@script
def ctrl_c_amid_the_compilation_of_a_fit():
    """
    from foldnet.engines.native.training.program import NativeTraining
    model = network(free=False)
    model.compile("sgd", "mse")
    x = np.ones((8, 3), np.float32)
    before = model.get_weights()
    os.environ["CC"] = str(home / "slow")
    send_amid_compiling(signal.SIGINT)
    try:
        model.fit(x, x[:, :1], epochs=2, verbose=0)
    except KeyboardInterrupt:
        assert not (home / "go").exists()
    else:
        raise SystemExit("not interrupted")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    (home / "go").touch()
    assert len(model.fit(x, x[:, :1], epochs=2, verbose=0).history["loss"]) == 2
    assert isinstance(model.trainer._engine, NativeTraining)
    assert not list((home / "tmp").iterdir())
    """


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_waits_for_ever(name, tmp_path, quick_compiler):
    for folder in ("cache", "tmp"):
        (tmp_path / folder).mkdir(mode=0o700)
    slow = tmp_path / "slow"
    slow.write_text(SLOW.format(home=tmp_path, cc=quick_compiler))
    slow.chmod(0o755)
    lines = [line.removeprefix("    ") for line in SCRIPTS[name].splitlines()]
    code = HEAD.format(seconds=SECONDS) + "\n".join(lines) + "\nprint('done')\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "FOLDNET_CACHE": str(tmp_path / "cache"),
            "TMPDIR": str(tmp_path / "tmp"), "CC": quick_compiler,
        },
    )  # fmt: skip
    try:
        said, errors = process.communicate(timeout=SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert said == "done\n", errors[-3000:]
    assert process.returncode == 0
