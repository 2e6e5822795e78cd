"""Reading the body of a request within limits, and its compression."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from foldnet.serving.limits import RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


class HungUpError(Exception):
    """The client has gone: nobody reads an answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes:
    """The whole body, as it was sent.

    Args:
        receive: ASGI's.
        headers: of the request, by name in small letters.
        most: bytes.

    Raises:
        RefusedError: it is longer, which is known before all of it has come.
        HungUpError: the client has gone before its end.
    """
    said = whole_header(headers, b"content-length")
    if said is not None and said > most:
        raise _too_large(most, close=True)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUpError
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most, close=message.get("more_body", False))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def discard(receive: Receive, most: int) -> None:
    """Read what the client still sends, up to so many bytes: it then reads why it was refused, and no broken pipe."""
    while most > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        most -= len(message.get("body", b""))


def unpacked(body: bytes, encoding: bytes, most: int) -> bytes:
    """The body without its compression.

    Args:
        body: as it was sent.
        encoding: its ``Content-Encoding``.
        most: bytes that may come out.

    Raises:
        RefusedError: an unknown encoding, damaged or cut-off data, or more bytes than allowed.
    """
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in _WINDOWS:
        raise RefusedError(
            415, f"Content-Encoding must be gzip or deflate, not {encoding.decode('latin-1')!r}"
        )
    reader = zlib.decompressobj(_WINDOWS[encoding])
    try:
        whole = reader.decompress(body, most + 1)
    except zlib.error as error:
        raise RefusedError(400, f"the body is not {encoding.decode()}: {error}") from None
    if len(whole) > most:
        raise _too_large(most, close=False)
    if not reader.eof or reader.unused_data:
        raise RefusedError(400, f"the body's {encoding.decode()} is cut off, or something comes after it")
    return whole


def whole_header(headers: Mapping[bytes, bytes], name: bytes) -> int | None:
    """A header that is a whole number from 0; None if it is not there.

    Raises:
        RefusedError: it is something else.
    """
    value = headers.get(name)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise RefusedError(
            400, f"{name.decode().title()} must be a whole number, not {value[:40].decode('latin-1')!r}"
        )
    return int(value)


def _too_large(most: int, *, close: bool) -> RefusedError:
    return RefusedError(
        413,
        f"the body is larger than {most} bytes, the most that this server takes: send fewer rows",
        close=close,
    )
