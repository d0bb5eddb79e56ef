"""`./ates replay`: what it does, and what it refuses in words, before anything is changed."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from deploy.settings import SERVICES
from messaging import publish
from messaging.replay.pause import begin
from tests.integration.operator_house import Replayer, at_work, registered

#: Published by auth.
PEOPLE = 5


@pytest.fixture(scope="module")
def replayer(migrated: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayer]:
    settings = {service: migrated(service, broker=True) for service in SERVICES}
    with at_work(tmp_path_factory.mktemp("state"), settings) as operator:
        with operator.databases["auth"].transaction() as session:
            for _ in range(PEOPLE):
                publish(session, registered())
        yield Replayer(operator)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False), done
    return done.stderr


def test_a_service_is_rebuilt_after_a_question_with_the_users_of_its_own_and_of_the_producers(
    replayer: Replayer,
) -> None:
    assert "Aborted" in refusal(replayer.ates("--to", "analytics", "--rebuild", answer="n\n"))
    assert replayer.known_people() == 0
    done = replayer.ates("--to", "analytics", "--rebuild", answer="y\n")
    assert done.returncode == 0, done.stderr
    assert f"from {PEOPLE} events" in done.stderr
    assert f"{PEOPLE} done" in done.stdout
    assert replayer.known_people() == PEOPLE


def test_only_what_is_asked_for_is_sent(replayer: Replayer) -> None:
    events = ("--event", "auth.user_blocked", "--event", "auth.user_registered", "--json")
    assert json.loads(replayer.ates("--to", "tracker", *events).stdout)["sent"] == {"auth": PEOPLE}
    assert json.loads(replayer.service("tracker", *events, "--since", "2999-01-01").stdout)["sent"] == {}


def test_a_service_that_knows_more_than_events_tell_is_not_rebuilt(replayer: Replayer) -> None:
    assert "billing cannot be rebuilt" in refusal(replayer.service("billing", "--rebuild", "--yes"))


def test_a_replay_that_was_cut_short_can_be_given_up_once(replayer: Replayer) -> None:
    with replayer.databases["analytics"].transaction() as session:
        begin(session, "cut short")
    assert "Given up" in replayer.service("analytics", "--abandon").stdout
    assert not replayer.is_paused()
    assert "no replay to this service is under way" in refusal(replayer.service("analytics", "--abandon"))
    with replayer.databases["analytics"].transaction() as session:
        begin(session, "cut short")
    given_up = replayer.service("analytics", "--abandon", "--json").stdout
    assert json.loads(given_up) == {"service": "analytics", "abandoned": True}


def test_events_that_are_not_kept_any_more_keep_one_from_forgetting_what_they_told(replayer: Replayer) -> None:
    with replayer.databases["auth"].transaction() as session:
        session.execute(text("UPDATE relay_progress SET published_total = 3"))
    refused = replayer.service("analytics", "--rebuild", "--yes")
    assert "3 events of auth are not kept any more" in refusal(refused)
    assert not replayer.is_paused()
    done = replayer.service("analytics", "--rebuild", "--yes", "--incomplete")
    assert done.returncode == 0, done.stderr
