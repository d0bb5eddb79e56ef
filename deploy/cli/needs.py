"""What needs a person: why `./ates status` exits with 1 though every process may be at work."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any

from chassis.business_clock import business_now
from chassis.db import Database
from chassis.settings import load_settings
from deploy.cli.running import asking_databases, service_environment
from deploy.run_file import Run

#: Seconds after which a pending event is old: as the alert says in docs/operation.md.
OLD_PENDING_S = 60
#: The robot closes a day soon after its end.
_CLOSED_WITHIN = timedelta(minutes=15)


@dataclass(frozen=True)
class Need:
    """Something that does not go away by itself."""

    #: Short, for programs: `dead-letters`, `old-pending-event`, `day-not-closed`, `letters`, `restarts`.
    what: str
    where: str
    #: For a person.
    detail: str
    #: What to do, or where to look.
    remedy: str


def needs_of_services(services: Sequence[Mapping[str, Any]]) -> Iterator[Need]:
    """Yield what the numbers of the services say."""
    for service in services:
        name = service["name"]
        if service["undecided"]:
            detail = f"{service['undecided']} dead letters"
            yield Need("dead-letters", name, detail, f"./ates dead-letters list --service {name}")
        age = service["oldest_pending_seconds"] or 0
        if age > OLD_PENDING_S:
            detail = f"{service['pending']} events wait to be published, the oldest for {age:.0f} s"
            yield Need("old-pending-event", name, detail, f"./ates outbox --service {name}")


def needs_of_processes(processes: Sequence[Mapping[str, Any]]) -> Iterator[Need]:
    """Yield who ends again and again."""
    for process in processes:
        if process["early_ends"]:
            detail = f"ENDS AGAIN AND AGAIN, {process['early_ends']} times in a row"
            yield Need("restarts", process["name"], detail, f"the log of {process['name']}")


def needs_of_books(run: Run) -> Iterator[Need]:
    """Yield what billing waits for. Raises DeployError if its database cannot be asked."""
    if "billing" not in run.databases:
        return
    settings = load_settings("billing", service_environment(run, "billing"))
    database = Database(settings)
    try:
        with asking_databases("billing"), database.reading() as session:
            books = resolve_name("billing_service.queries:books")(session)
            now = business_now(session).astimezone(settings.business_timezone)
    finally:
        database.engine.dispose()
    just_over = now - now.replace(hour=0, minute=0, second=0) < _CLOSED_WITHIN
    if books.days_to_close > (1 if just_over else 0):
        detail = f"{books.days_to_close} days are over and not closed, the first is {books.first_open_day}"
        yield Need("day-not-closed", "billing", detail, f"./ates close-day --from {books.first_open_day}")
    if books.letters_in_trouble:
        detail = f"{books.letters_in_trouble} letters about payouts were not delivered, or perhaps not"
        yield Need("letters", "billing", detail, "./ates letters send-again --help")
