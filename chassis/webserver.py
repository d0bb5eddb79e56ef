"""waitress, configured in code: one process whose threads are handed whole requests, so that no slow client holds one.

What waitress leaves open is closed here. It drops clients that are silent, not those that send or take a byte now and
then; and it stops accepting when it has too many, where we let the one go that has kept us waiting for longest.
docs/decisions/0015-a-web-server-that-waits-for-nobody.md says why.
"""

import json
import resource
import threading
import time
from typing import Any

import structlog
from flask import Flask
from waitress import wasyncore
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask

_THREADS = 8
_CONNECTIONS = 500
#: A connection and the temporary file of its request; the database, logs and the rest are far below the difference.
_OPEN_FILES = 2 * _CONNECTIONS + 1000
_HEADER_BYTES = 32 * 1024
#: More of a body or an answer than this waits in a temporary file.
_BODY_BYTES_IN_MEMORY = 64 * 1024
_ANSWER_BYTES_IN_MEMORY = 1024 * 1024
#: No answer is so long that a thread has to wait until the client has taken a part of it.
_ANSWER_BYTES = 2**40
#: A body up to so many times too long is read to its end and dropped: a browser shows no answer to half a request.
_READ_ON = 8

#: Seconds that a client may keep us waiting: for its next request, for the end of the header, for the end of the body
#: (2 MB over the line of a telephone), and until it has taken the whole answer.
_IDLE_S = 15
_HEADER_S = 10
_REQUEST_S = 60
_ANSWER_S = 60

#: Seconds between two looks at SIGTERM, and that requests in progress get when it has come.
_TURN_S = 0.5
_GRACE_S = 3

_log = structlog.get_logger(__name__)


class _Body(OverflowableBuffer):  # type: ignore[misc]
    """Keeps at most so many bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(_BODY_BYTES_IN_MEMORY)
        self._room = most

    def append(self, data: bytes) -> None:
        kept = data[: self._room]
        self._room -= len(kept)
        super().append(kept)


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """Keeps of a body that is too long one byte more than is allowed: the application sees that, and refuses it."""

    def parse_header(self, header: bytes) -> None:
        super().parse_header(header)
        if self.body_rcv is not None:
            self.body_rcv.buf = _Body(self.adj.max_request_body_size // _READ_ON + 1)


class _Refusal(ErrorTask):  # type: ignore[misc]
    """Answers what is no HTTP, or beyond all measure, with a problem (RFC 9457): the application never sees it."""

    def execute(self) -> None:
        error = self.request.error
        told = {"type": "about:blank", "title": error.reason, "status": error.code, "detail": error.body}
        body = json.dumps(told).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows since when its client keeps us waiting."""

    parser_class = _Request
    error_task_class = _Refusal

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._waiting_since = time.monotonic()
        super().__init__(*arguments, **named)

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self._waiting_since = time.monotonic()
        received: bool = super().received(data)
        return received

    def service(self) -> None:
        super().service()
        self._waiting_since = time.monotonic()

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn; otherwise a thread has a request of it, or will."""
        return not self.requests

    def seconds_waiting(self) -> float:
        """For how long the client has kept us waiting."""
        return time.monotonic() - self._waiting_since

    def is_overdue(self) -> bool:
        """Whether the client has kept us waiting for longer than it may."""
        return self.waits_for_client and self.seconds_waiting() > self._patience()

    def _patience(self) -> float:
        if self.total_outbufs_len:
            return _ANSWER_S
        if self.request is None:
            return _IDLE_S
        return _REQUEST_S if self.request.headers_finished else _HEADER_S


class _Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = _Channel

    def readable(self) -> bool:
        if len(self.active_channels) >= _CONNECTIONS:
            self._make_room()
        readable: bool = super().readable()
        return readable

    def maintenance(self, _now: float) -> None:
        """See TcpWSGIServer. Its own way, `will_close`, waits until the client takes something."""
        for channel in self._channels():
            if channel.is_overdue():
                channel.handle_close()

    def run_until(self, stop: threading.Event) -> None:
        """Serve until the event is set; then finish the requests that are there, and accept no more."""
        while not stop.is_set():
            self._turn(_TURN_S)
        wasyncore.dispatcher.close(self)
        deadline = time.monotonic() + _GRACE_S
        while self._is_busy() and time.monotonic() < deadline:
            self._turn(0.1)
        for channel in self._channels():  # a client must not send its next request to nobody
            channel.handle_close()

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(seconds, use_poll=True, map=self._map, count=1)  # select() cannot count beyond 1023

    def _make_room(self) -> None:
        waiting = [channel for channel in self._channels() if channel.waits_for_client]
        if waiting:
            max(waiting, key=_Channel.seconds_waiting).handle_close()

    def _is_busy(self) -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in self._channels())

    def _channels(self) -> list[_Channel]:
        return list(self.active_channels.values())


def serve(app: Flask, *, host: str, port: int, stop: threading.Event, trusted_proxy: str = "") -> None:
    """Serve the application until `stop` is set.

    `trusted_proxy` is the address of the proxy that is believed whose request it passes on; empty: nobody is.
    """
    _allow_open_files()
    server = _Server(
        app,
        host=host,
        port=port,
        threads=_THREADS,
        ident=None,
        # Above what we let grow: it is reached only when every client waits for us.
        connection_limit=2 * _CONNECTIONS,
        cleanup_interval=1,
        max_request_header_size=_HEADER_BYTES,
        max_request_body_size=app.config["MAX_CONTENT_LENGTH"] * _READ_ON,
        outbuf_overflow=_ANSWER_BYTES_IN_MEMORY,
        outbuf_high_watermark=_ANSWER_BYTES,
        log_socket_errors=False,
        **_trust(trusted_proxy),
    )
    _log.info("serving", address=f"{server.effective_host}:{server.effective_port}")
    server.run_until(stop)


def _trust(proxy: str) -> dict[str, Any]:
    """waitress takes away the headers of a proxy that is not trusted."""
    if not proxy:
        return {}
    return {"trusted_proxy": proxy, "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"}}


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
