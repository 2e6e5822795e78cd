"""The sides of a comparison, each in a process of its own with its own threads, which take turns.

A side that fails, or gives no answer in time, is left out of a case; why is kept in ``left_out``.
"""

from __future__ import annotations

import contextlib
import pickle
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from networks import as_installed
from peers import Peer, environment

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 150.0
"""Seconds that an answer may take; the longest are compilations."""

OFTEN = 2
"""How often a side may give no answer before it is not asked any more."""


class LeftOutError(Exception):
    """A side could not do a case."""


class Side:
    """One side's process, started when it is first asked."""

    def __init__(self, peer: Peer, threads: int) -> None:
        self.peer, self.threads = peer, threads
        self.process: Any = None
        self.said: Any = None
        self.silent = 0

    def start(self) -> None:
        """Start the process; what it says goes to a file."""
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        pipe = subprocess.PIPE
        command = [sys.executable, "-W", "ignore", str(WORKER), str(self.threads)]
        variables = as_installed() | environment(self.peer, self.threads)
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.said, env=variables)

    def ask(self, method: str, *arguments: Any) -> Any:
        """What the worker's method answers.

        Raises:
            LeftOutError: it failed, ended or gave no answer in time, now or often before.
        """
        if self.silent >= OFTEN:
            raise LeftOutError(f"it gave no answer {OFTEN} times before")
        if self.process is None:
            self.start()
        process = self.process
        try:
            pickle.dump((method, arguments), process.stdin)
            process.stdin.flush()
            if not select.select([process.stdout], [], [], PATIENCE)[0]:
                self.silent += 1
                raise LeftOutError(f"no answer in {PATIENCE:g} s")
            status, answer = pickle.load(process.stdout)
        except LeftOutError:
            self.close()
            raise
        except (EOFError, OSError, pickle.UnpicklingError):
            last = self.last_words()
            self.close()
            raise LeftOutError(f"its process ended: {last}") from None
        if status == "failed":
            raise LeftOutError(answer)
        return answer

    def last_words(self) -> str:
        """What the process wrote last."""
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "without a word"

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.said.close()
            self.process = None


@dataclass
class Sides:
    """All sides with so many threads.

    Attributes:
        peers: by name.
        threads: of each.
        left_out: what could not be timed: case, side, reason.
    """

    peers: dict[str, Peer]
    threads: int
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = {name: Side(peer, self.threads) for name, peer in self.peers.items()}

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; a side that is asked again starts a new one."""
        for side in self.started.values():
            side.close()

    def release(self, slot: str) -> None:
        """Let all processes forget what they prepared under this name."""
        for side in self.started.values():
            if side.process is not None:
                with contextlib.suppress(LeftOutError):  # then it has ended, and has forgotten all
                    side.ask("release", slot)

    def leave_out(self, case: str, name: str, reason: str) -> None:
        """Remember and say that a side is not there."""
        self.left_out.append({"case": case, "threads": self.threads, "side": name, "why": reason})
        print(f"  left out: {name} in {case} (threads: {self.threads}): {reason}", flush=True)
