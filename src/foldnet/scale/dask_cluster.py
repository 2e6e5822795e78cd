"""Make parts on a Dask cluster: each part is a task, which another worker takes over if one is lost."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from foldnet.errors import FoldnetError, InputError, UnsupportedError
from foldnet.scale.part import Job, Outcome, predict_part

if TYPE_CHECKING:
    from foldnet.predictor import Predictor

ANSWER_SECONDS = 15.0
"""The scheduler must answer in this time."""

LOST_SECONDS = 60.0
"""After this time without any worker, or without the scheduler, the cluster counts as gone."""

LOOK_SECONDS = 1.0
WAITING = 4
"""Parts that wait at the scheduler for each thread of the cluster: with some, no thread is idle."""


def run_on_cluster(address: str, predictor: Predictor, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Outcomes of parts in the order in which they are ready.

    Raises:
        InputError: the scheduler does not answer, or the cluster went away.
        UnsupportedError: Dask is not installed, or a worker cannot run foldnet.
        OSError: a worker cannot write a part.
    """
    if not jobs:
        return
    with _quiet():
        client = _connect(address)
        try:
            _check_workers(client, address)
            yield from _Run(client, address, predictor).outcomes(jobs)
        finally:
            client.close(timeout=LOOK_SECONDS)


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs of a lost cluster, tracebacks included, would hide the one error that says so."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _connect(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        raise UnsupportedError(
            "a cluster needs the package distributed, which is not installed: pip install 'foldnet[dask]'"
        ) from None
    try:
        # A client of an address that is none would try it until its time is over, and once more at its end.
        parse: Any = get_address_host_port
        parse(address)
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"no Dask scheduler answered at {address}, which is no address of one ({error}); give tcp://HOST:8786"
        ) from None
    try:
        make: Any = Client
        return make(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Dask scheduler answered at {address} within {ANSWER_SECONDS:.0f} s ({type(error).__name__}: {error}). "
            "Start one with: dask scheduler"
        ) from None


def _check_workers(client: Any, address: str) -> None:
    """Refuse workers without foldnet: one that cannot read its tasks ends, and says nothing to its cluster."""
    # `eval` is there in any Python; a function of foldnet's own could not be sent.
    answers = client.run(eval, f"__import__({__name__!r}) and None", on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, ImportError):
            raise UnsupportedError(
                f"the worker {worker} of the cluster at {address} cannot import foldnet ({answer}); install the same "
                "version with its extras on all machines"
            )


def _load(pickled: bytes) -> Predictor:
    """A task of its own, which Dask runs again if the worker that has its result is lost."""
    predictor: Predictor = pickle.loads(pickled)
    return predictor


class _Run:
    """The parts of one call on a cluster."""

    def __init__(self, client: Any, address: str, predictor: Predictor) -> None:
        self._client, self._address = client, address
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._running: dict[Any, Job] = {}
        self._predictor = client.submit(_load, pickle.dumps(predictor), pure=False)

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        waiting = iter(jobs)
        self._start(waiting, max(2, WAITING * sum(self._threads().values())))
        while self._running:
            future = self._next()
            job = self._running.pop(future)
            outcome = self._outcome(future, job)
            self._start(waiting, 1)
            yield outcome

    def _start(self, waiting: Iterator[Job], count: int) -> None:
        for job in islice(waiting, count):
            future = self._client.submit(predict_part, self._predictor, job, pure=False)
            self._running[future] = job
            future.add_done_callback(self._done.put)

    def _next(self) -> Any:
        """The next future that is done.

        Raises:
            InputError: the cluster went away.
        """
        lost_since = None
        while True:
            try:
                return self._done.get(timeout=LOOK_SECONDS)
            except Empty:
                pass
            if self._threads():
                lost_since = None
                continue
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > LOST_SECONDS:
                raise self._gone("it has had no worker", f"for {LOST_SECONDS:.0f} s")

    def _threads(self) -> dict[str, int]:
        """The threads of each worker; none if the scheduler does not answer."""
        try:
            threads: dict[str, int] = self._client.sync(
                self._client.scheduler.ncores, callback_timeout=ANSWER_SECONDS
            )
        except Exception:  # Dask has many errors for a lost connection
            if self._client.status in ("closed", "closing"):
                raise self._gone("its scheduler does not answer", "any more") from None
            return {}
        return threads

    def _gone(self, what: str, since: str) -> InputError:
        return InputError(
            f"the Dask cluster at {self._address} went away: {what} {since}. The parts that are ready stay; the same "
            "command makes the others"
        )

    def _outcome(self, future: Any, job: Job) -> Outcome:
        from distributed import KilledWorker

        try:
            outcome: Outcome = future.result(timeout=ANSWER_SECONDS)
        except (FoldnetError, OSError):
            raise
        except KilledWorker as error:
            worker = error.last_worker.address
            reason = f"every worker that took it died, the last of them {worker}; have they memory enough, and foldnet?"
            return Outcome(job.source.name, fault=reason)
        except Exception as error:
            if future.cancelled() or future.status == "lost":
                raise self._gone("its tasks were lost", "with its scheduler") from None
            raise InputError(
                f"{job.source.name}: a worker failed ({type(error).__name__}: {error})"
            ) from None
        return outcome
