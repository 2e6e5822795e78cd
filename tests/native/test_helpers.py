"""Threads that help with a call: they come, stay for a moment, take no signals, and are nobody's to wait for."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction import source as source_module
from foldnet.engines.native.prediction import steps
from foldnet.operations.matrix.op import Dense
from tests.native.networks import graph_of, random_inputs, table_network

counted = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
"""For what only Linux shows; the other tests compare results, which every system has."""

ROWS = 20_000


def alone(graph, inputs):
    return NativeProgram(graph, threads=1).run(inputs)[0]


@pytest.fixture(params=["rows", "a row"])
def shared(request, monkeypatch):
    """A network of a code of its own, data that several threads share, and the result."""
    monkeypatch.setattr(steps, "PART_COST", 1)
    monkeypatch.setattr(source_module, "TEAM_COST", 1)
    rng = np.random.default_rng(3)
    if request.param == "rows":
        graph = table_network((11, 10, 8, 6, 3))
        (x,) = random_inputs(graph, ROWS)
    else:
        graph = graph_of(Dense(), (700,), weights=(rng.normal(size=(700, 999)), rng.normal(size=999)))
        (x,) = random_inputs(graph, 1)
    return graph, x, alone(graph, [x])


def tasks():
    """The threads of this process; none where the system does not show them."""
    folder = Path("/proc/self/task")
    return {int(task.name) for task in folder.iterdir()} if folder.exists() else set()


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


@counted
def test_helpers_stay_for_a_moment_and_come_again(shared):
    graph, x, expected = shared
    program = NativeProgram(graph, threads=3)
    for _ in range(2):
        before = tasks()
        assert np.array_equal(program.run([x])[0], expected)
        started = tasks() - before
        assert len(started) == 2
        program.run([x])
        assert tasks() - before == started  # the same ones
        assert wait_until(lambda started=started: not tasks() & started)


@counted
def test_helpers_take_no_signals(shared):
    """So that Ctrl+C wakes the thread that Python waits in."""
    graph, x, _ = shared
    before = tasks()
    NativeProgram(graph, threads=2).run([x])
    (helper,) = tasks() - before
    status = Path(f"/proc/self/task/{helper}/status").read_text()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM):
        assert blocked >> (number - 1) & 1
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_calls_from_several_threads_at_once(shared):
    graph, x, expected = shared
    program, wrong = NativeProgram(graph, threads=3), []

    def call():
        wrong.extend(k for k in range(50) if not np.array_equal(program.run([x])[0], expected))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@counted
def test_a_child_that_is_forked_amid_calls_has_helpers_of_its_own(shared):
    graph, x, expected = shared
    program, stop = NativeProgram(graph, threads=3), threading.Event()

    def call():
        while not stop.is_set():
            program.run([x])

    thread = threading.Thread(target=call)
    thread.start()
    for _ in range(10):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            before = tasks()
            right = all(np.array_equal(program.run([x])[0], expected) for _ in range(3))
            os._exit(0 if right and len(tasks() - before) == 2 else 1)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    thread.join()
    assert np.array_equal(program.run([x])[0], expected)


def test_a_system_without_room_for_threads(shared, monkeypatch):
    graph, x, expected = shared
    real = source_module.header

    def full(module, name):
        return real(module, name).replace("pthread_create(", "no_thread(")

    monkeypatch.setattr(source_module, "header", full)
    monkeypatch.setattr(source_module, "FMA", "#define no_thread(...) 11\n" + source_module.FMA)
    program = NativeProgram(graph, threads=3)
    before = tasks()
    assert np.array_equal(program.run([x])[0], expected)
    assert tasks() <= before


def test_rows_are_not_held_up_by_a_helper_that_has_not_come(shared, monkeypatch):
    """It begins its first call long after that is over, and finds nothing to do."""
    graph, x, expected = shared
    real = source_module.header

    def late(module, name):
        head = "uint64_t seen = 0, call;\n"
        return real(module, name).replace(head, f"{head}  nanosleep(&(struct timespec){{2, 0}}, NULL);\n")

    monkeypatch.setattr(source_module, "header", late)
    program = NativeProgram(graph, threads=2)
    start = time.monotonic()
    assert np.array_equal(program.run([x])[0], expected)
    assert time.monotonic() - start < 2
    assert wait_until(lambda: np.array_equal(program.run([x])[0], expected))
