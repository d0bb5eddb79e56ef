"""A connection of pika's that reads whatever the broker carries, and leaves nothing open when its loop has ended."""

import socket
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils.selector_ioloop_adapter import SelectorIOServicesAdapter

from messaging.broker.decoding import read_frame


class _Services(SelectorIOServicesAdapter):  # type: ignore[misc]
    """Remembers the sockets that pika connects, which it closes only with a goodbye of both sides."""

    def __init__(self) -> None:
        super().__init__(IOLoop())
        self.sockets: list[socket.socket] = []

    def connect_socket(self, sock: socket.socket, *arguments: Any, **named: Any) -> Any:
        self.sockets.append(sock)
        return super().connect_socket(sock, *arguments, **named)


class Connection(pika.SelectConnection):  # type: ignore[misc]
    """A connection, used by the thread that calls `run`."""

    def __init__(
        self,
        parameters: pika.URLParameters,
        *,
        on_open: Callable[[pika.SelectConnection], None],
        on_failed: Callable[[pika.SelectConnection, Exception], None],
    ) -> None:
        """Begin to connect; `on_failed` is called when that fails, and when the connection is lost or closed."""
        self._services = _Services()
        super().__init__(
            parameters,
            on_open_callback=on_open,
            on_open_error_callback=on_failed,
            on_close_callback=on_failed,
            custom_ioloop=self._services,
        )

    def run(self) -> None:
        """Work until somebody stops the loop. The connection is of no use afterwards."""
        try:
            self.ioloop.start()
        finally:
            self.ioloop.close()
            for sock in self._services.sockets:
                sock.close()

    def write(self, frames: bytes) -> None:
        """Send these frames, of a channel that is open: any number in one system call, and encoded already."""
        self.bytes_sent += len(frames)
        self._adapter_emit_data(frames)

    def _read_frame(self) -> tuple[int, Any]:
        return read_frame(self._frame_buffer)
