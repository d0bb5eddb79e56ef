"""The console of operators: one page over all services, as each tells of itself, and one about their events."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
from flask import flash, redirect, render_template, url_for
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from auth_service import commands
from auth_service.ui.blueprint import pages
from auth_service.ui.tokens import token_of
from chassis import neighbours
from chassis.errors import N_, NotFound, Unavailable
from chassis.i18n import translate
from chassis.identity import current_principal, require_roles
from chassis.live import live_page
from chassis.messages_ui import reason_name
from chassis.navigation import SERVICE_NAMES
from chassis.operations_api import OverviewSchema
from chassis.overview import OVERVIEW_PATH, service_overview
from chassis.people import Role
from chassis.runtime import runtime
from chassis.settings import EXCHANGE
from messaging.topology import dead_queue, events_queue, unread_queue, unrouted_name

Overview = dict[str, Any]

#: Seconds: who has waited longer to be published needs somebody.
_LATE = 60


@dataclass(frozen=True)
class Trouble:
    """What needs somebody, and where to look."""

    text: str
    url: str


@dataclass(frozen=True)
class Fares:
    """A service on the console."""

    name: str
    title: str
    #: Of its pages about messages.
    url: str
    #: What it says; None if it does not answer.
    told: Overview | None
    troubles: list[Trouble] = field(default_factory=list)


@pages.get("/operations")
@require_roles(Role.ADMIN)
def operations() -> Response:
    """Outboxes, consumers, what waits and what is dead, and jobs, over all services."""
    told = _overviews()
    services = [_fares(name, title, told[name]) for name, title in SERVICE_NAMES.items()]
    version = sha256(json.dumps([told, str(get_locale())], sort_keys=True).encode()).hexdigest()[:32]
    return live_page(version, lambda: _render(services, version))


@pages.get("/operations/jobs/<string:service>/<string:job>/run")
@require_roles(Role.ADMIN)
def show_jobs(service: str, job: str) -> Response:  # noqa: ARG001 (parts of the address)
    """Lead to the jobs: a refusal leaves this address in the browser."""
    return redirect(url_for("auth.operations", _anchor="jobs"))


@pages.post("/operations/jobs/<string:service>/<string:job>/run")
@require_roles(Role.ADMIN)
def run_job(service: str, job: str) -> Response:
    """Have a job of a service run now: the service writes the wish down, and its scheduler takes it up."""
    urls = runtime().settings.internal_urls
    if service not in urls:
        raise NotFound(N_("There is no service %(service)s."), service=service)
    _ask_for_run(f"{urls[service]}/api/v1/messages/jobs/{quote(job, safe='')}/run", service, job)
    flash(_("It runs in a moment."))
    return redirect(url_for("auth.operations", _anchor="jobs"), 303)


@pages.get("/operations/events")
@require_roles(Role.ADMIN)
def events() -> str:
    """Every event with its versions, who publishes it, who reads which version; those that nobody reads are named."""
    told = _overviews()
    registry = runtime().database.registry
    readers: dict[str, list[tuple[str, int]]] = {}
    for service, overview in told.items():
        for read in ((overview or {}).get("consumer") or {}).get("reads", []):
            readers.setdefault(read["event"], []).append((service, read["version"]))
    return render_template(
        "auth/events.html",
        events=[
            {
                "name": name,
                "producer": name.partition(".")[0],
                "title": registry.schemas[name][registry.newest(name)].get("title", ""),
                "versions": sorted(registry.schemas[name]),
                "readers": readers.get(name, []),
            }
            for name in sorted(registry.names())
        ],
        silent=[_title(service) for service, overview in told.items() if overview is None],
        unknown=[
            (service, unknown)
            for service, overview in told.items()
            if overview
            for unknown in overview["unknown_types"]
        ],
        further_unknown=sum(overview.get("further_unknown_types", 0) for overview in told.values() if overview),
        queue_url=_queue_url,
        queues={"unread": unread_queue(EXCHANGE), "unrouted": unrouted_name(EXCHANGE)},
        messages_urls=_messages_urls(),
        title_of=_title,
    )


def _render(services: list[Fares], version: str) -> str:
    return render_template(
        "auth/operations.html",
        services=services,
        troubles=[trouble for service in services for trouble in service.troubles],
        groups=[(service, group) for service in services if service.told for group in service.told["dead"]["groups"]],
        replays=[
            (service, service.told["gradual_replay"])
            for service in services
            if service.told and service.told["gradual_replay"] and service.told["gradual_replay"]["ended_at"] is None
        ],
        jobs=[(service, job) for service in services if service.told for job in service.told["jobs"]],
        version=version,
        events_queue=events_queue,
        dead_queue=dead_queue,
        queue_url=_queue_url,
        queues={"unread": unread_queue(EXCHANGE), "unrouted": unrouted_name(EXCHANGE)},
        at=datetime.fromisoformat,
        translate=translate,
        reason_name=reason_name,
    )


def _overviews() -> dict[str, Overview | None]:
    """Ask each service in the name of the person, all at once."""
    runtime().dead_letter_counts.begin()
    principal = current_principal()
    token = token_of(principal)
    settings = runtime().settings
    ask: dict[str, Callable[[], Overview]] = {
        service: partial(neighbours.ask_service, url + OVERVIEW_PATH, token)
        for service, url in settings.internal_urls.items()
    }
    own = partial(service_overview, runtime().database, runtime().handlers, runtime().further_needs)
    ask[settings.service] = lambda: dict(OverviewSchema().dump(own()))
    return commands.tools().overviews.latest(ask, principal.user_id)


def _ask_for_run(url: str, service: str, job: str) -> None:
    token = token_of(current_principal())
    try:
        answer = neighbours.tell_service(url, token)
    except requests.RequestException as error:
        raise Unavailable(N_("%(service)s does not answer at the moment."), service=_title(service)) from error
    if answer.status_code == 404:
        raise NotFound(N_("There is no job %(name)s."), name=job)
    if not answer.ok:
        raise Unavailable(N_("%(service)s does not answer at the moment."), service=_title(service))


def _fares(name: str, title: str, told: Overview | None) -> Fares:
    url = f"{runtime().settings.public_urls[name]}/messages"
    found = Fares(name, translate(title), url, told)
    if told is None:
        found.troubles.append(Trouble(_("%(service)s does not answer at the moment.", service=found.title), url))
    else:
        found.troubles.extend(Trouble(f"{found.title}: {text}", where) for text, where in _amiss(told, url))
    return found


def _amiss(told: Overview, url: str) -> list[tuple[str, str]]:
    """Return what of a service needs somebody, and where to look."""
    outbox, consumer, dead = told["outbox"], told["consumer"], told["dead"]
    jobs = url_for("auth.operations", _anchor="jobs")
    found: list[tuple[str, str]] = []
    if (outbox["oldest_pending_seconds"] or 0) > _LATE:
        found.append((_("an event waits to be published for more than a minute"), url))
    if consumer and not consumer["working"]:
        found.append((_("its consumer does not work"), url))
    if dead["undecided"]:
        found.append((ngettext("%(num)d dead letter", "%(num)d dead letters", dead["undecided"]), url))
    if letters := told.get("needs_person", {}).get("letters"):  # one of the last version does not tell
        undelivered = ngettext("%(num)d letter was not delivered", "%(num)d letters were not delivered", letters)
        found.append((undelivered, f"{runtime().settings.public_urls['billing']}/payouts"))
    if told["unknown_types"]:
        rest = ["…"] if told.get("further_unknown_types") else []
        types = ", ".join([*(unknown["type"] for unknown in told["unknown_types"]), *rest])
        found.append((_("somebody publishes events that nobody knows: %(types)s", types=types), url))
    found += [
        (_("a job failed: %(job)s", job=translate(job["words"])), jobs)
        for job in told["jobs"]
        if job["last_outcome"] == "failed"
    ]
    return found


def _title(service: str) -> str:
    return translate(SERVICE_NAMES[service])


def _messages_urls() -> Mapping[str, str]:
    return {service: f"{url}/messages" for service, url in runtime().settings.public_urls.items()}


def _queue_url(queue: str) -> str:
    """Return the page of a queue in RabbitMQ's console."""
    settings = runtime().settings
    vhost = unquote(urlsplit(settings.amqp_url).path.removeprefix("/")) or "/"
    return f"{settings.rabbitmq_console_url}/#/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}"
