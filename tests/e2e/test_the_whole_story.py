"""The whole business, once through, over real processes by REST: every cent is checked."""

import json
import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.settings import REPOSITORY
from tests.e2e.audit import check_events, check_money, check_replicas, contents, under_way
from tests.e2e.load import Load
from tests.e2e.parrots import Parrot, company
from tests.waiting import PATIENCE, eventually

#: Sent to make alone, which does not pass it on.
ENDED_BY = signal.SIGINT


@pytest.fixture(scope="module")
def parrots(system: dict[str, Any]) -> dict[str, Parrot]:
    return company(system)


@pytest.fixture(scope="module")
def ates(system: dict[str, Any]) -> Callable[..., Any]:
    """Gives commands to the system and returns what they answer."""
    environment = os.environ | {"ATES_STATE_DIR": str(Path(system["people"][0]["beak"]).parents[1])}

    def run(*words: str) -> Any:
        done = subprocess.run(["./ates", *words, "--json"], cwd=REPOSITORY, env=environment, capture_output=True)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    return run


def of_role(parrots: dict[str, Parrot], role: str) -> Parrot:
    return next(parrot for parrot in parrots.values() if parrot.role == role)


def current(parrots: dict[str, Parrot], ids: list[str]) -> dict[str, Any]:
    manager = of_role(parrots, "manager")
    return {task["id"]: task for task in manager.everything("tracker", "/api/v1/tasks", ids=",".join(ids))}


