"""What goes wrong in the month, on purpose, so that there is something to look at."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import requests

from chassis.settings import EXCHANGE
from deploy.cli.running import service_environment
from deploy.demo.client import Person
from deploy.demo.people import Company, address, right_address, wrong_address
from deploy.demo.plan import Accident
from deploy.demo.waiting import until
from deploy.demo.work import Office
from deploy.errors import DeployError
from deploy.run_file import Run
from deploy.settings import CONSUMING_SERVICES, VHOST
from messaging import Event
from messaging.broker import RabbitBroker
from messaging.envelope import CONTENT_TYPE
from messaging.transport import Message

_HEARD_BY_ALL = "auth.user_updated.v1"
_LETTERS = "/api/v1/messages/dead-letters"
_TIMEOUT = 30


class Accidents:
    """Lets them happen, and says what has happened, in a sentence."""

    def __init__(self, run: Run, company: Company, office: Office) -> None:
        """Take the running system and who works there."""
        self._run = run
        self._company = company
        self._office = office
        self._admin = company.admin
        #: The ids of those who were blocked.
        self.blocked: frozenset[str] = frozenset()
        #: The id of whom no letter reaches.
        self.unreachable: str | None = None
        self._happens: Mapping[Accident, Callable[[], str]] = MappingProxyType(
            {
                Accident.WRONG_ADDRESS: self._mistype_an_address,
                Accident.FOREIGN_MESSAGE: self._send_a_foreign_message,
                Accident.SOMEBODY_IS_BLOCKED: self._block_somebody,
                Accident.EVENT_AGAINST_ITS_SCHEMA: self._send_an_event_against_its_schema,
                Accident.EVENT_THAT_IS_REFUSED: self._send_an_event_that_is_refused,
            }
        )

    def happen(self, accident: Accident) -> str:
        """Let it happen. Raises DeployError if it does not."""
        return self._happens[accident]()

    def mend_those_of_the_last_month(self) -> int:
        """Give wrong addresses back what they were and send their letters again; return how many there were."""
        users = self._admin.everything("auth", "/api/v1/users")
        wrong = [user for user in users if right_address(user["email"]) != user["email"]]
        for user in wrong:
            changes = {"email": right_address(user["email"])}
            self._admin.ask("PATCH", "auth", f"/api/v1/users/{user['id']}", json=changes)
            for payout in self._admin.everything("billing", "/api/v1/payouts", user_id=user["id"]):
                if payout["letter"] == "failed":
                    self._admin.ask("POST", "billing", f"/api/v1/payouts/{payout['id']}/letter")
        return len(wrong)

    def attempts_to_reach(self) -> int | None:
        """Return how often a letter to the unreachable was tried; None once one was given up, or if there is none."""
        payouts = self._admin.get("billing", "/api/v1/payouts", user_id=self.unreachable)["items"]
        pending = [payout["attempts"] for payout in payouts if payout["letter"] == "pending"]
        given_up = any(payout["letter"] == "failed" for payout in payouts)
        return None if given_up else max(pending, default=None)

    def _mistype_an_address(self) -> str:
        """Of whoever would be paid most tonight: then there is a letter to be sent."""
        balances = {
            one["user_id"]: one["balance_cents"] for one in self._admin.everything("billing", "/api/v1/accounts")
        }
        person = max(self._company.joined, key=lambda one: balances.get(one.id, 0))
        changes = {"email": wrong_address(address(person.beak.stem))}
        self._admin.ask("PATCH", "auth", f"/api/v1/users/{person.id}", json=changes)
        self.unreachable = person.id
        return f"{person.name} has got an e-mail address that no letter can bear."

    def _block_somebody(self) -> str:
        """The one with the most to do."""
        has: dict[str, int] = {}
        for task in self._office.open_tasks():
            has[task["assignee"]["id"]] = has.get(task["assignee"]["id"], 0) + 1
        popugs = [one for one in self._company.joined if one.role == "popug" and one.id != self.unreachable]
        victim = max(popugs, key=lambda one: has.get(one.id, 0))
        self._admin.ask("POST", "auth", f"/api/v1/users/{victim.id}/block")
        self.blocked |= {victim.id}
        until("the tasks of a blocked parrot had gone to others", lambda: self._has_nothing_to_do(victim) or None)
        return f"{victim.name} was blocked: {has.get(victim.id, 0)} tasks went to others, the account was closed."

    def _has_nothing_to_do(self, person: Person) -> bool:
        tasks = self._admin.get("tracker", "/api/v1/tasks", assignee=person.id, status="open")
        account = self._admin.get("billing", f"/api/v1/accounts/{person.id}")
        return not tasks["items"] and account["status"] == "closed"

    def _send_a_foreign_message(self) -> str:
        """As an operator does who tries out the form in RabbitMQ's console."""
        dead = {service: self._dead_letters(service) for service in CONSUMING_SERVICES}
        rabbitmq = self._run.rabbitmq
        properties = {"content_type": "text/plain", "message_id": str(uuid4()), "delivery_mode": 2}
        answer = requests.post(
            f"{rabbitmq['management']}/api/exchanges/{VHOST}/{EXCHANGE}/publish",
            auth=(rabbitmq["user"], rabbitmq["password"]),
            json={
                "routing_key": _HEARD_BY_ALL,
                "properties": properties,
                "payload": "Чик-чирик, проверка связи",
                "payload_encoding": "string",
            },
            timeout=_TIMEOUT,
        )
        if not answer.ok:
            raise DeployError(f"RabbitMQ does not take a message: {answer.text}")
        self._wait_for_dead_letters(dead)
        return "Somebody tried out RabbitMQ's console: each service that listened has a dead letter."

    def _send_an_event_against_its_schema(self) -> str:
        dead = {service: self._dead_letters(service) for service in CONSUMING_SERVICES}
        self._send(Event.new(_HEARD_BY_ALL, subject=str(uuid4()), sequence=1, data={"beak": "crooked"}))
        self._wait_for_dead_letters(dead)
        return "Users sent an event that does not fit its schema: dead letters again, and nobody stumbled."

    def _send_an_event_that_is_refused(self) -> str:
        """A task that is done was given to somebody else, says an event: billing has charged that assignment before."""
        task = until("a task was done", self._any_done_task)
        other = next(one for one in self._company.workers.values() if one.id != task["assignee"]["id"])
        data = {
            "task_id": task["id"],
            "assignee_id": other.id,
            "assignment_no": task["assignment_no"],
            "reassignment_id": None,
            "assigned_at": task["completed_at"],
        }
        dead = {"billing": self._dead_letters("billing")}
        self._send(Event.new("tracker.task_assigned.v1", subject=task["id"], sequence=1, data=data))
        self._wait_for_dead_letters(dead)
        return "Tasks told of an assignment twice, with two parrots: billing refused to charge the second."

    def _any_done_task(self) -> Any:
        done = self._admin.get("tracker", "/api/v1/tasks", scope="all", status="done", limit=1)
        return next(iter(done["items"]), None)

    def _send(self, event: Event) -> None:
        """Send it over a connection of its producer's user: from anybody else nobody would believe it."""
        variable = f"{event.producer.upper()}_AMQP_URL"
        url = service_environment(self._run, event.producer)[variable]
        publisher = RabbitBroker(url, name="demonstration").publisher()
        message = Message(
            1, EXCHANGE, event.type, event.to_bytes(), CONTENT_TYPE, message_id=str(event.id), type=event.type
        )
        try:
            if not publisher.wait_until_connected(_TIMEOUT):
                raise DeployError(f"RabbitMQ lets nobody in: {publisher.obstacle()}")
            publisher.send([message])
            until("RabbitMQ took an event", lambda: publisher.outcomes(1) or None)
        finally:
            publisher.close()

    def _dead_letters(self, service: str) -> int:
        count: int = self._admin.get(service, f"{_LETTERS}/count")["open"]
        return count

    def _wait_for_dead_letters(self, before: Mapping[str, int]) -> None:
        for service, count in before.items():
            until(f"{service} had a dead letter", partial(self._has_more_dead_letters, service, count))

    def _has_more_dead_letters(self, service: str, than: int) -> bool | None:
        return self._dead_letters(service) > than or None
