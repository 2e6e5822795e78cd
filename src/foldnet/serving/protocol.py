"""uvicorn's HTTP connection, with a limit on the time that the head of a request may take."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class Protocol(H11Protocol):
    """Closes connections that send no whole head in time; uvicorn itself waits for ever.

    The time of a body and of a prediction is limited by the application.
    """

    head_seconds: ClassVar[float] = 20.0
    """From the opening of a connection, or from an answer, to the end of the next head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        before = self.cycle
        super().on_response_complete()
        if self.cycle is before:  # else the next request had already come
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        self.loop.call_later(self.head_seconds, self._close_without_head, self.cycle)

    def _close_without_head(self, before: RequestResponseCycle | None) -> None:
        if self.cycle is before and not self.transport.is_closing():
            self.transport.close()
