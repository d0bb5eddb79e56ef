"""/livez, /readyz and /metrics, the same in every process: in the web application, or on a port of their own.

Alive: whoever is not should be started anew. Ready: whoever is not waits for somebody else, and says for whom.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, NamedTuple, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.observe.state import StoredNumbers, answers
from chassis.settings import Settings
from messaging.health import Health

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Seconds after which a main loop that has not come round counts as dead. Waits for servers come round twice a second,
#: and the consumer before each event. A handler may be slow, but Postgres ends a transaction of ours that does nothing
#: for 60 s, and a wait for a lock after 10 s: twice the longer one is no work any more.
LOST_AFTER = 120.0

#: Seconds after which one that has not come round is not ready: a server that is frozen, neither there nor away, holds
#: it up. Longer than any wait for a lock.
SLOW_AFTER = 15.0


class HealthCheck(Protocol):
    """How a process is. Each answer says in words what it is doing, or what keeps it from its work."""

    def alive(self) -> tuple[bool, str]:
        """Tell whether it can still come to its work by itself."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Tell whether it does its work now, or stands by for the one that does."""
        ...


class WebHealth:
    """Of a web server: it is alive when it answers at all, and so are the jobs beside it."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings, which say where the database is that requests need."""
        self._settings = settings
        #: How the jobs fare that this process runs, if it does. Requests do not wait for what they wait for.
        self.jobs: HealthCheck | None = None

    def alive(self) -> tuple[bool, str]:
        """See `HealthCheck`."""
        return _together([(True, "serving"), *([self.jobs.alive()] if self.jobs else [])])

    def ready(self) -> tuple[bool, str]:
        """See `HealthCheck`."""
        if not answers(self._settings):
            return False, "waiting for the database"
        return True, "; ".join(["serving", *([self.jobs.ready()[1]] if self.jobs else [])])


class LoopHealth:
    """Of a process with a main loop."""

    def __init__(self, health: Health) -> None:
        """Take what the loop writes down in each round."""
        self._health = health

    def alive(self) -> tuple[bool, str]:
        """See `HealthCheck`."""
        return self._came_round_within(LOST_AFTER)

    def ready(self) -> tuple[bool, str]:
        """See `HealthCheck`."""
        in_time, doing = self._came_round_within(SLOW_AFTER)
        return in_time and self._health.ready, doing

    def _came_round_within(self, limit: float) -> tuple[bool, str]:
        doing, seconds = self._health.doing, self._health.seconds_since_turn()
        if seconds > limit:
            return False, f"{doing}, and has not come round for {seconds:.0f} s"
        return True, doing


class HealthOfAll:
    """Of a process with more than one loop: it is as well as all of them together."""

    def __init__(self, parts: Sequence[HealthCheck]) -> None:
        """Take each of them, what matters most first."""
        self._parts = parts

    def alive(self) -> tuple[bool, str]:
        """See `HealthCheck`."""
        return _together([part.alive() for part in self._parts])

    def ready(self) -> tuple[bool, str]:
        """See `HealthCheck`."""
        return _together([part.ready() for part in self._parts])


def _together(answers: Sequence[tuple[bool, str]]) -> tuple[bool, str]:
    """What is amiss is told alone."""
    amiss = [doing for well, doing in answers if not well]
    return not amiss, "; ".join(amiss or [doing for _, doing in answers])


class _HealthNumbers(Collector):
    def __init__(self, service: str, health: HealthCheck) -> None:
        self._service = service
        self._health = health

    def collect(self) -> Iterable[Metric]:
        ready = GaugeMetricFamily("health_ready", "1 if the process does its work, see /readyz", labels=("service",))
        ready.add_metric((self._service,), self._health.ready()[0])
        return (ready,)


class Page(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    content_type: str
    body: bytes


class Probes:
    """The three pages, for whatever serves them: most processes have no web application."""

    def __init__(self, settings: Settings, health: HealthCheck, collectors: Iterable[Collector] = ()) -> None:
        """`collectors` have numbers beside those of the process-wide registry."""
        self._health = health
        self._own = CollectorRegistry()
        for collector in (
            *collectors,
            StoredNumbers(settings),
            _HealthNumbers(settings.service, health),
        ):
            self._own.register(collector)

    def livez(self) -> Page:
        """Tell whether the process can come to its work."""
        return _page("alive", *self._health.alive())

    def readyz(self) -> Page:
        """Tell whether it does its work."""
        return _page("ready", *self._health.ready())

    def metrics(self) -> Page:
        """Return all numbers in Prometheus' text format."""
        return Page(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(REGISTRY) + generate_latest(self._own))

    def by_path(self) -> dict[str, Callable[[], Page]]:
        """Return the pages by where they are."""
        return {"/livez": self.livez, "/readyz": self.readyz, "/metrics": self.metrics}


def serve_probes(settings: Settings, health: HealthCheck, collectors: Iterable[Collector] = ()) -> None:
    """Answer the three pages from a thread, for a process without a web server, if a port is given for it."""
    if settings.health_port is None:
        return
    application = _application(Probes(settings, health, collectors).by_path())
    server = make_server(settings.host, settings.health_port, application, _ThreadingServer, _SilentHandler)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def _page(word: str, well: bool, doing: str) -> Page:
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    told = {"status": word if well else f"not {word}", "doing": doing}
    return Page(status, "application/json", json.dumps(told).encode() + b"\n")


def _application(pages: Mapping[str, Callable[[], Page]]) -> "WSGIApplication":
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        find = pages.get(environ["PATH_INFO"])
        if find is None:
            page = Page(HTTPStatus.NOT_FOUND, "text/plain", b"Not found\n")
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            page = Page(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"Only GET\n")
        else:
            page = find()
        headers = [("Content-Type", page.content_type), ("Content-Length", str(len(page.body)))]
        start_response(f"{page.status.value} {page.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page.body]

    return answer


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    """One slow database must not keep /livez waiting."""

    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Say nothing: probes come every few seconds."""
