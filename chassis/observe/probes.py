"""/livez, /readyz and /metrics, the same in every process: in the web application, or on a port of their own.

Alive: whoever is not should be started anew. Ready: whoever is not waits for somebody else, and says for whom.
"""

import threading
from collections.abc import Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from flask import Blueprint, Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from chassis.observe.state import StoredNumbers, answers, probing_engine
from chassis.settings import Settings
from messaging import Condition

#: Seconds after which a main loop that has not come round counts as dead. Waits for servers come round twice a second,
#: and the consumer before each event. A handler may be slow, but Postgres ends a transaction of ours that does nothing
#: for 60 s, and a wait for a lock after 10 s: twice the longer one is no work any more.
LOST_AFTER = 120.0

#: Seconds after which one that has not come round is not ready: a server that is frozen, neither there nor away, holds
#: it up. Longer than any wait for a lock.
SLOW_AFTER = 15.0


class Health(Protocol):
    """How a process is. Each answer says in words what it is doing, or what keeps it from its work."""

    def alive(self) -> tuple[bool, str]:
        """Tell whether it can still come to its work by itself."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Tell whether it does its work now, or stands by for the one that does."""
        ...


class WebHealth:
    """Of a web server: it is alive when it answers at all."""

    def __init__(self, engine: Engine) -> None:
        """Take the database that requests need."""
        self._engine = engine

    def alive(self) -> tuple[bool, str]:
        """See `Health`."""
        return True, "serving"

    def ready(self) -> tuple[bool, str]:
        """See `Health`."""
        return (True, "serving") if answers(self._engine) else (False, "waiting for the database")


class LoopHealth:
    """Of a process with a main loop."""

    def __init__(self, condition: Condition) -> None:
        """Take what the loop writes down in each round."""
        self._condition = condition

    def alive(self) -> tuple[bool, str]:
        """See `Health`."""
        return self._came_round_within(LOST_AFTER)

    def ready(self) -> tuple[bool, str]:
        """See `Health`."""
        in_time, doing = self._came_round_within(SLOW_AFTER)
        return in_time and self._condition.ready, doing

    def _came_round_within(self, limit: float) -> tuple[bool, str]:
        doing, seconds = self._condition.doing, self._condition.seconds_since_turn()
        if seconds > limit:
            return False, f"{doing}, and has not come round for {seconds:.0f} s"
        return True, doing


class _HealthNumbers(Collector):
    def __init__(self, service: str, health: Health) -> None:
        self._service = service
        self._health = health

    def collect(self) -> Iterable[Metric]:
        ready = GaugeMetricFamily("health_ready", "1 if the process does its work, see /readyz", labels=("service",))
        ready.add_metric((self._service,), self._health.ready()[0])
        return (ready,)


def probes(settings: Settings, health: Health, collectors: Sequence[Collector] = ()) -> Blueprint:
    """Return the three pages. `collectors` have numbers beside those of the process-wide registry."""
    pages = Blueprint("probes", __name__)
    own = CollectorRegistry()
    for collector in (
        *collectors,
        StoredNumbers(settings.service, probing_engine(settings)),
        _HealthNumbers(settings.service, health),
    ):
        own.register(collector)

    @pages.get("/livez")
    def livez() -> tuple[dict[str, str], int]:
        return _answer("alive", *health.alive())

    @pages.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        return _answer("ready", *health.ready())

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(REGISTRY) + generate_latest(own), content_type=CONTENT_TYPE_LATEST)

    return pages


def serve_probes(settings: Settings, health: Health, collectors: Sequence[Collector] = ()) -> None:
    """Answer the three pages from a thread, for a process without a web server, if a port is given for it."""
    if settings.health_port is None:
        return
    application = Flask("probes", static_folder=None)
    application.register_blueprint(probes(settings, health, collectors))
    server = make_server(settings.host, settings.health_port, application, _ThreadingServer, _SilentHandler)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def _answer(word: str, well: bool, doing: str) -> tuple[dict[str, str], int]:
    return ({"status": word, "doing": doing}, 200) if well else ({"status": f"not {word}", "doing": doing}, 503)


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    """One slow database must not keep /livez waiting."""

    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Say nothing: probes come every few seconds."""
