"""The server of ``foldnet serve``: files, a socket, uvicorn, and lines of log."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.predictor import Predictor
from foldnet.predictor.freezing import open_predictor
from foldnet.serving.application import Application, application
from foldnet.serving.limits import Limits
from foldnet.serving.metrics import FOLDER, load_prometheus
from foldnet.serving.served import all_served

_HEADER_BYTES = 32_000
"""Of the head of a request: lines beyond it get status 400 from the HTTP library."""

_BACKLOG = 2048
_HEALTH_SECONDS = 60
"""A process that does not answer its parent for so long is replaced."""

_LAST_SECONDS = 5
"""How much longer than a request may take the server waits at its end."""


@dataclass(frozen=True)
class Server:
    """What to serve and how.

    Attributes:
        files: predictors or networks, by the names in the paths.
        engine: for networks and predictors; None is ``"auto"``, or what a predictor was frozen for.
        limits: what requests may need, in each process.
        workers: how many processes share the socket.
        log: how inference requests are reported on standard error: None, ``"text"`` or ``"json"``.
    """

    files: Mapping[str, str]
    engine: str | None = None
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    log: str | None = None

    def check(self) -> list[str]:
        """Open all files, so that mistakes show before the server starts; their names.

        What is compiled here is in the cache when the processes start.

        Raises:
            FoldnetError: a file cannot be served, or the extra ``foldnet[serve]`` is not installed.
        """
        load_uvicorn()
        load_prometheus()
        return list(all_served(self._predictors()))

    def run(self, opened: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT; requests in flight are answered before it returns.

        Args:
            opened: of ``listening``.
        """
        uvicorn = load_uvicorn()
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        config = uvicorn.Config(
            self.application, factory=True, workers=self.workers, http="foldnet.serving.protocol:Protocol",
            loop="asyncio", ws="none",
            lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False,
            h11_max_incomplete_event_size=_HEADER_BYTES, timeout_worker_healthcheck=_HEALTH_SECONDS,
            timeout_graceful_shutdown=ceil(self.limits.seconds) + _LAST_SECONDS,
        )  # fmt: skip
        with _ends_well():
            if self.workers == 1:
                uvicorn.Server(config).run(sockets=[opened])
                return
            with tempfile.TemporaryDirectory(prefix="foldnet-metrics-") as folder:
                os.environ.setdefault(FOLDER, folder)
                from uvicorn.supervisors import Multiprocess

                Multiprocess(config, sockets=[opened]).run()

    def application(self) -> Application:
        """The application of one process."""
        report = {None: None, "text": _text_line, "json": _json_line}[self.log]
        return application(self._predictors(), self.limits, report)

    def _predictors(self) -> dict[str, Predictor]:
        return {name: open_predictor(path, engine=self.engine) for name, path in self.files.items()}


def named(files: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Files by the names of their models: as given, or the files' names without their ends.

    Raises:
        ConfigError: another number of names than of files, or a name twice.

    >>> named(["models/wine.foldnet"], [])
    {'wine': 'models/wine.foldnet'}
    """
    if names and len(names) != len(files):
        raise ConfigError(
            f"give --name once for each of the {len(files)} files, in their order, not {len(names)} times"
        )
    found = list(names) or [Path(file).name.split(".")[0] for file in files]
    twice = {name for name in found if found.count(name) > 1}
    if twice:
        raise ConfigError(f"two models would be called {min(twice)!r}: give --name for each file")
    return dict(zip(found, files, strict=True))


def listening(host: str, port: int) -> socket.socket:
    """An open socket, so that clients can connect before the server runs.

    Args:
        host: name or address.
        port: 0 takes a free one.

    Raises:
        InputError: it is in use, not allowed, or there is no such host.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InputError(f"there is no address {host!r} on this machine: {error.strerror}") from None
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise InputError(
            f"port {port} of {host} cannot be opened: {error.strerror}. Choose another with --port; 0 takes a free one"
        ) from None
    opened.set_inheritable(True)
    return opened


def address_of(opened: socket.socket) -> str:
    """The URL of a socket."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load_uvicorn() -> Any:
    """The package ``uvicorn``.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import uvicorn
    except ImportError:
        raise UnsupportedError(
            "serving needs the package uvicorn, which is not installed: pip install 'foldnet[serve]'"
        ) from None
    return uvicorn


@contextmanager
def _ends_well() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; the process then ends by itself, with exit code 0."""
    before = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _json_line(said: Mapping[str, object]) -> None:
    sys.stderr.write(json.dumps(said) + "\n")
    sys.stderr.flush()


def _text_line(said: Mapping[str, object]) -> None:
    wrong = f": {said['error']}" if "error" in said else ""
    sys.stderr.write(f"{said['model']} {said['status']} {said['rows']} rows {said['seconds']} s{wrong}\n")
    sys.stderr.flush()
