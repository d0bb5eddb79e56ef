"""People from outside: what a file is taken for, and what it makes of everybody together."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, func, select

from auth_service import commands
from auth_service.demo.parrot import draw_parrot
from auth_service.errors import UnreadableImport
from auth_service.models import User
from auth_service.queries import BeakMemory
from chassis.errors import Busy
from tests.integration.auth_house import House

HEADER = "external_id,name,email,role\n"
WITH_STATUS = "external_id,name,email,role,status\n"


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def import_text(house: House, text: str, *, json_format: bool = False) -> dict[str, int]:
    rows = commands.read_import(text, json_format=json_format)
    with house.database.transaction() as session:
        return commands.import_users(session, rows)


def people(house: House) -> dict[str | None, User]:
    """Everybody by external id."""
    with house.database.reading() as session:
        return {user.external_id: user for user in session.scalars(select(User))}


def told(house: House, external_id: str) -> list[tuple[str, int]]:
    """Name and sequence of the events about somebody."""
    return house.of_user(people(house)[external_id].id)


def enrol(house: House, external_id: str) -> None:
    """Give somebody who was imported a beak."""
    user_id, descriptor = people(house)[external_id].id, commands.look_at(draw_parrot(external_id), "image/png")
    with house.database.transaction() as session:
        commands.enrol_beak(session, BeakMemory(), user_id, descriptor)


def test_an_import_creates_updates_and_can_be_repeated(house: House) -> None:
    text = HEADER + "hr-1,Кеша,kesha@x.example,popug\nhr-2,Гоша,gosha@x.example,boss\n"
    assert import_text(house, text) == {"created": 2, "updated": 0, "unchanged": 0}
    assert import_text(house, text) == {"created": 0, "updated": 0, "unchanged": 2}
    rows = [
        {"external_id": "hr-1", "name": "Кеша", "email": "kesha@x.example", "role": "manager", "status": "blocked"},
        {"external_id": "hr-3", "name": "Ара", "email": "ara@x.example", "role": "popug"},
    ]
    assert import_text(house, json.dumps(rows), json_format=True) == {"created": 1, "updated": 1, "unchanged": 0}
    with house.database.reading() as session:
        kesha = session.scalars(select(User).where(User.external_id == "hr-1")).one()
    assert (kesha.role, kesha.status) == ("manager", "blocked")
    assert house.of_user(kesha.id) == [("user_registered", 1), ("user_role_changed", 2), ("user_blocked", 3)]
    assert house.published("user_registered")[-1].data["external_id"] == "hr-3"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEADER + "hr-1,Кеша,kesha@x.example,popug\nhr-1,Гоша,gosha@x.example,boss\n", "row 2"),
        (HEADER + "hr-1,,kesha@x.example,popug\n", "row 1"),
        (HEADER + ",Кеша,kesha@x.example,popug\n", "row 1"),
        (HEADER + "hr-1,Кеша,kesha@x.example\n", "row 1"),
        (HEADER + "hr-1,Кеша,kesha@x.example,king\n", "row 1"),
        (HEADER + "hr-1,Кеша,kesha@x.example,popug\nhr-2,К,KESHA@x.example,boss\n", "row 2"),
        ("id,name\n1,Кеша\n", "file"),
        (HEADER + "hr-1,\u200b,kesha@x.example,popug\n", "row 1"),
        (WITH_STATUS + "hr-1,Кеша,kesha@x.example,popug,gone\n", "row 1"),
    ],
)
def test_an_import_with_a_fault_imports_nothing_and_names_the_row(house: House, text: str, where: str) -> None:
    with pytest.raises(UnreadableImport) as refused:
        import_text(house, text)
    assert where in (refused.value.errors or {})
    with house.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"external_id": 1}]'])
def test_json_that_is_no_list_of_users_is_refused(text: str) -> None:
    with pytest.raises(UnreadableImport):
        commands.read_import(text, json_format=True)


def test_what_is_no_csv_is_refused() -> None:
    with pytest.raises(UnreadableImport):
        commands.read_import('external_id,name\n"a"b,c\n', json_format=False)


@pytest.mark.parametrize("text", ["", "\n\n", HEADER, "[]"])
def test_a_file_with_nobody_in_it_is_a_mistake(text: str) -> None:
    with pytest.raises(UnreadableImport) as refused:
        commands.read_import(text, json_format=text == "[]")
    assert refused.value.errors == {"file": ["There is nobody in this file."]}


@pytest.mark.parametrize("text", ["[" * 100_000, f'[{{"external_id": {"9" * 5_000}}}]'])
def test_json_beyond_all_limits_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UnreadableImport) as refused:
        commands.read_import(text, json_format=True)
    assert list(refused.value.errors or {}) == ["file"]


def test_columns_may_be_separated_by_semicolons(house: House) -> None:
    text = f'{WITH_STATUS.replace(",", ";")}hr-1;"Кеша, Иннокентий";kesha@x.example;popug;\n'
    assert import_text(house, text) == {"created": 1, "updated": 0, "unchanged": 0}
    assert people(house)["hr-1"].name == "Кеша, Иннокентий"


def test_an_empty_status_means_active_and_a_missing_one_leaves_it_as_it_is(house: House) -> None:
    row = "hr-1,Кеша,kesha@x.example,popug"
    import_text(house, f"{WITH_STATUS}{row},blocked\n")
    assert import_text(house, f"{HEADER}{row}\n") == {"created": 0, "updated": 0, "unchanged": 1}
    assert people(house)["hr-1"].status == "blocked"
    import_text(house, f"{WITH_STATUS}{row},\n")
    assert people(house)["hr-1"].status == "active"
    assert told(house, "hr-1") == [("user_registered", 1), ("user_blocked", 2), ("user_unblocked", 3)]


def test_two_people_swap_their_addresses(house: House) -> None:
    import_text(house, HEADER + "hr-1,Кеша,a@x.example,popug\nhr-2,Гоша,b@x.example,popug\n")
    swapped = HEADER + "hr-1,Кеша,b@x.example,popug\nhr-2,Гоша,A@x.example,popug\n"
    assert import_text(house, swapped) == {"created": 0, "updated": 2, "unchanged": 0}
    assert [people(house)[key].email for key in ("hr-1", "hr-2")] == ["b@x.example", "A@x.example"]
    assert sorted(each.data["email"] for each in house.published("user_updated")) == ["A@x.example", "b@x.example"]


def test_an_address_is_handed_to_somebody_in_an_earlier_row(house: House) -> None:
    import_text(house, HEADER + "hr-1,Кеша,a@x.example,popug\n")
    handed = HEADER + "hr-2,Гоша,a@x.example,popug\nhr-1,Кеша,c@x.example,popug\n"
    assert import_text(house, handed) == {"created": 1, "updated": 1, "unchanged": 0}
    assert [people(house)[key].email for key in ("hr-1", "hr-2")] == ["c@x.example", "a@x.example"]


def test_an_address_of_somebody_who_is_not_in_the_file_is_refused_by_row(house: House) -> None:
    import_text(house, HEADER + "hr-1,Кеша,a@x.example,popug\n")
    with pytest.raises(UnreadableImport) as refused:
        import_text(house, HEADER + "hr-2,Гоша,b@x.example,popug\nhr-3,Ара,A@x.example,popug\n")
    assert list(refused.value.errors or {}) == ["row 2"]
    assert set(people(house)) == {None, "hr-1"}


def test_an_administrator_is_replaced_in_one_file_and_one_always_stays(house: House) -> None:
    import_text(house, HEADER + "hr-1,Кеша,a@x.example,admin\nhr-2,Гоша,b@x.example,popug\n")
    enrol(house, "hr-1")
    enrol(house, "hr-2")
    with house.database.transaction() as session:
        commands.update_user(session, house.root, role="popug")
    replaced = HEADER + "hr-1,Кеша,a@x.example,popug\nhr-2,Гоша,b@x.example,admin\n"
    assert import_text(house, replaced) == {"created": 0, "updated": 2, "unchanged": 0}
    with pytest.raises(UnreadableImport) as refused:
        import_text(house, HEADER + "hr-2,Гоша,b@x.example,popug\n")
    assert list(refused.value.errors or {}) == ["file"]
    assert people(house)["hr-2"].role == "admin"


def test_nobody_waits_for_an_import_of_others(house: House) -> None:
    other, root = house.person("gosha"), house.api()
    rows = commands.read_import(HEADER + "hr-1,Кеша,a@x.example,popug\n", json_format=False)
    with house.database.transaction() as session:
        commands.import_users(session, rows)
        assert root.post(f"/users/{other}/block").status_code == 200  # before the import is committed
    assert set(people(house)) == {None, "hr-1"}


def test_an_import_that_takes_an_administrator_away_does_not_wait_with_users_locked(house: House) -> None:
    other = house.person("gosha")
    import_text(house, HEADER + "hr-1,Кеша,a@x.example,admin\n")
    rows = commands.read_import(HEADER + "hr-1,Кеша,a@x.example,popug\n", json_format=False)
    with house.database.transaction() as blocking:
        commands.block_user(blocking, other)
        with pytest.raises(Busy), house.database.transaction() as importing:
            commands.import_users(importing, rows)
    assert people(house)["hr-1"].role == "admin"


def test_thousands_are_imported_in_a_few_statements(house: House) -> None:
    rows = [f"hr-{number},Popug {number},popug{number}@x.example,popug" for number in range(2_000)]
    statements: list[str] = []
    event.listen(house.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert import_text(house, HEADER + "\n".join(rows))["created"] == 2_000
    assert len(statements) < 30
