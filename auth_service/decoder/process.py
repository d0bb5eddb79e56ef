"""The far end of the decoder: `python -m auth_service.decoder.process`, with a socket as its standard input.

Each message brings a socket, and gets a process for the photo that comes over it. Such a process ends after one photo,
so that its memory is free again, and it is the kernel that ends it when it has used up what it may.
"""

import os
import resource
import signal
import socket
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from auth_service.decoder.protocol import BEGUN, DESCRIPTOR, FAILED, REFUSED, read_photo
from auth_service.domain.beak import describe, to_bytes
from auth_service.domain.photo import decode
from auth_service.domain.photo_file import REFUSALS
from auth_service.domain.sight import find_beak
from chassis.errors import ServiceError

#: The dearest photo that is accepted takes 2 s of a processor and 150 MB.
_CPU_S = 5
_WALL_S = 15
_MORE_MEMORY = 400 * 2**20


def main() -> None:
    """Serve until the other end is closed: by whoever started this, or by the kernel when that one is dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
    _warm_up()
    with socket.socket(fileno=0) as messages:
        while True:
            message, sockets, _, _ = socket.recv_fds(messages, 1, 1)
            if not message:
                return
            with socket.socket(fileno=sockets[0]) as line:
                if os.fork() == 0:
                    messages.close()
                    _be_the_child(line)


def _warm_up() -> None:
    """Have done what the libraries put off until they are first used: else each photo takes twice as long."""
    cv2.setNumThreads(1)
    picture = np.full((400, 400, 3), 255, np.uint8)
    cv2.fillPoly(picture, [np.array([(100, 100), (300, 180), (120, 260)])], (0, 0, 0))
    describe(find_beak(picture))


def _be_the_child(line: socket.socket) -> NoReturn:
    try:
        _limit()
        line.sendall(BEGUN)
        line.sendall(_answer(*read_photo(line)))
    finally:
        os._exit(0)  # nothing that belongs to the parent is flushed, closed or gone back to


def _answer(photo: bytes, content_type: str) -> bytes:
    try:
        return DESCRIPTOR + to_bytes(describe(find_beak(decode(photo, content_type))))
    except ServiceError as refusal:
        return REFUSED + refusal.kind.encode() if refusal.kind in REFUSALS else FAILED + refusal.kind.encode()
    except Exception as error:  # noqa: BLE001 -- whatever a forged picture brings about, the other end tells it
        return FAILED + repr(error).encode()


def _limit() -> None:
    signal.alarm(_WALL_S)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_MEMORY, used + _MORE_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
