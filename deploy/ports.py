"""TCP ports: is one free, which one is."""

import random
import socket
from collections.abc import Iterable, Mapping

from deploy.errors import DeployError

LOOPBACK = "127.0.0.1"

#: Below the range from which Linux takes the local ports of outgoing connections (32768 and up), so that none
#: of those sits on a port in the moment in which its server is started again.
_PRIVATE_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_answered(port: int) -> bool:
    """Tell whether somebody accepts connections on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def pick_free(count: int, avoid: Iterable[int] = ()) -> list[int]:
    """Return that many different free ports outside the range of outgoing connections, none of those to avoid."""
    taken = set(avoid)
    found: list[int] = []
    for port in random.sample(_PRIVATE_RANGE, len(_PRIVATE_RANGE)):
        if port not in taken and is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise DeployError(f"There are no {count} free ports between {_PRIVATE_RANGE.start} and {_PRIVATE_RANGE.stop}.")


def require_free(ports: Mapping[str, int]) -> None:
    """Raise DeployError naming each variable whose port is taken, or that two variables share."""
    complaints = []
    owner_of: dict[int, str] = {}
    for variable, port in ports.items():
        if port in owner_of:
            complaints.append(f"{variable} and {owner_of[port]} are both {port}; give them different ports.")
            continue
        owner_of[port] = variable
        if not is_free(port):
            complaints.append(
                f"Port {port} is already taken by another program. Stop that program, or choose another port:"
                f" {variable}=<port> make up   (to see who has it: ss -ltnp 'sport = :{port}')"
            )
    if complaints:
        raise DeployError("\n".join(complaints))
