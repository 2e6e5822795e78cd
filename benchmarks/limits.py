"""What this machine can do at most with so many threads, measured by a small C program (``limits.c``)."""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from foldnet.engines.native import compiler

SOURCE = Path(__file__).with_name("limits.c")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
TURNS = 9
ROUNDS = 1_500_000


def last_cache() -> int:
    """Bytes of the largest cache; 32 MB where the system does not say."""
    sizes = [f.read_text().strip() for f in CACHES.glob("index*/size")]
    return max((int(s[:-1]) * {"K": 2**10, "M": 2**20}[s[-1]] for s in sizes), default=2**25)


def library(folder: str) -> ctypes.CDLL:
    """The compiled program, for this processor."""
    target = f"{folder}/limits.so"
    # Without this option a multiply-add would be two operations.
    options = (*compiler.flags(compiler.machine()), "-ffp-contract=fast")
    compiler.compile_library(SOURCE.read_text(), target, compiler.find(), options)
    return opened(target)


def opened(target: str) -> ctypes.CDLL:
    """A compiled program, ready to be called."""
    made = ctypes.CDLL(target)
    made.operations_a_second.restype = made.bytes_a_second.restype = ctypes.c_double
    made.operations_a_second.argtypes = [ctypes.c_long, ctypes.c_void_p]
    made.bytes_a_second.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p]
    return made


def together(work: Callable[[int], float], threads: int) -> float:
    """The sum of what threads that begin at the same time return; each has a processor of its own."""
    ready, found = threading.Barrier(threads), [0.0] * threads
    processors = sorted(os.sched_getaffinity(0))[-threads:] if hasattr(os, "sched_getaffinity") else []

    def one(k: int) -> None:
        if len(processors) == threads:
            os.sched_setaffinity(0, [processors[k]])
        ready.wait()
        found[k] = work(k)

    started = [threading.Thread(target=one, args=(k,)) for k in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return sum(found)


def limits(threads: int, turns: int = TURNS) -> dict[str, float]:
    """Floating-point operations and bytes a second, the most of several turns."""
    with tempfile.TemporaryDirectory() as folder:
        made = library(folder)
        each = max(2**27, 4 * last_cache())
        array = np.ones(each * threads, np.uint8)
        results = np.zeros(threads, np.uint64)

        def compute(k: int) -> float:
            return made.operations_a_second(ROUNDS, results[k:].ctypes.data)

        def read(k: int) -> float:
            return made.bytes_a_second(array[k * each :].ctypes.data, each, results[k:].ctypes.data)

        rates: dict[str, Any] = {
            name: max(together(work, threads) for _ in range(turns))
            for name, work in (("flops", compute), ("bytes", read))
        }
    return rates
