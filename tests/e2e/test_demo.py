"""`make demo` against a running system: a short month, interrupted, and gone on with."""

import os
import signal
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from deploy.settings import REPOSITORY, SERVICES
from tests.e2e.companies import observer
from tests.e2e.parrots import Parrot
from tests.e2e.running import RunningSystem

pytestmark = pytest.mark.soak

_DAYS, _PEOPLE = 3, 6


@pytest.fixture(scope="module")
def admin(system: dict[str, Any]) -> Parrot:
    return Parrot(system, observer(system, "admin"))


def demo(running_system: RunningSystem, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-u", "-m", "deploy.demo", *words],
        cwd=REPOSITORY,
        env=os.environ | {"ATES_STATE_DIR": str(running_system.state_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def short_month(running_system: RunningSystem) -> str:
    process = demo(running_system, "--days", str(_DAYS), "--people", str(_PEOPLE))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def clocks(admin: Parrot) -> list[int]:
    return [admin.get(service, "/api/v1/clock")["ahead_seconds"] for service in SERVICES]


def test_a_month_passes_and_the_books_balance(running_system: RunningSystem, admin: Parrot) -> None:
    before = datetime.fromisoformat(admin.get("billing", "/api/v1/clock")["now"])
    output = short_month(running_system)
    for told in ("The books balance.", "Analytics agrees.", "Every event has arrived.", "What to look at"):
        assert told in output
    after = datetime.fromisoformat(admin.get("billing", "/api/v1/clock")["now"])
    assert (after.date() - before.date()).days == _DAYS
    assert len(set(clocks(admin))) == 1
    days = {item["day"]: item["status"] for item in admin.get("billing", "/api/v1/days")["items"]}
    assert [days[day] for day in sorted(days)][-_DAYS - 1 :] == ["closed"] * _DAYS + ["open"]


def test_there_is_something_of_everything_to_look_at(system: dict[str, Any], admin: Parrot) -> None:
    accounts = list(admin.everything("billing", "/api/v1/accounts"))
    assert any(account["balance_cents"] < 0 for account in accounts)
    assert any(account["status"] == "closed" for account in accounts)
    reasons = {letter["reason"] for letter in admin.everything("billing", "/api/v1/messages/dead-letters")}
    assert {"wrong-content-type", "schema-invalid"} < reasons
    assert len(reasons) == 3
    assert len(list(admin.everything("auth", "/api/v1/users"))) == len(system["people"]) + _PEOPLE


def test_it_can_be_interrupted_and_goes_on_from_there(running_system: RunningSystem, admin: Parrot) -> None:
    process = demo(running_system, "--days", "30", "--people", str(_PEOPLE))
    assert process.stdout is not None
    told = next(line for line in process.stdout if "income" in line)  # the first day is over
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate()
    assert process.returncode == 130, told + rest
    assert len(set(clocks(admin))) == 1
    assert "The books balance." in short_month(running_system)


def test_nobody_is_there_twice_after_it_ran_again(system: dict[str, Any], admin: Parrot) -> None:
    users = list(admin.everything("auth", "/api/v1/users"))
    assert len(users) == len({user["name"] for user in users}) == len(system["people"]) + _PEOPLE
    assert [user["status"] for user in users].count("blocked") == 1
    wrong = [user for user in users if user["email"].startswith("=?")]
    assert len(wrong) == 1
