"""What a server takes at most, and the error that refuses a request."""

from __future__ import annotations

from dataclasses import dataclass

from foldnet.errors import ConfigError, FoldnetError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What one request may need.

    Attributes:
        body: bytes of a request's body, also after decompression, and of the values of an answer.
        seconds: from the end of the request's head until the answer. A prediction that takes longer goes on in its
            thread, but nobody waits for it.
        requests: so many predictions may wait or run at once in a process; others are refused with 503.
        threads: so many predictions run at once in a process.

    Raises:
        ConfigError: one of them is not above 0.

    >>> Limits(body=1_000_000).seconds
    60.0
    """

    body: int = 16 * MEGABYTE
    seconds: float = 60.0
    requests: int = 64
    threads: int = 4

    def __post_init__(self) -> None:
        for name in ("body", "seconds", "requests", "threads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"the limit {name!r} must be above 0, got {getattr(self, name)}")


class RefusedError(FoldnetError):
    """A request that gets no prediction.

    Args:
        status: of HTTP.
        message: what is wrong with the request, and what is right.
        close: whether the connection ends, because the rest of the request is not read.
        allow: the methods that the path has, for status 405.
    """

    def __init__(self, status: int, message: str, *, close: bool = False, allow: str | None = None) -> None:
        super().__init__(message)
        self.status, self.close, self.allow = status, close, allow
