"""Letters that a person has sent once more: by hand, by REST, from the page and by the command line."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from billing_service.mail import DeliveryUnknown, Letter, MailError, NotDelivered
from tests.integration.billing_house import DAY, NOON, House, operator, someone, user
from tests.integration.billing_letters import Box, letters, paid, send, send_again


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


def payout_id(house: House) -> UUID:
    ((found,),) = house.rows("SELECT id FROM payouts")
    return UUID(str(found))


@pytest.mark.parametrize("failure", [None, DeliveryUnknown("broke off"), NotDelivered("mailbox full")])
def test_whatever_became_of_a_letter_it_is_sent_again_by_hand_to_the_present_address(
    house: House, failure: MailError | None
) -> None:
    rio, post = someone(), Box(failure)
    house.post_to_new(rio, 100)
    house.close(DAY, at=NOON)
    assert send(house, post)
    house.handle(user(rio, sequence=2, name="Kea", kind="user_updated"))
    post.failure = None
    for _ in range(2):
        send_again(house)
    assert send(house, post)
    assert not send(house, post)
    assert post.letters[-1].address == "kea@uberpopug.example"
    assert letters(house) == [("sent", 1)]


def test_a_letter_that_a_sender_has_at_the_moment_is_left_to_it(house: House) -> None:
    paid(house, 100)

    class Asked(Box):
        def deliver(self, letter: Letter) -> None:
            send_again(house)
            super().deliver(letter)

    post = Asked()
    assert send(house, post)
    assert not send(house, post)
    assert letters(house) == [("sent", 1)]


def test_an_operator_has_all_letters_of_unknown_fate_sent_again(house: House) -> None:
    paid(house, 100, 200)
    post = Box(DeliveryUnknown("broke off"))
    assert send(house, post)
    assert send(house, post)
    assert json.loads(operator(house, "send-letters-again", "failed").stdout) == {"letters": 0}
    assert json.loads(operator(house, "send-letters-again", "unknown").stdout) == {"letters": 2}
    assert letters(house) == [("pending", 0), ("pending", 0)]


@pytest.mark.parametrize(("role", "status"), [("popug", 403), ("manager", 403), ("accountant", 202), ("admin", 202)])
def test_accountants_and_administrators_have_a_letter_sent_again(house: House, role: str, status: int) -> None:
    paid(house, 100)
    send(house, Box(DeliveryUnknown("broke off")))
    api = house.api(house.person(role))
    (unknown,) = house.api(house.person("admin")).get("/payouts").json["items"]
    assert unknown["letter"] == "unknown"
    answer = api.post(f"/payouts/{payout_id(house)}/letter")
    assert answer.status_code == status
    assert api.post(f"/payouts/{someone()}/letter").status_code == (404 if status == 202 else 403)
    if status == 202:
        assert (answer.json["id"], answer.json["letter"]) == (unknown["id"], "pending")
        assert send(house, Box())


def test_the_page_of_a_letter_of_unknown_fate_says_so_and_has_a_button(house: House) -> None:
    paid(house, 100)
    send(house, Box(DeliveryUnknown("broke off")))
    address = f"/payouts/{payout_id(house)}"
    browser = house.browser(house.person("accountant"))
    page = browser.get(f"{address}?lang=en").text
    assert "It may have arrived" in page
    assert "Send again" in page
    assert "The letter will be sent again." in browser.post(f"{address}/letter", follow_redirects=True).text
    assert "Send again" not in browser.get(address).text
    assert send(house, Box())
