"""The ASGI application: paths of the protocol, and predictions in threads."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from foldnet import __version__
from foldnet.errors import FoldnetError
from foldnet.predictor import Predictor
from foldnet.serving.answers import HEAD_LENGTH, Answer, compressed, error_answer, infer_answer, json_answer
from foldnet.serving.body import HungUpError, Message, Receive, discard, read_body, unpacked, whole_header
from foldnet.serving.limits import Limits, RefusedError
from foldnet.serving.metrics import Metrics
from foldnet.serving.requests import read_request
from foldnet.serving.served import VERSION, Served, all_served
from foldnet.setting_types import near, shown

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Report = Callable[[Mapping[str, object]], None]

HUNG_UP = 499
"""The status that is counted, and never sent, for clients that have gone."""

_LINGER_SECONDS = 2.0
_CLOSE = ((b"connection", b"close"),)


def application(
    predictors: Mapping[str, Predictor], limits: Limits | None = None, report: Report | None = None
) -> Application:
    """An ASGI application that serves predictors by the Open Inference Protocol v2, with metrics at ``/metrics``.

    Any ASGI server runs it, alone or mounted in another application. It needs the extra ``foldnet[serve]``.

    Args:
        predictors: by the names in the paths.
        limits: what requests may need.
        report: is called after each inference request with what is known of it.

    Raises:
        ConfigError: no predictors, something else, or names that no path can have.
        UnsupportedError: the extra is not installed.

    Example:
        >>> import foldnet
        >>> from foldnet.serving import application
        >>> net = foldnet.Sequential([foldnet.Input((3,)), foldnet.layers.Dense(2)])
        >>> app = application({"net": foldnet.freeze(net, engine="reference")})
        >>> sorted(app.models)
        ['net']
    """
    return Application(all_served(predictors), limits or Limits(), report)


class Application:
    """See ``application``."""

    def __init__(self, models: Mapping[str, Served], limits: Limits, report: Report | None) -> None:
        self.models = models
        self.limits = limits
        self._report = report
        self._metrics = Metrics()
        self._pool = ThreadPoolExecutor(limits.threads, "foldnet-predict")
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
        closes = False
        try:
            answer = await self._answer(scope, headers, receive)
        except HungUpError:
            return
        except RefusedError as error:
            closes = error.close
            allow = () if error.allow is None else ((b"allow", error.allow.encode()),)
            answer = error_answer(error.status, str(error), allow)
        if closes:
            await _refuse(send, receive, replace(answer, headers=(*answer.headers, *_CLOSE)), self.limits)
        else:
            await _send(send, answer)

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        path, method = _own_path(scope), scope["method"]
        match path.strip("/").split("/"):
            case ["v2", "models", name, *rest]:
                model = self._model(name)
                rest = _of_version(model, rest)
                if rest == ["infer"]:
                    _need(method, "POST")
                    return await self._infer(model, headers, receive)
                found = _about(model, rest)
            case ["v2", *rest]:
                found = _about_server(rest)
            case ["metrics"]:
                _need(method, "GET")
                return Answer(200, self._metrics.text(), self._metrics.content_type)
            case _:
                found = None
        if found is None:
            raise RefusedError(
                404,
                f"there is nothing at {shown(path)}: the protocol begins at /v2, and metrics are at /metrics",
            )
        _need(method, "GET")
        return json_answer(found)

    def _model(self, name: str) -> Served:
        if name in self.models:
            return self.models[name]
        raise RefusedError(404, f"there is no model {shown(name)}; {near(name, list(self.models))}")

    # -- predictions ----------------------------------------------------------------------------------------

    async def _infer(self, model: Served, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        started = time.perf_counter()
        status, rows, wrong = HUNG_UP, 0, None
        with self._metrics.in_progress(model.name):
            try:
                answer, rows = await self._predicted(model, headers, receive)
                status = answer.status
                return answer
            except RefusedError as error:
                status, wrong = error.status, str(error)
                raise
            finally:
                seconds = time.perf_counter() - started
                self._metrics.answered(model.name, status, seconds, rows)
                if self._report is not None:
                    said = {"model": model.name, "status": status, "rows": rows, "seconds": round(seconds, 6)}
                    self._report(said if wrong is None else {**said, "error": wrong})

    async def _predicted(
        self, model: Served, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[Answer, int]:
        """The answer, and for how many rows it is."""
        limits = self.limits
        if self._running >= limits.requests:
            raise RefusedError(
                503,
                f"{limits.requests} requests are waiting, the most that this server takes: try again",
                close=True,
            )
        end = asyncio.get_running_loop().time() + limits.seconds
        self._running += 1
        try:
            try:
                async with asyncio.timeout_at(end):
                    body = await read_body(receive, headers, limits.body)
            except TimeoutError:
                raise RefusedError(
                    408, f"the body did not come within {limits.seconds:g} s", close=True
                ) from None
            work = asyncio.get_running_loop().run_in_executor(self._pool, _work, body, headers, model, limits)
            try:
                async with asyncio.timeout_at(end):
                    return await work
            except TimeoutError:
                raise RefusedError(
                    503, f"there was no prediction within {limits.seconds:g} s: send fewer rows, or try again"
                ) from None
        finally:
            self._running -= 1


def _work(body: bytes, headers: Mapping[bytes, bytes], model: Served, limits: Limits) -> tuple[Answer, int]:
    """Read a request, predict and write the answer; it runs in a thread.

    Raises:
        RefusedError: whatever went wrong, with its status.
    """
    try:
        whole = unpacked(body, headers.get(b"content-encoding", b""), limits.body)
        request = read_request(whole, whole_header(headers, HEAD_LENGTH), model)
        answer = infer_answer(request, model.results(request.inputs, limits.body), model)
        rows = len(next(iter(request.inputs.values())))
        return compressed(answer, headers.get(b"accept-encoding", b"")), rows
    except RefusedError:
        raise
    except FoldnetError as error:
        raise RefusedError(400, str(error)) from None
    except MemoryError:
        raise RefusedError(503, "there is not enough memory for this request: send fewer rows") from None
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        raise RefusedError(500, f"foldnet itself failed ({type(error).__name__}: {error})") from None


def _own_path(scope: Scope) -> str:
    """The path without that under which the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _of_version(model: Served, rest: list[str]) -> list[str]:
    """The rest of a path after ``versions/1``, which may be left out.

    Raises:
        RefusedError: another version.
    """
    if rest[:1] != ["versions"] or len(rest) < 2:
        return rest
    if rest[1] != VERSION:
        raise RefusedError(404, f"model {model.name!r} has version {VERSION} alone, not {shown(rest[1])}")
    return rest[2:]


def _about(model: Served, rest: list[str]) -> dict[str, object] | None:
    match rest:
        case []:
            return model.metadata()
        case ["ready"]:
            return {"name": model.name, "ready": True}
        case ["config"]:
            return model.config()
    return None


def _about_server(rest: list[str]) -> dict[str, object] | None:
    match rest:
        case []:
            return {"name": "foldnet", "version": __version__, "extensions": ["binary_tensor_data"]}
        case ["health", "live"]:
            return {"live": True}
        case ["health", "ready"]:
            return {"ready": True}
    return None


def _need(method: str, wanted: str) -> None:
    if method != wanted and (method, wanted) != ("HEAD", "GET"):
        raise RefusedError(405, f"the method must be {wanted}, not {shown(method)}", allow=wanted)


def _start(answer: Answer) -> Message:
    length = str(len(answer.body)).encode()
    headers = [(b"content-type", answer.kind), (b"content-length", length), *answer.headers]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _send(send: Send, answer: Answer) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def _refuse(send: Send, receive: Receive, answer: Answer, limits: Limits) -> None:
    """Refuse before the body has been read; read on for a moment, for clients that send all before they read."""
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            await discard(receive, 4 * limits.body)
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})
