"""The process of one side: it prepares cases and times calls as the process that started it asks.

``worker.py threads``, where requests come and answers go as pickles (``sides.py``).
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agreement import distance

PAUSE = 0.03
"""Seconds in which the machine must have rested before a turn: threads of the side before may look for more work for a
while, on a processor that this side needs. Those of OpenBLAS do for a tenth of a second."""

PATIENCE = 10
"""How many such pauses there are at most."""

LONG = 0.03
"""Seconds from which a call needs no other call before it to bring back caches."""

TRY = 0.15
"""Seconds for each way to set a peer up, to find the fastest."""


def worked() -> int:
    """Hundredths of a second that all processors have worked since the machine started."""
    user, nice, system = Path("/proc/stat").read_text().split(maxsplit=4)[1:4]
    return int(user) + int(nice) + int(system)


def let_others_rest() -> None:
    """Wait until nothing else runs."""
    for _ in range(PATIENCE):
        before = worked() if sys.platform == "linux" else 0
        time.sleep(PAUSE)
        if sys.platform != "linux" or worked() - before <= 1:
            return


def seconds(run: Callable[[int], Any], count: int) -> float:
    """Of each of so many calls."""
    start = time.perf_counter()
    run(count)
    return (time.perf_counter() - start) / count


def repeated(call: Callable[[], Any]) -> Callable[[int], Any]:
    """A prediction so many times; the last result."""

    def run(count: int) -> Any:
        for _ in range(count - 1):
            call()
        return call()

    return run


def shortest(run: Callable[[int], Any]) -> float:
    """Seconds of the shortest of several calls."""
    first = seconds(run, 1)
    count = max(1, int(1e-3 / first))
    taken, until = [first], time.perf_counter() + TRY
    while time.perf_counter() < until and len(taken) < 20:
        taken.append(seconds(run, count))
    return min(taken)


def described(error: BaseException) -> str:
    """An error in a line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


class Worker:
    """What has been prepared, by the names that the other process gave it."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.prepared: dict[str, Callable[[int], Any]] = {}
        self.took: dict[str, float] = {}

    def ways(self, module: str, case: Any) -> Iterator[tuple[str, Callable[[int], Any]]]:
        """All ways to set the side up."""
        peer = importlib.import_module(module)
        if hasattr(case, "rows"):
            return ((setting, repeated(call)) for setting, call in peer.predictor(case, self.threads))
        return peer.trainer(case, self.threads)

    def first(self, module: str, case: Any) -> Any:
        """The first result alone, to compare it."""
        return next(iter(self.ways(module, case)))[1](1)

    def prepare(self, slot: str, module: str, case: Any, own: Any = None) -> dict[str, Any]:
        """Set it up in all ways and keep the fastest: its first result, its setting, the time of each, and failures.

        With foldnet's ``own`` result, a way with another result is a failure, and the distance is in the answer, too.
        """
        self.release(slot)
        found: dict[str, Any] = {"tried": {}, "failed": {}}
        ways = iter(self.ways(module, case))
        setting = "next way"
        while True:
            try:
                setting, run = next(ways, (None, None))
                if run is None:
                    break
                result = run(1)
                far = {} if own is None else {"far": distance(result, own)}
                taken = shortest(run)
            except Exception as error:
                found["failed"][setting] = described(error)
                continue  # a generator that has raised is at its end
            found["tried"][setting] = taken
            if taken <= min(found["tried"].values()):
                self.prepared[slot], self.took[slot] = run, taken
                found |= {"result": result, "setting": setting} | far
        if not found["tried"]:
            raise RuntimeError("; ".join(found["failed"].values()))
        return found

    def turn(self, slot: str, count: int) -> float:
        """Seconds of a call, by so many."""
        run = self.prepared[slot]
        if self.threads > 1:
            let_others_rest()
        if self.took[slot] < LONG:
            run(1)
        self.took[slot] = seconds(run, count)
        return self.took[slot]

    def release(self, slot: str) -> None:
        """Forget what was prepared under this name."""
        self.prepared.pop(slot, None)
        self.took.pop(slot, None)


def main() -> None:
    """Answer requests until there are no more."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threads = int(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    worker = Worker(threads)
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = ("done", getattr(worker, method)(*arguments))
        except Exception as error:
            traceback.print_exc()
            answer = ("failed", described(error))
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
