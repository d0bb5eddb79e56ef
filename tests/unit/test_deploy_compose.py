"""docker-compose.yml says the same as `make up` does."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from chassis.settings import load_settings
from deploy.compose import compose
from deploy.processes import process_names
from deploy.servers.postgres import SETTINGS
from deploy.settings import REPOSITORY, SERVICES

PROCESSES = [name for kind in ("web", "relay", "consumer", "scheduler") for name in process_names(kind)]


def composed(**environment: str) -> dict[str, Any]:
    """The services of the file with every `${NAME:-default}` replaced by what the environment says, or its default."""
    text = (REPOSITORY / "docker-compose.yml").read_text()
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: environment.get(*found.groups()), text)
    found: dict[str, Any] = yaml.safe_load(filled)["services"]
    return found


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    return composed()


def told(container: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in container.get("environment", {}).items()}


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_has_a_container_that_can_read_its_settings(containers: dict[str, Any], name: str) -> None:
    service, _, kind = name.partition(".")
    container = containers[f"{service}-{kind}"]
    assert container["command"] == ["python", "-m", f"{service}_service", kind]
    settings = load_settings(service, told(container))
    assert settings.port == SERVICES[service]
    assert settings.host == "0.0.0.0"  # noqa: S104 -- inside the container; outside it is 127.0.0.1
    assert not [name for name in told(container) if "OWNER" in name]


def test_every_variable_about_traces_that_the_operator_reads_of_gets_into_the_containers() -> None:
    page = (REPOSITORY / "docs" / "operation.md").read_text()
    given = {name: f"the {name}" for name in re.findall(r"\bOTEL_\w+", page)}
    assert len(given) > 1
    containers = composed(**given)
    for name in PROCESSES:
        assert given.items() <= told(containers[name.replace(".", "-")]).items()


def test_no_two_processes_answer_probes_on_the_same_port(containers: dict[str, Any]) -> None:
    ports = [
        told(container)["ATES_HEALTH_PORT"]
        for container in containers.values()
        if "ATES_HEALTH_PORT" in told(container)
    ]
    assert len(ports) == len(set(ports)) == len(PROCESSES) - len(SERVICES)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_container_is_healthy_when_its_process_says_so(containers: dict[str, Any], name: str) -> None:
    container = containers[name.replace(".", "-")]
    service, _, kind = name.partition(".")
    port, page = (SERVICES[service], "readyz") if kind == "web" else (told(container)["ATES_HEALTH_PORT"], "livez")
    assert container["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/{page}"


def test_postgres_lets_go_of_lost_clients_and_keeps_values_out_of_its_log_as_under_make_up(
    containers: dict[str, Any],
) -> None:
    given = dict(word.removeprefix("-c").split("=") for word in containers["postgres"]["command"][1:])
    wanted = {name: value for name, value in SETTINGS.items() if name.startswith(("tcp_", "log_min", "log_error"))}
    assert len(wanted) == 6
    assert wanted.items() <= given.items()


def test_somebody_makes_again_what_is_deleted_in_rabbitmq(containers: dict[str, Any]) -> None:
    container = containers["topology"]
    assert container["command"] == ["python", "-m", "deploy.compose", "topology"]
    assert "ATES_RABBITMQ_URL" in told(container)


def test_nothing_is_reached_from_other_machines(containers: dict[str, Any]) -> None:
    published = [port for container in containers.values() for port in container.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_whoever_is_waited_for_exists_and_can_be_healthy(containers: dict[str, Any]) -> None:
    for container in containers.values():
        for name, how in container.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in containers[name]


def test_the_definitions_have_the_passwords_of_the_urls(
    containers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in told(containers["definitions"]).items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "definitions.json"
    result = CliRunner().invoke(compose, ["definitions", str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    written = json.loads(file.read_text())
    assert [user["name"] for user in written["users"]] == ["ates", *SERVICES]
    assert written["vhosts"] == [{"name": "ates"}]


def test_the_setup_knows_the_owners_and_everything_that_seeding_needs(containers: dict[str, Any]) -> None:
    variables = told(containers["databases"])
    for service in SERVICES:
        load_settings(service, variables)
        assert variables[f"{service.upper()}_OWNER_DATABASE_URL"].endswith(f"/ates_{service}")
    assert variables["ATES_POSTGRES_URL"].startswith("postgresql://postgres:")


def is_let_into_the_image(name: str) -> bool:
    """Read .dockerignore as Docker does: the last pattern that fits decides."""
    patterns = (REPOSITORY / ".dockerignore").read_text().split()
    decisive = [pattern for pattern in patterns if fnmatchcase(name, pattern.removeprefix("!"))][-1:]
    return decisive == [] or decisive[0].startswith("!")


def test_the_image_has_every_package_that_a_container_runs_and_nothing_private() -> None:
    assert "\nCOPY . .\n" in (REPOSITORY / "Dockerfile").read_text()
    for package in ("messaging", "chassis", "deploy", "event_schemas", *(f"{name}_service" for name in SERVICES)):
        assert is_let_into_the_image(package), package
    for private in (".env", ".git", "var", ".venv", "tests"):
        assert not is_let_into_the_image(private), private
