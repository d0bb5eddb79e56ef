"""Each role may use its own REST endpoints of billing and no others."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.billing_house import (
    DAY,
    NOON,
    ONE_DAY,
    Api,
    House,
    someone,
    user,
)

ROLES = ("popug", "boss", "accountant", "manager", "admin")


READS_OF_OTHERS = ["/accounts/{other}", "/accounts/{other}/entries", "/payouts?user_id={other}"]


READS_OF_ALL = ["/accounts", "/income", "/days", "/days/2026-11-21", "/days/2026-11-21/statements"]


OWN = ["/accounts/me", "/accounts/{me}", "/accounts/me/entries", "/accounts/{me}/entries", "/payouts"]


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


@pytest.fixture
def admin(house: House) -> Api:
    return house.api(house.person("admin", "Ara"))


@pytest.mark.parametrize("role", ROLES)
def test_who_may_see_what(house: House, role: str) -> None:
    me, other = house.person(role), house.person()
    api = house.api(me)
    sees_all = role in ("accountant", "admin")
    for path in OWN:
        assert api.get(path.format(me=me)).status_code == 200, path
    for path in [*READS_OF_OTHERS, *READS_OF_ALL]:
        assert api.get(path.format(other=other)).status_code == (200 if sees_all else 403), path
    assert api.get(f"/prices?task_ids={someone()}").status_code == 200
    assert api.get("/pricing-rules").status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_change_anything(house: House, role: str) -> None:
    me, other = house.person(role), house.person()
    api = house.api(me)
    rules = {"fee_min_cents": 1, "fee_max_cents": 2, "reward_min_cents": 3, "reward_max_cents": 4}
    correction = {"amount_cents": 1, "note": "a gift"}
    allowed = role == "admin"
    assert api.put("/pricing-rules", rules).status_code == (200 if allowed else 403)
    assert api.post(f"/accounts/{other}/corrections", correction).status_code == (201 if allowed else 403)
    assert api.post(f"/days/{DAY}/close").status_code == (200 if allowed else 403)


def test_without_a_token_nobody_sees_anything(house: House) -> None:
    client = house.app.test_client()
    for path in ("/accounts/me", "/accounts", "/prices", "/pricing-rules", "/income", "/days", "/payouts"):
        assert client.get(f"/api/v1{path}").status_code == 401, path


def test_the_blocked_are_shut_out_with_a_token_that_has_not_expired(house: House) -> None:
    rio = house.person()
    api = house.api(rio)
    assert api.get("/accounts/me").status_code == 200
    house.handle(user(rio, sequence=2, status="blocked"))
    assert api.get("/accounts/me").status_code == 401


def test_payouts_of_others_are_not_among_ones_own(house: House, admin: Api) -> None:
    rio, kea = house.person(), house.person(name="Kea")
    house.post(rio, 100)
    house.post(kea, 200)
    house.close(DAY, at=NOON)
    (own,) = house.api(rio).get("/payouts").json["items"]
    assert (own["user_id"], own["amount_cents"], own["day"]) == (str(rio), 100, str(DAY))
    assert (own["status"], own["letter"]) == ("made", "pending")
    assert len(admin.get("/payouts").json["items"]) == 2
    assert [item["name"] for item in admin.get(f"/payouts?day={DAY}&user_id={kea}").json["items"]] == ["Kea"]
    assert admin.get(f"/payouts?day={DAY - ONE_DAY}").json["items"] == []