def test_from_the_first_beak_to_the_payout_every_cent_is_right(
    system: dict[str, Any], parrots: dict[str, Parrot]
) -> None:
    admin, manager, worker = (of_role(parrots, role) for role in ("admin", "manager", "popug"))
    accountant = of_role(parrots, "accountant")
    expected: dict[str, int] = defaultdict(int)  # cents by user
    charged: list[tuple[str, str]] = []  # (task, assignee) for each assignment

    # Tasks fall on random parrots, never on managers or admins.
    created = [
        worker.post("tracker", "/api/v1/tasks", {"title": f"Polish perch {n}", "jira_id": f"POPUG-{n}"}, expect=201)
        for n in range(6)
    ]
    ids = [task["id"] for task in created]
    charged += [(task["id"], task["assignee"]["id"]) for task in created]
    assert all(task["status"] == "open" and task["assignment_no"] == 1 for task in created)
    assert not {parrots[assignee].role for _, assignee in charged} & {"manager", "admin"}

    # Billing prices each of them; the tracker shows the prices.
    priced = eventually(
        lambda: (tasks := current(parrots, ids)) and all(t.get("fee_cents") for t in tasks.values()) and tasks,
        timeout=PATIENCE,
    )
    prices = {task["id"]: (task["fee_cents"], task["reward_cents"]) for task in priced.values()}
    assert all(1000 <= fee <= 2000 and 2000 <= reward <= 4000 for fee, reward in prices.values())
    asked = worker.get("billing", "/api/v1/prices", task_ids=",".join(ids))
    found = asked["items"] if isinstance(asked, dict) else asked
    assert {p["task_id"]: (p["fee_cents"], p["reward_cents"]) for p in found} == prices

    # Two are completed by whom they fell on; nobody completes somebody else's, and nothing twice.
    for task in created[:2]:
        owner = parrots[task["assignee"]["id"]]
        other = next(p for p in parrots.values() if p.id != owner.id and p.role == "popug")
        assert other.ask("POST", "tracker", f"/api/v1/tasks/{task['id']}/complete").status_code == 403
        assert owner.post("tracker", f"/api/v1/tasks/{task['id']}/complete")["status"] == "done"
        assert owner.ask("POST", "tracker", f"/api/v1/tasks/{task['id']}/complete").status_code == 409
        expected[owner.id] += prices[task["id"]][1]

    # The manager reassigns all open tasks, twice; a worker may not. Each assignment is charged.
    assert worker.ask("POST", "tracker", "/api/v1/reassignments").status_code == 403

    def once_finished(where: str) -> Any:
        found = manager.get("tracker", where)
        return found["status"] == "finished" and found

    for run in (2, 3):
        answer = manager.ask("POST", "tracker", "/api/v1/reassignments")
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
        finished = eventually(partial(once_finished, location))
        assert finished["total"] == finished["done"] == 4
        now = current(parrots, ids)
        assert all(now[task_id]["assignment_no"] == run for task_id in ids[2:])
        charged += [(task_id, now[task_id]["assignee"]["id"]) for task_id in ids[2:]]
    for task_id, assignee in charged:
        expected[assignee] -= prices[task_id][0]

    # Everybody's balance is what that makes, to the cent.
    def balances() -> dict[str, int]:
        accounts = accountant.everything("billing", "/api/v1/accounts")
        return {account["user_id"]: account["balance_cents"] for account in accounts}

    eventually(lambda: balances() == {user: expected[user] for user in parrots})
    fees = sum(prices[task_id][0] for task_id, _ in charged)
    rewards = sum(prices[task_id][1] for task_id in ids[:2])
    (today,) = accountant.get("billing", "/api/v1/income")["items"][-1:]
    assert (today["fees_cents"], today["rewards_cents"], today["income_cents"]) == (fees, rewards, fees - rewards)

    # The log of each account adds up to its balance and names task and cause.
    for parrot in parrots.values():
        entries = list(parrot.everything("billing", "/api/v1/accounts/me/entries"))
        assert sum(entry["amount_cents"] for entry in entries) == expected[parrot.id]
        assert all(entry["task"]["title"].startswith("Polish perch") and entry["cause_event_id"] for entry in entries)
    assert worker.ask("GET", "billing", f"/api/v1/accounts/{admin.id}").status_code == 403
    assert worker.ask("GET", "billing", "/api/v1/income").status_code == 403

    # Analytics says the same, from events alone, and says it to admins only.
    negative = sum(1 for cents in expected.values() if cents < 0)
    figures = {"day": today["day"], "income_cents": fees - rewards, "negative_accounts": negative}
    eventually(lambda: admin.get("analytics", "/api/v1/today").items() >= figures.items())
    assert worker.ask("GET", "analytics", "/api/v1/today").status_code == 403
    dearest = max(prices[task_id][1] for task_id in ids[:2])
    eventually(
        lambda: (
            [
                item["reward_cents"]
                for item in admin.get(
                    "analytics", "/api/v1/top-tasks", period="day", **{"from": today["day"], "to": today["day"]}
                )["items"]
            ]
            == [dearest]
        ),
        timeout=PATIENCE,
    )

    # The day is closed: who is above zero is paid and gets a letter, debts are carried.
    assert accountant.ask("POST", "billing", f"/api/v1/days/{today['day']}/close").status_code == 403
    closed = admin.post("billing", f"/api/v1/days/{today['day']}/close")
    assert closed["status"] == "closed"
    assert admin.post("billing", f"/api/v1/days/{today['day']}/close") == closed
    paid = {user: cents for user, cents in expected.items() if cents > 0}
    payouts = list(accountant.everything("billing", "/api/v1/payouts", day=today["day"]))
    assert {payout["user_id"]: payout["amount_cents"] for payout in payouts} == paid
    assert balances() == {user: min(0, expected[user]) for user in parrots}
    eventually(
        lambda: (
            {payout["letter"] for payout in accountant.everything("billing", "/api/v1/payouts", day=today["day"])}
            <= {"sent"}
        ),
        timeout=PATIENCE,
    )
    letters = list((Path(system["people"][0]["beak"]).parents[1] / "letters").glob("*.eml"))
    assert len(letters) == len(paid)

    # The report of the day adds up, for everyone and in total.
    report = accountant.get("billing", f"/api/v1/days/{today['day']}")
    for line in [*report["accounts"], report["totals"]]:
        assert (
            line["opening_cents"] + line["rewards_cents"] - line["fees_cents"] - line["payout_cents"]
            == line["closing_cents"]
        )

    # What happens after the close belongs to the next day.
    late = worker.post("tracker", "/api/v1/tasks", {"title": "Late perch"}, expect=201)
    late_owner = parrots[late["assignee"]["id"]]
    entry = eventually(
        lambda: next(
            (
                e
                for e in late_owner.everything("billing", "/api/v1/accounts/me/entries", day=next_day(today["day"]))
                if e["task"]["id"] == late["id"]
            ),
            None,
        ),
        timeout=PATIENCE,
    )
    assert entry["kind"] == "fee"
    eventually(lambda: admin.get("analytics", "/api/v1/reconciliation")["agrees"])


