"""What there is to be seen in a running system: little in a fresh company, of everything something in a busy one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from itertools import cycle
from typing import Any
from uuid import uuid4

import requests
from PIL import Image

from chassis.settings import EXCHANGE
from deploy.programs import environment_of
from deploy.settings import CONSUMING_SERVICES, SERVICES
from messaging import Event
from messaging.broker import RabbitBroker
from messaging.envelope import CONTENT_TYPE, MAX_BYTES
from messaging.transport import Message
from tests.e2e.broker import manage
from tests.e2e.parrots import Parrot, company
from tests.waiting import PATIENCE, eventually

Run = dict[str, Any]

#: Open tasks of each person who looks at the pages, at least.
_TASKS_OF_ONE = 4
_MOST_TASKS = 300
#: Cents for each of those who look, so that whatever the draw gave them the second is in debt and the others are paid.
_CORRECTIONS = (1_234_500, -1_000_000, 1_234_500)
_ARABIC = "تلميع مجثم الببغاء قبل الاجتماع الأسبوعي"
_HEBREW = "לנקות את הכלוב עד יום חמישי"
TITLES = (
    "Пересчитать перья в подушках переговорной",
    ("Длинноесловобезединогопробела" * 7)[:200],
    _ARABIC,
    _HEBREW,
    "🦜 <b>Купить</b> просо & семечки",
    "Ц",
)
DESCRIPTION = "Сначала просо, потом семечки.\n\n" + "Орехи считать поштучно, скорлупу сдавать на склад. " * 12
#: An event's type that has no schema.
_UNKNOWN = "auth.user_moulted.v1"
_KNOWN = "auth.user_updated.v1"


@dataclass(frozen=True)
class Company:
    """A running system with what its pages can be asked for."""

    #: `empty` or `full`.
    state: str
    #: The content of run.json.
    run: Run
    #: For each service its arguments of paths: see `Place.path`.
    known: dict[str, dict[str, str]]

    def person(self, role: str) -> dict[str, Any]:
        """Return who looks at the pages for everybody of the role."""
        return observer(self.run, role)


def observer(run: Run, role: str) -> dict[str, Any]:
    """Return the first of the demo company with this role, as run.json has it."""
    found: dict[str, Any] = next(person for person in run["people"] if person["role"] == role)
    return found


def fresh_company(run: Run) -> Company:
    """Describe a system in which nobody has done anything yet."""
    accountant = Parrot(run, observer(run, "accountant"))
    today = accountant.get("billing", "/api/v1/days", limit=1)["items"][0]["day"]
    known = {"user_id": observer(run, "popug")["id"], "day": today}
    return Company("empty", run, dict.fromkeys(SERVICES, known))


def busy_company(run: Run) -> Company:
    """Let everybody work, by REST as far as that goes, close a day, and send messages that nobody can handle."""
    parrots = company(run)
    manager = parrots[observer(run, "manager")["id"]]
    admin = parrots[observer(run, "admin")["id"]]
    popug = parrots[observer(run, "popug")["id"]]
    looking = [parrots[observer(run, role)["id"]] for role in ("popug", "boss", "accountant")]

    _create_tasks(popug, looking)
    _reassign(manager)
    for parrot in parrots.values():
        _complete(parrot, 3)
    eventually(lambda: popug.get("billing", "/api/v1/accounts/me")["today"]["rewards_cents"])
    for parrot, cents in zip(looking, _CORRECTIONS, strict=True):
        correction = {"amount_cents": cents, "note": "Перья, которые нашлись в подушке"}
        admin.post("billing", f"/api/v1/accounts/{parrot.id}/corrections", correction, expect=201)
    closed = admin.get("billing", "/api/v1/days", limit=1)["items"][0]["day"]
    admin.post("billing", f"/api/v1/days/{closed}/close")

    _create_tasks(popug, looking)
    run_id = _reassign(manager)
    _create_tasks(popug, looking)  # whom the draw has left with less
    for parrot in looking:
        _name_tasks(parrot)
        _complete(parrot, 2)
    blocked = next(p for p in reversed(parrots.values()) if p.role == "popug" and p is not popug)
    admin.post("auth", f"/api/v1/users/{blocked.id}/block")
    letters = _send_dead_letters(run, admin)
    _show_a_wall(run)

    tomorrow = (date.fromisoformat(closed) + timedelta(days=1)).isoformat()
    known = {
        "user_id": popug.id,
        "blocked user_id": blocked.id,
        "task_id": _tasks(popug, "open")[0]["id"],
        "done task_id": _tasks(popug, "done")[0]["id"],
        "run_id": run_id,
        "correlation_id": popug.get("billing", "/api/v1/accounts/me/entries", day=closed)["items"][0]["correlation_id"],
        "day": tomorrow,
        "closed day": closed,
        "payout_id": eventually(lambda: popug.get("billing", "/api/v1/payouts")["items"])[0]["id"],
    }
    return Company("full", run, {service: known | letters.get(service, {}) for service in SERVICES})


def _tasks(parrot: Parrot, status: str) -> list[Any]:
    found: list[Any] = parrot.get("tracker", "/api/v1/tasks", assignee="me", status=status, limit=200)["items"]
    return found


def _create_tasks(author: Parrot, looking: list[Parrot]) -> None:
    """Create tasks until each who looks has some open ones, however they are drawn."""
    for number in range(_MOST_TASKS):
        if number % 10 == 0 and all(len(_tasks(parrot, "open")) >= _TASKS_OF_ONE for parrot in looking):
            return
        body = {"title": f"Задача номер {number}", "jira_id": f"ПОПУГ-{number}", "description": DESCRIPTION}
        author.post("tracker", "/api/v1/tasks", body, expect=201)
    raise AssertionError(f"nobody of {looking} has tasks")


def _name_tasks(parrot: Parrot) -> None:
    for task, title in zip(_tasks(parrot, "open"), cycle(TITLES), strict=False):
        parrot.ask("PATCH", "tracker", f"/api/v1/tasks/{task['id']}", json={"title": title}).raise_for_status()


def _complete(parrot: Parrot, count: int) -> None:
    for task in _tasks(parrot, "open")[:count]:
        parrot.post("tracker", f"/api/v1/tasks/{task['id']}/complete")


def _reassign(manager: Parrot) -> str:
    """Press the button and return the run's id once it has ended."""
    answer = manager.ask("POST", "tracker", "/api/v1/reassignments")
    assert answer.status_code == 202, answer.text
    where = answer.headers["Location"]
    run = eventually(lambda: (r := manager.get("tracker", where))["status"] == "finished" and r)
    return str(run["id"])


