"""Writes down now and then how the queue of a service stands, for those who do not speak to the broker."""

import logging
import threading

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from messaging.database import database_is_away
from messaging.errors import BrokerUnavailable
from messaging.throughput import remember_backlog
from messaging.topology import events_queue
from messaging.transport import Broker

_log = logging.getLogger(__name__)

#: Seconds between two looks.
EVERY = 10.0


def watch_backlog(service: str, broker: Broker, engine: Engine, stop: threading.Event) -> None:
    """Look at the queue until `stop` is set. While a server is away nothing is written, which tells as much."""
    while not stop.wait(EVERY if _look(service, broker, engine) else EVERY / 5):
        pass


def _look(service: str, broker: Broker, engine: Engine) -> bool:
    """Tell whether it could be written down."""
    try:
        state = broker.queue_state(events_queue(service))
        with Session(engine) as session, session.begin():
            remember_backlog(session, state)
    except BrokerUnavailable:
        return False
    except Exception as error:  # noqa: BLE001 (whatever it is, the consumer goes on)
        if not (isinstance(error, DBAPIError) and database_is_away(error)):
            _log.warning("the backlog cannot be written down: %r", error)
        return False
    return True
