"""Whether a process has started, as `make up` asks it."""

import json

import pytest
import requests

from chassis.conditions import WAITING_FOR_PERSON
from deploy.readiness import Readiness


def answer(status: int, doing: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = json.dumps({"status": "any", "doing": doing}).encode()
    return made


@pytest.mark.parametrize(
    ("status", "doing", "started"),
    [
        (200, "running jobs", True),
        (503, "waiting for the database", False),
        (503, f"{WAITING_FOR_PERSON}: 4 days would be closed at once", True),
        (503, f"waiting for the broker; {WAITING_FOR_PERSON}: 4 days would be closed at once", False),
    ],
)
def test_a_process_that_waits_for_a_person_has_started(
    monkeypatch: pytest.MonkeyPatch, status: int, doing: str, started: bool
) -> None:
    monkeypatch.setattr(requests, "get", lambda *_, **__: answer(status, doing))
    assert Readiness(lambda name: f"http://{name}").is_ready("billing.consumer") is started


@pytest.mark.parametrize("body", [b"", b"<h1>Bad Gateway</h1>", b"[]", b"null", b'{"status": "any"}'])
def test_an_answer_that_is_not_that_of_a_probe_is_that_of_nobody_ready(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    made = answer(502, "")
    made._content = body
    monkeypatch.setattr(requests, "get", lambda *_, **__: made)
    assert not Readiness(lambda name: f"http://{name}").is_ready("billing.consumer")
