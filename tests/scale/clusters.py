"""A Dask cluster of processes that a test may kill, and one whose workers have a trap."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.scale.trap import VARIABLE, wait_for

ROOT = Path(__file__).parents[2]
TRAP = ["--preload", str(Path(__file__).parent / "trap.py")]


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder, workers=2, nanny=True, trapped=True, **variables):
        self.trap = folder / "trap"
        self.trap.mkdir()
        self._started, self._variables = [], {VARIABLE: str(self.trap), "FOLDNET_THREADS": "1"} | variables
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--scheduler-file", file, "--port", "0")
        wait_for(file, self.scheduler)
        while not file.read_text().strip().endswith("}"):  # not whole yet
            time.sleep(0.01)
        self.address = json.loads(file.read_text())["address"]
        one = ["--nthreads", "1", *(TRAP if trapped else []), *([] if nanny else ["--no-nanny"])]
        self.workers = [self._start("worker", self.address, *one) for _ in range(workers)]

    def _start(self, kind, *arguments):
        command = [
            sys.executable,
            "-m",
            "dask",
            kind,
            "--no-dashboard",
            "--host",
            "127.0.0.1",
            *map(str, arguments),
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True,
            env=dict(os.environ) | self._variables,
        )  # fmt: skip
        self._started.append(process)
        return process

    def close(self):
        for process in self._started:
            end(process)


def end(process):
    """Kill a process with those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
