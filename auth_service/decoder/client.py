"""The near end of the decoder: a few seats, and a child process that is started when the first photo comes."""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from auth_service.decoder.protocol import BEGUN, DESCRIPTOR, DESCRIPTOR_BYTES, FAILED, REFUSED, ask, read_all
from auth_service.domain.beak import Descriptor, from_bytes
from auth_service.domain.photo_file import REFUSALS, check_file
from auth_service.errors import TooManyPhotos, TooMuchWork
from chassis.settings import REPOSITORY

#: Photos that are looked at at once: each needs a processor, and some 100 MB for a moment.
_SEATS = 2
#: Photos that wait for a seat, and for how many seconds. They hold threads of the web server, so they are few.
_WAITING = 2
_PATIENCE_S = 2.0
#: Seconds for an answer, the start of the child on a busy machine included. It ends its own work sooner.
_ANSWER_S = 30.0
#: Seconds without a photo after which the child is ended, which has opencv loaded: more than any photo takes.
_IDLE_S = 120.0
_CHILD = (sys.executable, "-m", "auth_service.decoder.process")

_log = structlog.get_logger(__name__)


class Decoder:
    """Looks at photos. To be used by any number of threads."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._house = threading.BoundedSemaphore(_SEATS + _WAITING)
        self._seats = threading.BoundedSemaphore(_SEATS)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        #: By the monotonic clock: when the child last got a photo.
        self._used_at = 0.0
        atexit.register(self.close)

    def look_at(self, photo: bytes, content_type: str) -> Descriptor:
        """Return the shape of the beak in the photo.

        Raises UnsupportedPhoto, PhotoTooLarge or an UnusablePhoto; TooManyPhotos if all seats are taken.
        """
        check_file(photo, content_type)
        with self._seat():
            answer = self._answer(photo, content_type)
        begun, kind, told = answer[:1], answer[1:2], answer[2:]
        if begun != BEGUN:
            _log.warning("decoder_away")
            raise TooManyPhotos
        if kind == DESCRIPTOR and len(told) == DESCRIPTOR_BYTES:
            return from_bytes(told)
        if kind == REFUSED and told.decode() in REFUSALS:
            raise REFUSALS[told.decode()]()
        _log.warning("photo_given_up", reason=told.decode() if kind == FAILED else "killed at a limit")
        raise TooMuchWork

    def close(self) -> None:
        """End the child; the next photo starts another one."""
        with self._lock:
            self._end_child()

    @contextmanager
    def _seat(self) -> Iterator[None]:
        if not self._house.acquire(blocking=False):
            raise TooManyPhotos
        try:
            if not self._seats.acquire(timeout=_PATIENCE_S):
                raise TooManyPhotos
            try:
                yield
            finally:
                self._seats.release()
        finally:
            self._house.release()

    def _answer(self, photo: bytes, content_type: str) -> bytes:
        """Everything that was answered; it may have been cut short at any place."""
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_S)
        with ours:
            try:
                with theirs:
                    self._hand_over(theirs)
                with suppress(BrokenPipeError):  # it was ended before it had read everything
                    ask(ours, photo, content_type)
                return read_all(ours)
            except TimeoutError:
                self.close()
            except OSError as error:
                _log.warning("decoder_broken", error=str(error))
        return b""

    def _hand_over(self, end: socket.socket) -> None:
        with self._lock:
            if self._child is not None and self._child.poll() is not None:
                self._end_child()
            if self._child is None or self._line is None:
                self._child, self._line = _start()
                threading.Thread(
                    target=self._end_when_idle, args=(self._child,), name="decoder idle", daemon=True
                ).start()
            self._used_at = time.monotonic()
            socket.send_fds(self._line, [b"."], [end.fileno()])

    def _end_when_idle(self, child: "subprocess.Popen[bytes]") -> None:
        """Wait until this child has had nothing to do for a while, and end it."""
        while True:
            with self._lock:
                if self._child is not child:
                    return
                left = self._used_at + _IDLE_S - time.monotonic()
                if left <= 0:
                    self._end_child()
                    return
            time.sleep(left)

    def _end_child(self) -> None:
        if self._child is not None and self._line is not None:
            self._line.close()
            self._child.kill()
            self._child.wait()
        self._child = self._line = None


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the fork server. Nothing that it decodes can find our secrets in its environment."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(  # noqa: S603 -- no word of it comes from outside
            _CHILD,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env={"PATH": os.environ.get("PATH", os.defpath), "OPENBLAS_NUM_THREADS": "1"},
        )
    return child, ours
