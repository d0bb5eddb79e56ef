"""One connection to RabbitMQ with one channel, kept open on a thread of its own.

pika's rule: from outside that thread only `ioloop.add_callback_threadsafe` is called
(https://pika.readthedocs.io/en/stable/faq.html).
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

import pika
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByClient, ConnectionWrongStateError

from messaging.broker.connection import Connection

_log = logging.getLogger(__name__)

#: Seconds between two attempts to connect: short, since a restart of the broker is to be noticed at once.
_RECONNECT_AFTER = (0.1, 0.3, 1.0)
#: Seconds that the broker has for its part of closing a connection.
_GOODBYE = 2.0


class Link:
    """One connection with one channel on a thread of its own, opened again whenever it is lost."""

    def __init__(
        self,
        parameters: pika.URLParameters,
        on_channel: Callable[[Channel, int], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._parameters = parameters
        self._on_channel = on_channel
        self._on_lost = on_lost
        self._closing = threading.Event()
        self._connection: Connection | None = None
        self._failures = 0
        #: What was logged last: the same is said once, however often it happens.
        self._said = ""
        self.number = 0
        self.ready = threading.Event()
        #: Whether the broker reads nothing from this connection for now, being short of memory or disk.
        self.blocked = False
        #: Why the channel before this one was of no use, until something works on this one.
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="rabbitmq", daemon=True)

    def start(self) -> None:
        """Connect. Not before whoever is called back knows this link."""
        self._thread.start()

    def call(self, function: Callable[[], None]) -> bool:
        """Run the function on the link's thread; False if there is no connection to run it for."""
        connection = self._connection
        if connection is None or not self.ready.is_set():
            return False
        try:
            connection.ioloop.add_callback_threadsafe(function)
        except (AttributeError, ConnectionWrongStateError):  # the loop ended this very moment
            return False
        return True

    def opened(self) -> None:
        """Say that the channel is usable now."""
        if not self.trouble:
            self.works()
        self.ready.set()

    def works(self) -> None:
        """Say that the broker does what is asked for on this channel: what fails from now on is news."""
        self._failures = 0
        self._said = ""
        self.trouble = ""

    def obstacle(self) -> str:
        """Say in words what keeps messages from flowing; empty if nothing does."""
        if self.blocked:
            return "blocked by the broker's alarm"
        if self.trouble:
            return f"waiting for the broker: {self.trouble}"
        return "" if self.ready.is_set() else "waiting for the broker"

    def reopen(self, why: str) -> None:
        """Give this channel up for a new one. On the link's thread."""
        self.ready.clear()
        self.trouble = why
        self._say("opening another channel to RabbitMQ: %s", why)
        self._close_connection()

    def close(self) -> None:
        """Close and wait for the thread to end."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(self._close_connection)
        self._thread.join(timeout=10)

    def _close_connection(self) -> None:
        connection = self._connection
        if connection is not None and not (connection.is_closing or connection.is_closed):
            connection.close()
            # A broker that is blocked does not hear the goodbye.
            connection.ioloop.call_later(_GOODBYE, connection.ioloop.stop)

    def _run(self) -> None:
        while not self._closing.is_set():
            self.number += 1
            try:
                self._run_connection()
            except Exception:  # noqa: BLE001 (without this thread nobody would ever connect again)
                _log.exception("the connection to RabbitMQ failed in an unexpected way: opening another one")
            self.ready.clear()
            self.blocked = False
            self._connection = None
            self._on_lost()
            pause = _RECONNECT_AFTER[min(self._failures, len(_RECONNECT_AFTER) - 1)]
            self._failures += 1
            self._closing.wait(pause)

    def _run_connection(self) -> None:
        self._connection = Connection(self._parameters, on_open=self._open_channel, on_failed=self._failed)
        self._connection.run()

    def _open_channel(self, connection: pika.SelectConnection) -> None:
        if self._closing.is_set():
            connection.close()
            return
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        connection.channel(on_open_callback=self._channel_opened)

    def _on_blocked(self, _connection: pika.SelectConnection, frame: Any) -> None:
        self.blocked = True
        _log.warning("RabbitMQ takes no messages for now: %s", frame.method.reason)

    def _on_unblocked(self, _connection: pika.SelectConnection, _frame: Any) -> None:
        self.blocked = False
        _log.info("RabbitMQ takes messages again")

    def _channel_opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        self._on_channel(channel, self.number)

    def _channel_closed(self, _channel: Channel, reason: Exception) -> None:
        self.ready.clear()
        if isinstance(reason, ChannelClosedByBroker):
            self.reopen(reason.reply_text)
        else:
            self._close_connection()

    def _failed(self, connection: pika.SelectConnection, reason: Exception) -> None:
        self.ready.clear()
        if not isinstance(reason, ConnectionClosedByClient):
            self.trouble = ""
            self._say("no connection to RabbitMQ: %r", reason)
        connection.ioloop.stop()

    def _say(self, text: str, why: object) -> None:
        said = text % why
        if said != self._said and not self._closing.is_set():
            _log.warning(said)
        self._said = said
