"""Ending a process in an orderly way, and soon."""

import os
import signal
import threading

#: Seconds that the main thread has to hear of a signal. One that waits inside a library, for the answer of a name
#: server or of a database, hears nothing meanwhile; whoever asked for the end would kill the process a moment later.
_DEAF_FOR = 4.0


def stop_at_signal() -> threading.Event:
    """Return an event that is set at SIGTERM and SIGINT. To be called first of all, so that neither is ever missed.

    A process whose main thread cannot hear of it for 4 seconds is ended at once, with 128 and the signal's number as
    its exit code: what it has not committed has no effect and comes again.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # On a thread of its own: the handler may have interrupted somebody who holds the event's lock.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    arrivals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    threading.Thread(target=_end_if_deaf, args=(arrivals, stop), name="stop", daemon=True).start()
    return stop


def _end_if_deaf(arrivals: int, stop: threading.Event) -> None:
    """Wait for one of the signals: the interpreter writes the number of each at once, whatever the main thread does."""
    while (number := os.read(arrivals, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
        pass
    if not stop.wait(_DEAF_FOR):
        os._exit(128 + number)