def next_day(day: str) -> str:
    from datetime import date, timedelta

    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def test_bad_input_gets_an_error_that_names_the_field_and_changes_nothing(parrots: dict[str, Parrot]) -> None:
    worker = of_role(parrots, "popug")
    before = worker.get("tracker", "/api/v1/tasks", assignee="me")
    for body in ({"title": "[POPUG-1] Feed"}, {"title": ""}, {}, {"title": "a", "surprise": 1}):
        answer = worker.ask("POST", "tracker", "/api/v1/tasks", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json()["errors"]
    assert worker.get("tracker", "/api/v1/tasks", assignee="me") == before


def test_without_a_token_or_with_a_wrong_one_nobody_gets_in(parrots: dict[str, Parrot]) -> None:
    worker = of_role(parrots, "popug")
    paths = {
        "auth": "/api/v1/me",
        "tracker": "/api/v1/tasks",
        "billing": "/api/v1/accounts/me",
        "analytics": "/api/v1/today",
    }
    for service, path in paths.items():
        for token in ("", "nonsense", worker.token[:-4] + "AAAA"):
            answer = worker.ask("GET", service, path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401, (service, answer.text)
            assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_whoever_is_blocked_is_shut_out_everywhere_and_gets_rid_of_the_tasks(
    system: dict[str, Any], parrots: dict[str, Parrot]
) -> None:
    admin = of_role(parrots, "admin")
    victim = [p for p in parrots.values() if p.role == "popug"][-1]
    headers = {"Authorization": f"Bearer {victim.token}"}
    admin.post("auth", f"/api/v1/users/{victim.id}/block")

    def is_refused(service: str, path: str) -> bool:
        return victim.ask("GET", service, path, headers=headers).status_code == 401

    for service, path in (("tracker", "/api/v1/tasks"), ("billing", "/api/v1/accounts/me"), ("auth", "/api/v1/me")):
        eventually(partial(is_refused, service, path))
    eventually(
        lambda: admin.get("tracker", "/api/v1/tasks", assignee=victim.id, status="open")["items"] == [],
        timeout=PATIENCE,
    )
    account = eventually(
        lambda: (a := admin.get("billing", f"/api/v1/accounts/{victim.id}"))["status"] == "closed" and a,
        timeout=PATIENCE,
    )
    assert account["balance_cents"] <= 0
    admin.post("auth", f"/api/v1/users/{victim.id}/unblock")
    for service, path in (("tracker", "/api/v1/tasks"), ("billing", "/api/v1/accounts/me"), ("auth", "/api/v1/me")):
        assert is_refused(service, path)  # what was given out before the block stays dead


def test_the_operator_brings_people_in_and_finds_the_money_right(
    ates: Callable[..., Any], parrots: dict[str, Parrot], tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    file.write_text('[{"external_id": "hr-1", "name": "Newcomer", "email": "new@x.example", "role": "popug"}]')
    assert ates("users", "import", str(file)) == {"created": 1, "updated": 0, "unchanged": 0}
    accountant = of_role(parrots, "accountant")
    eventually(
        lambda: "Newcomer" in {account["name"] for account in accountant.everything("billing", "/api/v1/accounts")},
        timeout=PATIENCE,
    )
    assert ates("verify", "--wait", str(PATIENCE)) == {
        "balances": True,
        "problems": [],
        "agrees": True,
        "differences": [],
        "lost": [],
        "on_the_way": [],
    }


def test_analytics_is_rebuilt_by_one_command_to_the_same_figures_while_everybody_works(
    system: dict[str, Any], ates: Callable[..., Any]
) -> None:
    def at_rest() -> bool:
        return under_way(system) == []

    eventually(at_rest)
    before = contents(system, "analytics")
    report = ates("replay", "--to", "analytics", "--rebuild", "--yes")
    assert report["outcomes"] == {"done": sum(report["sent"].values())}
    assert contents(system, "analytics") == before

    with Load(system) as load:
        eventually(lambda: load.accepted.completed)
        ates("replay", "--to", "analytics", "--rebuild", "--yes")
    assert load.faults == []
    eventually(at_rest)
    check_events(system)
    check_replicas(system)
    check_money(system)
    assert before["movements"] < contents(system, "analytics")["movements"]
