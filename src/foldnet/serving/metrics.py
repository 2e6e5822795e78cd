"""What the server counts, in Prometheus's text form, by the package ``prometheus_client``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foldnet.errors import UnsupportedError

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names a folder in which several processes count together; to be set before the first import."""

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def load_prometheus() -> Any:
    """The package ``prometheus_client``.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import prometheus_client
    except ImportError:
        raise UnsupportedError(
            "serving needs the package prometheus_client, which is not installed: pip install 'foldnet[serve]'"
        ) from None
    return prometheus_client


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self._package = package = load_prometheus()
        self._registry = package.CollectorRegistry()
        settings = {"registry": self._registry, "namespace": "foldnet"}
        self._requests = package.Counter(
            "requests", "Inference requests that were answered.", ["model", "status"], **settings
        )
        self._rows = package.Counter("rows", "Rows that were predicted.", ["model"], **settings)
        self._seconds = package.Histogram(
            "request_seconds", "Seconds from the head of a request to its answer.", ["model"], buckets=_SECONDS,
            **settings,
        )  # fmt: skip
        self._running = package.Gauge(
            "requests_in_progress", "Inference requests that are not answered yet.", ["model"],
            multiprocess_mode="livesum", **settings,
        )  # fmt: skip

    @contextmanager
    def in_progress(self, model: str) -> Iterator[None]:
        """Count a request as long as it is not answered."""
        gauge = self._running.labels(model)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def answered(self, model: str, status: int, seconds: float, rows: int) -> None:
        """Count an answer; status 499 says that the client had gone."""
        self._requests.labels(model, str(status)).inc()
        self._seconds.labels(model).observe(seconds)
        if rows:
            self._rows.labels(model).inc(rows)

    def text(self) -> bytes:
        """All counters, of all processes if they count together."""
        registry = self._registry
        if folder := os.environ.get(FOLDER):
            from prometheus_client import multiprocess as together

            multiprocess: Any = together  # it has no types of its own
            _forget_dead(Path(folder), multiprocess)
            registry = self._package.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry, path=folder)
        return bytes(self._package.generate_latest(registry))

    @property
    def content_type(self) -> bytes:
        """Of ``text``."""
        return str(self._package.CONTENT_TYPE_LATEST).encode()


def _forget_dead(folder: Path, multiprocess: Any) -> None:
    """Requests of a process that was killed are in progress no longer."""
    for file in folder.glob("gauge_live*_*.db"):
        process = file.stem.rsplit("_", 1)[1]
        if process.isdigit() and not _is_alive(int(process)):
            multiprocess.mark_process_dead(int(process), str(folder))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
