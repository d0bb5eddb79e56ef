"""What the two ends say to each other about one photo, over a socket of its own.

There goes the content type, a line feed and the photo. Back comes BEGUN as soon as a process has it, then one of the
others with what it tells. An answer that ends after BEGUN comes from a process that was ended at one of its limits.
"""

import socket

from auth_service.domain.beak import LENGTH

BEGUN = b"."
#: The descriptor, as `domain.beak.to_bytes` makes it.
DESCRIPTOR = b"+"
DESCRIPTOR_BYTES = 8 * LENGTH
#: The kind of the refusal, one of `domain.photo_file.REFUSALS`.
REFUSED = b"-"
#: The text of an error that nobody expected.
FAILED = b"!"


def ask(line: socket.socket, photo: bytes, content_type: str) -> None:
    """Send a photo; nothing more is sent."""
    line.sendall(content_type.encode() + b"\n" + photo)
    line.shutdown(socket.SHUT_WR)


def read_photo(line: socket.socket) -> tuple[bytes, str]:
    """Receive what `ask` sends."""
    content_type, _, photo = read_all(line).partition(b"\n")
    return photo, content_type.decode()


def read_all(line: socket.socket) -> bytes:
    """Receive to the end. A line that is cut counts as ended."""
    received = bytearray()
    try:
        while data := line.recv(1 << 20):
            received += data
    except ConnectionResetError:
        return bytes(received)
    return bytes(received)
