"""A consumer writes down how its queue stands, for those who do not speak to the broker."""

import pytest

from messaging import Backlog, backlog, consumer_backlog
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import sold
from tests.waiting import eventually


def seen(house: House) -> Backlog | None:
    with house.sessions.begin() as session:
        return consumer_backlog(session)


def test_the_queue_is_looked_at_while_the_consumer_works_and_not_after(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "EVERY", 0.1)
    assert seen(house) is None
    house.consumer()
    eventually(lambda: (found := seen(house)) is not None and found.consumers == 1)
    house.stop_last()
    last = seen(house)
    house.send_raw(sold(1).to_bytes())
    assert last is not None
    assert seen(house) == last
