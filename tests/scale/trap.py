"""Workers that die or stand still in the middle of their work, at a call of a predictor that the test decides.

The folder ``$FOLDNET_TEST_TRAP`` is the switch. Whoever removes the file ``die`` kills itself. With a file ``limited``,
each call takes one of the files ``go-…``; who finds none writes ``reached``, and waits for its end.
"""

import os
import signal
import time
from pathlib import Path

VARIABLE = "FOLDNET_TEST_TRAP"


def install():
    """Put the trap before every call of a predictor in this process."""
    from foldnet.predictor import Predictor

    folder, whole = Path(os.environ[VARIABLE]), Predictor.__call__

    def call(self, *arguments, **named):
        if _taken(folder / "die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if (folder / "limited").exists() and not any(_taken(path) for path in sorted(folder.glob("go-*"))):
            (folder / "reached").touch()
            time.sleep(10_000)
        return whole(self, *arguments, **named)

    Predictor.__call__ = call


def _taken(path):
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def limit(folder, calls):
    """Let so many calls pass, and hold the next ones."""
    for k in range(calls):
        (folder / f"go-{k}").touch()
    (folder / "limited").touch()


def wait_for(path, process=None, seconds=300):
    """Wait until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def dask_setup(worker):
    """What Dask calls in a worker that loads this file."""
    install()
