"""Where users come from: the demo company, imports, and the migrations they rest on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from auth_service.demo.parrot import draw_parrot
from auth_service.demo.people import PEOPLE
from auth_service.demo.seed import seed, shut_out
from auth_service.models import Base
from chassis.scheduled_jobs import metadata as jobs_metadata
from messaging.tables import metadata as messaging_metadata
from tests.integration.auth_house import House

HEADER = "external_id,name,email,role\n"


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def test_the_models_are_what_the_migrations_make(house: House) -> None:
    with house.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, [Base.metadata, messaging_metadata, jobs_metadata]) == []  # type: ignore[arg-type]


def test_the_demo_company_is_registered_once_and_every_photo_signs_in(house: House) -> None:
    people = seed(house.settings, house.database)
    assert len(people) == len(PEOPLE) == 12
    assert {person["role"] for person in people} == {"popug", "boss", "accountant", "manager", "admin"}
    events = len(house.published())
    for person in people:
        answer = house.show(Path(person["beak"]).read_bytes())
        assert answer.json["user"]["id"] == person["id"]
    assert seed(house.settings, house.database) == people
    assert len(house.published("user_registered")) == 1 + len(people)
    assert events == 1 + len(people)


def test_the_seed_leaves_alone_what_was_changed_since_and_draws_a_lost_photo_again(house: House) -> None:
    kesha = next(person for person in seed(house.settings, house.database) if "kesha" in person["beak"])
    house.api().patch(f"/users/{kesha['id']}", {"name": "Кеша", "role": "boss"})
    Path(kesha["beak"]).unlink()
    again = next(person for person in seed(house.settings, house.database) if person["id"] == kesha["id"])
    assert (again["name"], again["role"]) == ("Кеша", "boss")
    assert house.show(Path(again["beak"]).read_bytes()).status_code == 200


@pytest.mark.slow
def test_where_there_is_no_demo_nobody_gets_in_whom_the_program_can_draw(house: House) -> None:
    """Of a demo company from before, only who has shown a beak of their own stays known."""
    people = {Path(person["beak"]).stem: person for person in seed(house.settings, house.database)}
    photo = draw_parrot("the real Kesha")
    assert house.api().put_photo(f"/users/{people['kesha']['id']}/beak", photo).status_code == 204
    earlier = house.show_beak("arseny").json["access_token"]  # so the running service has seen all these beaks
    shut_out(house.database)
    assert house.app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {earlier}"}).status_code == 401
    for key in people:
        assert house.show_beak(key).json["type"] == "urn:ates:problem:unknown-beak"
    assert house.show(photo).json["user"]["id"] == people["kesha"]["id"]
    seed(house.settings, house.database)
    assert house.show_beak("arseny").json["user"]["id"] == people["arseny"]["id"]


def test_a_beak_that_was_drawn_in_the_place_of_one_that_was_taken_is_withdrawn_as_well(house: House) -> None:
    stranger = house.person("stranger", beak=False)
    assert house.api().put_photo(f"/users/{stranger}/beak", draw_parrot("kesha")).status_code == 204
    kesha = next(person for person in seed(house.settings, house.database) if "kesha" in person["beak"])
    assert house.show_beak("kesha/2").json["user"]["id"] == kesha["id"]
    shut_out(house.database)
    assert house.show_beak("kesha/2").status_code == 401
    assert house.show_beak("kesha").json["user"]["id"] == str(stranger)


def test_the_operator_seeds_and_imports_by_the_command_line(house: House, tmp_path: Path) -> None:
    given = house.settings
    environment = os.environ | {
        "AUTH_DATABASE_URL": given.database_url,
        "AUTH_AMQP_URL": given.amqp_url,
        "AUTH_SECRET_KEY": given.secret_key,
        "ATES_STATE_DIR": str(tmp_path),
    }

    def run(*arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "auth_service", *arguments]
        return subprocess.run(command, env=environment | told, capture_output=True, text=True, check=False)

    assert json.loads(run("seed", ATES_DEMO="0").stdout) == []
    assert house.show_beak("arseny").status_code == 401
    seeded = run("seed", ATES_DEMO="1")
    assert seeded.returncode == 0, seeded.stderr
    assert len(json.loads(seeded.stdout)) == len(PEOPLE)
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "hr-1,Кеша,kesha@x.example,popug\n", encoding="utf-8-sig")
    assert json.loads(run("import-users", str(file)).stdout) == {"created": 1, "updated": 0, "unchanged": 0}
    file.write_text(HEADER + "hr-1,,kesha@x.example,popug\n", encoding="utf-8")
    refused = run("import-users", str(file))
    assert refused.returncode == 1
    assert "row 1: A user needs a name." in refused.stderr