def _show_a_wall(run: Run) -> None:
    """Try to sign in with a photo on which there is no beak."""
    photo = BytesIO()
    Image.new("RGB", (400, 400), "white").save(photo, "PNG")
    where, kind = f"{run['services']['auth']}/api/v1/token", {"Content-Type": "image/png"}
    assert requests.post(where, data=photo.getvalue(), headers=kind, timeout=PATIENCE).status_code == 422


def _send_dead_letters(run: Run, admin: Parrot) -> dict[str, dict[str, str]]:
    """Send messages that nobody can handle, decide about some, and return `letter_id` by service."""
    for message in _strange_messages():
        manage(run, "POST", "exchanges", f"{EXCHANGE}/publish", json=message)
    _send_as_auth(run, _event(_KNOWN, surprise="Не по схеме"))
    wanted = {"not-an-event", "wrong-content-type", "too-large", "not-from-its-producer", "schema-invalid"}
    found = {}
    for service in CONSUMING_SERVICES:
        letters = eventually(_dead_letters(admin, service, wanted))
        by_reason = {letter["reason"]: letter["id"] for letter in letters}
        where = "/api/v1/messages/dead-letters"
        admin.post(service, f"{where}/{by_reason['wrong-content-type']}/discard", expect=202)
        admin.post(service, f"{where}/{by_reason['not-an-event']}/replay", expect=202)
        found[service] = {"letter_id": by_reason["schema-invalid"]}
    return found


def _dead_letters(admin: Parrot, service: str, wanted: set[str]) -> Callable[[], list[Any]]:
    def all_there() -> list[Any]:
        letters = list(admin.everything(service, "/api/v1/messages/dead-letters"))
        assert {letter["reason"] for letter in letters} >= wanted
        return letters

    return all_there


def _strange_messages() -> Iterator[dict[str, Any]]:
    for content_type, payload, routing_key in (
        (CONTENT_TYPE, "Перо, и больше ничего", _KNOWN),
        ("text/plain", "Чик-чирик", _KNOWN),
        (CONTENT_TYPE, "Ж" * MAX_BYTES, _KNOWN),
        (CONTENT_TYPE, _event(_KNOWN).to_bytes().decode(), _KNOWN),
        (CONTENT_TYPE, _event(_UNKNOWN).to_bytes().decode(), _UNKNOWN),
    ):
        properties = {"content_type": content_type, "message_id": str(uuid4()), "delivery_mode": 2}
        body = {"properties": properties, "payload": payload, "payload_encoding": "string"}
        yield body | {"routing_key": routing_key}


def _event(kind: str, **data: Any) -> Event:
    return Event.new(kind, subject=str(uuid4()), sequence=1, data=data)


def _send_as_auth(run: Run, event: Event) -> None:
    """Send it over a connection of auth's user, whose events are believed."""
    relay = next(process["pid"] for process in run["processes"] if process["name"] == "auth.relay")
    publisher = RabbitBroker(environment_of(relay)["AUTH_AMQP_URL"], name="tests").publisher()
    try:
        assert publisher.wait_until_connected(PATIENCE)
        publisher.send([Message(1, EXCHANGE, event.type, event.to_bytes(), CONTENT_TYPE, message_id=str(event.id))])
        eventually(lambda: publisher.outcomes(1))
    finally:
        publisher.close()
