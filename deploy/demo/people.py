"""The parrots: those of the demo company, and those who join it for the demonstration."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auth_service.demo.parrot import draw_parrot
from deploy.demo.client import Person
from deploy.demo.names import key_and_name
from deploy.demo.waiting import until
from deploy.errors import DeployError
from deploy.run_file import Run

_TAKEN, _SHUT_OUT = 409, 401
#: Drawn anew so often, at most, when somebody has such a beak already.
_ATTEMPTS = 20
#: Every so many of those who join have these roles; all others are popugs.
_BOSSES, _ACCOUNTANTS = 12, 17
#: Every so many do nothing, ever.
_IDLE = 11
#: What is said around a name that is encoded: here with the end of a line in it (RFC 2047).
_WRONG, _END_OF_WRONG = "=?utf-8?q?", "=0A?="


@dataclass(frozen=True)
class Company:
    """The people of the company, by what they do in the demonstration."""

    admin: Person
    manager: Person
    #: Everybody who can be assigned tasks, by id.
    workers: Mapping[str, Person]
    #: Those of the workers who joined for the demonstration, who came first stands first.
    joined: Sequence[Person]

    @property
    def idle(self) -> set[str]:
        """The ids of those who do nothing."""
        return {person.id for person in self.joined[_IDLE - 1 :: _IDLE]}


def founders(run: Run) -> list[Person]:
    """Return those whom `make up` has registered. Raises DeployError if this is no demo company."""
    found = [
        Person(run.services, id=one["id"], name=one["name"], role=one["role"], beak=Path(one["beak"]))
        for one in run.people
    ]
    if not {"admin", "manager"} <= {person.role for person in found}:
        raise DeployError("There is no demo company: start the system with `ATES_DEMO=1 make up`.")
    return found


def of_role(people: Sequence[Person], role: str) -> Person:
    """Return the first who has it."""
    return next(person for person in people if person.role == role)


def gather(run: Run, number: int, beaks: Path, pool: Executor, came: Callable[[], None]) -> Company:
    """Let so many more parrots join, with drawn beaks whose photos are kept in the folder. Who is there already stays.

    `came` is called for each. Raises DeployError.
    """
    people = founders(run)
    admin = of_role(people, "admin")
    known = {right_address(user["email"]): user for user in admin.everything("auth", "/api/v1/users")}

    def join(place: int) -> Person:
        person = _join(run, admin, known, place, beaks)
        came()
        return person

    joined = list(pool.map(join, range(number)))
    workers = {one.id: one for one in (*people, *joined) if one.role not in ("admin", "manager")}
    return Company(admin, of_role(people, "manager"), workers, joined)


def address(key: str) -> str:
    """Return an e-mail address that leads nowhere: .example is reserved for that (RFC 2606)."""
    return f"{key}@uberpopug.example"


def wrong_address(email: str) -> str:
    """Return an address that auth takes and no letter bears: as if copied from the head of another letter."""
    local, _, domain = email.partition("@")
    return f"{_WRONG}{local}{_END_OF_WRONG}@{domain}"


def right_address(email: str) -> str:
    """Return what the address was before it became a wrong one; any other address as it is."""
    local, _, domain = email.partition("@")
    if not local.startswith(_WRONG):
        return email
    return f"{local.removeprefix(_WRONG).removesuffix(_END_OF_WRONG)}@{domain}"


def role_of(place: int) -> str:
    """Return the role of the parrot that joins at this place, from 0."""
    if place % _BOSSES == _BOSSES - 1:
        return "boss"
    return "accountant" if place % _ACCOUNTANTS == _ACCOUNTANTS - 1 else "popug"


def _join(run: Run, admin: Person, known: Mapping[str, Any], place: int, beaks: Path) -> Person:
    key, name = key_and_name(place)
    words = {"name": name, "email": address(key), "role": role_of(place)}
    user = known.get(words["email"]) or admin.create("auth", "/api/v1/users", words)
    photo = beaks / f"{key}.png"
    if not photo.exists():
        photo.write_bytes(_enrol(admin, user["id"], key))
    person = Person(run.services, id=user["id"], name=user["name"], role=user["role"], beak=photo)
    if user["status"] == "blocked":
        admin.ask("POST", "auth", f"/api/v1/users/{user['id']}/unblock")
        until(f"{name} was let in again", lambda: _is_let_in(person) or None)
    return person


def _is_let_in(person: Person) -> bool:
    return person.ask("GET", "tracker", "/api/v1/tasks", params={"limit": 1}, expect=(_SHUT_OUT,)).ok


def _enrol(admin: Person, user_id: str, key: str) -> bytes:
    """Enrol a beak, and return its photo. Should somebody else have such a beak, another one is drawn."""
    for attempt in range(_ATTEMPTS):
        photo = draw_parrot(f"demonstration/{key}/{attempt}")
        headers = {"Content-Type": "image/png"}
        path = f"/api/v1/users/{user_id}/beak"
        if admin.ask("PUT", "auth", path, data=photo, headers=headers, expect=(_TAKEN,)).ok:
            return photo
    raise DeployError(f"No beak could be drawn for {key} that nobody has.")
