"""How many refused photos are too many: who tries out beaks has to wait, and who is recognised does not pay for it.

The counts are kept in memory, since one process serves all requests (chassis/webserver.py).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NoReturn, ParamSpec, TypeVar

from flask import Flask, Response, current_app, request
from flask_limiter import Limiter, RequestLimit

from auth_service.errors import TooManyRefusals

_OF_A_CLIENT = "30/minute"
_OF_ALL = "120/minute"
_REFUSED = (401, 413, 415, 422)
#: Clients that are remembered because somebody was recognised there.
_MOST_FAMILIAR = 10_000
_EXTENSION = "familiar_clients"

P = ParamSpec("P")
R = TypeVar("R")


class FamiliarClients:
    """Where somebody was recognised lately."""

    def __init__(self) -> None:
        """Know none."""
        self._lock = threading.Lock()
        self._known: OrderedDict[str, None] = OrderedDict()

    def add(self, client: str) -> None:
        """Remember a client, and forget the one that came least recently if there are too many."""
        with self._lock:
            self._known[client] = None
            self._known.move_to_end(client)
            if len(self._known) > _MOST_FAMILIAR:
                self._known.popitem(last=False)

    def __contains__(self, client: str) -> bool:
        return client in self._known


def init_limits(app: Flask) -> None:
    """Prepare the application for views with `limits_refusals`."""
    _limiter.init_app(app)
    app.extensions[_EXTENSION] = FamiliarClients()


def remember_client() -> None:
    """Note that somebody was recognised in this request."""
    _familiar().add(_client())


def limits_refusals(view: Callable[P, R]) -> Callable[P, R]:
    """Answer 429 instead of calling the view where too many photos were refused. Raises TooManyRefusals."""
    return _limit_of_all(_limit_of_a_client(view))


def _client() -> str:
    """The address of the client; of IPv6 the network, within which a client chooses addresses as it likes."""
    told = request.remote_addr or ""
    try:
        address = ip_address(told)
    except ValueError:
        return told or "unknown"  # a proxy may say anything
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((int(address), 64), strict=False))
    return told


def _familiar() -> FamiliarClients:
    found: FamiliarClients = current_app.extensions[_EXTENSION]
    return found


def _was_refused(response: Response) -> bool:
    return response.status_code in _REFUSED


def _refuse(limit: RequestLimit) -> NoReturn:
    raise TooManyRefusals(seconds=max(1, round(limit.reset_at - time.time())))


_limiter = Limiter(_client, storage_uri="memory://", strategy="moving-window", on_breach=_refuse)
_limit_of_a_client = _limiter.shared_limit(_OF_A_CLIENT, "refused photos", deduct_when=_was_refused)
# Strangers who use it up shut out nobody but each other.
_limit_of_all = _limiter.shared_limit(
    _OF_ALL,
    "refused photos",
    key_func=lambda: "all",
    exempt_when=lambda: _client() in _familiar(),
    deduct_when=_was_refused,
)
