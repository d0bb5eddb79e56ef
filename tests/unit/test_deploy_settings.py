"""What the environment says about a copy of the system, what is kept in files, and what processes are told."""

import json
import re
import stat
from pathlib import Path

import pytest

from deploy.databases import ServiceDatabase
from deploy.errors import DeployError
from deploy.files import write_atomically
from deploy.processes import Access, all_process_names, environment, has_web_server, migration, process, process_names
from deploy.run_file import Run, read_run, run_file, targets_file, write_run, write_targets
from deploy.secrets import Secrets
from deploy.settings import REPOSITORY, SERVICES, Deployment, load_deployment

ACCESS = {
    service: Access(
        ServiceDatabase(
            f"postgresql://{service}_owner@h/ates_{service}", f"postgresql://{service}_app@h/ates_{service}"
        ),
        f"amqp://{service}@h/ates",
        f"key-of-{service}",
    )
    for service in SERVICES
}


def deployment(**variables: str) -> Deployment:
    return load_deployment({"PATH": "/usr/bin", **variables})


def test_without_a_word_from_the_environment_the_ports_are_those_of_the_contract() -> None:
    promised = {
        "ATES_PORT_AUTH": 8001,
        "ATES_PORT_TRACKER": 8002,
        "ATES_PORT_BILLING": 8003,
        "ATES_PORT_ANALYTICS": 8004,
        "ATES_PG_PORT": 5433,
        "ATES_AMQP_PORT": 5672,
        "ATES_RABBITMQ_MANAGEMENT_PORT": 15672,
    }
    assert promised.items() <= deployment().ports.items()
    assert len(deployment().ports) == len(SERVICES) + 3
    assert deployment().state_dir == REPOSITORY / "var"


@pytest.mark.parametrize("value", ["eighty", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused_by_the_name_of_its_variable(value: str) -> None:
    with pytest.raises(DeployError, match=f"ATES_PORT_BILLING is '{value}'"):
        deployment(ATES_PORT_BILLING=value)


def test_an_empty_variable_means_the_default() -> None:
    assert deployment(ATES_PG_PORT="").postgres_port == 5433


def test_every_variable_of_the_environment_stands_in_the_example_with_its_default() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    defaults = dict(re.findall(r"^(\w+)=(.*)$", example, flags=re.MULTILINE))
    assert load_deployment(defaults).ports == deployment().ports
    assert load_deployment(defaults).state_dir == deployment().state_dir
    assert set(deployment().ports) <= set(defaults)


def test_a_password_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = Secrets(file).get("tracker.app")
    assert Secrets(file).get("tracker.app") == first
    assert Secrets(file).get("billing.app") != first
    assert len(first) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_passwords_that_cannot_be_read_are_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{half")
    with pytest.raises(DeployError, match=r"secrets\.json"):
        Secrets(tmp_path / "secrets.json")


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_atomically(file, "old")
    with file.open() as reader:
        write_atomically(file, "new")
        assert reader.read() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_the_run_file_has_the_keys_of_the_contract_and_is_private(tmp_path: Path) -> None:
    run = Run(
        services={"auth": "http://127.0.0.1:8001"},
        rabbitmq={"amqp": "a", "management": "m", "user": "u", "password": "p"},
        databases={"auth": "postgresql://o@h/d"},
        processes=[{"name": "postgres", "pid": 1}],
        people=[{"id": "1", "name": "Клюв", "email": "e", "role": "admin", "beak": "b.png"}],
    )
    write_run(tmp_path, run)
    assert set(json.loads(run_file(tmp_path).read_text())) == {
        "services",
        "rabbitmq",
        "databases",
        "processes",
        "people",
        "restarts",
        "ending_again_and_again",
    }
    assert stat.S_IMODE(run_file(tmp_path).stat().st_mode) == 0o600
    assert read_run(deployment(ATES_STATE_DIR=str(tmp_path))) == run


def test_who_asks_for_a_system_that_does_not_run_is_told_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="make up"):
        read_run(deployment(ATES_STATE_DIR=str(tmp_path)))


def test_the_table_of_processes_is_complete() -> None:
    for kind in ("web", "relay"):
        assert process_names(kind) == [f"{service}.{kind}" for service in SERVICES]
    assert process_names("consumer") == [f"{service}.consumer" for service in SERVICES if service != "auth"]
    every = {f"{service}.{kind}" for service in SERVICES for kind in ("web", "relay", "consumer")} - {"auth.consumer"}
    assert set(all_process_names(deployment())) == every
    with_standbys = all_process_names(deployment(ATES_RELAY_STANDBYS="1"))
    assert set(with_standbys) == every | {f"{service}.relay-standby" for service in SERVICES}


def test_a_flag_that_is_neither_0_nor_1_is_refused_by_the_name_of_its_variable() -> None:
    with pytest.raises(DeployError, match="ATES_RELAY_STANDBYS is 'yes'"):
        deployment(ATES_RELAY_STANDBYS="yes")


def test_a_process_knows_the_secrets_of_its_own_service_alone_and_never_the_owner() -> None:
    program = process(deployment(), ACCESS, "tracker.web")
    told = dict(program.environment)
    assert told["TRACKER_DATABASE_URL"].startswith("postgresql://tracker_app@")
    assert told["ATES_PORT_BILLING"] == "8003"
    assert Path(told["ATES_STATE_DIR"]).is_absolute()
    assert not [name for name in told if name.startswith(("AUTH_", "BILLING_", "ANALYTICS_"))]
    assert "TRACKER_OWNER_DATABASE_URL" not in told
    assert program.command[-2:] == ("tracker_service", "web")


def test_a_process_answers_probes_on_a_port_of_its_own_or_as_a_web_server() -> None:
    left_over = deployment(ATES_HEALTH_PORT="9")
    relay = process(left_over, ACCESS, "tracker.relay", health_port=20_001)
    assert relay.environment["ATES_HEALTH_PORT"] == "20001"
    assert "ATES_HEALTH_PORT" not in process(left_over, ACCESS, "tracker.web").environment
    assert [name for name in ("tracker.web", "tracker.relay-standby") if has_web_server(name)] == ["tracker.web"]


def test_prometheus_is_told_where_each_process_of_ours_is(tmp_path: Path) -> None:
    write_targets(tmp_path, {"a.relay": "http://127.0.0.1:20001"})
    told = json.loads(targets_file(tmp_path).read_text())
    assert told == [{"targets": ["127.0.0.1:20001"], "labels": {"instance": "a.relay"}}]


def test_migrations_run_as_the_owner() -> None:
    told = migration(deployment(), ACCESS, "billing").environment
    assert told["BILLING_OWNER_DATABASE_URL"].startswith("postgresql://billing_owner@")


def test_a_process_is_told_no_secrets_of_others_such_as_those_of_docker_compose_in_the_same_file() -> None:
    given = {
        "POSTGRES_PASSWORD": "x",
        "BILLING_SECRET_KEY": "x",
        "BILLING_AMQP_URL": "x",
        "AUTH_OWNER_DATABASE_URL": "x",
    }
    assert not given.keys() & environment(deployment(**given), "tracker", ACCESS["tracker"]).keys()


def test_a_database_url_left_over_in_the_environment_does_not_lead_a_process_astray() -> None:
    told = environment(deployment(TRACKER_DATABASE_URL="postgresql://elsewhere/x"), "tracker", ACCESS["tracker"])
    assert told["TRACKER_DATABASE_URL"] == ACCESS["tracker"].database.app_url
