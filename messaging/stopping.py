"""How a process that works until it is told to end learns that it is told."""

import signal
import threading


def stop_at_signal() -> threading.Event:
    """Return an event that is set at SIGTERM and SIGINT. To be called first of all, so that neither is ever missed."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # On a thread of its own: the handler may have interrupted somebody who holds the event's lock.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    return stop
